/* A dataset while it is being read. A format's reader says what the label files say, with the place of each
 * statement; assemble.c then looks at the images and judges, the same way for every format. */
#ifndef DATASET_DRAFT_H
#define DATASET_DRAFT_H

#include "core/fs.h"
#include "dataset/dataset.h"

#define LIMIT_LABEL_BYTES (16u << 20)         /* one YOLO or VOC file, data.yaml, a list */
#define LIMIT_ANNOTATIONS_BYTES (1024u << 20) /* one COCO file */
#define LIMIT_CLASSES 10000
#define LIMIT_DEFECTS 10000 /* stored; all are counted */

/* A box as its file says it. */
struct draft_box {
    int class_id;
    bool is_pixel;         /* else fractions of the image */
    double x1, y1, x2, y2; /* finite */
    const char *file;      /* where it is said, relative to the dataset folder */
    unsigned line;         /* 0 = unknown */
    const char *note;      /* put before messages: "annotation 17: " or "" */
    struct draft_box *next;
};

struct draft_image {
    const char *name;    /* relative to the dataset folder */
    unsigned parts;      /* bit 1 << PART_x for each part that names it; 0 = none does */
    int said_w, said_h;  /* pixels by the label file; 0 = it does not say */
    const char *said_by; /* that label file */
    struct draft_box *boxes, **tail;
    int n_boxes;
    int w, h; /* the real size; 0 = the image cannot be used */
};

struct draft {
    const char *folder;
    enum dataset_format format;
    struct arena *keep;       /* the caller's: what the dataset will point to */
    struct arena scratch;     /* what dies with the draft */
    struct fs_entry *entries; /* sorted by path */
    size_t n_entries;
    int *image_of_entry; /* [n_entries]; -1 = none */
    struct draft_image *images;
    int n_images, cap_images;
    const char **classes;
    int n_classes, cap_classes;
    bool split_is_named; /* some file or folder name says which images validate */
    struct defect *defects;
    int n_defects, cap_defects, n_errors, n_warnings;
};

void draft_free(struct draft *d);

/* One thing that is wrong. `file` is kept; the text is copied. */
void draft_error(struct draft *d, const char *file, unsigned line, const char *fmt, ...) PRINTF_LIKE(4, 5);
void draft_warning(struct draft *d, const char *file, unsigned line, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* An error message of another module that may start with "file:line: "; that prefix becomes the defect's place. */
void draft_failure(struct draft *d, const char *file, const char *message);

/* Reads a file of the dataset into `a`; false = a defect was added (unreadable, too large, a Git LFS pointer). */
bool draft_read(struct draft *d, const char *name, size_t max_bytes, struct arena *a, struct str *out);

/* Index of the entry with this path, -1 if there is none. */
long draft_find(const struct draft *d, const char *path);
bool draft_has_file(const struct draft *d, const char *path);
/* `path` as a file or list would say it, seen from `folder` (relative to the dataset, "" = its root): without "." and
 * "..". NULL when it is absolute or leaves the dataset. Lives in scratch. */
char *draft_resolve(struct draft *d, const char *folder, const char *path);

/* The image with this name, made at first use; NULL when the dataset has no such file. Valid until the next call. */
struct draft_image *draft_image(struct draft *d, const char *name);
/* All images of the folder, each with the part that its folders' names say: for datasets without lists. */
void draft_take_all_images(struct draft *d);
/* Copies b to the end of the image's list. */
void draft_add_box(struct draft *d, struct draft_image *im, struct draft_box b);
/* Id of a new class. */
int draft_add_class(struct draft *d, const char *name);

bool path_is_image(const char *path);                        /* by extension; unsupported image formats too */
bool path_has_ext(const char *path, const char *ext);        /* without regard to case */
const char *path_tail(const char *path, const char *folder); /* the rest of `path` below `folder`, or NULL */
/* The part that a word of the path names (train, val, valid, validation, test...): 1 << PART_x, or 0. With
 * in_base_name the file's own name is searched for such a word too. */
unsigned path_parts(const char *path, bool in_base_name);

/* Whether this is the text of a Git LFS pointer. */
bool is_lfs_pointer(struct str text);
/* Whether `path` is a .dvc stub whose data is not there (entries sorted by path). */
bool is_dvc_stub(const struct fs_entry *entries, size_t n, const char *path);

/* The readers: everything in the folder that is of this format, with its defects, goes into the draft. */
void yolo_read(struct draft *d);
void coco_read(struct draft *d);
void voc_read(struct draft *d);
/* What auto sees in the folder: looks at names and at the beginning of candidate files. */
enum dataset_format format_detect(struct draft *d);
const char *yolo_find_config(struct draft *d); /* the data.yaml, or NULL */
/* The beginning of a file for a look at what it is, NUL-terminated text in scratch; "" when it cannot be read. */
const char *draft_head(struct draft *d, const char *name);
/* Calls the reader of d->format. */
void format_read(struct draft *d);
bool coco_is_annotations(struct draft *d, const char *name);
bool voc_is_annotation(struct draft *d, const char *name);

/* Sizes of all images, read and checked to their end on the pool; an error for each that cannot be used. */
void draft_probe(struct draft *d, struct pool *pool);
/* The image's boxes as labels, in keep; returns how many. Drops and cuts with a warning each. */
int draft_labels(struct draft *d, const struct draft_image *im, struct label **out);
/* Probes, turns boxes into labels, splits, counts, judges; fills `out`. */
void draft_assemble(struct draft *d, const struct dataset_options *o, struct pool *pool, struct dataset *out);

/* By file, line, text: the order in which defects are shown. */
void defects_sort(struct defect *defects, int n);
/* "name: rest" without the name that the defect carries anyway. */
const char *defect_text(const char *name, const char *message);

#endif

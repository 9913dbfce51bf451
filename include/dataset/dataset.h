/* A dataset as retrain sees it, whatever format it came in: images with labels, classes, a training and a
 * validation part, and everything that is wrong with it.
 *
 *     struct dataset d;
 *     if (!dataset_scan(&options, pool, &arena, &d, e)) ...   // I/O trouble only; defects are data
 *     if (d.n_errors) ...                                     // list them, exit 3
 * All memory is the arena's. */
#ifndef DATASET_DATASET_H
#define DATASET_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "core/thread.h"
#include "image/box.h"

enum dataset_format { DATASET_AUTO, DATASET_YOLO, DATASET_COCO, DATASET_VOC };
const char *dataset_format_name(enum dataset_format f);

enum dataset_part { PART_TRAIN, PART_VAL, PART_TEST };

struct sample {
    const char *path; /* file to open: folder joined with name */
    const char *name; /* relative to the dataset folder, '/' separators: for messages and hashing */
    int w, h;         /* pixels after EXIF rotation */
    struct label *labels;
    int n_labels;
    enum dataset_part part;
};

/* One thing that is wrong, at a place. Errors stop a run; warnings say what was done about it. */
struct defect {
    bool is_error;
    const char *file; /* relative to the dataset folder */
    unsigned line;    /* 1-based; 0 = the whole file */
    const char *what; /* "class 7 is out of range 0..2: correct the id or add the name to data.yaml" */
};

struct dataset_options {
    const char *folder; /* as the user named it, openable */
    enum dataset_format format;
    float val_fraction; /* used only when the dataset names no validation part */
};

struct dataset {
    enum dataset_format format;
    const char **classes; /* unique, in id order */
    int n_classes;
    struct sample *samples; /* sorted by name */
    int n_samples, n_train, n_val, n_test;
    long n_boxes;
    long *boxes_per_class, *images_per_class; /* [n_classes] */
    int n_background;       /* images without a box */
    bool split_is_named;    /* the dataset names its validation part; else split by hash of the stem */
    struct defect *defects; /* sorted by file, line */
    int n_defects, n_errors, n_warnings;
};

/* Reads labels and image headers (images are decoded later, when cached). False only when the folder cannot be read
 * (ERR_DATA or ERR_INTERNAL); every defect of the data itself is listed in out->defects. pool may be NULL. */
MUST_CHECK bool dataset_scan(const struct dataset_options *o, struct pool *pool, struct arena *a, struct dataset *out,
                             struct error *e);

/* Decodes every image once (on the pool) and adds a defect for each that fails; for `check`. */
void dataset_decode_all(struct dataset *d, struct pool *pool, struct arena *a);

/* Which part a file's stem falls in when the dataset names none: the first 8 bytes of SHA-256(stem), big-endian,
 * divided by 2^64, below val_fraction means validation. Adding images never moves an old one. */
enum dataset_part dataset_split(const char *stem, float val_fraction);

/* The manifest: one line per dataset file, "sha256-hex  path\n", sorted by path bytes; exactly what
 *   find . -type f -not -path '*\/.*' -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum
 * prints inside the folder. Its SHA-256 is the dataset checksum. Hashing runs on the pool. ERR_DATA: symbolic link
 * inside, path with newline or backslash, Git LFS pointer, .dvc stub, no files; each message says what to do. */
struct manifest {
    const char *text;
    size_t n;
    char checksum[65];
    int n_files;
    uint64_t n_bytes;
};
MUST_CHECK bool dataset_manifest(const char *folder, struct pool *pool, struct arena *a, struct manifest *out, struct error *e);

#endif

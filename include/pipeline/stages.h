/* The pipeline's calls into the training engine: train, evaluate, export, predict. */
#ifndef PIPELINE_STAGES_H
#define PIPELINE_STAGES_H

#include "detector/map.h"
#include "pipeline/job.h"
#include "report/report.h"
#include "train/train.h"

struct model;     /* detector/model.h */
struct predictor; /* detector/predict.h */
struct kernels;   /* nn/kernels.h */

struct trained {
    struct model *model;
    struct epoch_row *rows;     /* one per epoch, over all jobs of this version */
    int n_rows, best_epoch;     /* 1-based; 0 = none */
    struct metrics best, last;  /* on the held-back images by the strict rule; `best` belongs to what is published */
    struct metrics best_classic, best_coco, best_square; /* by the other rules; on square input */
    const struct kernels *engine_kernels;
    int epochs;     /* wanted, or chosen for `epochs: auto` */
    int jobs_left;  /* that a training which is not finished still takes; 0 = nobody can say */
    double seconds; /* training time over all jobs */
    double images_per_second;
    const char *kernels; /* "avx512": the kernel set that ran */
    bool is_unfinished;  /* the budget ended or a stop came: the checkpoint is at j->checkpoint_path */
};

struct train_options stage_options(const struct job *j); /* without budget and hooks */

/* Trains j->dataset, going on from j->checkpoint_path if that file is there; writes it every checkpoint-every, at a
 * stop and before j->budget ends, and hands it to j->keeper. Ends with the model to publish in `out`.
 * ERR_DIVERGED: the loss is not finite. */
MUST_CHECK bool stage_train(struct job *j, struct trained *out, struct error *e);
/* Measures the model on the held-back images and leaves the figures in t->best. */
MUST_CHECK bool stage_evaluate(struct job *j, struct trained *t, struct error *e);
/* Writes model.onnx and model.safetensors, as configured (the latter also with_weights), into `dir`; appends them to
 * artifacts[*n]. */
MUST_CHECK bool stage_export(struct job *j, const struct trained *t, const char *dir, bool with_weights,
                             struct artifact *artifacts, size_t *n, struct error *e);
/* A few held-back photos with what the model says, for the report. */
MUST_CHECK bool stage_photos(struct job *j, const struct trained *t, struct report_photo **out, int *n,
                             struct error *e);
void stage_free(struct trained *t); /* safe on zero */

/* The kernels that the options ask for. */
MUST_CHECK bool stage_kernels(const struct job *j, struct kernels *k, struct error *e);

/* A model file opened for `eval` and `predict`. */
struct loaded {
    struct model *model;
    const char *const *class_names;
    int n_classes, image_size;
    struct predictor *predictor;
};
/* model_place.c: model.safetensors, else model.onnx, of a version that this manifest describes, fetched and verified. */
MUST_CHECK bool model_fetch(struct job *j, const struct json *manifest, const char **path, struct error *e);
/* The file that `what` means: itself, model.safetensors of a folder, or of `latest` or a version in the
 * store, fetched and verified. */
MUST_CHECK bool model_place(struct job *j, const char *what, const char **path, struct error *e);
/* Plans for `batch` images at a time; 0 = as many as validation takes. */
MUST_CHECK bool stage_load(struct job *j, const char *path, int batch, struct loaded *out, struct error *e);
/* measure.c: on the part --part, with --confidence, --iou, --max-detections and --square. */
MUST_CHECK bool stage_measure(struct job *j, const struct loaded *m, struct metrics out[MAP_RULES], struct error *e);

struct predict_options {
    double confidence, iou;
    int max_detections;
};
struct answer {
    struct detection *all; /* [max_detections], the caller's; best first, pixels of the image as people see it */
    int n, w, h;           /* w, h: pixels, EXIF rotation applied */
    struct error error;    /* ERR_NONE = the image was read */
};
/* Detections in n images, at most `batch`. An image that cannot be read is told in its answer. False: a stop signal. */
MUST_CHECK bool stage_predict(const struct loaded *m, const char *const *paths, int n, const struct predict_options *o,
                              struct answer *out, struct error *e);
/* Is the loaded model (opened for a batch of 1) the trained one in memory: its weights to the bit, and the boxes it gives on a
 * photo? is_folded (ONNX: no BatchNorm any more): its best score, up to rounding. *n: how many boxes it gave. */
MUST_CHECK bool stage_agrees(struct job *j, const struct trained *t, const struct loaded *m, bool is_folded, const char *photo,
                             bool *agrees, int *n, struct error *e);
/* The model as what is published is measured (strict rule, rectangular input, its own image size), on the held-back images.
 * Its classes may be others than the dataset's: they are matched by name; out->per_class is in the model's order, and
 * classes that the dataset does not have got no boxes. */
MUST_CHECK bool stage_measure_held_back(struct job *j, const struct loaded *m, struct metrics *out, struct error *e);
void stage_unload(struct loaded *m); /* safe on zero */

#endif

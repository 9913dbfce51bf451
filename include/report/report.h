/* What people read after a run: a Markdown summary and one self-contained HTML page. Both treat class names, file
 * names and commit text as untrusted. */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "core/json.h"
#include "core/str.h"
#include "image/box.h"
#include "train/history.h"

/* A held-back photo with what the model says about it and what the labels say. */
struct report_photo {
    const char *path, *name;
    const struct detection *detections;
    int n_detections;
    const struct label *labels;
    int n_labels;
};

struct report {
    const char *status;   /* published, skipped, checkpointed, rejected, planned, failed; others are shown too */
    const char *headline; /* what happened, in one sentence; `code` in backticks */
    const char *next;     /* what to do next; NULL or "" = nothing */
    const char *passed;   /* steps of a smoke run: those that passed; NULL = it is none */
    const char *version, *store_url, *model_url;
    const char *next_url; /* page where the next job runs or is started; NULL or "" = none */
    const struct json *manifest; /* NULL when there is none (failures): dataset, recipe, metrics, training, artifacts */
    const struct json *previous; /* manifest of what latest.json named before, or NULL: metrics are compared with it */
    bool is_same_photos; /* the metrics of `previous` were measured on this run's held-back images */
    const char *notes;   /* plain sentences on how the figures came about; NULL or "" = none */
    const struct epoch_row *epochs;
    int n_epochs;
    int best_epoch;       /* 1-based; 0 = none */
    int epochs_planned;   /* 0 = unknown */
    int n_jobs;           /* that have trained, this one included; 0 = unknown */
    int n_jobs_left;      /* that training still takes; 0 = none, or unknown */
    double seconds_used, seconds_budget; /* of this job; 0 = not told */
    const struct report_photo *photos;
    int n_photos;
    int n_dataset_warnings;
};

/* Markdown: one table of the outcome (with the change against `previous`); folded below it, classes and artifacts. */
void report_markdown(const struct report *r, struct str_buf *out);
/* One HTML file, no external resources: curves as inline SVG, per-class table, photos with boxes as data URIs, light
 * and dark. At most 6 MB: photos are shrunk and dropped to fit. */
MUST_CHECK bool report_html(const struct report *r, struct str_buf *out, struct error *e);
/* "epoch,box_loss,cls_loss,dfl_loss,learning_rate,map50,map50_95,precision,recall,seconds,images_per_second\n..." */
void report_csv(const struct epoch_row *rows, int n, struct str_buf *out);
/* Reads what report_csv wrote, to its six digits. False = damaged. */
MUST_CHECK bool report_csv_read(struct str text, struct arena *a, struct epoch_row **rows, int *n);

#endif

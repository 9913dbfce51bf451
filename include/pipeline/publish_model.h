/* From a trained model to a published version: gate, files, manifest. */
#ifndef PIPELINE_PUBLISH_MODEL_H
#define PIPELINE_PUBLISH_MODEL_H

#include "pipeline/stages.h"

#define MAX_ARTIFACTS 8

/* publish_model.c: the model's files and report in the scratch folder, appended to artifacts[*n]. */
MUST_CHECK bool model_collect(struct job *j, const struct trained *t, const struct json *manifest,
                              struct artifact *artifacts, size_t *n, struct error *e);
/* The same files as they are, with model.safetensors whatever the option formats says. */
MUST_CHECK bool model_collect_refused(struct job *j, const struct trained *t, struct artifact *artifacts, size_t *n,
                                      struct error *e);
/* Publishes the model, clears its checkpoint and prunes; sets status, headline, outputs and the last report. Takes the
 * manifest over. */
MUST_CHECK bool publish_model(struct job *j, const struct trained *t, struct json *manifest, struct error *e);

/* manifest.json without its artifacts; owned by the caller. t may be NULL (no training yet). */
struct json *manifest_build(const struct job *j, const struct trained *t);

/* "metrics" of a manifest by one rule, with per_class; owned by the caller. names: [n_classes]. */
struct json *manifest_metrics(const struct metrics *m, const char *const *names, int n_classes);

/* retrain-report/{summary.md,report.html,metrics.csv} and j->summary, from the job's status and headline; the last
 * call wins. Reports never fail a run: trouble is a warning. t and manifest may be NULL. */
void report_write(struct job *j, const struct trained *t, const struct json *manifest);
/* The same for a version that is published: its report as it was published, with its photos and curves; a summary of now. */
void report_fetch(struct job *j, const struct json *manifest);
/* j->summary alone, of a command that leaves no files behind; manifest may be NULL. */
void report_summary(struct job *j, const struct json *manifest);

#endif

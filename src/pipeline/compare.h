/* The published model run again on today's held-back images, so that two models are compared on the same photos. */
#ifndef PIPELINE_COMPARE_H
#define PIPELINE_COMPARE_H

#include "pipeline/leakage.h"
#include "pipeline/stages.h"

struct comparison {
    const char *version; /* of the published model; NULL = there is none, or it is this very version */
    int n_classes;       /* that both know and that have boxes today: the means below are over them; 0 = not compared */
    bool is_partial;     /* the two models' classes are not the same */
    double before, before_50_95, now, now_50_95; /* mAP of the published model and of ours */
    struct leakage leakage; /* of the published model */
    const char *text;       /* what was compared, in plain sentences */
};

/* Reads latest.json anew, fetches its model, verified, and measures it by the rule of what is published. ours: our manifest
 * with its metrics. On success j->latest is the published version's manifest with today's figures. False: it could not be
 * compared, or (ERR_STOPPED) a signal came; never takes longer than the time budget allows. */
MUST_CHECK bool compare_with_latest(struct job *j, const struct trained *t, const struct json *ours, struct comparison *out,
                                    struct error *e);
/* Reckoned by the speed of training, which does more for each image; half a minute is always allowed. side_ratio: of the
 * published model's image size to ours. */
MUST_CHECK bool compare_has_time(int n_images, double images_per_second, double side_ratio, double left_s, struct error *e);
/* The mean AP over the classes that both lists ("per_class" of a manifest's metrics) name and that have boxes; out->n_classes: how many. */
void compare_classes(const struct json *theirs, const struct json *ours, struct comparison *out);

#endif

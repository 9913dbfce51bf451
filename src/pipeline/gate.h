/* The quality gate: is the trained model good enough to be what applications fetch? */
#ifndef PIPELINE_GATE_H
#define PIPELINE_GATE_H

#include "pipeline/compare.h"

/* ERR_GATE when map50 is below min-map50, or lower than the published model's by more than max-map50-drop; says both
 * figures. */
MUST_CHECK bool gate_check(const struct config *c, double map50, const struct comparison *x, struct error *e);

/* Compares with what latest.json names and decides. Writes "comparison" into our manifest, and what was compared into
 * j->notes. ERR_GATE: refused. ERR_STORE, ERR_NET: with a max-map50-drop below 1 there must be a comparison, and there is
 * none; without it that is a warning. */
MUST_CHECK bool gate_model(struct job *j, const struct trained *t, struct json *manifest, struct error *e);

#endif

/* What the two renderings share: figures out of the manifest, compared with the previous one, and their text. */
#ifndef REPORT_FACTS_H
#define REPORT_FACTS_H

#include <math.h>
#include <stdbool.h>

#include "report/report.h"

#define FACT_TEXT 64

/* The four headline metrics in the order in which they are shown. */
enum { FACT_MAP50, FACT_MAP50_95, FACT_PRECISION, FACT_RECALL, FACT_METRICS };

struct metric_fact {
    const char *label, *meaning;
    double value;    /* NAN = unknown */
    double previous; /* NAN = no previous model, or it does not say */
};

/* Fills m[FACT_METRICS] from the manifest; without one, from the best (else the last) epoch that was validated. */
void facts_metrics(const struct report *r, struct metric_fact m[FACT_METRICS]);
/* The published model that this one is compared with; NULL when there is none or it is this very version. */
const struct json *facts_previous(const struct report *r);
/* True when both manifests name a dataset and they differ: then the two figures come from different photos. */
bool facts_other_dataset(const struct report *r);
/* How the four figures were taken and what other rules give (plain text); false, and nothing, when the manifest does not say. */
bool facts_measured(const struct report *r, struct str_buf *out);
/* A class of the manifest, and its mAP50 in the previous one; NAN = unknown. */
struct class_fact {
    const char *name;
    double boxes, map50, map50_95, previous;
};
size_t facts_n_classes(const struct report *r);
struct class_fact facts_class(const struct report *r, size_t i);
/* A published file. */
struct file_fact {
    const char *name, *sha256;
    char size[FACT_TEXT];
};
size_t facts_n_files(const struct report *r);
struct file_fact facts_file(const struct report *r, size_t i);

/* NAN when the value is absent, null or not a number. */
double fact_number(const struct json *object, const char *key);
const char *fact_string(const struct json *object, const char *key); /* "" when absent */

/* Text of a figure; all write at most FACT_TEXT bytes and say "–" for what is not finite. */
void fact_score(double x, char out[FACT_TEXT]);        /* "0.843" */
void fact_change(double change, char out[FACT_TEXT]);  /* "+0.031", "±0.000", "−0.012" */
const char *fact_arrow(double change);                 /* "▲", "▼", "" ; by the three decimals that are shown */
void fact_size(double bytes, char out[FACT_TEXT]);     /* "6.2 MB" */
void fact_count(double n, char out[FACT_TEXT]);        /* "12 345" with thin separators */
void fact_duration(double seconds, char out[FACT_TEXT]);
void fact_plain(double x, char out[FACT_TEXT]);        /* shortest form: "0.01", "1e-05" */
/* A recipe's or any small value as text: strings as they are, numbers plain, others as JSON. */
void fact_value(const struct json *v, struct str_buf *out);

/* What training took of its initial weights: "283 tensors taken, 14 fresh"; "" when it began from none. */
void fact_transfer(const struct report *r, char out[FACT_TEXT]);

/* "✅", "⏭️" ... for the status; "" when unknown. */
const char *fact_icon(const char *status);

#endif

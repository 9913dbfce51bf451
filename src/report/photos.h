/* The held-back photos of the report: a shrunken JPEG as a data URI, and over it, as SVG, what the labels say (dashed)
 * and what the model says (solid, with name and score). */
#ifndef REPORT_PHOTOS_H
#define REPORT_PHOTOS_H

#include "report/report.h"

/* Appends as many photos as fit below max_bytes of out in all, larger where there is room; returns how many. A photo
 * that cannot be read is shown as a line that says why. class_names may be NULL (then ids are shown). */
int photos_html(const struct report_photo *photos, int n, const char *const *class_names, int n_classes,
                size_t max_bytes, struct str_buf *out);

#endif

/* Curves over epochs as inline SVG. No script: hovering a column shows the browser's own title with that epoch's
 * figures. Colours come from the page's CSS classes (.c0, .c1, ...), so that they follow light and dark. */
#ifndef REPORT_CURVES_H
#define REPORT_CURVES_H

#include "core/str.h"

#define CURVES_MAX 4 /* lines in one chart */

struct curve {
    const char *name; /* ours, not escaped */
    const float *y;   /* [n]; not finite = gap */
};

struct chart {
    const char *title, *y_label; /* ours, not escaped */
    const struct curve *curves;
    int n_curves;
    const int *epochs; /* [n], rising */
    int n;
    float y_max;       /* upper end of the axis; 0 = from the data */
    int marked_epoch;  /* a vertical mark with "best"; 0 = none */
};

void curves_svg(const struct chart *c, struct str_buf *out);

#endif

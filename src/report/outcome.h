/* The one table of a summary: what came out, of what, how, and what to do next. Private to the report. */
#ifndef REPORT_OUTCOME_H
#define REPORT_OUTCOME_H

#include "report/report.h"

enum outcome_kind {
    OUTCOME_TEXT,
    OUTCOME_STRONG,
    OUTCOME_CODE,  /* a key, a version, an address */
    OUTCOME_LINK,  /* a web address */
    OUTCOME_PROSE, /* text with `code` in it */
};

struct outcome_row {
    const char *label; /* ours, plain ASCII */
    const char *text;  /* not escaped */
    enum outcome_kind kind;
    bool is_on_page; /* the HTML page shows it at another place */
};

enum { OUTCOME_ROWS = 24 };

/* Rows about which nothing is known are left out. Returns how many there are; text is the arena's or the report's. */
int outcome_rows(const struct report *r, struct arena *a, struct outcome_row rows[OUTCOME_ROWS]);

#endif

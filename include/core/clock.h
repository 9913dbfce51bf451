/* Time. Functions that need the wall clock take `time_t now` as an argument; only the outermost callers ask here. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdbool.h>
#include <time.h>

#include "core/str.h"

double clock_seconds(void); /* monotonic, for differences */
time_t clock_now(void);     /* wall clock; honours SOURCE_DATE_EPOCH never: a manifest says when it was made */
void clock_sleep(double seconds); /* returns early when a stop was requested (core/stop.h) */

#define CLOCK_RFC3339 21                                 /* "2026-11-21T08:15:30Z" and a NUL */
void clock_rfc3339(time_t t, char out[CLOCK_RFC3339]);   /* UTC */
bool clock_parse_rfc3339(struct str s, time_t *out);     /* fractions and offsets accepted */
bool clock_parse_http(struct str s, time_t *out);        /* "Sat, 21 Nov 2026 08:15:30 GMT" */
/* "5h30m", "45m", "90s", "1h30m10s"; units in falling order, at least one; whole numbers; result in seconds. */
bool clock_parse_duration(struct str s, double *seconds);
void clock_format_duration(double seconds, char out[32]); /* "1h 02m", "3m 20s", "12.3s" */

#endif

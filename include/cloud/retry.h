/* The one layer that tries again. Above it nothing retries, below it nothing does.
 *
 * Rules (botocore's standard mode, with S3's special cases): connection trouble, 5xx, 429, and the 4xx that are really
 * transient are tried again with full jitter; what the server decided is not. */
#ifndef CLOUD_RETRY_H
#define CLOUD_RETRY_H

#include <time.h>

#include "cloud/http.h"

enum retry_kind {
    RETRY_DONE,  /* the reply is an answer */
    RETRY_NEVER, /* the reply is final, the error says so */
    RETRY_NOW,   /* something was corrected: at once, and it does not count as a failure */
    RETRY_LATER, /* transient, the error says what it was */
};

/* RETRY_DONE for 2xx, else RETRY_LATER or RETRY_NEVER. code: the service's error code, "" when unknown. */
enum retry_kind retry_classify(int status, const char *code);

#define RETRY_MAX_TRIES 6
#define RETRY_MAX_TRIES_UNREACHABLE 3
#define RETRY_BASE_SECONDS 0.5
#define RETRY_CAP_SECONDS 20.0
#define RETRY_AFTER_CAP_SECONDS 60.0
#define RETRY_BUDGET_SECONDS 120.0

/* After the n-th failure (1 = first), `elapsed_s` after the start: how long to wait, or false = give up.
 * unit: a random number in [0,1). retry_after_s: what the server asked for, or negative. */
bool retry_wait(int n_failures, int max_tries, double elapsed_s, double retry_after_s, double unit, double *wait_s);
/* Retry-After as seconds or as a date; negative when there is none. */
double retry_after(const struct http_response *r, time_t now);

struct retry {
    /* Fills the request anew for each attempt (dates, signatures). The request is zeroed before. */
    bool (*prepare)(void *ctx, struct http_request *r, struct arena *a, struct error *e);
    /* Decides about a reply; writes the error for RETRY_NEVER and RETRY_LATER. */
    enum retry_kind (*judge)(void *ctx, const struct http_response *r, struct arena *a, struct error *e);
    void *ctx;
    int max_tries;   /* 0 = RETRY_MAX_TRIES */
    double budget_s; /* no try begins later than this; 0 = RETRY_BUDGET_SECONDS */
    /* For tests; NULL = the real ones. */
    double (*seconds)(void);
    void (*sleep)(double seconds);
    double (*unit)(void);
    int n_attempts; /* out */
};
MUST_CHECK bool retry_run(struct retry *t, struct http *h, struct arena *a, struct http_response *out, struct error *e);

#endif

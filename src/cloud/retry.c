#include "cloud/retry.h"

#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/hash.h"
#include "core/log.h"

#define MAX_CORRECTIONS 8 /* a judge corrects each thing once; this only guards against a judge that errs */

enum retry_kind retry_classify(int status, const char *code)
{
    /* Some of these come with a 400: the code counts. */
    static const char *const transient[] = {
        "RequestTimeout", "BadDigest", "SlowDown", "ServiceUnavailable", "InternalError", "RequestLimitExceeded",
        "PriorRequestNotComplete", "ConditionalRequestConflict", "OperationAborted", "IDPCommunicationError", "XAmzContentSHA256Mismatch", NULL,
    };
    if (status / 100 == 2)
        return RETRY_DONE;
    if (str_starts(str_of(code), "Throttl") || status == 429)
        return RETRY_LATER;
    for (size_t i = 0; transient[i]; i++) {
        if (strcmp(code, transient[i]) == 0)
            return RETRY_LATER;
    }
    return status == 500 || status == 502 || status == 503 || status == 504 ? RETRY_LATER : RETRY_NEVER;
}

bool retry_wait(int n_failures, int max_tries, double elapsed_s, double retry_after_s, double unit, double *wait_s)
{
    /* Full jitter: uniform over [0, min(cap, base 2^n)), so that a crowd of clients spreads out (Brooker, "Exponential
     * Backoff and Jitter", AWS Architecture Blog, 2015). */
    double ceiling = fmin(RETRY_CAP_SECONDS, RETRY_BASE_SECONDS * pow(2, n_failures - 1));
    *wait_s = unit * ceiling;
    if (retry_after_s >= 0)
        *wait_s = fmax(*wait_s, fmin(retry_after_s, RETRY_AFTER_CAP_SECONDS));
    return n_failures < max_tries && elapsed_s + *wait_s <= RETRY_BUDGET_SECONDS;
}

double retry_after(const struct http_response *r, time_t now)
{
    struct str text = http_header(r, "Retry-After");
    uint64_t seconds;
    time_t then;

    if (str_to_uint64(text, &seconds))
        return (double)seconds;
    if (clock_parse_http(text, &then))
        return then > now ? (double)(then - now) : 0;
    return -1;
}

static double random_unit(void)
{
    uint32_t bits;
    random_bytes(&bits, sizeof bits);
    return (double)bits / 4294967296.0;
}

static bool give_up(int n, double elapsed, struct error *e)
{
    if (n > 1)
        fail_in(e, "after %d tries in %.0f seconds", n, elapsed);
    return false;
}

bool retry_run(struct retry *t, struct http *h, struct arena *a, struct http_response *out, struct error *e)
{
    double (*seconds)(void) = t->seconds ? t->seconds : clock_seconds;
    void (*sleep_for)(double) = t->sleep ? t->sleep : clock_sleep;
    double start = seconds(), wait;
    int n_failures = 0, n_corrections = 0;

    for (t->n_attempts = 1;; t->n_attempts++) {
        struct http_request request = {0};
        enum retry_kind kind;

        if (!t->prepare(t->ctx, &request, a, e))
            return false;
        if (http_send(h, &request, a, out, e))
            kind = t->judge(t->ctx, out, a, e);
        else
            kind = e->code == ERR_NET ? RETRY_LATER : RETRY_NEVER;

        if (kind == RETRY_DONE)
            return true;
        if (kind == RETRY_NEVER)
            return false;
        if (kind == RETRY_NOW) {
            if (++n_corrections > MAX_CORRECTIONS)
                BUG("a request is corrected again and again: %s", request.method);
            continue;
        }
        n_failures++;
        int max_tries = t->max_tries ? t->max_tries : RETRY_MAX_TRIES;
        if (out->unreachable && max_tries > RETRY_MAX_TRIES_UNREACHABLE)
            max_tries = RETRY_MAX_TRIES_UNREACHABLE;
        double unit = t->unit ? t->unit() : random_unit();
        bool may_wait = retry_wait(n_failures, max_tries, seconds() - start, retry_after(out, clock_now()), unit, &wait);
        if (!may_wait || (t->budget_s > 0 && seconds() - start + wait > t->budget_s))
            return give_up(t->n_attempts, seconds() - start, e);
        log_debug("%s: trying again in %.1f s", e->message, wait);
        sleep_for(wait);
    }
}

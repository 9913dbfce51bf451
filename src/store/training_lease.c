#include "store/training_lease.h"

#include <stdio.h>
#include <string.h>

#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "core/stop.h"
#include "store/lock.h"
#include "store/manifest.h"

#define LEASE_MAX_BYTES 4096
#define TAKE_TRIES 3
#define RENEW_TRIES 2
#define SECONDS_AFTER_STOP 1.0

static const char *key_of(const struct training_lease *l, struct arena *a)
{
    return arena_printf(a, "checkpoints/%s/training.json", l->version);
}

static struct str text_of(const struct training_lease *l, struct arena *a)
{
    struct json *root = json_new_object();
    struct str_buf text = STR_BUF(LEASE_MAX_BYTES);

    json_set(root, "schema", json_new_int(1));
    json_set(root, "holder", json_new_string(l->holder));
    json_set(root, "host", json_new_string(l->host));
    json_set(root, "run_url", json_new_string(l->run_url));
    json_set(root, "since", json_new_string(l->since));
    json_set(root, "renewed", json_new_int(l->n_renewed));
    json_write(root, true, &text);
    json_free(root);
    struct str out = {arena_strndup(a, text.p, text.n), text.n};
    str_buf_free(&text);
    return out;
}

/* The lease as it is in the store. */
struct sight {
    enum store_found found;
    char etag[128];
    double age_s;
    char holder[33];
    char words[512]; /* "https://... (github), since 2026-11-21T08:15:30Z" */
};

static void read_text(struct str text, struct sight *out)
{
    struct json *root = NULL;
    struct error damaged;

    snprintf(out->words, sizeof out->words, "an unknown job (training.json is damaged)");
    if (!json_parse(text, "training.json", &root, &damaged))
        return;
    const char *url = json_string(json_get(root, "run_url"), ""), *host = json_string(json_get(root, "host"), "");
    snprintf(out->holder, sizeof out->holder, "%s", json_string(json_get(root, "holder"), ""));
    snprintf(out->words, sizeof out->words, "%.400s%s%.16s%s since %.24s", *url ? url : *host ? host : "a job", *url ? " (" : "",
             *url ? host : "", *url ? ")" : "", json_string(json_get(root, "since"), "?"));
    json_free(root);
}

static bool look(struct store *s, const char *key, struct sight *out, struct arena *a, struct error *e)
{
    struct str text;

    *out = (struct sight){0};
    if (!store_get(s, key, LEASE_MAX_BYTES, a, &out->found, &text, out->etag, e))
        return false;
    if (out->found == STORE_PRESENT)
        read_text(text, out);
    return true;
}

/* Over what was seen, and over nothing else. */
static bool write_over(struct store *s, const char *key, const struct training_lease *l, const struct sight *seen,
                       bool *written, struct arena *a, struct error *e)
{
    enum store_condition when = seen->found == STORE_ABSENT ? STORE_IF_ABSENT : seen->etag[0] ? STORE_IF_MATCH : STORE_ALWAYS;
    return store_put(s, key, text_of(l, a), "application/json", when, seen->etag, written, e);
}

/* One try: *taken, or else `seen` is what is in the way. */
static bool take_once(struct store *s, const char *key, double stale_s, const char *predecessor,
                      const struct training_lease *l, struct sight *seen, bool *taken, struct arena *a, struct error *e)
{
    struct sight now;
    bool written;

    *seen = (struct sight){0};
    if (!store_age(s, key, &seen->found, &seen->age_s, seen->etag, e))
        return false;
    if (seen->found == STORE_PRESENT && seen->age_s <= stale_s) {
        now = *seen;
        if (!look(s, key, seen, a, e))
            return false;
        seen->age_s = strcmp(now.etag, seen->etag) ? 0 : now.age_s;
        if (!predecessor || !*predecessor || strcmp(seen->holder, predecessor))
            return true;
    }
    if (!write_over(s, key, l, seen, &written, a, e) || !look(s, key, &now, a, e))
        return false;
    *taken = written && !strcmp(now.holder, l->holder);
    if (*taken && seen->found == STORE_PRESENT)
        log_notice("%s: the job that trained %s was last heard of %.0f seconds ago: this one takes over", store_url(s),
                   l->version, seen->age_s);
    *seen = now;
    return true;
}

static void tell_holder(const struct sight *seen, char holder_text[768])
{
    if (seen->found == STORE_PRESENT)
        snprintf(holder_text, 768, "%s, last heard of %.0f seconds ago", seen->words, seen->age_s);
    else
        snprintf(holder_text, 768, "another job, just now");
}

static void begin(struct training_lease *l, const char *version, const struct training_lease_about *about)
{
    uint8_t dice[16];

    *l = (struct training_lease){0};
    random_bytes(dice, sizeof dice);
    hex_encode(dice, sizeof dice, l->holder);
    clock_rfc3339(clock_now(), l->since);
    snprintf(l->version, sizeof l->version, "%s", version);
    snprintf(l->host, sizeof l->host, "%s", about->host);
    snprintf(l->run_url, sizeof l->run_url, "%s", about->run_url);
}

bool training_lease_take(struct store *s, const char *version, const struct training_lease_about *about, double stale_s,
                         struct training_lease *lease, bool *taken, char holder_text[768], struct error *e)
{
    struct arena a = {0};
    struct sight seen = {0};
    bool is_atomic = false, is_locked = false;

    *taken = false;
    holder_text[0] = 0;
    if (!version_is_valid(version))
        BUG("a lease on version %s", version);
    begin(lease, version, about);
    const char *key = key_of(lease, &a);
    bool ok = store_is_atomic(s, &is_atomic, e);
    if (ok && !is_atomic)
        ok = is_locked = store_lock(s, e);
    for (int i = 0; ok && !*taken && i < TAKE_TRIES; i++) {
        ok = take_once(s, key, stale_s, about->predecessor, lease, &seen, taken, &a, e);
        if (seen.holder[0] && strcmp(seen.holder, lease->holder))
            break; /* somebody lives */
    }
    if (is_locked)
        store_unlock(s);
    if (ok && !*taken) {
        tell_holder(&seen, holder_text);
        lease->other_left_s = seen.age_s < stale_s ? stale_s - seen.age_s : 0;
    }
    if (!*taken)
        lease->holder[0] = 0;
    arena_free(&a);
    return ok || fail_in(e, "the lease on training %s", version);
}

bool training_lease_renew(struct store *s, struct training_lease *lease, bool *held, struct error *e)
{
    struct arena a = {0};
    const char *key = key_of(lease, &a);
    bool ok = true, written = false;

    *held = lease->holder[0] != 0;
    /* Looking first costs no more than reading back, and finds our own write whose answer was lost. */
    for (int i = 0; ok && *held && !written && i < RENEW_TRIES; i++) {
        struct sight seen;
        ok = look(s, key, &seen, &a, e);
        *held = ok && !strcmp(seen.holder, lease->holder);
        if (!*held)
            break;
        lease->n_renewed++;
        ok = write_over(s, key, lease, &seen, &written, &a, e);
    }
    arena_free(&a);
    if (!ok) {
        *held = false;
        return fail_in(e, "renewing the lease on training %s", lease->version);
    }
    if (*held && !written) {
        *held = false;
        return fail(e, ERR_STORE, "%s: the lease on training %s cannot be renewed: the store takes it for changed, but it reads "
                                  "as it was: is this store consistent?",
                    store_url(s), lease->version);
    }
    if (!*held)
        lease->holder[0] = 0;
    return true;
}

void training_lease_release(struct store *s, struct training_lease *lease)
{
    struct arena a = {0};
    struct error ignored;
    bool held = false;

    if (lease->holder[0] && stop_requested())
        store_allow_after_stop(s, SECONDS_AFTER_STOP); /* else the next job must wait until ours is stale */
    /* Renewed first: then nobody takes it over in the moment before it is removed. */
    if (lease->holder[0] && (!training_lease_renew(s, lease, &held, &ignored) ||
                             (held && !store_delete(s, key_of(lease, &a), &ignored))))
        log_debug("left behind: %s", ignored.message);
    lease->holder[0] = 0;
    arena_free(&a);
}

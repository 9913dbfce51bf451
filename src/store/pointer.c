#include "store/pointer.h"

#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "store/history_note.h"
#include "store/lock.h"
#include "store/publish.h"

#define POINTER_TRIES 40 /* each lost race means that somebody else moved on, so this ends far earlier */

struct pointer {
    enum store_found found;
    struct json *json; /* owned; NULL when absent or damaged */
    char etag[128];
    struct str text; /* in the arena */
};

static void forget(struct pointer *p)
{
    json_free(p->json);
    *p = (struct pointer){0};
}

/* A damaged pointer is no reason to stop a publication: it will be replaced. A newer schema is one. */
static bool load(struct store *s, struct arena *a, struct pointer *p, char why[256], struct error *e)
{
    bool is_newer = false;

    forget(p);
    why[0] = 0;
    if (!store_get(s, LATEST_KEY, MANIFEST_MAX_BYTES, a, &p->found, &p->text, p->etag, e))
        return false;
    if (p->found == STORE_PRESENT && !manifest_parse(p->text, NULL, &p->json, &is_newer, why) && is_newer)
        return fail(e, ERR_STORE, "%s: %s was written by a newer retrain: use that or newer here too", store_url(s),
                    LATEST_KEY);
    return true;
}

static struct str pointer_text(const struct json *manifest, struct arena *a)
{
    struct json *copy = json_copy(manifest);
    struct str_buf text = STR_BUF(MANIFEST_MAX_BYTES);

    json_set(copy, "manifest", json_new_string(version_key(a, manifest_version(manifest), "manifest.json")));
    json_write(copy, true, &text);
    struct str out = {arena_strndup(a, str_buf_text(&text), text.n), text.n};
    str_buf_free(&text);
    json_free(copy);
    return out;
}

/* What a move did, for history.jsonl; both owned. */
struct moved {
    struct json *from, *to; /* what the pointer was before, NULL = none or damaged, and what it is now */
    bool is_repair;
};

static void moved_free(struct moved *m)
{
    json_free(m->from);
    json_free(m->to);
    *m = (struct moved){0};
}

static void saw(struct moved *m, const struct pointer *before, bool was_damaged)
{
    moved_free(m);
    m->from = before->json ? json_copy(before->json) : NULL;
    m->is_repair = was_damaged;
}

/* One try. *settled: the pointer reads back as ours, or (unless `anywhere`) as a later one. */
static bool move_once(struct store *s, const struct json *manifest, bool anywhere, struct arena *a, bool *settled,
                      struct moved *m, struct error *e)
{
    struct str text = pointer_text(manifest, a);
    struct pointer p = {0};
    char why[256];
    bool written = false;
    bool ok = load(s, a, &p, why, e);

    if (ok && why[0])
        log_warning("%s: %s is damaged (%s): replacing it", store_url(s), LATEST_KEY, why);
    saw(m, &p, why[0]);
    *settled = ok && p.found == STORE_PRESENT && str_eq(p.text, text);
    if (ok && !anywhere && p.json && manifest_order(p.json, manifest) >= 0)
        *settled = true;
    if (ok && !*settled) {
        enum store_condition when = p.found == STORE_ABSENT ? STORE_IF_ABSENT : STORE_IF_MATCH;
        ok = store_put(s, LATEST_KEY, text, "application/json", when, p.etag, &written, e);
    }
    if (ok && written) {
        ok = load(s, a, &p, why, e);
        /* Something else there is another publisher's: the next try compares with that. */
        *settled = ok && str_eq(p.text, text);
    }
    if (*settled)
        m->to = json_copy(p.json);
    forget(&p);
    return ok;
}

static bool move(struct store *s, const struct json *manifest, bool anywhere, struct moved *m, struct error *e)
{
    bool settled = false, ok = true;

    for (int i = 0; ok && !settled && i < POINTER_TRIES; i++) {
        struct arena a = {0};
        ok = move_once(s, manifest, anywhere, &a, &settled, m, e);
        arena_free(&a);
        if (ok && !settled && i > 2)
            clock_sleep(0.02 * i);
    }
    if (ok && !settled)
        return fail(e, ERR_STORE, "%s: %s kept changing under us: are several rollbacks running?", store_url(s), LATEST_KEY);
    return ok;
}

/* The lock was lost on the way: without conditional writes we may have overwritten a later publisher's pointer. But its
 * manifest was there before its pointer; so who looks at the manifests after writing sees it and can put that right. */
static bool follow_newest(struct store *s, const struct json *manifest, struct moved *m, struct error *e)
{
    struct json *all = NULL;
    bool ok = publish_list(s, &all, e);
    const struct json *newest = json_at(all, 0);

    if (ok && newest && manifest_order(newest, manifest) > 0)
        ok = move(s, newest, false, m, e);
    json_free(all);
    return ok;
}

bool pointer_forward(struct store *s, const struct json *manifest, struct error *e)
{
    bool held = true;
    struct moved m = {0};

    bool ok = (move(s, manifest, false, &m, e) && store_lock_keep(s, &held, e)) || fail_in(e, "moving %s", LATEST_KEY);
    if (ok && !held)
        ok = follow_newest(s, manifest, &m, e);
    if (ok)
        history_note(s, m.from, m.to, m.is_repair ? HISTORY_REPAIR : HISTORY_PUBLISH);
    moved_free(&m);
    return ok;
}

bool pointer_set(struct store *s, const struct json *manifest, enum history_why why, struct error *e)
{
    struct moved m = {0};
    bool ok = move(s, manifest, true, &m, e) || fail_in(e, "moving %s", LATEST_KEY);

    if (why == HISTORY_ROLLBACK && m.from && manifest_order(m.to, m.from) > 0)
        why = HISTORY_RESTORE;
    if (ok)
        history_note(s, m.from, m.to, m.is_repair ? HISTORY_REPAIR : why);
    moved_free(&m);
    return ok;
}

bool publish_latest(struct store *s, enum store_found *found, struct json **out, struct error *e)
{
    struct arena a = {0};
    struct pointer p = {0};
    char why[256];
    bool ok = load(s, &a, &p, why, e);

    *out = NULL;
    *found = ok ? p.found : STORE_ABSENT;
    if (ok && why[0])
        ok = fail(e, ERR_STORE, "%s: %s is damaged (%s): run `retrain rollback VERSION` to set it", store_url(s), LATEST_KEY,
                  why);
    if (ok) {
        *out = p.json;
        p.json = NULL;
    }
    forget(&p);
    arena_free(&a);
    return ok;
}

#include "store/s3_resume.h"

#include <string.h>

#include "core/clock.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"

#define FOLDER "uploads/"
#define STATE_MAX_BYTES (8u << 10)
#define TIDY_MAX 100 /* looked at in one run */

static char *name_of(const struct s3_upload *u, struct arena *a)
{
    uint8_t sum[SHA256_BYTES];
    char hex[SHA256_HEX];

    hex_encode(u->file->sha256, SHA256_BYTES, hex);
    const char *what = arena_printf(a, "%s\n%s\n%llu\n", u->key, hex, (unsigned long long)u->part_bytes);
    sha256_of(what, strlen(what), sum);
    hex_encode(sum, sizeof sum, hex);
    return arena_printf(a, FOLDER "%.32s.json", hex);
}

/* NULL when it is absent, damaged, or cannot be had. */
static struct json *load(struct s3_store *s, const char *name, struct arena *a)
{
    enum store_found found;
    struct str text;
    struct json *state = NULL;
    struct error e;

    bool ok = store_get(&s->base, name, STATE_MAX_BYTES, a, &found, &text, NULL, &e) &&
              (found == STORE_ABSENT || json_parse(text, name, &state, &e));
    if (!ok)
        log_debug("%s", e.message);
    return state;
}

void s3_resume_find(struct s3_upload *u)
{
    struct arena a = {0};
    struct json *state = load(u->s3, name_of(u, &a), &a);
    const char *id = json_string(json_get(state, "upload_id"), "");

    u->id = id[0] && strcmp(json_string(json_get(state, "key"), ""), u->key) == 0 ? arena_strdup(&u->arena, id) : NULL;
    json_free(state);
    arena_free(&a);
}

void s3_resume_keep(const struct s3_upload *u)
{
    struct arena a = {0};
    struct json *state = json_new_object();
    struct str_buf text = STR_BUF(STATE_MAX_BYTES);
    char begun[CLOCK_RFC3339];
    bool written;
    struct error e;

    clock_rfc3339(clock_now() + (time_t)u->s3->skew_s, begun);
    json_set(state, "key", json_new_string(u->key));
    json_set(state, "upload_id", json_new_string(u->id));
    json_set(state, "begun_at", json_new_string(begun));
    json_write(state, true, &text);
    if (!store_put(&u->s3->base, name_of(u, &a), str_buf_view(&text), "application/json", STORE_ALWAYS, NULL, &written, &e))
        log_debug("this upload cannot be resumed if it breaks off: %s", e.message);
    str_buf_free(&text);
    json_free(state);
    arena_free(&a);
}

void s3_resume_forget(const struct s3_upload *u)
{
    struct arena a = {0};
    struct error e;

    if (!store_delete(&u->s3->base, name_of(u, &a), &e))
        log_debug("left behind: %s", e.message);
    arena_free(&a);
}

static bool is_abandoned(const struct s3_store *s, const struct json *state)
{
    time_t begun;
    return clock_parse_rfc3339(str_of(json_string(json_get(state, "begun_at"), "")), &begun) &&
           difftime(clock_now() + (time_t)s->skew_s, begun) > S3_ABANDONED_S;
}

static bool abort_one(struct s3_store *s, const char *name, const struct json *state)
{
    const char *key = json_string(json_get(state, "key"), "");
    struct error e;
    bool ok = (!store_key_is_valid(key) || s3_parts_abort(s, key, json_string(json_get(state, "upload_id"), "-"), &e)) &&
              store_delete(&s->base, name, &e);

    if (!ok)
        log_debug("left behind: %s", e.message);
    return ok;
}

void s3_resume_tidy(struct s3_store *s)
{
    struct arena a = {0};
    const char **names;
    size_t n = 0, n_young = 0;
    struct error e;

    if (!store_list(&s->base, FOLDER, TIDY_MAX, &a, &names, &n, &e))
        log_debug("%s", e.message);
    for (size_t i = 0; i < n; i++) {
        struct json *state = load(s, names[i], &a);
        if (!state || !is_abandoned(s, state))
            n_young += state != NULL;
        else if (abort_one(s, names[i], state))
            log_info("an upload of %s that was abandoned over a day ago is removed", json_string(json_get(state, "key"), ""));
        json_free(state);
    }
    if (n_young)
        log_info("%s: %zu other uploads are unfinished: of runs that go on, or were killed (removed after a day)", s->base.url,
                 n_young);
    arena_free(&a);
}

void s3_resume_abort_all(struct s3_store *s)
{
    struct arena a = {0};
    const char **names;
    size_t n = 0;
    struct error e;

    if (!store_list(&s->base, FOLDER, TIDY_MAX, &a, &names, &n, &e))
        log_debug("%s", e.message);
    for (size_t i = 0; i < n; i++) {
        struct json *state = load(s, names[i], &a);
        if (state)
            abort_one(s, names[i], state);
        json_free(state);
    }
    arena_free(&a);
}

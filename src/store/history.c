#include "store/history.h"

#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "store/backend.h"
#include "store/history_note.h"
#include "store/manifest.h"

#define NOTE_TRIES 5 /* under the lock nobody else writes it, unless the lock was lost */
#define READ_MAX_BYTES (2 * HISTORY_MAX_BYTES)

static const char *const why_words[] = {"publish", "rollback", "restore", "revert", "repair"};

static const char *text_of(const struct json *move, const char *key)
{
    return json_string(json_get(move, key), "");
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

struct json *history_parse(struct str text)
{
    struct json *moves = json_new_array();
    struct str line;
    while (str_cut(&text, '\n', &line)) {
        struct json *move = NULL;
        struct error ignored;
        if (line.n && json_parse(line, HISTORY_KEY, &move, &ignored) && version_is_valid(text_of(move, "to")))
            json_append(moves, move);
        else
            json_free(move);
    }
    return moves;
}

bool history_read(struct store *s, struct json **moves, struct error *e)
{
    struct arena a = {0};
    enum store_found found;
    struct str text;

    bool ok = store_get(s, HISTORY_KEY, READ_MAX_BYTES, &a, &found, &text, NULL, e);
    *moves = history_parse(text);
    arena_free(&a);
    return ok;
}

bool history_was_latest(const struct json *moves, const char *version)
{
    for (size_t i = 0; i < json_len(moves); i++) {
        const struct json *move = json_at(moves, i);
        if (!strcmp(text_of(move, "to"), version) || !strcmp(text_of(move, "from"), version))
            return true;
    }
    return false;
}

const struct json *history_rolled_back(const struct json *moves, const char *version)
{
    const struct json *found = NULL;
    for (size_t i = 0; i < json_len(moves); i++) {
        const struct json *move = json_at(moves, i);
        if (!strcmp(text_of(move, "from"), version) && !strcmp(text_of(move, "why"), why_words[HISTORY_ROLLBACK]))
            found = move;
        else if (!strcmp(text_of(move, "to"), version))
            found = NULL;
    }
    return found;
}

static size_t place_of(const struct json *published, const char *version)
{
    size_t i = 0;
    while (i < json_len(published) && strcmp(manifest_version(json_at(published, i)), version))
        i++;
    return i;
}

const char *history_previous(const struct json *moves, const struct json *published, const char *latest)
{
    size_t n = json_len(published);
    for (size_t i = json_len(moves); i > 0; i--) {
        const char *from = text_of(json_at(moves, i - 1), "from");
        if (strcmp(from, latest) && place_of(published, from) < n && !history_rolled_back(moves, from))
            return from;
    }
    for (size_t i = place_of(published, latest) + 1; i < n; i++) { /* newest first */
        const char *older = manifest_version(json_at(published, i));
        if (!history_rolled_back(moves, older))
            return older;
    }
    return NULL;
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static const char *created_at(const struct json *manifest)
{
    return text_of(manifest, "created_at");
}

static void add_line(struct str_buf *out, const char *from, const struct json *to, const char *why, const char *by)
{
    char now[CLOCK_RFC3339];
    struct json *move = json_new_object();
    clock_rfc3339(clock_now(), now);
    json_set(move, "time", json_new_string(now));
    json_set(move, "from", json_new_string(*from ? from : NULL));
    json_set(move, "to", json_new_string(manifest_version(to)));
    json_set(move, "created_at", json_new_string(created_at(to)));
    json_set(move, "why", json_new_string(why));
    json_set(move, "by", json_new_string(by));
    json_write(move, false, out);
    str_buf_addc(out, '\n');
    json_free(move);
}

/* Publications only move forward, so a move back that nobody wrote down was a rollback. */
static enum history_why infer(const struct json *last, const struct json *now)
{
    time_t then, later;
    bool is_back = clock_parse_rfc3339(str_of(text_of(last, "created_at")), &then) &&
                   clock_parse_rfc3339(str_of(created_at(now)), &later) && later < then;
    return is_back ? HISTORY_ROLLBACK : HISTORY_PUBLISH;
}

/* The lines that are missing. */
static void add_missing(struct str_buf *out, const struct json *last, const struct json *from, const struct json *to,
                        enum history_why why, const char *by)
{
    const char *known = text_of(last, "to"), *before = from ? manifest_version(from) : known;
    if (from && *known && strcmp(known, before))
        add_line(out, known, from, why_words[infer(last, from)], NULL);
    if (strcmp(before, manifest_version(to)))
        add_line(out, before, to, why_words[why], by);
    else if (!*known)
        add_line(out, "", to, why_words[HISTORY_PUBLISH], NULL);
}

/* Whole lines, the newest, that fit into what is left of HISTORY_MAX_BYTES. */
static struct str newest_lines(struct str text, size_t room)
{
    if (text.n <= room)
        return text;
    struct str cut = str_slice(text, text.n - room, SIZE_MAX), partial;
    str_cut(&cut, '\n', &partial);
    return cut;
}

static bool note_once(struct store *s, const struct json *from, const struct json *to, enum history_why why,
                      bool *written, struct error *e)
{
    struct arena a = {0};
    struct str_buf lines = STR_BUF(HISTORY_MAX_BYTES), whole = STR_BUF(READ_MAX_BYTES);
    enum store_found found;
    struct str text;
    char etag[128];

    bool ok = store_get(s, HISTORY_KEY, READ_MAX_BYTES, &a, &found, &text, etag, e);
    struct json *moves = history_parse(text);
    add_missing(&lines, json_at(moves, json_len(moves) - 1), from, to, why, s->actor);
    *written = ok && !lines.n;
    if (ok && lines.n) {
        str_buf_add(&whole, newest_lines(text, HISTORY_MAX_BYTES - lines.n - 1));
        if (whole.n && whole.p[whole.n - 1] != '\n')
            str_buf_addc(&whole, '\n');
        str_buf_add(&whole, str_buf_view(&lines));
        enum store_condition when = found == STORE_ABSENT ? STORE_IF_ABSENT : etag[0] ? STORE_IF_MATCH : STORE_ALWAYS;
        ok = store_put(s, HISTORY_KEY, str_buf_view(&whole), "application/x-ndjson", when, etag, written, e);
    }
    str_buf_free(&whole);
    str_buf_free(&lines);
    json_free(moves);
    arena_free(&a);
    return ok;
}

void history_note(struct store *s, const struct json *from, const struct json *to, enum history_why why)
{
    bool written = false, has_failed = false;
    struct error e = {0};

    for (int i = 0; i < NOTE_TRIES && !written; i++) {
        if (!note_once(s, from, to, why, &written, &e)) {
            bool is_new = !has_failed && e.code == ERR_STORE; /* a network's trouble was given its tries */
            has_failed = true;
            if (is_new)
                continue;
            log_warning("%s lacks a line about %s, which names %s now: %s", HISTORY_KEY, LATEST_KEY, manifest_version(to),
                        e.message);
            return;
        }
    }
    if (!written)
        log_warning("%s lacks a line about %s: it kept changing under us", HISTORY_KEY, LATEST_KEY);
}

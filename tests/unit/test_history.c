/* history.jsonl: every move of latest.json, moves that killed runs could not write, what `rollback` reads out of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/history_note.h"

#include "folder_store.h"

static int set_up(void **state)
{
    if (set_up_store(state))
        return -1;
    store_sign(store, "a test");
    return 0;
}

/* "v3" was made on the third of a month. */
static struct json *manifest(const char *version)
{
    char created_at[32];
    struct json *m = json_new_object();
    snprintf(created_at, sizeof created_at, "2026-01-%02dT00:00:00Z", atoi(version + 1));
    json_set(m, "version", json_new_string(version));
    json_set(m, "created_at", json_new_string(created_at));
    return m;
}

static void note(const char *from, const char *to, enum history_why why)
{
    struct json *f = from ? manifest(from) : NULL, *t = manifest(to);
    history_note(store, f, t, why);
    json_free(f);
    json_free(t);
}

static struct json *moves(void)
{
    struct json *out;
    assert_true(history_read(store, &out, &err));
    return out;
}

/* The moves as "v1>v2 publish, ...". */
static void assert_moves(const char *expected)
{
    struct str_buf text = STR_BUF(4096);
    struct json *all = moves();
    for (size_t i = 0; i < json_len(all); i++) {
        const struct json *m = json_at(all, i);
        str_buf_printf(&text, "%s%s>%s %s%s", i ? ", " : "", json_string(json_get(m, "from"), "-"), json_string(json_get(m, "to"), "?"),
                       json_string(json_get(m, "why"), "?"), json_string(json_get(m, "by"), NULL) ? "" : "?");
    }
    assert_string_equal(str_buf_text(&text), expected);
    str_buf_free(&text);
    json_free(all);
}

static void notes_each_move_once(void **state)
{
    (void)state;
    note(NULL, "v1", HISTORY_PUBLISH);
    note("v1", "v2", HISTORY_PUBLISH);
    note("v2", "v2", HISTORY_PUBLISH); /* settled again after a kill */
    note("v2", "v1", HISTORY_ROLLBACK);
    note("v1", "v2", HISTORY_REVERT);
    note(NULL, "v3", HISTORY_REPAIR); /* latest.json was damaged: what it named is known from here */
    assert_moves("->v1 publish, v1>v2 publish, v2>v1 rollback, v1>v2 revert, v2>v3 repair");
}

static void infers_what_killed_runs_did(void **state)
{
    (void)state;
    note("v1", "v1", HISTORY_PUBLISH); /* a store from before there was a history, or a run killed before its line */
    assert_moves("->v1 publish?");
    note("v2", "v3", HISTORY_PUBLISH);
    assert_moves("->v1 publish?, v1>v2 publish?, v2>v3 publish");
    note("v2", "v4", HISTORY_PUBLISH); /* a move back that nobody wrote down was a rollback */
    assert_moves("->v1 publish?, v1>v2 publish?, v2>v3 publish, v3>v2 rollback?, v2>v4 publish");
}

static void lives_with_damage(void **state)
{
    bool written;
    struct json *all;
    (void)state;
    assert_true(store_put(store, HISTORY_KEY, STR_LIT("{\"to\":\"v1\",\"why\":\"publish\"}\n{\"to\":\"../x\"}\nrubbish\n{\"to\":"), "text/plain",
                          STORE_ALWAYS, NULL, &written, &err));
    note("v1", "v2", HISTORY_PUBLISH);
    assert_moves("->v1 publish?, v1>v2 publish");
    all = moves();
    assert_true(history_was_latest(all, "v1"));
    assert_false(history_was_latest(all, "v3"));
    json_free(all);
}

static void stays_small(void **state)
{
    bool written;
    enum store_found found;
    uint64_t size;
    struct str_buf big = STR_BUF(2 * HISTORY_MAX_BYTES);
    (void)state;
    while (big.n < HISTORY_MAX_BYTES - 200)
        str_buf_printf(&big, "{\"from\": \"v1\", \"to\": \"v2\", \"why\": \"publish\", \"created_at\": \"2026-01-02T00:00:00Z\", \"by\": \"%zu\"}\n", big.n);
    assert_true(store_put(store, HISTORY_KEY, str_buf_view(&big), "text/plain", STORE_ALWAYS, NULL, &written, &err));
    for (int i = 0; i < 3; i++) {
        note("v2", "v3", HISTORY_PUBLISH);
        note("v3", "v2", HISTORY_ROLLBACK);
    }
    assert_true(store_stat(store, HISTORY_KEY, &found, &size, &err));
    assert_in_range(size, HISTORY_MAX_BYTES - 400, HISTORY_MAX_BYTES);
    struct json *all = moves();
    assert_string_equal(json_string(json_get(json_at(all, json_len(all) - 1), "why"), ""), "rollback");
    assert_string_not_equal(json_string(json_get(json_at(all, 0), "by"), ""), "0"); /* the oldest went, whole lines are left */
    json_free(all);
    str_buf_free(&big);
}

static const struct {
    const char *moves;     /* from>to and the first letter of why */
    const char *published; /* newest first */
    const char *latest, *previous;
} cases[] = {
    {"", "v3 v2 v1", "v3", "v2"}, /* no history: by time */
    {"", "v3 v2 v1", "v1", NULL},
    {"1>2p 2>3p", "v3 v2 v1", "v3", "v2"},
    {"1>2p 2>3p", "v3 v1", "v3", "v1"}, /* v2 was removed */
    {"1>2p 2>3p 3>2r", "v3 v2 v1", "v2", "v1"},
    {"1>2p 2>3p 3>2r 2>4p", "v4 v3 v2 v1", "v4", "v2"}, /* v3 was bad */
    {"1>2p 2>3p 3>2r 2>3s", "v3 v2 v1", "v3", "v2"},    /* the rollback was a mistake */
    {"1>2p 2>1b", "v2 v1", "v1", "v2"},                 /* a revert of the data says nothing against v2 */
    {"1>2p 2>3p 3>1r", "v3 v2 v1", "v1", "v2"},
    {"1>2p 2>1r", "v2 v1", "v1", NULL},
    {"2>3p 3>2r", "v3 v2 v1", "v2", "v1"}, /* older than the history */
};

static struct json *moves_of(const char *words)
{
    struct json *all = json_new_array();
    char from[8], to[8], why;
    for (int n; sscanf(words, " %7[0-9]>%7[0-9]%c%n", from, to, &why, &n) == 3; words += n) {
        struct json *m = json_new_object();
        char name[16];
        snprintf(name, sizeof name, "v%s", from);
        json_set(m, "from", json_new_string(name));
        snprintf(name, sizeof name, "v%s", to);
        json_set(m, "to", json_new_string(name));
        json_set(m, "why", json_new_string(why == 'p' ? "publish" : why == 'r' ? "rollback" : why == 's' ? "restore" : "revert"));
        json_append(all, m);
    }
    return all;
}

static void finds_the_previous_good_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct json *all = moves_of(cases[i].moves), *published = json_new_array();
        char name[8];
        int n;
        for (const char *p = cases[i].published; sscanf(p, " %7s%n", name, &n) == 1; p += n)
            json_append(published, manifest(name));
        const char *found = history_previous(all, published, cases[i].latest);
        if (strcmp(found ? found : "", cases[i].previous ? cases[i].previous : ""))
            fail_msg("case %zu: %s", i, found ? found : "none");
        json_free(all);
        json_free(published);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(notes_each_move_once, set_up, tear_down_store),
        cmocka_unit_test_setup_teardown(infers_what_killed_runs_did, set_up, tear_down_store),
        cmocka_unit_test_setup_teardown(lives_with_damage, set_up, tear_down_store),
        cmocka_unit_test_setup_teardown(stays_small, set_up, tear_down_store),
        cmocka_unit_test(finds_the_previous_good_one),
    };
    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}

/* Models that the gate refused: there with all files or not at all, never taken for published, a bounded number. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "store/rejected.h"

#include "folder_store.h"

static struct json *manifest(const char *version, time_t made)
{
    char text[CLOCK_RFC3339];
    struct json *m = json_new_object();
    clock_rfc3339(made, text);
    json_set(m, "schema", json_new_int(1));
    json_set(m, "version", json_new_string(version));
    json_set(m, "created_at", json_new_string(text));
    return m;
}

static void put(const char *version, time_t made, const char *weights)
{
    struct artifact artifacts[] = {{.name = "model.safetensors"}, {.name = "report.html"}};
    struct json *m = manifest(version, made);
    artifacts[0].path = fs_join(&arena, folder, "weights");
    artifacts[1].path = fs_join(&arena, folder, "report");
    check(fs_write_atomic(artifacts[0].path, str_of(weights), &err) && fs_write_atomic(artifacts[1].path, STR_LIT("report"), &err) &&
          rejected_put(store, version, artifacts, 2, m, &err));
    json_free(m);
}

static void assert_found(const char *version, bool is_there)
{
    struct json *m;
    check(rejected_find(store, version, &m, &err));
    assert_int_equal(m != NULL, is_there);
    json_free(m);
}

/* The versions, newest first, with blanks. */
static void assert_listed(const char *expected)
{
    struct str_buf text = STR_BUF(4096);
    struct json *all;
    check(rejected_list(store, &all, &err));
    for (size_t i = 0; i < json_len(all); i++)
        str_buf_printf(&text, "%s%s", i ? " " : "", json_string(json_get(json_at(all, i), "version"), "?"));
    assert_string_equal(str_buf_text(&text), expected);
    str_buf_free(&text);
    json_free(all);
}

static void is_kept_apart_from_what_is_published(void **state)
{
    struct json *m, *published;
    const struct json *file;
    enum version_state found;
    char missing[256];
    (void)state;
    put("v1", 1000, "weights");
    check(rejected_find(store, "v1", &m, &err));
    file = manifest_artifact(m, "model.safetensors");
    assert_string_equal(json_string(json_get(file, "key"), ""), "rejected/v1/model.safetensors");
    assert_int_equal((int)json_number(json_get(file, "size"), 0), 7);
    check(publish_find(store, "v1", &found, &published, missing, &err));
    assert_int_equal(found, VERSION_ABSENT);
    json_free(m);
    check(publish_list(store, &published, &err));
    assert_int_equal(json_len(published), 0);
    json_free(published);
}

static void counts_only_with_all_its_files(void **state)
{
    bool written;
    struct json *m;
    (void)state;
    put("v1", 1000, "weights");
    put("v1", 2000, "other weights"); /* trained again by force */
    assert_found("v1", true);
    check(store_delete(store, "rejected/v1/report.html", &err));
    assert_found("v1", false);
    assert_listed("");
    put("v1", 3000, "weights");
    check(store_put(store, "rejected/v1/model.safetensors", STR_LIT("short"), NULL, STORE_ALWAYS, NULL, &written, &err));
    assert_found("v1", false);
    m = manifest("v1", 4000); /* an upload that has just begun */
    json_set(m, "artifacts", json_new_array());
    check(rejected_mark(store, "v1", m, &err));
    json_free(m);
    assert_found("v1", false);
    check(store_put(store, "rejected/v1/manifest.json", STR_LIT("{"), NULL, STORE_ALWAYS, NULL, &written, &err));
    assert_found("v1", false);
    assert_false(rejected_find(store, "../v1", &m, &err));
}

/* A manifest is outside text: it may not lead to other files of the store. */
static void looks_at_its_own_files_only(void **state)
{
    bool written;
    (void)state;
    put("v1", 1000, "weights");
    static const char elsewhere[] =
        "{\"schema\":1,\"version\":\"v2\",\"created_at\":\"2026-01-01T00:00:00Z\",\"artifacts\":[{\"name\":\"report.html\","
        "\"key\":\"rejected/v1/report.html\",\"size\":6,"
        "\"sha256\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}]}";
    check(store_put(store, "rejected/v2/manifest.json", str_of(elsewhere), NULL, STORE_ALWAYS, NULL, &written, &err));
    assert_found("v2", false);
}

static void stays_bounded(void **state)
{
    time_t day = 24 * 3600, now = 100 * day;
    char version[16];
    struct json *m;
    (void)state;
    for (int i = 1; i <= REJECTED_KEPT + 2; i++) {
        snprintf(version, sizeof version, "v%d", i);
        put(version, now - 50 * day + i, "weights");
    }
    const char *begun[] = {"begun", "abandoned"};
    for (int i = 0; i < 2; i++) {
        m = manifest(begun[i], now - (i ? 8 : 6) * day);
        json_set(m, "artifacts", json_new_array());
        check(rejected_mark(store, begun[i], m, &err));
        json_free(m);
    }
    check(rejected_prune(store, now, &err));
    assert_listed("v7 v6 v5 v4 v3");
    enum store_found found;
    uint64_t size;
    check(store_stat(store, "rejected/begun/manifest.json", &found, &size, &err));
    assert_int_equal(found, STORE_PRESENT);
    check(store_stat(store, "rejected/abandoned/manifest.json", &found, &size, &err));
    assert_int_equal(found, STORE_ABSENT);
    check(rejected_remove(store, "v7", &err));
    check(rejected_remove(store, "v7", &err)); /* absent is fine */
    assert_listed("v6 v5 v4 v3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(is_kept_apart_from_what_is_published, set_up_store, tear_down_store),
        cmocka_unit_test_setup_teardown(counts_only_with_all_its_files, set_up_store, tear_down_store),
        cmocka_unit_test_setup_teardown(looks_at_its_own_files_only, set_up_store, tear_down_store),
        cmocka_unit_test_setup_teardown(stays_bounded, set_up_store, tear_down_store),
    };
    return cmocka_run_group_tests_name("rejected", tests, NULL, NULL);
}

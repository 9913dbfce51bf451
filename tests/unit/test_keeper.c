/* Checkpoints on their way to the store while training goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder_store.h"

#include "core/stop.h"
#include "pipeline/keeper.h"

#define VERSION "3f9ac1d27b04-5be1c0aa"

static const char *checkpoint;
static struct keeper *keeper;

static struct checkpoint_list listed(void)
{
    struct checkpoint_list out;
    struct store *s = open_store();
    check(checkpoints_find(s, VERSION, &out, &err));
    store_close(s);
    return out;
}

static int set_up(void **state)
{
    if (set_up_store(state))
        return -1;
    checkpoint = fs_join(&arena, folder, "checkpoint.bin");
    struct keeper_options o = {.store = open_store(), .version = VERSION, .checkpoint_path = checkpoint};
    keeper = keeper_open(&o);
    return 0;
}

static int tear_down(void **state)
{
    keeper_close(keeper);
    keeper = NULL;
    stop_request(0);
    return tear_down_store(state);
}

static void write_and_offer(const char *text, int epoch)
{
    check(fs_write_atomic(checkpoint, str_of(text), &err));
    keeper_offer(keeper, &(struct train_position){.epoch = epoch, .epochs = 9, .batches = 10L * epoch, .jobs = 2});
}

static size_t n_files(void)
{
    struct fs_entry *all;
    size_t n, n_bin = 0;
    const char *root = fs_join(&arena, folder, "m/checkpoints/" VERSION);
    if (!fs_exists(root))
        return 0;
    check(fs_walk(root, &arena, &all, &n, &err));
    for (size_t i = 0; i < n; i++)
        n_bin += str_ends(str_of(all[i].path), ".bin");
    return n_bin;
}

static void two_generations_are_kept(void **state)
{
    (void)state;
    static const char *const texts[] = {"one", "two", "three"};
    for (int i = 0; i < 3; i++) {
        write_and_offer(texts[i], i + 1);
        check(keeper_settle(keeper, &err));
    }
    struct checkpoint_list l = listed();
    assert_int_equal(l.newest.at.epoch, 3);
    assert_int_equal(l.newest.at.batches, 30);
    assert_int_equal(l.newest.at.jobs, 2);
    assert_int_equal(l.previous.at.epoch, 2);
    assert_int_equal(n_files(), 2);
    assert_true(keeper_upload_seconds(keeper) > 0);

    struct store *s = open_store();
    const char *path = fs_join(&arena, folder, "fetched");
    struct str text;
    check(checkpoints_fetch(s, VERSION, &l.previous, path, &err));
    check(fs_read_file(path, 100, &arena, &text, &err));
    assert_true(str_is(text, "two"));
    check(checkpoints_clear(s, VERSION, &err));
    store_close(s);
    assert_int_equal(n_files(), 0);
}

static void the_same_bytes_go_up_once(void **state)
{
    (void)state;
    write_and_offer("one", 1);
    check(keeper_settle(keeper, &err));
    write_and_offer("one", 1);
    check(keeper_settle(keeper, &err));
    assert_int_equal(n_files(), 1);
    assert_string_equal(listed().previous.file, "");
}

/* Training is faster than the store: some checkpoints are never seen there, but the last one is, and none is torn. */
static void the_last_of_many_is_stored(void **state)
{
    (void)state;
    char text[64];
    for (int i = 1; i <= 200; i++) {
        snprintf(text, sizeof text, "checkpoint %d", i);
        write_and_offer(text, i);
    }
    check(keeper_settle(keeper, &err));
    assert_int_equal(listed().newest.at.epoch, 200);
    assert_true(n_files() <= 2);
}

static void a_failed_upload_is_told_and_tried_again(void **state)
{
    (void)state;
    const char *blocked = fs_join(&arena, folder, "m/checkpoints");
    check(fs_mkdirs(fs_join(&arena, folder, "m"), &err));
    check(fs_write_atomic(blocked, STR_LIT("in the way"), &err));
    write_and_offer("one", 1);
    assert_false(keeper_settle(keeper, &err));
    check(fs_remove(blocked, &err));
    write_and_offer("two", 2);
    check(keeper_settle(keeper, &err));
    assert_int_equal(listed().newest.at.epoch, 2);
}

static void after_a_stop_the_last_one_goes_up(void **state)
{
    (void)state;
    stop_request(15);
    write_and_offer("last", 4);
    check(keeper_settle(keeper, &err));
    assert_int_equal(listed().newest.at.epoch, 4);
}

static void closing_ends_what_was_offered(void **state)
{
    (void)state;
    write_and_offer("one", 1);
    keeper_close(keeper);
    keeper = NULL;
    assert_int_equal(listed().newest.at.epoch, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(two_generations_are_kept),   TEST(the_same_bytes_go_up_once),
        TEST(the_last_of_many_is_stored), TEST(a_failed_upload_is_told_and_tried_again),
        TEST(after_a_stop_the_last_one_goes_up), TEST(closing_ends_what_was_offered),
    };
    return cmocka_run_group_tests_name("keeper", tests, NULL, NULL);
}

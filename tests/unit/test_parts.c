/* split.sha256: what it says of each image, and what another model's says of today's. */
#include <string.h>

#include "dataset/parts.h"

#include "unit.h"

/* Images "a" to "h" have the bytes that their letter says: a checksum of 64 times that digit. */
#define LINE(x, path) x x x x x x x x "  " path "\n"
#define A "aaaaaaaa"
#define B "bbbbbbbb"
#define C "cccccccc"
#define D "dddddddd"
#define E "eeeeeeee"

static struct sample samples[] = {
    {.name = "images/a.jpg", .part = PART_TRAIN},
    {.name = "images/b.jpg", .part = PART_VAL},
    {.name = "images/c.jpg", .part = PART_TRAIN},
    {.name = "images/d.jpg", .part = PART_TEST},
    {.name = "images/missing.jpg", .part = PART_TRAIN}, /* not in the manifest: nothing is claimed */
};
static const char text[] = LINE(E, "data.yaml") LINE(A, "images/a.jpg") LINE(B, "images/b.jpg") LINE(C, "images/c.jpg")
    LINE(D, "images/d.jpg") LINE(E, "labels/a.txt");
static const struct dataset dataset = {.samples = samples, .n_samples = COUNT(samples)};
static const struct manifest manifest = {.text = text, .n = sizeof text - 1};

static void writes_each_image_with_its_part(void **state)
{
    struct arena a = {0};
    (void)state;
    struct str s = parts_write(&dataset, &manifest, (struct str){0}, &a);
    assert_string_equal(s.p, "train " LINE(A, "images/a.jpg") "val " LINE(B, "images/b.jpg") "train " LINE(C, "images/c.jpg")
                                 "test " LINE(D, "images/d.jpg"));
    arena_free(&a);
}

static void remembers_what_ancestors_trained_on(void **state)
{
    static const char parent[] = "train " LINE(A, "old/name.jpg") "val " LINE(C, "x.jpg") "train " LINE(E, "gone.jpg")
        "earlier " LINE(B, "long/ago.jpg");
    struct arena a = {0};
    (void)state;
    struct str s = parts_write(&dataset, &manifest, str_of(parent), &a);
    assert_non_null(strstr(s.p, "test " LINE(D, "images/d.jpg") "earlier " LINE(E, "gone.jpg") "earlier " LINE(B, "long/ago.jpg")));
    assert_null(strstr(s.p, "name.jpg")); /* still in the training part */
    struct parts_overlap o;
    assert_true(parts_compare(&dataset, &manifest, s, &o)); /* b is held back, and an ancestor was trained on it */
    assert_int_equal(o.n_val_trained_on, 1);
    arena_free(&a);
}

static const struct {
    const char *theirs;
    bool is_sound;
    int val_trained_on, train_held_back;
} cases[] = {
    {"train " LINE(A, "a") "val " LINE(B, "b"), true, 0, 0},
    {"train " LINE(B, "other/name.png"), true, 1, 0},
    {"val " LINE(A, "a") "test " LINE(C, "c"), true, 0, 2},
    {"train " LINE(B, "b") "val " LINE(B, "copy of b"), true, 1, 0}, /* the same bytes in both parts */
    {"val " LINE(A, "1") "train " LINE(B, "2") "val " LINE(C, "3"), true, 1, 2},
    {"train " LINE(D, "d"), true, 0, 0}, /* the test part is not asked about */
    {"", false, 0, 0},
    {"train\n", false, 0, 0},
    {"train " A "  short\n", false, 0, 0},
    {"held " LINE(A, "a"), false, 0, 0},
    {"train zz" LINE(A, "a"), false, 0, 0},
};

static void finds_images_in_the_wrong_part(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct parts_overlap o;
        bool is_sound = parts_compare(&dataset, &manifest, str_of(cases[i].theirs), &o);
        if (is_sound != cases[i].is_sound || o.n_val_trained_on != cases[i].val_trained_on ||
            o.n_train_held_back != cases[i].train_held_back)
            fail_msg("case %zu: %d %d %d", i, is_sound, o.n_val_trained_on, o.n_train_held_back);
        if (is_sound && (o.n_val != 1 || o.n_train != 2))
            fail_msg("case %zu: %d held back, %d to train", i, o.n_val, o.n_train);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_each_image_with_its_part),
        cmocka_unit_test(remembers_what_ancestors_trained_on),
        cmocka_unit_test(finds_images_in_the_wrong_part),
    };
    return cmocka_run_group_tests_name("parts", tests, NULL, NULL);
}

#include "fuzz.h"

#include <string.h>

#include "dataset/parts.h"

#define LINE(digit, path) #digit #digit #digit #digit #digit #digit #digit #digit "  " path "\n"

/* Another model's split.sha256: counts stay within today's images, and what is written can be read. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sample samples[] = {{.name = "a.jpg", .part = PART_TRAIN}, {.name = "b.jpg", .part = PART_VAL}};
    static const char text[] = LINE(aaaaaaaa, "a.jpg") LINE(bbbbbbbb, "b.jpg");
    const struct dataset d = {.samples = samples, .n_samples = 2};
    const struct manifest m = {.text = text, .n = sizeof text - 1};
    struct str theirs = {(const char *)data, size};
    struct parts_overlap o;
    struct arena a = {0};

    bool is_sound = parts_compare(&d, &m, theirs, &o);
    PROMISE(o.n_val_trained_on >= 0 && o.n_val_trained_on <= o.n_val && o.n_val <= 1);
    PROMISE(o.n_train_held_back >= 0 && o.n_train_held_back <= o.n_train && o.n_train <= 1);
    struct str ours = parts_write(&d, &m, theirs, &a);
    PROMISE(ours.n >= 2 * 64 && parts_compare(&d, &m, ours, &o));
    PROMISE(is_sound || ours.n < 3 * 64 + 32);
    arena_free(&a);
    return 0;
}

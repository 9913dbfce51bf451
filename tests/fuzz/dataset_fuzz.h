/* A folder with two images and one file of the fuzzer's: what dataset_scan makes of it keeps its promises. */
#ifndef TESTS_DATASET_FUZZ_H
#define TESTS_DATASET_FUZZ_H

#include <string.h>

#include "fuzz.h"

#include "core/fs.h"
#include "dataset/dataset.h"
#include "image/image.h"

static char fuzz_folder[] = "/tmp/retrain-fuzz-XXXXXX";

static void fuzz_folder_remove(void)
{
    struct error e;
    if (!fs_remove_tree(fuzz_folder, &e))
        fprintf(stderr, "%s\n", e.message);
}

static void fuzz_folder_make(void)
{
    struct arena a = {0};
    struct image im;
    struct error e;
    PROMISE(mkdtemp(fuzz_folder));
    atexit(fuzz_folder_remove);
    image_init(&im, 20, 10);
    PROMISE(fs_mkdirs(fs_join(&a, fuzz_folder, "images/val"), &e));
    PROMISE(image_save(fs_join(&a, fuzz_folder, "images/a.png"), &im, &e));
    PROMISE(image_save(fs_join(&a, fuzz_folder, "images/val/b.png"), &im, &e));
    image_free(&im);
    arena_free(&a);
}

static void fuzz_scan(const char *name, enum dataset_format format, const uint8_t *data, size_t size)
{
    static bool is_made;
    struct arena a = {0};
    struct dataset d;
    struct error e;
    if (!is_made)
        fuzz_folder_make();
    is_made = true;
    FILE *f = fopen(fs_join(&a, fuzz_folder, name), "wb"); /* not fs_write_atomic: it waits for the disk */
    PROMISE(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);
    PROMISE(dataset_scan(&(struct dataset_options){fuzz_folder, format, 0.5f}, NULL, &a, &d, &e));

    PROMISE(d.n_errors + d.n_warnings >= d.n_defects && d.n_train + d.n_val + d.n_test == d.n_samples);
    for (int i = 0; i < d.n_defects; i++)
        PROMISE(d.defects[i].what[0] && d.defects[i].file);
    for (int i = 0; i < d.n_samples; i++) {
        for (int k = 0; k < d.samples[i].n_labels; k++) {
            struct label l = d.samples[i].labels[k];
            PROMISE(l.class_id >= 0 && l.class_id < d.n_classes && l.w > 0 && l.h > 0 && l.w <= 1 && l.h <= 1);
            PROMISE(l.x - l.w / 2 >= -1e-6f && l.x + l.w / 2 <= 1 + 1e-6f && l.y - l.h / 2 >= -1e-6f &&
                    l.y + l.h / 2 <= 1 + 1e-6f);
        }
    }
    arena_free(&a);
}

#endif

/* Finding an image that a label file names, wherever the tool that wrote it thought it would be. */
#ifndef DATASET_FIND_H
#define DATASET_FIND_H

#include "dataset/draft.h"

struct find_entry {
    const char *key; /* file name, or its stem */
    const char *path;
};

/* All images by file name and by stem; in the draft's scratch. */
struct find_index {
    struct find_entry *by_name, *by_stem; /* sorted by key */
    size_t n;
};

struct find_index find_build(struct draft *d);
/* The only image of this name (or stem) in the whole dataset. *n_found says how many there are; NULL unless one. */
const char *find_name(const struct find_index *f, const char *name, int *n_found);
const char *find_stem(const struct find_index *f, const char *stem, int *n_found);
/* The image with this stem in this folder (relative to the dataset, "" or "." = root), whatever its extension. */
const char *find_in_folder(const struct find_index *f, const char *folder, const char *stem);

#endif

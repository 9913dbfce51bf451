/* The checkpoints of a version in the store: checkpoints/<version>/<16 hex of the SHA-256>.bin, the last two of them, and
 * checkpoint.json, written after the file that it names. Private to the pipeline. */
#ifndef PIPELINE_CHECKPOINTS_H
#define PIPELINE_CHECKPOINTS_H

#include "store/store.h"
#include "train/train.h"

struct checkpoint_entry {
    char file[32];   /* "" = there is none */
    char sha256[65];
    int64_t size_bytes;
    struct train_position at;
};

struct checkpoint_list {
    struct checkpoint_entry newest, previous;
};

/* What the store has. A damaged entry counts as none, with a warning. */
MUST_CHECK bool checkpoints_find(struct store *s, const char *version, struct checkpoint_list *out, struct error *e);
/* Downloads one, verified, to `path`. */
MUST_CHECK bool checkpoints_fetch(struct store *s, const char *version, const struct checkpoint_entry *x, const char *path,
                                  struct error *e);
/* Uploads the file, unless the newest is the same; then the list names it first, and what it no longer names is removed. */
MUST_CHECK bool checkpoints_add(struct store *s, const char *version, const char *path, const struct train_position *at,
                                struct checkpoint_list *list, struct error *e);
/* Removes them all, the list first. */
MUST_CHECK bool checkpoints_clear(struct store *s, const char *version, struct error *e);

#endif

/* The pickle machine's stack, memo and nodes, with their limits. Private to pickle.c, whose opcodes it serves. */
#ifndef EXPORT_PICKLE_MACHINE_H
#define EXPORT_PICKLE_MACHINE_H

#include "export/pickle.h"

struct pickle_machine {
    struct str bytes;
    size_t at;
    const char *what;
    struct arena *arena;
    struct error *error;
    struct pickle_node **stack; /* heap; a mark is NULL */
    size_t n_stack, stack_cap;
    struct pickle_node **memo; /* heap */
    size_t n_memo, memo_cap;   /* n_memo: one beyond the highest that was set */
    size_t n_memoized;         /* what MEMOIZE counts */
    struct pickle_node *pool;  /* nodes are handed out from chunks */
    size_t n_pool, n_nodes;
};

bool machine_damaged(struct pickle_machine *m, const char *how); /* always false */

/* The next bytes of the pickle: false when it ends before them. Numbers are little-endian. */
MUST_CHECK bool machine_take(struct pickle_machine *m, uint64_t n, struct str *out);
MUST_CHECK bool machine_number(struct pickle_machine *m, int n_bytes, uint64_t *out);
MUST_CHECK bool machine_line(struct pickle_machine *m, struct str *out);

MUST_CHECK bool machine_push(struct pickle_machine *m, struct pickle_node *node); /* NULL = a mark */
MUST_CHECK bool machine_push_new(struct pickle_machine *m, struct pickle_node like);
MUST_CHECK bool machine_push_items(struct pickle_machine *m, enum pickle_kind kind, struct pickle_node *const *items, size_t n);
MUST_CHECK bool machine_top(struct pickle_machine *m, struct pickle_node **out); /* a mark does not count as a value */
MUST_CHECK bool machine_pop(struct pickle_machine *m, struct pickle_node **out);
/* The values above the newest mark leave the stack, and so does the mark. They stay valid until the next push. */
MUST_CHECK bool machine_pop_to_mark(struct pickle_machine *m, struct pickle_node ***first, size_t *n);
void machine_add_items(struct pickle_machine *m, struct pickle_node *to, struct pickle_node *const *items, size_t n);

MUST_CHECK bool machine_remember(struct pickle_machine *m, uint64_t index); /* the top */
MUST_CHECK bool machine_recall(struct pickle_machine *m, uint64_t index);   /* pushes it */

#endif

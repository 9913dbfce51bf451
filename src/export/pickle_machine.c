#include "export/pickle_machine.h"

#include <string.h>

#define POOL_NODES 1024

bool machine_damaged(struct pickle_machine *m, const char *how)
{
    return fail(m->error, ERR_DATA, "%s: pickle, byte %zu: %s", m->what, m->at, how);
}

bool machine_take(struct pickle_machine *m, uint64_t n, struct str *out)
{
    if (n > m->bytes.n - m->at)
        return machine_damaged(m, "it is cut off");
    *out = (struct str){m->bytes.p + m->at, (size_t)n};
    m->at += (size_t)n;
    return true;
}

bool machine_number(struct pickle_machine *m, int n_bytes, uint64_t *out)
{
    struct str raw = {0};
    if (!machine_take(m, (uint64_t)n_bytes, &raw))
        return false;
    *out = 0;
    for (int i = n_bytes - 1; i >= 0; i--)
        *out = *out << 8 | (unsigned char)raw.p[i];
    return true;
}

bool machine_line(struct pickle_machine *m, struct str *out)
{
    const char *from = m->bytes.p + m->at, *end = memchr(from, '\n', m->bytes.n - m->at);
    if (!end)
        return machine_damaged(m, "a name without an end");
    *out = (struct str){from, (size_t)(end - from)};
    m->at += out->n + 1;
    return true;
}

bool machine_push(struct pickle_machine *m, struct pickle_node *node)
{
    if (m->n_stack == PICKLE_MAX_STACK)
        return machine_damaged(m, "too many values at once");
    MEM_GROW(m->stack, m->n_stack, m->stack_cap);
    m->stack[m->n_stack++] = node;
    return true;
}

bool machine_push_new(struct pickle_machine *m, struct pickle_node like)
{
    if (m->n_nodes == PICKLE_MAX_NODES)
        return machine_damaged(m, "too many values");
    if (m->n_pool == 0) {
        m->pool = ARENA_NEW(m->arena, struct pickle_node, POOL_NODES);
        m->n_pool = POOL_NODES;
    }
    m->n_nodes++;
    m->n_pool--;
    *m->pool = like;
    return machine_push(m, m->pool++);
}

bool machine_top(struct pickle_machine *m, struct pickle_node **out)
{
    if (m->n_stack == 0 || !m->stack[m->n_stack - 1])
        return machine_damaged(m, "a value is missing");
    *out = m->stack[m->n_stack - 1];
    return true;
}

bool machine_pop(struct pickle_machine *m, struct pickle_node **out)
{
    if (!machine_top(m, out))
        return false;
    m->n_stack--;
    return true;
}

bool machine_pop_to_mark(struct pickle_machine *m, struct pickle_node ***first, size_t *n)
{
    size_t at = m->n_stack;
    while (at > 0 && m->stack[at - 1])
        at--;
    if (at == 0)
        return machine_damaged(m, "a mark is missing");
    *first = m->stack + at;
    *n = m->n_stack - at;
    m->n_stack = at - 1;
    return true;
}

/* Capacity doubles, so that what the arena keeps of outgrown lists is no more than the lists. */
void machine_add_items(struct pickle_machine *m, struct pickle_node *to, struct pickle_node *const *items, size_t n)
{
    if (n > to->cap - to->n) {
        size_t cap = to->n + n > 2 * to->cap ? to->n + n : 2 * to->cap;
        struct pickle_node **wider = ARENA_NEW(m->arena, struct pickle_node *, cap);
        for (size_t i = 0; i < to->n; i++)
            wider[i] = to->items[i];
        to->items = wider;
        to->cap = cap;
    }
    for (size_t i = 0; i < n; i++)
        to->items[to->n++] = items[i];
}

bool machine_push_items(struct pickle_machine *m, enum pickle_kind kind, struct pickle_node *const *items, size_t n)
{
    struct pickle_node made = {.kind = kind};
    machine_add_items(m, &made, items, n);
    return machine_push_new(m, made);
}

bool machine_remember(struct pickle_machine *m, uint64_t index)
{
    struct pickle_node *node = NULL;
    if (!machine_top(m, &node))
        return false;
    if (index >= PICKLE_MAX_NODES)
        return machine_damaged(m, "a memo beyond every sensible number");
    while (m->n_memo <= index) {
        MEM_GROW(m->memo, m->n_memo, m->memo_cap);
        m->memo[m->n_memo++] = NULL;
    }
    m->n_memoized++;
    m->memo[index] = node;
    return true;
}

bool machine_recall(struct pickle_machine *m, uint64_t index)
{
    if (index >= m->n_memo || !m->memo[index])
        return machine_damaged(m, "a memo that was never made");
    return machine_push(m, m->memo[index]);
}

/* The opcodes: Lib/pickletools.py of Python documents each with its effect on the stack. */
#include "export/pickle_machine.h"

#include <string.h>

/* Each opcode is one call with one number of its own. */
typedef bool op_fn(struct pickle_machine *m, int arg);

static bool push_mark(struct pickle_machine *m, int arg)
{
    (void)arg;
    return machine_push(m, NULL);
}

/* None, an empty tuple, list, set or dictionary */
static bool push_empty(struct pickle_machine *m, int kind)
{
    return machine_push_new(m, (struct pickle_node){.kind = (enum pickle_kind)kind});
}

static bool push_bool(struct pickle_machine *m, int value)
{
    return machine_push_new(m, (struct pickle_node){.kind = PICKLE_BOOL, .integer = value});
}

static bool push_int(struct pickle_machine *m, int64_t value)
{
    return machine_push_new(m, (struct pickle_node){.kind = PICKLE_INT, .integer = value});
}

static bool push_unsigned(struct pickle_machine *m, int n_bytes)
{
    uint64_t v = 0;
    return machine_number(m, n_bytes, &v) && push_int(m, (int64_t)v);
}

static bool push_int32(struct pickle_machine *m, int n_bytes)
{
    uint64_t v = 0;
    return machine_number(m, n_bytes, &v) && push_int(m, (int32_t)(uint32_t)v);
}

/* Two's complement in as few bytes as it takes, lowest first. */
static bool push_long(struct pickle_machine *m, int length_bytes)
{
    uint64_t n = 0, v = 0;
    struct str raw = {0};
    if (!machine_number(m, length_bytes, &n) || !machine_take(m, n, &raw))
        return false;
    if (n > sizeof v)
        return machine_push_new(m, (struct pickle_node){.kind = PICKLE_BIG, .text = raw});
    if (n > 0 && raw.p[n - 1] & 0x80)
        v = UINT64_MAX;
    for (size_t i = (size_t)n; i > 0; i--)
        v = v << 8 | (unsigned char)raw.p[i - 1];
    return push_int(m, (int64_t)v);
}

/* The one number of the format that begins with its highest byte. */
static bool push_float(struct pickle_machine *m, int n_bytes)
{
    struct str raw = {0};
    uint64_t bits = 0;
    double value;
    if (!machine_take(m, (uint64_t)n_bytes, &raw))
        return false;
    for (size_t i = 0; i < raw.n; i++)
        bits = bits << 8 | (unsigned char)raw.p[i];
    memcpy(&value, &bits, sizeof value);
    return machine_push_new(m, (struct pickle_node){.kind = PICKLE_FLOAT, .real = value});
}

static bool push_counted(struct pickle_machine *m, enum pickle_kind kind, int length_bytes)
{
    uint64_t n = 0;
    struct str text = {0};
    return machine_number(m, length_bytes, &n) && machine_take(m, n, &text) &&
           machine_push_new(m, (struct pickle_node){.kind = kind, .text = text});
}

static bool push_text(struct pickle_machine *m, int length_bytes)
{
    return push_counted(m, PICKLE_TEXT, length_bytes);
}

static bool push_bytes(struct pickle_machine *m, int length_bytes)
{
    return push_counted(m, PICKLE_BYTES, length_bytes);
}

static bool push_tuple(struct pickle_machine *m, int n)
{
    struct pickle_node *items[3] = {0};
    for (int i = n; i > 0; i--)
        if (!machine_pop(m, &items[i - 1]))
            return false;
    return machine_push_items(m, PICKLE_TUPLE, items, (size_t)n);
}

static bool push_marked(struct pickle_machine *m, int kind)
{
    struct pickle_node **items = NULL;
    size_t n = 0;
    return machine_pop_to_mark(m, &items, &n) && machine_push_items(m, (enum pickle_kind)kind, items, n);
}

/* Objects take elements too (a deque, say), but nobody asks for them. */
static bool append_to_top(struct pickle_machine *m, struct pickle_node *const *items, size_t n)
{
    struct pickle_node *to = NULL;
    if (!machine_top(m, &to))
        return false;
    if (to->kind == PICKLE_LIST)
        machine_add_items(m, to, items, n);
    return to->kind == PICKLE_LIST || to->kind == PICKLE_OBJECT ||
           machine_damaged(m, "something is appended to what is no list");
}

static bool append(struct pickle_machine *m, int arg)
{
    struct pickle_node *item = NULL;
    (void)arg;
    return machine_pop(m, &item) && append_to_top(m, &item, 1);
}

static bool append_marked(struct pickle_machine *m, int arg)
{
    struct pickle_node **items = NULL;
    size_t n = 0;
    (void)arg;
    return machine_pop_to_mark(m, &items, &n) && append_to_top(m, items, n);
}

static bool set_in_top(struct pickle_machine *m, struct pickle_node *const *items, size_t n)
{
    struct pickle_node *to = NULL;
    if (!machine_top(m, &to))
        return false;
    if ((to->kind != PICKLE_DICT && to->kind != PICKLE_OBJECT) || n % 2 != 0)
        return machine_damaged(m, "items are set in what is no dictionary");
    machine_add_items(m, to, items, n);
    return true;
}

static bool set_item(struct pickle_machine *m, int arg)
{
    struct pickle_node *pair[2] = {0};
    (void)arg;
    return machine_pop(m, &pair[1]) && machine_pop(m, &pair[0]) && set_in_top(m, pair, 2);
}

static bool set_marked(struct pickle_machine *m, int arg)
{
    struct pickle_node **items = NULL;
    size_t n = 0;
    (void)arg;
    return machine_pop_to_mark(m, &items, &n) && set_in_top(m, items, n);
}

static bool push_name(struct pickle_machine *m, struct str module, struct str name)
{
    const char *text = arena_printf(m->arena, STR_FMT " " STR_FMT, STR_ARG(module), STR_ARG(name));
    return machine_push_new(m, (struct pickle_node){.kind = PICKLE_GLOBAL, .text = str_of(text)});
}

static bool push_global(struct pickle_machine *m, int arg)
{
    struct str module = {0}, name = {0};
    (void)arg;
    return machine_line(m, &module) && machine_line(m, &name) && push_name(m, module, name);
}

static bool push_stack_global(struct pickle_machine *m, int arg)
{
    struct pickle_node *name = NULL, *module = NULL;
    (void)arg;
    if (!machine_pop(m, &name) || !machine_pop(m, &module))
        return false;
    if (name->kind != PICKLE_TEXT || module->kind != PICKLE_TEXT)
        return machine_damaged(m, "a class whose name is no text");
    return push_name(m, module->text, name->text);
}

/* callee(*args), or with keywords, which nobody asks for: written down instead of called. */
static bool push_object(struct pickle_machine *m, int has_keywords)
{
    struct pickle_node *callee = NULL, *args = NULL, *keywords = NULL;
    if ((has_keywords && !machine_pop(m, &keywords)) || !machine_pop(m, &args) || !machine_pop(m, &callee))
        return false;
    if (args->kind != PICKLE_TUPLE)
        return machine_damaged(m, "an object's arguments are no tuple");
    return machine_push_new(m, (struct pickle_node){.kind = PICKLE_OBJECT, .callee = callee, .args = args});
}

static bool set_state(struct pickle_machine *m, int arg)
{
    struct pickle_node *state = NULL, *object = NULL;
    (void)arg;
    if (!machine_pop(m, &state) || !machine_top(m, &object))
        return false;
    if (object->kind != PICKLE_OBJECT)
        return machine_damaged(m, "a state is set on what is no object");
    object->state = state;
    return true;
}

static bool push_stored(struct pickle_machine *m, int arg)
{
    struct pickle_node *id = NULL;
    (void)arg;
    return machine_pop(m, &id) && machine_push_new(m, (struct pickle_node){.kind = PICKLE_STORED, .args = id});
}

static bool remember(struct pickle_machine *m, int n_bytes)
{
    uint64_t index = m->n_memoized;
    return (n_bytes == 0 || machine_number(m, n_bytes, &index)) && machine_remember(m, index);
}

static bool recall(struct pickle_machine *m, int n_bytes)
{
    uint64_t index = 0;
    return machine_number(m, n_bytes, &index) && machine_recall(m, index);
}

/* FRAME only says how much to read at once. */
static bool skip_number(struct pickle_machine *m, int n_bytes)
{
    uint64_t v = 0;
    return machine_number(m, n_bytes, &v);
}

static const struct {
    op_fn *fn;
    int arg;
} ops[256] = {
    ['('] = {push_mark, 0},             /* MARK */
    ['N'] = {push_empty, PICKLE_NONE},  /* NONE */
    [0x88] = {push_bool, 1},            /* NEWTRUE */
    [0x89] = {push_bool, 0},            /* NEWFALSE */
    ['K'] = {push_unsigned, 1},         /* BININT1 */
    ['M'] = {push_unsigned, 2},         /* BININT2 */
    ['J'] = {push_int32, 4},            /* BININT */
    [0x8a] = {push_long, 1},            /* LONG1 */
    [0x8b] = {push_long, 4},            /* LONG4 */
    ['G'] = {push_float, 8},            /* BINFLOAT */
    [0x8c] = {push_text, 1},            /* SHORT_BINUNICODE */
    ['X'] = {push_text, 4},             /* BINUNICODE */
    [0x8d] = {push_text, 8},            /* BINUNICODE8 */
    ['U'] = {push_text, 1},             /* SHORT_BINSTRING: Python 2's texts */
    ['T'] = {push_text, 4},             /* BINSTRING */
    ['C'] = {push_bytes, 1},            /* SHORT_BINBYTES */
    ['B'] = {push_bytes, 4},            /* BINBYTES */
    [0x8e] = {push_bytes, 8},           /* BINBYTES8 */
    [0x96] = {push_bytes, 8},           /* BYTEARRAY8 */
    [')'] = {push_empty, PICKLE_TUPLE}, /* EMPTY_TUPLE */
    [0x85] = {push_tuple, 1},           /* TUPLE1 */
    [0x86] = {push_tuple, 2},           /* TUPLE2 */
    [0x87] = {push_tuple, 3},           /* TUPLE3 */
    ['t'] = {push_marked, PICKLE_TUPLE}, /* TUPLE */
    [']'] = {push_empty, PICKLE_LIST},  /* EMPTY_LIST */
    [0x8f] = {push_empty, PICKLE_LIST}, /* EMPTY_SET */
    [0x91] = {push_marked, PICKLE_LIST}, /* FROZENSET */
    ['a'] = {append, 0},                /* APPEND */
    ['e'] = {append_marked, 0},         /* APPENDS */
    [0x90] = {append_marked, 0},        /* ADDITEMS */
    ['}'] = {push_empty, PICKLE_DICT},  /* EMPTY_DICT */
    ['s'] = {set_item, 0},              /* SETITEM */
    ['u'] = {set_marked, 0},            /* SETITEMS */
    ['c'] = {push_global, 0},           /* GLOBAL */
    [0x93] = {push_stack_global, 0},    /* STACK_GLOBAL */
    ['R'] = {push_object, false},       /* REDUCE */
    [0x81] = {push_object, false},      /* NEWOBJ */
    [0x92] = {push_object, true},       /* NEWOBJ_EX */
    ['b'] = {set_state, 0},             /* BUILD */
    ['Q'] = {push_stored, 0},           /* BINPERSID */
    ['q'] = {remember, 1},              /* BINPUT */
    ['r'] = {remember, 4},              /* LONG_BINPUT */
    [0x94] = {remember, 0},             /* MEMOIZE: the next number */
    ['h'] = {recall, 1},                /* BINGET */
    ['j'] = {recall, 4},                /* LONG_BINGET */
    [0x95] = {skip_number, 8},          /* FRAME */
};

static bool run(struct pickle_machine *m, struct pickle_node **out)
{
    struct str head = {0};
    if (m->bytes.n > PICKLE_MAX_BYTES)
        return machine_damaged(m, "it is over 16 MiB");
    if (!machine_take(m, 2, &head))
        return false;
    if ((unsigned char)head.p[0] != 0x80 || head.p[1] < 2 || head.p[1] > 5)
        return machine_damaged(m, "not a pickle of protocol 2 to 5");
    while (m->at < m->bytes.n) {
        size_t began = m->at;
        unsigned char op = (unsigned char)m->bytes.p[m->at++];
        if (op == '.') /* STOP */
            return machine_pop(m, out) && (m->n_stack == 0 || machine_damaged(m, "values are left over"));
        if (!ops[op].fn)
            return fail(m->error, ERR_DATA, "%s: pickle, byte %zu: opcode 0x%02x is not one that PyTorch writes", m->what, began,
                        op);
        if (!ops[op].fn(m, ops[op].arg))
            return false;
    }
    return machine_damaged(m, "it is cut off");
}

bool pickle_parse(struct str bytes, const char *what, struct arena *a, struct pickle_node **out, struct error *e)
{
    struct pickle_machine m = {.bytes = bytes, .what = what, .arena = a, .error = e};
    bool ok = run(&m, out);
    mem_free(m.stack);
    mem_free(m.memo);
    return ok;
}

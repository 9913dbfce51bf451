/* The pickle machine: each opcode's effect as text, every refusal by name, limits. Bytes as Python's pickler writes them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "export/pickle.h"

static struct arena arena;

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void show(const struct pickle_node *n, struct str_buf *out, int depth);

static void show_items(const struct pickle_node *n, const char *open, const char *close, struct str_buf *out, int depth)
{
    str_buf_adds(out, open);
    for (size_t i = 0; i < n->n; i++) {
        str_buf_adds(out, i ? " " : "");
        show(n->items[i], out, depth + 1);
    }
    str_buf_adds(out, close);
}

/* A notation for the tests: [list] (tuple) {k v} <global> callee(args){items}:state @stored */
static void show(const struct pickle_node *n, struct str_buf *out, int depth)
{
    if (depth > 8) {
        str_buf_adds(out, "...");
        return;
    }
    switch (n->kind) {
    case PICKLE_NONE:
        str_buf_adds(out, "None");
        break;
    case PICKLE_BOOL:
        str_buf_adds(out, n->integer ? "True" : "False");
        break;
    case PICKLE_INT:
        str_buf_printf(out, "%lld", (long long)n->integer);
        break;
    case PICKLE_BIG:
        str_buf_printf(out, "big%zu", n->text.n);
        break;
    case PICKLE_FLOAT:
        str_buf_printf(out, "%.17gf", n->real);
        break;
    case PICKLE_TEXT:
        str_buf_printf(out, "'" STR_FMT "'", STR_ARG(n->text));
        break;
    case PICKLE_BYTES:
        str_buf_printf(out, "b'" STR_FMT "'", STR_ARG(n->text));
        break;
    case PICKLE_TUPLE:
        show_items(n, "(", ")", out, depth);
        break;
    case PICKLE_LIST:
        show_items(n, "[", "]", out, depth);
        break;
    case PICKLE_DICT:
        show_items(n, "{", "}", out, depth);
        break;
    case PICKLE_GLOBAL:
        str_buf_printf(out, "<" STR_FMT ">", STR_ARG(n->text));
        break;
    case PICKLE_OBJECT:
        show(n->callee, out, depth + 1);
        show(n->args, out, depth + 1);
        if (n->n)
            show_items(n, "{", "}", out, depth);
        if (n->state) {
            str_buf_addc(out, ':');
            show(n->state, out, depth + 1);
        }
        break;
    case PICKLE_STORED:
        str_buf_addc(out, '@');
        show(n->args, out, depth + 1);
        break;
    }
}

#define P(text) (text), sizeof(text) - 1

static void does_what_each_opcode_says(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *want;
    } rows[] = {
        {P("\x80\2N."), "None"},
        {P("\x80\2\x88."), "True"},
        {P("\x80\2\x89."), "False"},
        {P("\x80\2K\xff."), "255"},
        {P("\x80\2M\1\xff."), "65281"},
        {P("\x80\2J\xff\xff\xff\xff."), "-1"},
        {P("\x80\2J\xff\xff\xff\x7f."), "2147483647"},
        {P("\x80\2\x8a\0."), "0"},
        {P("\x80\2\x8a\1\xff."), "-1"},
        {P("\x80\2\x8a\2\xff\0."), "255"},
        {P("\x80\2\x8a\x08\0\0\0\0\0\0\0\x80."), "-9223372036854775808"},
        {P("\x80\2\x8a\x09\0\0\0\0\0\0\0\x80\0."), "big9"},
        {P("\x80\2\x8b\1\0\0\0\x80."), "-128"},
        {P("\x80\2G\x3f\xe0\0\0\0\0\0\0."), "0.5f"},
        {P("\x80\2G\xc0\x09\x21\xfb\x54\x44\x2d\x18."), "-3.1415926535897931f"},
        {P("\x80\2X\2\0\0\0hi."), "'hi'"},
        {P("\x80\4\x8c\2hi."), "'hi'"},
        {P("\x80\4\x8d\2\0\0\0\0\0\0\0hi."), "'hi'"},
        {P("\x80\2T\1\0\0\0x."), "'x'"},
        {P("\x80\2U\1x."), "'x'"},
        {P("\x80\3C\2ab."), "b'ab'"},
        {P("\x80\3B\2\0\0\0ab."), "b'ab'"},
        {P("\x80\4\x8e\1\0\0\0\0\0\0\0a."), "b'a'"},
        {P("\x80\5\x96\1\0\0\0\0\0\0\0a."), "b'a'"},
        {P("\x80\2)."), "()"},
        {P("\x80\2K\1\x85."), "(1)"},
        {P("\x80\2K\1K\2\x86."), "(1 2)"},
        {P("\x80\2K\1K\2K\3\x87."), "(1 2 3)"},
        {P("\x80\2(K\1K\2K\3K\4t."), "(1 2 3 4)"},
        {P("\x80\2(t."), "()"},
        {P("\x80\2]."), "[]"},
        {P("\x80\2]K\1aK\2a."), "[1 2]"},
        {P("\x80\2](K\1K\2e(e."), "[1 2]"},
        {P("\x80\4\x8f(K\1\x90."), "[1]"},
        {P("\x80\4(K\1\x91."), "[1]"},
        {P("\x80\2}."), "{}"},
        {P("\x80\2}K\1Ns."), "{1 None}"},
        {P("\x80\2}(K\1NK\2\x88u."), "{1 None 2 True}"},
        {P("\x80\2cos\nsystem\n."), "<os system>"},
        {P("\x80\4\x8c\2os\x8c\6system\x93."), "<os system>"},
        {P("\x80\2cos\nsystem\nX\4\0\0\0rm *\x85R."), "<os system>('rm *')"},
        {P("\x80\2ca\nB\n)\x81}K\1Nsb."), "<a B>():{1 None}"},
        {P("\x80\2ca\nB\n)}\x92."), "<a B>()"},
        {P("\x80\2ccollections\nOrderedDict\n)R(K\1K\2u."), "<collections OrderedDict>(){1 2}"},
        {P("\x80\2ca\ndeque\n)RK\1a(K\2e."), "<a deque>()"},
        {P("\x80\2X\1\0\0\0k\x85Q."), "@('k')"},
        {P("\x80\2]q\7h\7a."), "[[[[[[[[[...]]]]]]]]]"},
        {P("\x80\2Nr\1\0\0\0j\1\0\0\0\x86."), "(None None)"},
        {P("\x80\4\x95\5\0\0\0\0\0\0\0K\1\x94h\0\x86."), "(1 1)"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error e = {0};
        struct pickle_node *root = NULL;
        struct str_buf text = STR_BUF(4096);
        if (!pickle_parse((struct str){rows[i].bytes, rows[i].n}, "p", &arena, &root, &e))
            fail_msg("row %zu (%s): %s", i, rows[i].want, e.message);
        show(root, &text, 0);
        if (strcmp(str_buf_text(&text), rows[i].want) != 0)
            fail_msg("row %zu: %s, wanted %s", i, str_buf_text(&text), rows[i].want);
        str_buf_free(&text);
    }
}

static void names_every_defect(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *part;
    } rows[] = {
        {P(""), "cut off"},
        {P("\x80"), "cut off"},
        {P("(dp0\n."), "not a pickle of protocol"},
        {P("\x80\1N."), "not a pickle of protocol"},
        {P("\x80\6N."), "not a pickle of protocol"},
        {P("\x80\2N"), "cut off"},
        {P("\x80\2X\5\0\0\0hi."), "cut off"},
        {P("\x80\4\x8d\xff\xff\xff\xff\xff\xff\xff\xff."), "cut off"},
        {P("\x80\2\x8b\xff\xff\xff\xff."), "cut off"},
        {P("\x80\2G\0\0."), "cut off"},
        {P("\x80\2cos\nsystem"), "name without an end"},
        {P("\x80\2."), "value is missing"},
        {P("\x80\2(."), "value is missing"},
        {P("\x80\2a."), "value is missing"},
        {P("\x80\2(a."), "value is missing"},
        {P("\x80\2NN."), "values are left over"},
        {P("\x80\2(N."), "values are left over"},
        {P("\x80\2Nt."), "mark is missing"},
        {P("\x80\2e."), "mark is missing"},
        {P("\x80\2NNa."), "no list"},
        {P("\x80\2(NNNu."), "value is missing"},
        {P("\x80\2N(NNu."), "no dictionary"},
        {P("\x80\2}(Nu."), "no dictionary"},
        {P("\x80\2]NNs."), "no dictionary"},
        {P("\x80\2ca\nB\nNR."), "arguments are no tuple"},
        {P("\x80\2NNb."), "no object"},
        {P("\x80\4NN\x93."), "name is no text"},
        {P("\x80\2h\0."), "never made"},
        {P("\x80\2Nq\1h\0."), "never made"},
        {P("\x80\2Nr\xff\xff\xff\xff."), "sensible number"},
        {P("\x80\2q\0."), "value is missing"},
        {P("\x80\2\x86."), "value is missing"},
        {P("\x80\2N\x80\2."), "opcode 0x80"}, /* a second PROTO */
        {P("\x80\2i__main__\nX\n."), "opcode 0x69"},
        {P("\x80\2Pid\n."), "opcode 0x50"},
        {P("\x80\2\x82\1."), "opcode 0x82"}, /* EXT1 looks into a registry */
        {P("\x80\5\x97."), "opcode 0x97"},   /* NEXT_BUFFER: bytes from elsewhere */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error e = {0};
        struct pickle_node *root;
        if (pickle_parse((struct str){rows[i].bytes, rows[i].n}, "bad.pkl", &arena, &root, &e))
            fail_msg("row %zu (%s) was accepted", i, rows[i].part);
        if (e.code != ERR_DATA || !strstr(e.message, rows[i].part) || !strstr(e.message, "bad.pkl"))
            fail_msg("row %zu said: %s\nwanted: %s", i, e.message, rows[i].part);
    }
}

static void keeps_its_limits(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        char op;
        const char *part;
    } rows[] = {
        {PICKLE_MAX_STACK + 1, '(', "too many values at once"},
        {PICKLE_MAX_NODES + 1, ']', "too many values"},
        {PICKLE_MAX_BYTES, 'N', "over 16 MiB"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error e = {0};
        struct pickle_node *root;
        struct arena a = {0};
        char *bytes = malloc(rows[i].n + 2);
        memset(bytes, rows[i].op, rows[i].n + 2);
        memcpy(bytes, "\x80\2", 2);
        assert_false(pickle_parse((struct str){bytes, rows[i].n + 2}, "p", &a, &root, &e));
        if (!strstr(e.message, rows[i].part))
            fail_msg("said: %s\nwanted: %s", e.message, rows[i].part);
        free(bytes);
        arena_free(&a);
    }
}

static void reads_what_is_there(void **state)
{
    (void)state;
    static const char bytes[] = "\x80\2ca\nB\n)\x81}(X\1\0\0\0kK\1X\1\0\0\0kK\2K\3K\4ub.";
    struct error e = {0};
    struct pickle_node *root;
    assert_true(pickle_parse((struct str){P(bytes)}, "p", &arena, &root, &e));
    assert_true(pickle_is_global(root->callee, "a B"));
    assert_int_equal(pickle_attribute(root, "k")->integer, 2); /* the last of two, as in Python */
    assert_null(pickle_attribute(root, "x"));
    assert_null(pickle_attribute(NULL, "k"));
    assert_null(pickle_get(root, "k"));
    assert_null(pickle_get(NULL, "k"));
    assert_null(pickle_at(root, 0));
    assert_null(pickle_at(root->args, 0));
    assert_false(pickle_is(NULL, PICKLE_NONE));
    assert_false(pickle_is_global(root, "a B"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(does_what_each_opcode_says),
        cmocka_unit_test(names_every_defect),
        cmocka_unit_test(keeps_its_limits),
        cmocka_unit_test(reads_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}

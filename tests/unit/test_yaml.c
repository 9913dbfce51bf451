#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "core/yaml.h"

static struct arena run;

static int free_run(void **state)
{
    (void)state;
    arena_free(&run);
    return 0;
}

static struct yaml_node parse(const char *text)
{
    struct error e = {0};
    struct yaml_node v;
    if (!yaml_parse(str_of(text), "data.yaml", &run, &v, &e))
        fail_msg("%s", e.message);
    return v;
}

static void documents_become_trees_with_lines(void **state)
{
    (void)state;
    struct yaml_node v = parse("path: .\n"
                               "# comment\n"
                               "names:\n"
                               "  0: cat\n"
                               "  1: 'dog'\n"
                               "train: [a, \"b\"]\n"
                               "text: |\n"
                               "  two\n"
                               "  lines\n"
                               "after: ~\n");
    assert_int_equal(v.kind, YAML_MAP);
    assert_int_equal(v.n, 5);
    assert_string_equal(v.keys[1], "names");
    assert_int_equal(v.key_lines[1], 3);
    const struct yaml_node *names = yaml_get(&v, "names"), *train = yaml_get(&v, "train"), *text = yaml_get(&v, "text");
    assert_int_equal(names->kind, YAML_MAP);
    assert_int_equal(names->line, 4);
    assert_string_equal(names->keys[1], "1");
    assert_string_equal(names->at[1].text, "dog");
    assert_int_equal(names->at[1].line, 5);
    assert_false(names->at[0].is_quoted);
    assert_true(names->at[1].is_quoted);
    assert_int_equal(train->kind, YAML_LIST);
    assert_int_equal(train->n, 2);
    assert_int_equal(train->at[1].line, 6);
    assert_string_equal(text->text, "two\nlines\n");
    assert_true(text->is_quoted);
    assert_true(yaml_is_null(yaml_get(&v, "after")));
    assert_null(yaml_get(&v, "absent"));
    assert_null(yaml_get(train, "a"));
    assert_null(yaml_get(NULL, "a"));
}

static void empty_documents_are_empty_maps(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n\n", "# only a comment\n", "---\n", "---\n...\n", "{}"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct yaml_node v = parse(texts[i]);
        assert_int_equal(v.kind, YAML_MAP);
        assert_int_equal(v.n, 0);
    }
    assert_int_equal(parse("just text").kind, YAML_SCALAR);
    assert_int_equal(parse("''").kind, YAML_SCALAR);
    assert_int_equal(parse("- 1\n- 2\n").n, 2);
}

static void nulls_booleans_and_tags(void **state)
{
    (void)state;
    struct yaml_node v = parse("[~, ~, null, Null, NULL, '', 'null', 0, no, !!str null, !!int 5, ! x, []]");
    static const bool is_null[] = {true, true, true, true, true, false, false, false, false, false, false, false, false};
    assert_int_equal(v.n, COUNT(is_null));
    for (size_t i = 0; i < v.n; i++)
        if (yaml_is_null(&v.at[i]) != is_null[i])
            fail_msg("item %zu", i);
    assert_true(v.at[9].is_quoted && !v.at[10].is_quoted && v.at[11].is_quoted);
    assert_true(yaml_is_null(NULL));
    v = parse("a:\nb: 1\n");
    assert_true(yaml_is_null(&v.at[0]));
    bool b = false;
    assert_true(yaml_to_bool("True", &b) && b);
    assert_true(yaml_to_bool("FALSE", &b) && !b);
    static const char *const others[] = {"yes", "no", "on", "off", "1", "0", "tRUE", "", "true "};
    for (size_t i = 0; i < COUNT(others); i++)
        assert_false(yaml_to_bool(others[i], &b));
}

static void what_is_refused_names_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"a: 1\nb: &x [1]\nc: *x\n", "data.yaml:2: the anchor \"&x\""},
        {"a: 1\nb: *x\n", "data.yaml:2: the alias \"*x\""},
        {"? *x\n: 1\n", "data.yaml:1: "},
        {"a: 1\nb: 2\n\na: 3\n", "data.yaml:4: the key \"a\" stands here and on line 1"},
        {"a: 1\n---\nb: 2\n", "data.yaml:2: a second document"},
        {"a: !!python/object:os.system [ls]\n", "data.yaml:1: the tag"},
        {"a: !!set {x}\n", "data.yaml:1: the tag"},
        {"? [a, b]\n: c\n", "data.yaml:1: a key must be plain text"},
        {"a: \"x\\0y\"\n", "data.yaml:1: text with a NUL"},
        {"a:\n\t- b\n", "data.yaml:2: "},
        {"a: b: c\n", "data.yaml:1: "},
        {"a: [1, 2\nb: 3\n", "data.yaml:2: "},
        {"a: \xff\n", "UTF-8"},
        {"a: 'open\n", "data.yaml:"},
        {"a: 1\n b: 2\n", "data.yaml:2: "},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error e = {0};
        struct yaml_node v;
        if (yaml_parse(str_of(cases[i].text), "data.yaml", &run, &v, &e))
            fail_msg("accepted: %s", cases[i].text);
        assert_int_equal(e.code, ERR_CONFIG);
        if (!strstr(e.message, cases[i].message) || strchr(e.message, '\n'))
            fail_msg("wanted \"%s\" in \"%s\"", cases[i].message, e.message);
    }
}

static void limits_hold(void **state)
{
    (void)state;
    struct error e = {0};
    struct yaml_node v;
    char deep[66];
    memset(deep, '[', 33);
    memset(deep + 33, ']', 33);
    assert_true(yaml_parse((struct str){deep + 1, 64}, "deep", &run, &v, &e));
    assert_false(yaml_parse((struct str){deep, 66}, "deep", &run, &v, &e));
    assert_non_null(strstr(e.message, "deeper than 32"));
    size_t n = (10u << 20) + 1;
    char *big = malloc(n);
    assert_non_null(big);
    memset(big, '#', n);
    assert_false(yaml_parse((struct str){big, n}, "big", &run, &v, &e));
    free(big);
    /* Many keys must not take quadratic time. */
    struct str_buf b = STR_BUF(4u << 20);
    for (int i = 0; i < 100000; i++)
        str_buf_printf(&b, "k%d: %d\n", i, i);
    assert_true(yaml_parse(str_buf_view(&b), "many", &run, &v, &e));
    assert_int_equal(v.n, 100000);
    str_buf_adds(&b, "k77: 0\n");
    assert_false(yaml_parse(str_buf_view(&b), "many", &run, &v, &e));
    assert_non_null(strstr(e.message, "many:100001: the key \"k77\" stands here and on line 78"));
    str_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_become_trees_with_lines), cmocka_unit_test(empty_documents_are_empty_maps),
        cmocka_unit_test(nulls_booleans_and_tags),           cmocka_unit_test(what_is_refused_names_its_line),
        cmocka_unit_test(limits_hold),
    };
    return cmocka_run_group_tests(tests, NULL, free_run);
}

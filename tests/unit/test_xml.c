#include <string.h>

#include "unit.h"

#include "core/xml.h"

static struct arena run;

static int free_run(void **state)
{
    (void)state;
    arena_free(&run);
    return 0;
}

static void documents_become_trees(void **state)
{
    (void)state;
    static const char text[] = "<?xml version=\"1.0\"?>\n"
                               "<s:annotation xmlns:s=\"x\" verified=\"yes\">\n"
                               "  <folder> images &amp; more </folder>\n"
                               "  <object><name>cat</name><part><name>ear</name></part></object>\n"
                               "  <other/>\n"
                               "  <object><name><![CDATA[<dog>]]></name></object>\n"
                               "</s:annotation>\n";
    struct error e = {0};
    struct xml_node *root;
    if (!xml_parse(STR_LIT(text), "a.xml", &run, &root, &e))
        fail_msg("%s", e.message);
    assert_string_equal(root->name, "annotation");
    assert_string_equal(root->text, "");
    assert_int_equal(root->line, 2);
    assert_string_equal(xml_text(root, "folder", "?"), "images & more");
    const struct xml_node *cat = xml_get(root, "object"), *dog = xml_next(cat);
    assert_string_equal(xml_text(cat, "name", "?"), "cat");
    assert_int_equal(cat->line, 4);
    assert_string_equal(xml_text(xml_get(cat, "part"), "name", "?"), "ear");
    assert_string_equal(xml_text(dog, "name", "?"), "<dog>");
    assert_int_equal(dog->line, 6);
    assert_null(xml_next(dog));
    assert_null(xml_get(root, "absent"));
    assert_null(xml_get(NULL, "x"));
    assert_null(xml_next(NULL));
    assert_string_equal(xml_text(root, "absent", "?"), "?");
    assert_string_equal(xml_text(root, "other", "?"), "");
    assert_true(xml_parse(STR_LIT("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe9</a>"), "l", &run, &root, &e));
    assert_string_equal(root->text, "\xc3\xa9");
}

static void what_is_refused_names_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "a.xml:1: "}, {"<a>\n<b></a>", "a.xml:2: "}, {"<a/><b/>", "a.xml:1: "}, {"<a>\xff</a>", "a.xml:1: "},
        {"<a>&undefined;</a>", "a.xml:1: "}, {"text", "a.xml:1: "},
        {"<!DOCTYPE a [<!ENTITY b \"bb\"><!ENTITY c \"&b;&b;\">]>\n<a>&c;</a>", "document type"},
        {"<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>", "document type"},
        {"<?xml version=\"1.0\" encoding=\"utf-99\"?><a/>", "a.xml:1: "},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error e = {0};
        struct xml_node *root;
        if (xml_parse(str_of(cases[i].text), "a.xml", &run, &root, &e))
            fail_msg("accepted: %s", cases[i].text);
        assert_int_equal(e.code, ERR_DATA);
        if (!strstr(e.message, cases[i].message))
            fail_msg("wanted \"%s\" in \"%s\"", cases[i].message, e.message);
    }
}

static void limits_hold(void **state)
{
    (void)state;
    struct error e = {0};
    struct xml_node *root;
    for (int depth = 32; depth <= 33; depth++) {
        struct str_buf b = STR_BUF(10000);
        for (int i = 0; i < depth; i++)
            str_buf_adds(&b, "<a>x");
        for (int i = 0; i < depth; i++)
            str_buf_adds(&b, "</a>");
        assert_int_equal(xml_parse(str_buf_view(&b), "deep", &run, &root, &e), depth == 32);
        str_buf_free(&b);
    }
    assert_non_null(strstr(e.message, "deeper than 32"));
    for (int n = 99999; n <= 100000; n++) {
        struct str_buf b = STR_BUF(1 << 20);
        str_buf_adds(&b, "<r>");
        for (int i = 0; i < n; i++)
            str_buf_adds(&b, "<a/>");
        str_buf_adds(&b, "</r>");
        assert_int_equal(xml_parse(str_buf_view(&b), "many", &run, &root, &e), n == 99999);
        str_buf_free(&b);
    }
    assert_non_null(strstr(e.message, "100000 elements"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_become_trees),
        cmocka_unit_test(what_is_refused_names_its_line),
        cmocka_unit_test(limits_hold),
    };
    return cmocka_run_group_tests(tests, NULL, free_run);
}

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include "core/fs.h"
#include "core/log.h"
#include "command/pictures.h"

static struct arena arena;
static const char *folder;

static void put(const char *name)
{
    struct error e = {0};
    const char *path = fs_join(&arena, folder, name);
    assert_true(fs_mkdirs(fs_dir(&arena, path), &e));
    assert_true(fs_write_atomic(path, STR_LIT("x"), &e));
}

/* The folder's name holds every sign that a pattern could mistake. */
static int make_folder(void **state)
{
    (void)state;
    struct error e = {0};
    char name[] = "/tmp/retrain-[a]{b,c}?*-XXXXXX";
    log_configure(&(struct log_options){.least = LOG_ERROR, .fd = open("/dev/null", 1)});
    folder = arena_strdup(&arena, mkdtemp(name) ? name : "/nonexistent");
    static const char *const files[] = {"p/b.JPG",   "p/a.png",   "p/a.bmp",  "p/a.txt",      "p/deep/er/c.jpeg",
                                        "p/.h/d.jpg", "p/.e.jpg", "q/b.jpg",  "q/[x].jpg",    "q/x.jpg",
                                        "out/a.png",  "p/drawn/z.jpg", "odd"};
    for (size_t i = 0; i < COUNT(files); i++)
        put(files[i]);
    assert_true(fs_mkdirs(fs_join(&arena, folder, "empty"), &e));
    assert_int_equal(symlink("../q/x.jpg", fs_join(&arena, folder, "p/link.jpg")), 0);
    assert_int_equal(symlink("gone", fs_join(&arena, folder, "p/broken.jpg")), 0);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    struct error e = {0};
    bool ok = fs_remove_tree(folder, &e);
    arena_free(&arena);
    return ok ? 0 : 1;
}

static struct pictures find(const char *skip, const char *const *arguments)
{
    struct pictures p;
    struct config c = {.workspace = folder};
    int n = 0;
    while (arguments[n])
        n++;
    pictures_find(&c, arguments, n, skip, &arena, &p);
    return p;
}

static const char *names(const struct pictures *p)
{
    const char *all = "";
    for (int i = 0; i < p->n; i++)
        all = arena_printf(&arena, "%s%s%s", all, i ? " " : "", p->all[i].name);
    return all;
}

static void arguments_become_images(void **state)
{
    (void)state;
    static const struct {
        const char *arguments[5], *names;
        int n_missing;
        const char *common; /* below the folder */
    } cases[] = {
        {{"p"}, "p/a.bmp p/a.png p/b.JPG p/deep/er/c.jpeg p/drawn/z.jpg p/link.jpg", 0, "/p"},
        {{"p/deep"}, "p/deep/er/c.jpeg", 0, "/p/deep"},
        {{"p/deep/er/c.jpeg"}, "p/deep/er/c.jpeg", 0, "/p/deep/er"},
        {{"q/b.jpg", "p/a.png", "q"}, "q/b.jpg p/a.png q/[x].jpg q/x.jpg", 0, ""},
        {{"./q/../q/b.jpg", "q/b.jpg"}, "./q/../q/b.jpg", 0, "/q"},
        {{"*/b.*"}, "p/b.JPG q/b.jpg", 0, ""},
        {{"p/*.{bmp,png}"}, "p/a.bmp p/a.png", 0, "/p"},
        {{"p/d*"}, "p/deep/er/c.jpeg p/drawn/z.jpg", 0, "/p"},
        {{"q/[x].jpg"}, "q/[x].jpg", 0, "/q"}, /* it exists: no pattern */
        {{"q/[w-y].jpg"}, "q/x.jpg", 0, "/q"},
        {{"odd", "p/a.txt"}, "odd p/a.txt", 0, ""}, /* named by hand: the content decides */
        {{"none.jpg", "q/b.jpg", "no*.jpg", "empty"}, "q/b.jpg", 3, "/q"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pictures p = find("", cases[i].arguments);
        if (strcmp(names(&p), cases[i].names) || p.n_missing != cases[i].n_missing)
            fail_msg("%s: got %s, %d missing", cases[i].arguments[0], names(&p), p.n_missing);
        assert_string_equal(p.common, arena_printf(&arena, "%s%s", folder, cases[i].common));
    }
}

static void copies_of_an_earlier_call_are_left_out(void **state)
{
    (void)state;
    const char *drawn = arena_printf(&arena, "%s/p/drawn", folder);
    struct pictures p = find(drawn, (const char *[]){"p", NULL});
    assert_string_equal(names(&p), "p/a.bmp p/a.png p/b.JPG p/deep/er/c.jpeg p/link.jpg");
    p = find(drawn, (const char *[]){"p/d*", NULL});
    assert_string_equal(names(&p), "p/deep/er/c.jpeg");
    p = find(drawn, (const char *[]){"p/drawn", NULL}); /* asked for by name */
    assert_string_equal(names(&p), "p/drawn/z.jpg");
}

static const char *copies(const struct pictures *p, const char *dir)
{
    const char *all = "";
    for (int i = 0; i < p->n; i++)
        all = arena_printf(&arena, "%s%s%s", all, i ? " " : "", p->all[i].copy + strlen(dir) + 1);
    return all;
}

static void copies_meet_nothing(void **state)
{
    (void)state;
    struct error e = {0};
    const char *new = arena_printf(&arena, "%s/new", folder), *out = arena_printf(&arena, "%s/out", folder);
    struct pictures p = find("", (const char *[]){"p", NULL});
    assert_true(pictures_place_copies(&p, new, false, &arena, &e));
    assert_string_equal(copies(&p, new), "a.png a-2.png b.jpg deep/er/c.jpg drawn/z.jpg link.jpg");
    p = find("", (const char *[]){"q/b.jpg", "p/b.JPG", NULL});
    assert_true(pictures_place_copies(&p, new, false, &arena, &e));
    assert_string_equal(copies(&p, new), "q/b.jpg p/b.jpg");

    p = find("", (const char *[]){"p/a.png", NULL});
    assert_false(pictures_place_copies(&p, out, false, &arena, &e)); /* out/a.png is there */
    assert_int_equal(e.code, ERR_CONFIG);
    assert_true(pictures_place_copies(&p, out, true, &arena, &e));
    assert_false(pictures_place_copies(&p, arena_printf(&arena, "%s/p", folder), true, &arena, &e)); /* the original */
    p = find("", (const char *[]){"p/link.jpg", "q/x.jpg", NULL});
    assert_false(pictures_place_copies(&p, folder, true, &arena, &e)); /* by another name */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_become_images),
        cmocka_unit_test(copies_of_an_earlier_call_are_left_out),
        cmocka_unit_test(copies_meet_nothing),
    };
    return cmocka_run_group_tests_name("pictures", tests, make_folder, remove_folder);
}

#include "dataset_tree.h"

#include <math.h>

#define OBJECT(name, x1, y1, x2, y2)                                                                                   \
    "<object><name>" name "</name><bndbox><xmin>" x1 "</xmin><ymin>" y1 "</ymin><xmax>" x2 "</xmax><ymax>" y2          \
    "</ymax></bndbox></object>"
#define ANNOTATION(file, inside)                                                                                       \
    "<annotation><filename>" file                                                                                      \
    "</filename><size><width>20</width><height>10</height><depth>3</depth></size>" inside "</annotation>"
#define DOG OBJECT("dog", "3", "2", "12", "6")
#define CAT OBJECT("cat", "1", "1", "20", "10")
#define PNG "@20x10"
/* Stem a trains and b validates by hash at 0.5. */
#define TWO                                                                                                            \
    {"images/a.png", PNG}, {"annotations/a.xml", ANNOTATION("a.png", DOG CAT)}, {"images/b.png", PNG},                 \
    {                                                                                                                  \
        "annotations/b.xml", ANNOTATION("b.png", DOG)                                                                  \
    }

static const struct scan_case cases[] = {
    {"annotations and images", {TWO}, DATASET_VOC, 1, 1, 0, 3, "cat,dog", {{0}}},
    {"one folder",
     {{"a.jpg", PNG}, {"a.xml", ANNOTATION("a.jpg", DOG)}, {"b.jpg", PNG}, {"b.xml", ANNOTATION("b.jpg", "")}},
     DATASET_VOC,
     1,
     1,
     0,
     1,
     "dog",
     {{0}}},
    {"file names of another time",
     {{"images/a.png", PNG},
      {"annotations/a.xml", ANNOTATION("IMG_1.JPG", DOG)},
      {"images/b.png", PNG},
      {"annotations/b.xml", ANNOTATION("", DOG)}},
     DATASET_VOC,
     1,
     1,
     0,
     2,
     "dog",
     {{0}}},
    {"found by the file name alone",
     {{"photos/a.png", PNG},
      {"xml/1.xml", ANNOTATION("a.png", DOG)},
      {"photos/b.png", PNG},
      {"xml/2.xml", ANNOTATION("b.png", DOG)}},
     DATASET_VOC,
     1,
     1,
     0,
     2,
     "dog",
     {{0}}},
    {"image sets",
     {{"JPEGImages/a.jpg", PNG},
      {"JPEGImages/b.jpg", PNG},
      {"JPEGImages/c.jpg", PNG},
      {"Annotations/a.xml", ANNOTATION("a.jpg", DOG)},
      {"Annotations/b.xml", ANNOTATION("b.jpg", DOG)},
      {"Annotations/c.xml", ANNOTATION("c.jpg", CAT)},
      {"ImageSets/Main/train.txt", "b\n"},
      {"ImageSets/Main/val.txt", "a\r\n"},
      {"ImageSets/Main/trainval.txt", "a\nb\nc\n"}},
     DATASET_VOC,
     1,
     1,
     0,
     2,
     "dog",
     {{'W', "ImageSets/Main", 0, "1 images are in no list"}}},
    {"only trainval",
     {{"JPEGImages/a.jpg", PNG},
      {"JPEGImages/b.jpg", PNG},
      {"Annotations/a.xml", ANNOTATION("a.jpg", DOG)},
      {"Annotations/b.xml", ANNOTATION("b.jpg", DOG)},
      {"ImageSets/Main/trainval.txt", "a 1\nb -1\n"},
      {"ImageSets/Main/test.txt", "z\n"}},
     DATASET_VOC,
     1,
     1,
     0,
     2,
     "dog",
     {{'E', "ImageSets/Main/test.txt", 1, "z has no image"}}},
    {"parts by folder",
     {{"train/b.png", PNG},
      {"train/b.xml", ANNOTATION("b.png", DOG)},
      {"valid/a.png", PNG},
      {"valid/a.xml", ANNOTATION("a.png", DOG)},
      {"test/c.png", PNG}},
     DATASET_VOC,
     1,
     1,
     1,
     2,
     "dog",
     {{0}}},
    {"label without image",
     {TWO, {"annotations/z.xml", ANNOTATION("z.png", DOG)}},
     DATASET_VOC,
     1,
     1,
     0,
     3,
     "cat,dog",
     {{'W', "annotations/z.xml", 0, "label without image"}}},
    {"size that is not so",
     {TWO, {"images/g.png", "@10x20"}, {"annotations/g.xml", ANNOTATION("g.png", OBJECT("dog", "1", "1", "5", "5"))}},
     DATASET_VOC,
     2,
     1,
     0,
     4,
     "cat,dog",
     {{'W', "annotations/g.xml", 0, "20x10 pixels, but it has 10x20"}}},
    {"odd boxes",
     {TWO,
      {"images/g.png", PNG},
      {"annotations/g.xml",
       "<annotation>\n" OBJECT("dog", "0", "0", "21", "10") "\n" OBJECT("dog", "5", "5", "30", "8") "\n" OBJECT(
           "dog", "9", "5",
           "8", "8") "\n" OBJECT("dog", "x", "5", "8",
                                 "8") "\n" OBJECT("", "1", "1", "8", "8") "\n<object><name>dog</name></"
                                                                          "object>\n" OBJECT("dog", "40", "5", "50",
                                                                                             "8") "\n" OBJECT("dog",
                                                                                                              "0", "0",
                                                                                                              "21",
                                                                                                              "10") "</"
                                                                                                                    "an"
                                                                                                                    "no"
                                                                                                                    "ta"
                                                                                                                    "ti"
                                                                                                                    "on"
                                                                                                                    ">"}},
     DATASET_VOC,
     2,
     1,
     0,
     5,
     "cat,dog",
     {{'W', "annotations/g.xml", 3, "reaches outside"},
      {'W', "annotations/g.xml", 4, "without area"},
      {'E', "annotations/g.xml", 5, "four numbers"},
      {'E', "annotations/g.xml", 6, "without a name"},
      {'E', "annotations/g.xml", 7, "four numbers"},
      {'W', "annotations/g.xml", 8, "outside the image"},
      {'W', "annotations/g.xml", 9, "same box"}}},
    {"broken XML",
     {TWO, {"images/g.png", PNG}, {"annotations/g.xml", "<annotation>\n<object>\n</annotation>"}},
     DATASET_VOC,
     2,
     1,
     0,
     3,
     "cat,dog",
     {{'E', "annotations/g.xml", 3, ""}}},
    {"entities are refused",
     {TWO, {"images/g.png", PNG}, {"annotations/g.xml", "<!DOCTYPE x [<!ENTITY a \"b\">]>\n<annotation/>"}},
     DATASET_VOC,
     2,
     1,
     0,
     3,
     "cat,dog",
     {{'E', "annotations/g.xml", 1, ""}}},
    {"some other XML", {TWO, {"sitemap.xml", "<urlset/>"}}, DATASET_VOC, 1, 1, 0, 3, "cat,dog", {{0}}},
    {"name collision",
     {TWO, {"images/a.jpg", PNG}},
     DATASET_VOC,
     2,
     1,
     0,
     3,
     "cat,dog",
     {{'E', "images/a.png", 0, "same label file"}}},
};

static void datasets(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        check_scan(&cases[i], DATASET_AUTO);
}

/* Corners are 1-based and inclusive: 1..20 of 20 pixels is the whole width. */
static void corners(void **state)
{
    (void)state;
    struct arena a = {0};
    struct dataset d;
    struct error e;
    tree_make(cases[0].files);
    assert_true(dataset_scan(&(struct dataset_options){tree_root, DATASET_VOC, 0.5f}, NULL, &a, &d, &e));
    const struct label *dog = &d.samples[0].labels[0], *cat = &d.samples[0].labels[1];
    assert_true(fabsf(cat->x - 0.5f) <= 1e-6f && fabsf(cat->w - 1) <= 1e-6f && fabsf(cat->h - 1) <= 1e-6f);
    assert_true(fabsf(dog->x - 0.35f) <= 1e-6f && fabsf(dog->w - 0.5f) <= 1e-6f && fabsf(dog->y - 0.35f) <= 1e-6f);
    assert_int_equal(dog->class_id, 1);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datasets),
        cmocka_unit_test(corners),
    };
    return cmocka_run_group_tests_name("voc", tests, tree_begin, tree_end);
}

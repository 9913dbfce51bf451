#include "dataset_tree.h"

#include <math.h>

#include "dataset/yolo.h"

static const struct {
    const char *line;
    int class_id; /* -1: refused, `says` is in the reason */
    double x1, y1, x2, y2;
    bool is_polygon;
    const char *says;
} lines[] = {
    {"0 0.5 0.5 0.2 0.4", 0, 0.4, 0.3, 0.6, 0.7, false, NULL},
    {"  7\t0.5  0.5 0.2 0.4 \r", 7, 0.4, 0.3, 0.6, 0.7, false, NULL},
    {"2.0 .5 5e-1 0.2 0.4", 2, 0.4, 0.3, 0.6, 0.7, false, NULL},
    {"1 0.1 0.2 0.3 0.2 0.3 0.6", 1, 0.1, 0.2, 0.3, 0.6, true, NULL},
    {"1 0.3 0.6 0.1 0.2 0.3 0.2 0.2 0.4", 1, 0.1, 0.2, 0.3, 0.6, true, NULL},
    {"0 0.5 0.5 0.2", -1, 0, 0, 0, 0, false, "4 columns"},
    {"0 0.5 0.5 0.2 0.4 0.9", -1, 0, 0, 0, 0, false, "6 columns"},
    {"0", -1, 0, 0, 0, 0, false, "1 columns"},
    {"", -1, 0, 0, 0, 0, false, "empty"},
    {"cat 0.5 0.5 0.2 0.4", -1, 0, 0, 0, 0, false, "'cat'"},
    {"0.5 0.5 0.5 0.2 0.4", -1, 0, 0, 0, 0, false, "whole number"},
    {"99999999999 0.5 0.5 0.2 0.4", -1, 0, 0, 0, 0, false, "whole number"},
    {"0 nan 0.5 0.2 0.4", -1, 0, 0, 0, 0, false, "not a number: 'nan'"},
    {"0 0.5 inf 0.2 0.4", -1, 0, 0, 0, 0, false, "'inf'"},
    {"0 0.5 0x1 0.2 0.4", -1, 0, 0, 0, 0, false, "'0x1'"},
    {"0,0.5,0.5,0.2,0.4", -1, 0, 0, 0, 0, false, "not a number"},
    {"0 0.5 1e99 0.2 0.4", -1, 0, 0, 0, 0, false, "coordinate"},
};

static void label_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct yolo_line l;
        char why[256] = "";
        bool ok = yolo_parse_line(str_of(lines[i].line), &l, why, sizeof why);
        if (lines[i].class_id < 0) {
            if (ok || !strstr(why, lines[i].says))
                fail_msg("'%s': %s", lines[i].line, ok ? "was taken" : why);
            continue;
        }
        if (!ok || l.class_id != lines[i].class_id || l.is_polygon != lines[i].is_polygon ||
            !(fabs(l.x1 - lines[i].x1) <= 1e-9) || !(fabs(l.y1 - lines[i].y1) <= 1e-9) ||
            !(fabs(l.x2 - lines[i].x2) <= 1e-9) || !(fabs(l.y2 - lines[i].y2) <= 1e-9))
            fail_msg("'%s': %s %d %g %g %g %g", lines[i].line, why, l.class_id, l.x1, l.y1, l.x2, l.y2);
    }
}

#define IMG "@16x12"
#define BOX "0 0.5 0.5 0.2 0.4\n"
#define PARTS "names: [cat, dog]\ntrain: images/train\nval: images/val\n"
/* Both classes trained, one image to validate. */
#define TWO_PARTS                                                                                                      \
    {"images/train/a.png", IMG}, {"labels/train/a.txt", "0 0.5 0.5 0.2 0.4\n1 0.4 0.5 0.2 0.4\n"},                     \
        {"images/val/b.png", IMG},                                                                                     \
    {                                                                                                                  \
        "labels/val/b.txt", BOX                                                                                        \
    }

static const struct scan_case cases[] = {
    {"flat folder",
     {{"a.png", IMG},
      {"a.txt", "1 0.5 0.5 0.2 0.4\n" BOX},
      {"b.jpg", IMG},
      {"b.txt", BOX},
      {"c.PNG", IMG},
      {"d.png", IMG},
      {"d.txt", ""}},
     DATASET_YOLO,
     -1,
     4,
     0,
     3,
     "class_0,class_1",
     {{0}}},
    {"classes.txt",
     {{"a.png", IMG}, {"a.txt", BOX}, {"b.png", IMG}, {"b.txt", BOX}, {"classes.txt", "thumb\r\n\n"}},
     DATASET_YOLO,
     -1,
     2,
     0,
     2,
     "thumb",
     {{0}}},
    {"trees and data.yaml", {{"data.yaml", PARTS}, TWO_PARTS}, DATASET_YOLO, 1, 1, 0, 3, "cat,dog", {{0}}},
    {"names as map, test part",
     {{"data.yaml",
       "path: .\nnames:\n  1: dog\n  0: cat\ntrain: images/train\nval: images/val\ntest: images/test\nnc: 2\n"},
      TWO_PARTS,
      {"images/test/c.png", IMG}},
     DATASET_YOLO,
     1,
     1,
     1,
     3,
     "cat,dog",
     {{0}}},
    {"nc only",
     {{"data.yaml", "nc: 2\ntrain: images/train\nval: images/val\n"}, TWO_PARTS},
     DATASET_YOLO,
     1,
     1,
     0,
     3,
     "class_0,class_1",
     {{0}}},
    {"a folder for training, the split by hash",
     {{"data.yaml", "names: [cat, dog]\ntrain: images\n"}, TWO_PARTS},
     DATASET_YOLO,
     -1,
     2,
     0,
     3,
     "cat,dog",
     {{0}}},
    {"exported with ../",
     {{"data.yaml", "names: [cat, dog]\ntrain: ../train/images\nval: ../valid/images\n"},
      {"train/images/a.png", IMG},
      {"train/labels/a.txt", BOX "1 0.5 0.5 0.1 0.1\n"},
      {"valid/images/b.png", IMG},
      {"valid/labels/b.txt", BOX}},
     DATASET_YOLO,
     1,
     1,
     0,
     3,
     "cat,dog",
     {{0}}},
    {"path of another machine",
     {{"data.yaml", "path: /home/me/set\n" PARTS}, TWO_PARTS},
     DATASET_YOLO,
     1,
     1,
     0,
     3,
     "cat,dog",
     {{0}}},
    {"lists",
     {{"data.yaml", "names: [cat, dog]\ntrain: train.txt\nval: [lists/val.txt]\n"},
      TWO_PARTS,
      {"train.txt", "./images/train/a.png\n\n"},
      {"lists/val.txt", "../images/val/b.png\n"}},
     DATASET_YOLO,
     1,
     1,
     0,
     3,
     "cat,dog",
     {{0}}},
    {"list of folders",
     {{"data.yaml", "names: [cat, dog]\ntrain: [images/train, images/more]\nval: images/val\n"},
      TWO_PARTS,
      {"images/more/c.png", IMG},
      {"labels/more/c.txt", BOX}},
     DATASET_YOLO,
     2,
     1,
     0,
     4,
     "cat,dog",
     {{0}}},
    {"parts by folder names", {TWO_PARTS}, DATASET_YOLO, 1, 1, 0, 3, "class_0,class_1", {{0}}},
    {"list with a stranger",
     {{"data.yaml", "names: [cat, dog]\ntrain: train.txt\nval: images/val\n"},
      TWO_PARTS,
      {"train.txt", "images/train/a.png\nimages/train/z.png\n/etc/passwd\n../x.png\n"}},
     DATASET_YOLO,
     1,
     1,
     0,
     3,
     "cat,dog",
     {{'E', "train.txt", 2, "images/train/z.png is not in"},
      {'E', "train.txt", 3, "/etc/passwd"},
      {'E', "train.txt", 4, "../x.png"}}},
    {"part without a folder",
     {{"data.yaml", "names: [cat, dog]\ntrain: images/train\nval: images/vla\n"}, TWO_PARTS},
     DATASET_YOLO,
     1,
     0,
     0,
     2,
     "cat,dog",
     {{'E', "data.yaml", 3, "images/vla is not in"}, {'E', ".", 0, "no image to validate"}}},
    {"one image in both parts",
     {{"data.yaml", "names: [cat, dog]\ntrain: images\nval: images/val\n"}, TWO_PARTS},
     DATASET_YOLO,
     1,
     1,
     0,
     3,
     "cat,dog",
     {{'E', "images/val/b.png", 0, "in the training and in the validation part"}}},
    {"nc contradicts names",
     {{"data.yaml", "nc: 3\n" PARTS}, TWO_PARTS},
     DATASET_YOLO,
     1,
     1,
     0,
     3,
     "cat,dog",
     {{'E', "data.yaml", 1, "nc is 3 but names has 2"}}},
    {"names with a gap",
     {{"data.yaml", "names: {0: cat, 2: dog}\ntrain: images/train\nval: images/val\n"}, TWO_PARTS},
     DATASET_YOLO,
     1,
     1,
     0,
     2,
     "cat",
     {{'E', "data.yaml", 1, "none with the id 1"}, {'E', "labels/train/a.txt", 2, "class 1 is out of range 0..0"}}},
    {"data.yaml is no YAML",
     {{"data.yaml", "names: [a\ntrain: x\n"}, TWO_PARTS},
     DATASET_YOLO,
     1,
     1,
     0,
     3,
     "class_0,class_1",
     {{'E', "data.yaml", 2, ""}}},
    {"two classes of one name",
     {{"data.yaml", "names: [cat, cat]\ntrain: images/train\nval: images/val\n"}, TWO_PARTS},
     DATASET_YOLO,
     1,
     1,
     0,
     3,
     "cat,cat",
     {{'E', ".", 0, "two classes are called 'cat'"}}},
    {"class without training box",
     {{"data.yaml", "names: [cat, dog, cow]\ntrain: images/train\nval: images/val\n"}, TWO_PARTS},
     DATASET_YOLO,
     1,
     1,
     0,
     3,
     "cat,dog,cow",
     {{'W', ".", 0, "class 2 'cow'"}}},
    {"class out of range",
     {{"data.yaml", PARTS},
      TWO_PARTS,
      {"images/train/c.png", IMG},
      {"labels/train/c.txt", BOX "7 0.5 0.5 0.1 0.1\n-1 0.5 0.5 0.1 0.1\n"}},
     DATASET_YOLO,
     2,
     1,
     0,
     4,
     "cat,dog",
     {{'E', "labels/train/c.txt", 2, "class 7 is out of range 0..1: correct the id or add the name to data.yaml"},
      {'E', "labels/train/c.txt", 3, "class -1"}}},
    {"bad lines",
     {{"data.yaml", PARTS},
      TWO_PARTS,
      {"images/train/c.png", IMG},
      {"labels/train/c.txt", "\n0 x 0.5 0.1 0.1\n0 0.5 0.5 0.1\n1 0.1 0.1 0.5 0.1 0.5 0.5\n"}},
     DATASET_YOLO,
     2,
     1,
     0,
     4,
     "cat,dog",
     {{'E', "labels/train/c.txt", 2, "not a number: 'x'"},
      {'E', "labels/train/c.txt", 3, "4 columns"},
      {'W', "labels/train/c.txt", 4, "polygon"}}},
    {"boxes at the border",
     {{"data.yaml", PARTS},
      TWO_PARTS,
      {"images/train/c.png", IMG},
      {"labels/train/c.txt",
       "0 0.05 0.5 0.1000002 0.1\n0 0.0 0.5 0.2 0.1\n0 2 0.5 0.2 0.1\n0 0.5 0.5 0 0.1\n0 0.5 0.5 0.1 -0.1\n"}},
     DATASET_YOLO,
     2,
     1,
     0,
     5,
     "cat,dog",
     {{'W', "labels/train/c.txt", 2, "reaches outside"},
      {'W', "labels/train/c.txt", 3, "box outside the image: dropped"},
      {'W', "labels/train/c.txt", 4, "without area"},
      {'W', "labels/train/c.txt", 5, "without area"}}},
    {"duplicates",
     {{"data.yaml", PARTS},
      TWO_PARTS,
      {"images/train/c.png", IMG},
      {"labels/train/c.txt", BOX "1 0.5 0.5 0.2 0.4\n" BOX "0 0.50 0.50 0.20 0.40\n"}},
     DATASET_YOLO,
     2,
     1,
     0,
     5,
     "cat,dog",
     {{'W', "labels/train/c.txt", 3, "same box again"}, {'W', "labels/train/c.txt", 4, "same box again"}}},
    {"label without image",
     {{"data.yaml", PARTS},
      TWO_PARTS,
      {"labels/train/z.txt", BOX},
      {"readme.txt", "hello"},
      {"notes/todo.txt", "nothing"}},
     DATASET_YOLO,
     1,
     1,
     0,
     3,
     "cat,dog",
     {{'W', "labels/train/z.txt", 0, "label without image"}}},
    {"image without label is background",
     {{"data.yaml", PARTS}, TWO_PARTS, {"images/train/z.png", IMG}},
     DATASET_YOLO,
     2,
     1,
     0,
     3,
     "cat,dog",
     {{0}}},
    {"broken images",
     {{"data.yaml", PARTS},
      TWO_PARTS,
      {"images/train/c.jpg", "hello"},
      {"images/train/d.jpg", ""},
      {"images/train/e.jpg", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"},
      {"images/train/f.webp", "RIFF    WEBPVP8 "}},
     DATASET_YOLO,
     1,
     1,
     0,
     3,
     "cat,dog",
     {{'E', "images/train/c.jpg", 0, "not a JPEG"},
      {'E', "images/train/d.jpg", 0, "empty"},
      {'E', "images/train/e.jpg", 0, "git lfs pull"},
      {'E', "images/train/f.webp", 0, "WebP"}}},
    {"LFS pointer as label",
     {{"data.yaml", PARTS},
      TWO_PARTS,
      {"images/train/c.png", IMG},
      {"labels/train/c.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"}},
     DATASET_YOLO,
     2,
     1,
     0,
     3,
     "cat,dog",
     {{'E', "labels/train/c.txt", 0, "lfs: true"}}},
    {"name collision",
     {{"data.yaml", PARTS}, TWO_PARTS, {"images/train/a.jpg", IMG}},
     DATASET_YOLO,
     2,
     1,
     0,
     5,
     "cat,dog",
     {{'E', "images/train/a.png", 0, "same label file as images/train/a.jpg"}}},
    {"dvc stub",
     {{"data.yaml", PARTS}, TWO_PARTS, {"images/extra.dvc", "outs:\n"}, {"images/train.dvc", "outs:\n"}},
     DATASET_YOLO,
     1,
     1,
     0,
     3,
     "cat,dog",
     {{'E', "images/extra.dvc", 0, "dvc pull"}}},
    {"nothing", {{"readme.md", "hello"}}, DATASET_YOLO, 0, 0, 0, 0, "", {{'E', ".", 0, "no images"}}},
    {"no boxes",
     {{"data.yaml", PARTS}, {"images/train/a.png", IMG}, {"images/val/b.png", IMG}},
     DATASET_YOLO,
     1,
     1,
     0,
     0,
     "cat,dog",
     {{'E', ".", 0, "no image has a box"}}},
    {"no image to validate",
     {{"a.png", IMG}, {"a.txt", BOX}},
     DATASET_YOLO,
     -1,
     1,
     0,
     1,
     "class_0",
     {{'E', ".", 0, "no image to "}}},
    {"hidden files do not count",
     {{"data.yaml", PARTS}, TWO_PARTS, {".git/x.png", "junk"}, {"images/.DS_Store", "junk"}},
     DATASET_YOLO,
     1,
     1,
     0,
     3,
     "cat,dog",
     {{0}}},
};

static void datasets(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        check_scan(&cases[i], DATASET_AUTO);
}

static void labels_come_out_as_written(void **state)
{
    (void)state;
    const struct tree_file files[] = {
        {"a.png", "@20x10"}, {"a.txt", "1 0.25 0.5 0.5 0.2\n0 0.9 0.5 0.4 0.2\n"}, {"b.png", IMG}, {NULL, NULL}};
    struct arena a = {0};
    struct dataset d;
    struct error e;
    tree_make(files);
    assert_true(dataset_scan(&(struct dataset_options){tree_root, DATASET_YOLO, 0.5f}, NULL, &a, &d, &e));
    const struct sample *s = &d.samples[0];
    assert_string_equal(s->name, "a.png");
    assert_int_equal(s->w, 20);
    assert_int_equal(s->h, 10);
    assert_int_equal(s->n_labels, 2);
    assert_int_equal(s->labels[0].class_id, 1);
    assert_true(fabsf(s->labels[0].x - 0.25f) <= 1e-6f && fabsf(s->labels[0].h - 0.2f) <= 1e-6f);
    assert_true(fabsf(s->labels[1].x - 0.85f) <= 1e-6f &&
                fabsf(s->labels[1].w - 0.3f) <= 1e-6f); /* cut at the border */
    assert_int_equal(d.boxes_per_class[0], 1);
    assert_int_equal(d.images_per_class[1], 1);
    assert_int_equal(d.n_background, 1);
    assert_false(d.split_is_named);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(label_lines),
        cmocka_unit_test(datasets),
        cmocka_unit_test(labels_come_out_as_written),
    };
    return cmocka_run_group_tests_name("yolo", tests, tree_begin, tree_end);
}

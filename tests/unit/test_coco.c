#include "dataset_tree.h"

#include <math.h>

#define CATS "\"categories\":[{\"id\":7,\"name\":\"dog\"},{\"id\":3,\"name\":\"cat\"}]"
#define IMG_A "{\"id\":1,\"file_name\":\"a.png\",\"width\":20,\"height\":10}"
#define IMG_B "{\"id\":2,\"file_name\":\"b.png\",\"width\":20,\"height\":10}"
#define BOX_A                                                                                                          \
    "{\"id\":1,\"image_id\":1,\"category_id\":7,\"bbox\":[2,1,10,5]},{\"id\":2,\"image_id\":1,\"category_id\":3,"      \
    "\"bbox\":[2,1,10,5]}"
#define FILE_OF(images, annotations) "{\"images\":[" images "],\"annotations\":[" annotations "]," CATS "}"
#define PNG "@20x10"
#define OTHER(annotations)                                                                                             \
    {"train/_annotations.coco.json", FILE_OF(IMG_A, annotations)}, {"train/a.png", PNG},                               \
        {"valid/_annotations.coco.json", FILE_OF(IMG_B, "")},                                                          \
    {                                                                                                                  \
        "valid/b.png", PNG                                                                                             \
    }

static const struct scan_case cases[] = {
    {"one file, split by hash",
     {{"annotations.json", FILE_OF(IMG_A "," IMG_B, BOX_A)}, {"images/a.png", PNG}, {"images/b.png", PNG}},
     DATASET_COCO,
     1,
     1,
     0,
     2,
     "cat,dog",
     {{0}}},
    {"official layout",
     {{"annotations/instances_train2017.json", FILE_OF(IMG_A, BOX_A)},
      {"annotations/instances_val2017.json", FILE_OF(IMG_B, "")},
      {"annotations/captions_val2017.json", "{\"images\":[],\"annotations\":[{\"caption\":\"x\"}]}"},
      {"train2017/a.png", PNG},
      {"val2017/b.png", PNG}},
     DATASET_COCO,
     1,
     1,
     0,
     2,
     "cat,dog",
     {{0}}},
    {"a file per folder", {OTHER(BOX_A)}, DATASET_COCO, 1, 1, 0, 2, "cat,dog", {{0}}},
    {"same names in two folders",
     {{"train/_annotations.coco.json", FILE_OF(IMG_A, BOX_A)},
      {"train/a.png", PNG},
      {"valid/_annotations.coco.json", FILE_OF("{\"id\":1,\"file_name\":\"a.png\"}", "")},
      {"valid/a.png", PNG},
      {"test/_annotations.coco.json", FILE_OF("{\"id\":1,\"file_name\":\"a.png\"}", "")},
      {"test/a.png", PNG}},
     DATASET_COCO,
     1,
     1,
     1,
     2,
     "cat,dog",
     {{0}}},
    {"parent category",
     {{"a.json",
       "{\"images\":[" IMG_A "," IMG_B
       "],\"annotations\":[{\"id\":1,\"image_id\":1,\"category_id\":1,\"bbox\":[2,1,10,5]}],\"categories\":[{\"id\":0,"
       "\"name\":\"pets\",\"supercategory\":\"none\"},{\"id\":1,\"name\":\"cat\",\"supercategory\":\"pets\"}]}"},
      {"a.png", PNG},
      {"b.png", PNG}},
     DATASET_COCO,
     1,
     1,
     0,
     1,
     "cat",
     {{'W', "a.json", 0, "'pets' is only the parent"}}},
    {"crowd, foreign ids, bad bbox",
     {OTHER(BOX_A ",{\"id\":3,\"image_id\":1,\"category_id\":3,\"iscrowd\":1},{\"id\":4,\"image_id\":9,\"category_id\":"
                  "3,\"bbox\":[0,0,1,1]},{\"id\":5,\"image_id\":1,\"category_id\":4,\"bbox\":[0,0,1,1]},{\"id\":6,"
                  "\"image_id\":1,\"category_id\":3,\"bbox\":[0,0,1]},{\"id\":7,\"image_id\":1,\"category_id\":3,"
                  "\"bbox\":[0,\"x\",1,1]},{\"id\":8}")},
     DATASET_COCO,
     1,
     1,
     0,
     2,
     "cat,dog",
     {{'W', "train/_annotations.coco.json", 0, "1 crowd region"},
      {'E', "train/_annotations.coco.json", 0, "annotation 4: image_id 9"},
      {'E', "train/_annotations.coco.json", 0, "annotation 5: category_id 4"},
      {'E', "train/_annotations.coco.json", 0, "annotation 6: bbox"},
      {'E', "train/_annotations.coco.json", 0, "annotation 7: bbox"},
      {'E', "train/_annotations.coco.json", 0, "annotation 8 has no image_id"}}},
    {"boxes at the border",
     {OTHER(
         BOX_A
         ",{\"id\":3,\"image_id\":1,\"category_id\":3,\"bbox\":[-1,0,5,5]},{\"id\":4,\"image_id\":1,\"category_id\":3,"
         "\"bbox\":[15,5,9,3]},{\"id\":5,\"image_id\":1,\"category_id\":3,\"bbox\":[40,0,5,5]},{\"id\":6,\"image_id\":"
         "1,\"category_id\":3,\"bbox\":[1,1,0,5]},{\"id\":7,\"image_id\":1,\"category_id\":3,\"bbox\":[2,1,10,5]}")},
     DATASET_COCO,
     1,
     1,
     0,
     4,
     "cat,dog",
     {{'W', "train/_annotations.coco.json", 0, "annotation 4: box reaches outside"},
      {'W', "train/_annotations.coco.json", 0, "annotation 5: box outside"},
      {'W', "train/_annotations.coco.json", 0, "annotation 6: box without area"},
      {'W', "train/_annotations.coco.json", 0, "annotation 7: the same box"}}},
    {"missing and unlisted images",
     {OTHER(BOX_A),
      {"train/c.png", PNG},
      {"more_train.json", FILE_OF("{\"id\":5,\"file_name\":\"z.png\"},{\"id\":6}", "")}},
     DATASET_COCO,
     1,
     1,
     0,
     2,
     "cat,dog",
     {{'W', "train/c.png", 0, "in no annotation file"},
      {'E', "more_train.json", 0, "image z.png is not in the dataset folder"},
      {'E', "more_train.json", 0, "image 2 has no id or no file_name"}}},
    {"size that is not so",
     {{"a.json", FILE_OF("{\"id\":1,\"file_name\":\"a.png\",\"width\":40,\"height\":10}," IMG_B, BOX_A)},
      {"a.png", PNG},
      {"b.png", PNG}},
     DATASET_COCO,
     1,
     1,
     0,
     2,
     "cat,dog",
     {{'W', "a.json", 0, "a.png has 40x10 pixels, but it has 20x10"}}},
    {"categories that contradict",
     {{"train/x.json", FILE_OF(IMG_A, BOX_A)},
      {"train/a.png", PNG},
      {"val/x.json",
       "{\"images\":[" IMG_B "],\"annotations\":[],\"categories\":[{\"id\":3,\"name\":\"cow\"},{\"name\":\"x\"}]}"},
      {"val/b.png", PNG}},
     DATASET_COCO,
     1,
     1,
     0,
     2,
     "cat,dog",
     {{'E', "val/x.json", 0, "category 3 'cow' contradicts category 3 'cat'"},
      {'E', "val/x.json", 0, "category 2 has no id or no name"}}},
    {"image in both parts",
     {{"train/x.json", FILE_OF(IMG_A "," IMG_B, BOX_A)},
      {"val/x.json", FILE_OF("{\"id\":1,\"file_name\":\"../train/a.png\"}", "")},
      {"train/a.png", PNG},
      {"train/b.png", PNG}},
     DATASET_COCO,
     1,
     1,
     0,
     2,
     "cat,dog",
     {{'E', "train/a.png", 0, "in the training and in the validation part"},
      {'W', ".", 0, "classes 0 'cat', 1 'dog' have no box in the training part"}}},
    {"two images of one id",
     {OTHER(BOX_A),
      {"test/x.json", FILE_OF(IMG_A ",{\"id\":1,\"file_name\":\"c.png\"}", "")},
      {"test/a.png", PNG},
      {"test/c.png", PNG}},
     DATASET_COCO,
     1,
     1,
     2,
     2,
     "cat,dog",
     {{'E', "test/x.json", 0, "two images have the id 1"}}},
    {"broken JSON",
     {{"a.json", "{\"images\": [\n{]\n"}, {"a.png", PNG}},
     DATASET_COCO,
     0,
     0,
     0,
     0,
     "",
     {{'E', "a.json", 2, ""}, {'W', "a.png", 0, "in no annotation file"}, {'E', ".", 0, "no images"}}},
    {"JSON of another shape",
     {{"a.json", "{\"images\": 3, \"annotations\": {\"x\": 1}, \"categories\": [1, null]}"}, {"a.png", PNG}},
     DATASET_COCO,
     0,
     0,
     0,
     0,
     "",
     {{'E', "a.json", 0, "annotation 1 has no image_id"},
      {'E', "a.json", 0, "category 1 has no id"},
      {'E', "a.json", 0, "category 2 has no id"},
      {'W', "a.png", 0, "in no annotation file"},
      {'E', ".", 0, "no images"}}},
};

static void datasets(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        check_scan(&cases[i], DATASET_AUTO);
}

static void pixels_become_fractions(void **state)
{
    (void)state;
    struct arena a = {0};
    struct dataset d;
    struct error e;
    tree_make(cases[0].files);
    assert_true(dataset_scan(&(struct dataset_options){tree_root, DATASET_COCO, 0.5f}, NULL, &a, &d, &e));
    const struct label *l = d.samples[0].labels;
    assert_int_equal(l[0].class_id, 1); /* ids 3, 7 become 0, 1 */
    assert_true(fabsf(l[0].x - 0.35f) <= 1e-6f && fabsf(l[0].y - 0.35f) <= 1e-6f && fabsf(l[0].w - 0.5f) <= 1e-6f &&
                fabsf(l[0].h - 0.5f) <= 1e-6f);
    arena_free(&a);
}

static void a_folder_without_annotations_says_so(void **state)
{
    (void)state;
    static const struct scan_case c = {"",
                                       {{"a.png", PNG}},
                                       DATASET_COCO,
                                       0,
                                       0,
                                       0,
                                       0,
                                       "",
                                       {{'E', "", 0, "no COCO annotation file"},
                                        {'E', ".", 0, "no images"},
                                        {'W', "a.png", 0, "in no annotation file"}}};
    check_scan(&c, DATASET_COCO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datasets),
        cmocka_unit_test(pixels_become_fractions),
        cmocka_unit_test(a_folder_without_annotations_says_so),
    };
    return cmocka_run_group_tests_name("coco", tests, tree_begin, tree_end);
}

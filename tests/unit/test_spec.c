/* The layer table against the published one: channels, strides and parameters of every layer, and the totals. */
#include "unit.h"

#include "detector/spec.h"

#define DFL_WEIGHTS 16 /* the published totals count the frozen 0..15 of the decoder */

static long block(int ci, int co, int k)
{
    return (long)ci * co * k * k + 2L * co; /* BatchNorm's scale and bias; running statistics are not counted */
}

static long parameters(const struct spec *s, const struct layer *l)
{
    long n = 0;
    int c = l->c_out / 2;
    switch (l->kind) {
    case LAYER_CONV:
        return block(l->c_in, l->c_out, l->kernel);
    case LAYER_C2F:
        n = block(l->c_in, 2 * c, 1) + block((2 + l->repeats) * c, l->c_out, 1);
        return n + 2L * l->repeats * block(c, c, 3);
    case LAYER_SPPF:
        return block(l->c_in, l->c_in / 2, 1) + block(2 * l->c_in, l->c_out, 1);
    case LAYER_DETECT:
        for (int i = 0; i < SPEC_LEVELS; i++) {
            int ch = s->level_channels[i], c2 = s->box_channels, c3 = s->cls_channels;
            n += block(ch, c2, 3) + block(c2, c2, 3) + 64L * c2 + 64;
            n += block(ch, c3, 3) + block(c3, c3, 3) + (long)s->n_classes * c3 + s->n_classes;
        }
        return n + DFL_WEIGHTS;
    case LAYER_UPSAMPLE:
    case LAYER_CONCAT:
        return 0;
    }
    return -1;
}

static const char scales[] = "nsm";

static void layers_match_the_published_table(void **state)
{
    (void)state;
    static const struct {
        enum layer_kind kind;
        int c_out[3], repeats[3], out_stride;
        bool shortcut;
        long parameters[3];
    } rows[SPEC_LAYERS] = {
        {LAYER_CONV, {16, 32, 48}, {1, 1, 1}, 2, false, {464, 928, 1392}},
        {LAYER_CONV, {32, 64, 96}, {1, 1, 1}, 4, false, {4672, 18560, 41664}},
        {LAYER_C2F, {32, 64, 96}, {1, 1, 2}, 4, true, {7360, 29056, 111360}},
        {LAYER_CONV, {64, 128, 192}, {1, 1, 1}, 8, false, {18560, 73984, 166272}},
        {LAYER_C2F, {64, 128, 192}, {2, 2, 4}, 8, true, {49664, 197632, 813312}},
        {LAYER_CONV, {128, 256, 384}, {1, 1, 1}, 16, false, {73984, 295424, 664320}},
        {LAYER_C2F, {128, 256, 384}, {2, 2, 4}, 16, true, {197632, 788480, 3248640}},
        {LAYER_CONV, {256, 512, 576}, {1, 1, 1}, 32, false, {295424, 1180672, 1991808}},
        {LAYER_C2F, {256, 512, 576}, {1, 1, 2}, 32, true, {460288, 1838080, 3985920}},
        {LAYER_SPPF, {256, 512, 576}, {1, 1, 1}, 32, false, {164608, 656896, 831168}},
        {LAYER_UPSAMPLE, {256, 512, 576}, {1, 1, 1}, 16, false, {0, 0, 0}},
        {LAYER_CONCAT, {384, 768, 960}, {1, 1, 1}, 16, false, {0, 0, 0}},
        {LAYER_C2F, {128, 256, 384}, {1, 1, 2}, 16, false, {148224, 591360, 1993728}},
        {LAYER_UPSAMPLE, {128, 256, 384}, {1, 1, 1}, 8, false, {0, 0, 0}},
        {LAYER_CONCAT, {192, 384, 576}, {1, 1, 1}, 8, false, {0, 0, 0}},
        {LAYER_C2F, {64, 128, 192}, {1, 1, 2}, 8, false, {37248, 148224, 517632}},
        {LAYER_CONV, {64, 128, 192}, {1, 1, 1}, 16, false, {36992, 147712, 332160}},
        {LAYER_CONCAT, {192, 384, 576}, {1, 1, 1}, 16, false, {0, 0, 0}},
        {LAYER_C2F, {128, 256, 384}, {1, 1, 2}, 16, false, {123648, 493056, 1846272}},
        {LAYER_CONV, {128, 256, 384}, {1, 1, 1}, 32, false, {147712, 590336, 1327872}},
        {LAYER_CONCAT, {384, 768, 960}, {1, 1, 1}, 32, false, {0, 0, 0}},
        {LAYER_C2F, {256, 512, 576}, {1, 1, 2}, 32, false, {493056, 1969152, 4207104}},
        {LAYER_DETECT, {144, 144, 144}, {1, 1, 1}, 8, false, {897664, 2147008, 3822016}},
    };
    for (int k = 0; k < 3; k++) {
        struct spec s;
        struct error e = {0};
        assert_true(spec_build(scales[k], 80, &s, &e));
        for (int i = 0; i < SPEC_LAYERS; i++) {
            const struct layer *l = &s.layers[i];
            if (l->kind != rows[i].kind || l->c_out != rows[i].c_out[k] || l->repeats != rows[i].repeats[k] ||
                l->out_stride != rows[i].out_stride || l->shortcut != rows[i].shortcut ||
                parameters(&s, l) != rows[i].parameters[k])
                fail_msg("scale %c layer %d: kind %d, %d -> %d channels, %d repeats, stride %d, %ld parameters (wanted %ld)",
                         scales[k], i, l->kind, l->c_in, l->c_out, l->repeats, l->out_stride, parameters(&s, l),
                         rows[i].parameters[k]);
        }
    }
}

static void sources_are_absolute_and_channels_add_up(void **state)
{
    (void)state;
    static const struct {
        int layer, n, from[3];
    } rows[] = {{0, 1, {-1}}, {9, 1, {8}}, {11, 2, {10, 6}}, {14, 2, {13, 4}}, {17, 2, {16, 12}}, {20, 2, {19, 9}}, {22, 3, {15, 18, 21}}};
    struct spec s;
    struct error e = {0};
    assert_true(spec_build('n', 3, &s, &e));
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct layer *l = &s.layers[rows[i].layer];
        assert_int_equal(l->n_from, rows[i].n);
        int sum = 0;
        for (int j = 0; j < l->n_from; j++) {
            assert_int_equal(l->from[j], rows[i].from[j]);
            sum += l->from[j] < 0 ? 3 : s.layers[l->from[j]].c_out;
        }
        assert_int_equal(l->c_in, sum);
    }
    assert_int_equal(s.layers[22].c_out, 64 + 3);
}

static void totals_match(void **state)
{
    (void)state;
    static const struct {
        char scale;
        int n_classes;
        long parameters;
    } rows[] = {{'n', 80, 3157200}, {'n', 3, 3011433},   {'n', 1, 3011043},   {'n', 20, 3014748}, {'s', 80, 11166560},
                {'s', 3, 11136761}, {'m', 80, 25902640}, {'m', 3, 25858057}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct spec s;
        struct error e = {0};
        long total = 0;
        assert_true(spec_build(rows[i].scale, rows[i].n_classes, &s, &e));
        for (int j = 0; j < SPEC_LAYERS; j++)
            total += parameters(&s, &s.layers[j]);
        if (total != rows[i].parameters)
            fail_msg("scale %c with %d classes: %ld parameters, wanted %ld", rows[i].scale, rows[i].n_classes, total,
                     rows[i].parameters);
    }
}

static void head_widths_follow_the_class_count(void **state)
{
    (void)state;
    static const struct {
        char scale;
        int n_classes, cls, box, level[3];
    } rows[] = {{'n', 1, 64, 64, {64, 128, 256}},   {'n', 64, 64, 64, {64, 128, 256}},  {'n', 65, 65, 64, {64, 128, 256}},
                {'n', 100, 100, 64, {64, 128, 256}}, {'n', 1000, 100, 64, {64, 128, 256}}, {'s', 80, 128, 64, {128, 256, 512}},
                {'m', 3, 192, 64, {192, 384, 576}}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct spec s;
        struct error e = {0};
        assert_true(spec_build(rows[i].scale, rows[i].n_classes, &s, &e));
        assert_int_equal(s.cls_channels, rows[i].cls);
        assert_int_equal(s.box_channels, rows[i].box);
        for (int l = 0; l < SPEC_LEVELS; l++) {
            assert_int_equal(s.level_channels[l], rows[i].level[l]);
            assert_int_equal(s.level_layers[l], 15 + 3 * l);
            assert_int_equal(s.level_strides[l], 8 << l);
        }
    }
}

static void refuses_what_it_does_not_know(void **state)
{
    (void)state;
    struct spec s;
    static const struct {
        char scale;
        int n_classes;
    } rows[] = {{'x', 3}, {'N', 3}, {0, 3}, {'n', 0}, {'n', -1}, {'n', SPEC_MAX_CLASSES + 1}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error e = {0};
        assert_false(spec_build(rows[i].scale, rows[i].n_classes, &s, &e));
        assert_int_equal(e.code, ERR_CONFIG);
        assert_true(e.message[0] != '\0');
    }
}

static void anchors_of_usual_sizes(void **state)
{
    (void)state;
    assert_int_equal(spec_anchors(640, 640), 8400);
    assert_int_equal(spec_anchors(320, 320), 2100);
    assert_int_equal(spec_anchors(32, 32), 21);
    assert_int_equal(spec_anchors(256, 352), 1848);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_match_the_published_table), cmocka_unit_test(sources_are_absolute_and_channels_add_up),
        cmocka_unit_test(totals_match),                     cmocka_unit_test(head_widths_follow_the_class_count),
        cmocka_unit_test(refuses_what_it_does_not_know),    cmocka_unit_test(anchors_of_usual_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

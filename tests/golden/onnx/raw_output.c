/* What the engine itself answers, before suppression, in the layout of the ONNX file's output0:
 *     raw_output MODEL IMAGE.rgb OUT.f32
 * IMAGE: size*size*3 bytes RGB. OUT: float32 [4 + classes][anchors]: centre, width, height in pixels, then scores. */
#include <stdio.h>

#include "core/fs.h"
#include "detector/predict.h"
#include "export/model_file.h"

#define IMAGE_MAX_BYTES ((size_t)64 << 20)

static void add(struct str_buf *out, float value)
{
    str_buf_addn(out, &value, sizeof value);
}

static bool answer(struct model *m, struct str image, const char *path, struct arena *a, struct error *e)
{
    struct kernels k;
    struct predictor p;
    struct detection *found = ARENA_NEW(a, struct detection, 1);
    struct nms_options nothing = {.min_score = 1, .max_iou = 1, .max_candidates = 1, .max_detections = 1};
    int n_found;
    if (!kernels_select("auto", &k, e))
        return false;
    predictor_open(&p, m, &k, NULL, 1);
    predictor_use_weights(&p, m->params.data);
    bool ok = image.n == (size_t)(m->image_size * m->image_size * 3) || fail(e, ERR_CONFIG, "the image is not of the model's size");
    if (ok)
        ok = predictor_run(&p, (const uint8_t *const[]){(const uint8_t *)image.p}, 1, &nothing, &found, &n_found);
    struct str_buf out = STR_BUF(IMAGE_MAX_BYTES);
    int n = p.d.n_anchors;
    for (int i = 0; ok && i < n; i++)
        add(&out, (p.boxes[i].x1 + p.boxes[i].x2) / 2);
    for (int i = 0; ok && i < n; i++)
        add(&out, (p.boxes[i].y1 + p.boxes[i].y2) / 2);
    for (int i = 0; ok && i < n; i++)
        add(&out, p.boxes[i].x2 - p.boxes[i].x1);
    for (int i = 0; ok && i < n; i++)
        add(&out, p.boxes[i].y2 - p.boxes[i].y1);
    str_buf_addn(&out, p.scores, (size_t)m->spec.n_classes * (size_t)n * sizeof *p.scores);
    ok = ok && fs_write_atomic(path, str_buf_view(&out), e);
    str_buf_free(&out);
    predictor_close(&p);
    return ok;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: raw_output MODEL IMAGE.rgb OUT.f32\n");
        return 2;
    }
    struct arena a = {0};
    struct error e = {0};
    struct model m;
    struct str image;
    bool ok = model_load(argv[1], &a, &m, &e) && fs_read_file(argv[2], IMAGE_MAX_BYTES, &a, &image, &e) &&
              answer(&m, image, argv[3], &a, &e);
    if (!ok)
        fprintf(stderr, "raw_output: %s\n", e.message);
    arena_free(&a);
    return ok ? 0 : 1;
}

#include "report/photos.h"

#include <math.h>
#include <stdio.h>

#include "core/hash.h"
#include "image/image.h"
#include "report/escape.h"

#define JPEG_QUALITY 82
#define MAX_BOXES 60  /* per photo and kind; best first, as detections come */
#define TEXT_BYTES (MAX_BOXES * 2 * 700 + 2000) /* room that a photo's markup takes at most */

static const int sides[] = {640, 480, 320}; /* longer side of the picture, tried in this order */

static const char *class_name(const char *const *names, int n, int id, char scratch[32])
{
    if (names && id >= 0 && id < n)
        return names[id];
    snprintf(scratch, 32, "class %d", id);
    return scratch;
}

/* Makes jpeg (emptied first) the largest picture of im that takes at most max_bytes as base64. */
static bool encode_to_fit(const struct image *im, size_t max_bytes, struct str_buf *jpeg)
{
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        int longer = im->w > im->h ? im->w : im->h;
        double gain = fmin(1.0, (double)sides[i] / longer);
        int w = (int)fmax(1, round(im->w * gain)), h = (int)fmax(1, round(im->h * gain));
        struct image small = {0};
        str_buf_clear(jpeg);
        /* Halving first keeps a bilinear step from skipping source pixels, which would look ragged. */
        const struct image *from = im;
        struct image half = {0};
        while (from->w >= 2 * w && from->h >= 2 * h && from->w >= 4 && from->h >= 4) {
            struct image next = {0};
            image_resize(from, from->w / 2, from->h / 2, &next);
            image_free(&half);
            half = next;
            from = &half;
        }
        image_resize(from, w, h, &small);
        bool ok = image_encode_jpeg(&small, JPEG_QUALITY, jpeg);
        image_free(&small);
        image_free(&half);
        if (ok && jpeg->n / 3 * 4 + 4 <= max_bytes)
            return true;
    }
    return false;
}

static void add_box(struct str_buf *out, const char *kind, int class_id, struct box b, const char *name, double score)
{
    str_buf_printf(out, "<g class=\"%s k%d\"><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/><title>", kind,
                   class_id < 0 ? 0 : class_id % 8, (double)b.x1, (double)b.y1, fmax(0, (double)(b.x2 - b.x1)),
                   fmax(0, (double)(b.y2 - b.y1)));
    escape_html(out, name, ESCAPE_NAME);
    if (isfinite(score))
        str_buf_printf(out, " %.2f", score);
    else
        str_buf_adds(out, " (label)");
    str_buf_adds(out, "</title></g>");
}

/* The name sits above the box, or inside its top edge when the photo ends there. */
static void add_tag(struct str_buf *out, const struct detection *d, int w, double size, bool is_short,
                    const char *name)
{
    double y = (double)d->box.y1 > size * 1.4 ? (double)d->box.y1 - size * 0.35 : (double)d->box.y1 + size * 1.05;
    bool is_right = (double)d->box.x1 > 0.8 * w;
    str_buf_printf(out, "<text class=\"tag k%d\" x=\"%.1f\" y=\"%.1f\" font-size=\"%.1f\"%s>",
                   d->class_id < 0 ? 0 : d->class_id % 8, is_right ? (double)d->box.x2 : (double)d->box.x1, y, size,
                   is_right ? " text-anchor=\"end\"" : "");
    escape_html(out, name, 24);
    if (!is_short)
        str_buf_printf(out, " %.2f", (double)d->score);
    str_buf_adds(out, "</text>");
}

static void add_photo(const struct report_photo *p, const struct image *im, const struct str_buf *jpeg,
                      const char *const *names, int n_names, struct str_buf *out)
{
    char scratch[32];
    str_buf_printf(out, "<figure class=\"card photo\"><svg viewBox=\"0 0 %d %d\" role=\"img\"><image width=\"%d\" "
                        "height=\"%d\" preserveAspectRatio=\"none\" href=\"data:image/jpeg;base64,",
                   im->w, im->h, im->w, im->h);
    base64_encode((const uint8_t *)jpeg->p, jpeg->n, out);
    str_buf_adds(out, "\"/>");
    int n_labels = p->n_labels < MAX_BOXES ? p->n_labels : MAX_BOXES;
    for (int i = 0; i < n_labels; i++) {
        const struct label *l = &p->labels[i];
        add_box(out, "want", l->class_id, box_of_label(*l, (float)im->w, (float)im->h),
                class_name(names, n_names, l->class_id, scratch), NAN);
    }
    int n_detections = p->n_detections < MAX_BOXES ? p->n_detections : MAX_BOXES;
    /* On a crowded photo names alone are all that fits; the scores are in the boxes' titles. */
    bool is_crowded = n_detections > 6;
    double size = (is_crowded ? 0.03 : 0.042) * (im->w > im->h ? im->w : im->h);
    for (int i = 0; i < n_detections; i++) {
        const struct detection *d = &p->detections[i];
        add_box(out, "got", d->class_id, d->box, class_name(names, n_names, d->class_id, scratch), (double)d->score);
    }
    for (int i = n_detections - 1; i >= 0; i--) /* the best one's name ends on top */
        add_tag(out, &p->detections[i], im->w, size, is_crowded,
                class_name(names, n_names, p->detections[i].class_id, scratch));
    str_buf_adds(out, "</svg><figcaption><span>");
    escape_html(out, p->name, ESCAPE_NAME);
    str_buf_printf(out, "</span><span>%d found \u00B7 %d labelled</span></figcaption></figure>\n", p->n_detections,
                   p->n_labels);
}

int photos_html(const struct report_photo *photos, int n, const char *const *class_names, int n_classes,
                size_t max_bytes, struct str_buf *out)
{
    int shown = 0;
    struct str_buf jpeg = STR_BUF(8u << 20);
    for (int i = 0; i < n; i++) {
        if (out->n + TEXT_BYTES >= max_bytes)
            break;
        /* An equal share of what is left; what a small photo does not use, the later ones may. */
        size_t share = (max_bytes - out->n) / (size_t)(n - i);
        if (share <= TEXT_BYTES / 8)
            continue;
        struct image im = {0};
        struct error trouble = {0};
        if (!image_load(photos[i].path, &im, &trouble)) {
            str_buf_adds(out, "<p class=\"note\">");
            escape_html(out, photos[i].name, ESCAPE_NAME);
            str_buf_adds(out, ": ");
            escape_html(out, trouble.message, 300);
            str_buf_adds(out, "</p>\n");
            continue;
        }
        jpeg.overflow = false;
        size_t room = max_bytes - out->n - TEXT_BYTES;
        if (encode_to_fit(&im, share < room ? share : room, &jpeg)) {
            add_photo(&photos[i], &im, &jpeg, class_names, n_classes, out);
            shown++;
        }
        image_free(&im);
    }
    str_buf_free(&jpeg);
    return shown;
}

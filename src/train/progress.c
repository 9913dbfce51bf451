#include "train/progress.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/str.h"

#define BAR 24
#define REDRAW_SECONDS 0.2

static void draw_bar(struct str_buf *out, double fraction)
{
    int full = (int)(fraction * BAR + 0.5);
    for (int i = 0; i < BAR; i++)
        str_buf_adds(out, i < full ? "━" : "─");
}

void progress_batch(struct progress *p, int epoch, int batch, double loss, double images_per_second)
{
    double now = clock_seconds();
    if (!log_is_terminal() || now - p->last_drawn < REDRAW_SECONDS)
        return;
    p->last_drawn = now;
    long done = (long)epoch * p->batches + batch, all = (long)p->epochs * p->batches;
    long here = done - p->batches_at_start;
    double left = here > 0 ? (now - p->started) / (double)here * (double)(all - done) : 0;
    char time_left[32];
    struct str_buf bar = STR_BUF(256);
    draw_bar(&bar, (double)done / (double)all);
    clock_format_duration(left, time_left);
    log_status("epoch %d/%d %s %3.0f%%  loss %.3f  %.0f images/s  %s left", epoch + 1, p->epochs, str_buf_text(&bar),
               100.0 * (double)done / (double)all, loss, images_per_second, time_left);
    str_buf_free(&bar);
}

void progress_epoch(struct progress *p, const struct epoch_row *row, double seconds_left, int is_best)
{
    char left[32];
    clock_format_duration(seconds_left, left);
    log_info("epoch %d/%d: loss box %.3f cls %.3f dfl %.3f, mAP50 %.3f mAP50-95 %.3f%s, %.0f images/s, %s left",
             row->epoch, p->epochs, (double)row->box_loss, (double)row->cls_loss, (double)row->dfl_loss,
             (double)row->map50, (double)row->map50_95, is_best ? " (best)" : "", (double)row->images_per_second, left);
}

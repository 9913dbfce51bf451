#include "train/progress.h"

#include <math.h>
#include <string.h>

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
    char left[40] = "";
    if (isfinite(seconds_left)) {
        memcpy(left, ", ", 3);
        clock_format_duration(seconds_left, left + 2);
    }
    log_info("epoch %d/%d: loss box %.3f cls %.3f dfl %.3f, mAP50 %.3f mAP50-95 %.3f%s, %.0f images/s%s%s",
             row->epoch, p->epochs, (double)row->box_loss, (double)row->cls_loss, (double)row->dfl_loss,
             (double)row->map50, (double)row->map50_95, is_best ? " (best)" : "", (double)row->images_per_second, left,
             *left ? " left" : "");
}

void progress_forecast(const struct progress *p, const struct budget *b, double seconds_left)
{
    char need[32], have[32];
    double now = clock_seconds(), left = budget_left(b, now, budget_reserve_to_stop(b));
    int jobs = budget_jobs(b, now, seconds_left);
    clock_format_duration(seconds_left, need);
    if (!isfinite(left)) {
        log_info("forecast: %d epochs take about %s more", p->epochs, need);
        return;
    }
    clock_format_duration(left > 0 ? left : 0, have);
    if (jobs == 1)
        log_info("forecast: %d epochs take about %s more and fit into this job, which has %s left for training", p->epochs, need,
                 have);
    else if (jobs > 1)
        log_info("forecast: %d epochs take about %s more, and this job has %s left for training: about %d jobs in all, each going "
                 "on where the last one stopped",
                 p->epochs, need, have, jobs);
    else
        log_warning("forecast: %d epochs take about %s more, but jobs as short as this one get nowhere: raise time-budget",
                    p->epochs, need);
}

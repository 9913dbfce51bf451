#include <math.h>

#include "report/report.h"

/* A spreadsheet reads an empty cell as "no figure"; "nan" it would read as text. */
static void add_number(struct str_buf *out, double x, bool is_known, const char *end)
{
    if (is_known && isfinite(x))
        str_buf_printf(out, "%.6g", x);
    str_buf_adds(out, end);
}

void report_csv(const struct epoch_row *rows, int n, struct str_buf *out)
{
    str_buf_adds(out, "epoch,box_loss,cls_loss,dfl_loss,learning_rate,map50,map50_95,precision,recall,seconds,"
                      "images_per_second\n");
    for (int i = 0; i < n; i++) {
        const struct epoch_row *r = &rows[i];
        str_buf_printf(out, "%d,", r->epoch);
        add_number(out, (double)r->box_loss, true, ",");
        add_number(out, (double)r->cls_loss, true, ",");
        add_number(out, (double)r->dfl_loss, true, ",");
        add_number(out, (double)r->learning_rate, true, ",");
        add_number(out, (double)r->map50, r->has_metrics, ",");
        add_number(out, (double)r->map50_95, r->has_metrics, ",");
        add_number(out, (double)r->precision, r->has_metrics, ",");
        add_number(out, (double)r->recall, r->has_metrics, ",");
        add_number(out, r->seconds, true, ",");
        add_number(out, (double)r->images_per_second, true, "\n");
    }
}

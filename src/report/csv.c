#include <math.h>

#include "report/report.h"

/* A spreadsheet reads an empty cell as "no figure"; "nan" it would read as text. */
static void add_number(struct str_buf *out, double x, bool is_known, const char *end)
{
    if (is_known && isfinite(x))
        str_buf_printf(out, "%.6g", x);
    str_buf_adds(out, end);
}

#define COLUMNS 11

static bool read_row(struct str line, struct epoch_row *r)
{
    double x[COLUMNS] = {0};
    struct str field;
    int n = 0;
    for (; n < COLUMNS && str_cut(&line, ',', &field); n++)
        if (field.n && !str_to_double(field, &x[n]))
            return false;
        else if (n == 5)
            r->has_metrics = field.n > 0;
    r->epoch = (int)x[0];
    r->box_loss = (float)x[1];
    r->cls_loss = (float)x[2];
    r->dfl_loss = (float)x[3];
    r->learning_rate = (float)x[4];
    r->map50 = (float)x[5];
    r->map50_95 = (float)x[6];
    r->precision = (float)x[7];
    r->recall = (float)x[8];
    r->seconds = x[9];
    r->images_per_second = (float)x[10];
    return n == COLUMNS && !line.n && x[0] >= 1 && x[0] < 1e9;
}

bool report_csv_read(struct str text, struct arena *a, struct epoch_row **rows, int *n)
{
    struct str line;
    size_t most = 1;
    for (size_t i = 0; i < text.n; i++)
        most += text.p[i] == '\n';
    *rows = ARENA_NEW(a, struct epoch_row, most);
    *n = 0;
    str_cut(&text, '\n', &line); /* the heading */
    while (str_cut(&text, '\n', &line)) {
        if (!read_row(str_trim(line), &(*rows)[*n]))
            return false;
        (*n)++;
    }
    return true;
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

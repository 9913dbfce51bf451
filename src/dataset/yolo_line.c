#include <stdio.h>

#include "dataset/draft.h"
#include "dataset/yolo.h"

/* Cuts the next field off; false at the end of the line. */
static bool next_field(struct str *rest, struct str *field)
{
    size_t from = 0, to;
    while (from < rest->n && (rest->p[from] == ' ' || rest->p[from] == '\t'))
        from++;
    for (to = from; to < rest->n && rest->p[to] != ' ' && rest->p[to] != '\t';)
        to++;
    *field = str_slice(*rest, from, to);
    *rest = str_slice(*rest, to, rest->n);
    return field->n > 0;
}

static bool refuse(char *why, size_t n, const char *what, struct str field)
{
    snprintf(why, n, "%s '%.*s': write `class x y w h`, x to h as fractions of the image", what,
             (int)(field.n < 40 ? field.n : 40), field.p);
    return false;
}

static bool parse_class(struct str field, int *out, char *why, size_t n)
{
    double id;
    if (!str_to_double(field, &id))
        return refuse(why, n, "the class is not a number:", field);
    if (!(id >= -1e6 && id <= 1e6) || id != (double)(int)id) /* some tools write "2.0" */
        return refuse(why, n, "the class is not a whole number:", field);
    *out = (int)id;
    return true;
}

static void widen(double v, bool is_first, double *low, double *high)
{
    *low = is_first || v < *low ? v : *low;
    *high = is_first || v > *high ? v : *high;
}

bool yolo_parse_line(struct str line, struct yolo_line *out, char *why, size_t n)
{
    struct yolo_line l = {0};
    struct str field;
    double v[4] = {0};
    int n_values = 0;
    line = str_trim(line);
    if (!next_field(&line, &field))
        return refuse(why, n, "empty line", field);
    if (!parse_class(field, &l.class_id, why, n))
        return false;
    for (; next_field(&line, &field); n_values++) {
        double x;
        if (!str_to_double(field, &x))
            return refuse(why, n, "not a number:", field);
        if (!(x >= -1e9 && x <= 1e9))
            return refuse(why, n, "no possible coordinate:", field);
        if (n_values < 4)
            v[n_values] = x;
        widen(x, n_values < 2, n_values % 2 ? &l.y1 : &l.x1, n_values % 2 ? &l.y2 : &l.x2);
    }
    l.is_polygon = n_values >= 6 && n_values % 2 == 0;
    if (n_values == 4) {
        l.x1 = v[0] - v[2] / 2;
        l.y1 = v[1] - v[3] / 2;
        l.x2 = v[0] + v[2] / 2;
        l.y2 = v[1] + v[3] / 2;
    } else if (!l.is_polygon) {
        snprintf(why, n, "%d columns, wanted 5: write `class x y w h`, or a polygon `class x1 y1 x2 y2 x3 y3 ...`",
                 n_values + 1);
        return false;
    }
    *out = l;
    return true;
}

/* The recipe, as text for the version and as an object for people. Both walk the same list of entries, so that
 * printing the object's members as name=value lines gives the text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/options.h"

#define MAX_ENTRIES 96

struct entry {
    char name[48];
    const char *text; /* NULL: the value is `number` */
    double number;
    bool is_flag;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static struct entry entry_of(const struct config *c, const struct option *o, const char *initial_weights)
{
    struct entry out = {0};
    const void *v = option_value(c, o);
    snprintf(out.name, sizeof out.name, "%s", o->name);
    switch (o->type) {
    case OPTION_TEXT: /* initial-weights is the only one: what counts is the file's content, not its name */
        out.text = initial_weights;
        break;
    case OPTION_CHOICE:
    case OPTION_LIST:
        out.text = *(const char *const *)v;
        break;
    case OPTION_INT:
    case OPTION_STEP_32:
        out.number = *(const int *)v;
        break;
    case OPTION_AUTO_INT:
        out.number = *(const int *)v;
        if (out.number == 0)
            out.text = "auto";
        break;
    case OPTION_AUTO_REAL:
        out.number = *(const double *)v;
        if (out.number == 0)
            out.text = "auto";
        break;
    case OPTION_REAL:
    case OPTION_DURATION:
        out.number = *(const double *)v;
        break;
    case OPTION_FLAG:
        out.is_flag = true;
        out.text = *(const bool *)v ? "true" : "false";
        break;
    case OPTION_MAP:
        BUG("a map has no single entry");
    }
    return out;
}

static int list_entries(const struct config *c, const char *initial_weights, int engine, struct entry out[MAX_ENTRIES])
{
    int n = 0;
    if (option_count + augment_count + 1 > MAX_ENTRIES)
        BUG("more options than recipe entries");
    for (int i = 0; i < option_count; i++) {
        if (option_table[i].in_recipe && option_table[i].type != OPTION_MAP)
            out[n++] = entry_of(c, &option_table[i], initial_weights);
    }
    for (int i = 0; i < augment_count; i++) {
        out[n] = (struct entry){.number = augment_value(c, &augment_table[i])};
        snprintf(out[n++].name, sizeof out[0].name, "augment.%s", augment_table[i].name);
    }
    out[n] = (struct entry){.name = "engine", .number = engine};
    n++;
    qsort(out, (size_t)n, sizeof out[0], by_name);
    return n;
}

void config_recipe_text(const struct config *c, const char *initial_weights, int engine, struct str_buf *out)
{
    struct entry entries[MAX_ENTRIES];
    int n = list_entries(c, initial_weights, engine, entries);
    for (int i = 0; i < n; i++) {
        char number[32];
        config_format_real(entries[i].number, number);
        str_buf_printf(out, "%s=%s\n", entries[i].name, entries[i].text ? entries[i].text : number);
    }
}

struct json *config_recipe_json(const struct config *c, const char *initial_weights, int engine)
{
    struct entry entries[MAX_ENTRIES];
    int n = list_entries(c, initial_weights, engine, entries);
    struct json *out = json_new_object();
    for (int i = 0; i < n; i++) {
        const struct entry *x = &entries[i];
        bool is_whole = x->number == (double)(int64_t)x->number;
        json_set(out, x->name,
                 x->is_flag ? json_new_bool(!strcmp(x->text, "true"))
                 : x->text  ? json_new_string(x->text)
                 : is_whole ? json_new_int((int64_t)x->number)
                            : json_new_number(x->number));
    }
    return out;
}

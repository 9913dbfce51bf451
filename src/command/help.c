/* The terminal's help, made from the tables of commands and options. */
#include "command/help.h"

#include <string.h>

#include "config/options.h"
#include "pipeline/version.h"

static const struct {
    const char *name, *arguments, *help;
} commands[] = {
#define COMMAND_ROW(name, arguments, least, most, help) {#name, arguments, help},
    CONFIG_COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
};

static const char *value_word(const struct option *o)
{
    static const char *const words[] = {
        [OPTION_TEXT] = "TEXT", [OPTION_CHOICE] = "",     [OPTION_INT] = "N", [OPTION_STEP_32] = "N",
        [OPTION_REAL] = "X",    [OPTION_AUTO_REAL] = "X", [OPTION_FLAG] = "", [OPTION_DURATION] = "TIME",
        [OPTION_AUTO_INT] = "N",  [OPTION_LIST] = "LIST", [OPTION_MAP] = "K=X,...",
    };
    return o->type == OPTION_CHOICE ? o->choices : words[o->type];
}

/* Help text broken into lines of `width` columns, each after the first indented. */
static void add_wrapped(struct str_buf *out, const char *text, size_t indent, size_t width)
{
    size_t column = 0;
    struct str rest = str_of(text), word;
    while (str_cut(&rest, ' ', &word)) {
        if (column && column + 1 + word.n > width) {
            str_buf_printf(out, "\n%*s", (int)indent, "");
            column = 0;
        }
        str_buf_printf(out, "%s" STR_FMT, column ? " " : "", STR_ARG(word));
        column += word.n + (column ? 1 : 0);
    }
    str_buf_addc(out, '\n');
}

static void add_option(struct str_buf *out, const struct option *o)
{
    enum { LEFT = 34, RIGHT = 84 };
    size_t start = out->n;
    if (o->scope == OPTION_SECRET)
        str_buf_printf(out, "  %s (variable only)", o->name);
    else
        str_buf_printf(out, "  --%s %s", o->name, value_word(o));
    size_t used = out->n - start;
    if (used + 1 > LEFT)
        str_buf_printf(out, "\n%*s", LEFT, "");
    else
        str_buf_printf(out, "%*s", (int)(LEFT - used), "");

    struct str_buf text = STR_BUF(4096);
    str_buf_adds(&text, o->help);
    if (*o->fallback && strcmp(o->fallback, "false"))
        str_buf_printf(&text, " [%s]", o->fallback);
    add_wrapped(out, str_buf_text(&text), LEFT, RIGHT);
    str_buf_free(&text);
}

void help_page(struct str_buf *out, bool terminal)
{
    const char *bold = terminal ? "\033[1m" : "", *plain = terminal ? "\033[0m" : "";
    str_buf_printf(
        out,
        "retrain %s: train an object detector when its dataset changes, publish it, skip when nothing changed\n\n"
        "%susage:%s retrain [COMMAND] [--option value | --option=value]... [ARGUMENT]...\n\n%sCommands%s\n",
        RETRAIN_RELEASE, bold, plain, bold, plain);
    for (size_t k = 0; k < sizeof commands / sizeof *commands; k++) {
        str_buf_printf(out, "  %-9s %-14s ", commands[k].name, commands[k].arguments);
        add_wrapped(out, commands[k].help, 27, 91);
    }

    const char *section = "";
    for (int i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        if (strcmp(section, o->section))
            str_buf_printf(out, "\n%s%s%s\n", bold, o->section, plain);
        section = o->section;
        add_option(out, o);
    }
    str_buf_printf(out, "\n%sKeys of augment%s\n", bold, plain);
    for (int i = 0; i < augment_count; i++) {
        char number[32];
        config_format_real(augment_table[i].fallback, number);
        str_buf_printf(out, "  %-31s %s [%s]\n", augment_table[i].name, augment_table[i].help, number);
    }
    str_buf_printf(
        out, "\nAn option `image-size` may also stand in retrain.yml (image-size: 320), in the environment\n"
             "(RETRAIN_IMAGE_SIZE=320) or in a workflow's `with:`; the command line wins, then with:, then the\n"
             "environment, then the file. Exit codes: 0 done, 1 internal, 2 usage, 3 dataset, 4 store, 5 quality\n"
             "gate, 6 diverged, 130 and 143 stopped after a checkpoint.\n");
}

/* Of an option of some commands only, the help begins with their names: "predict, eval: ...; pull: ...". */
static bool concerns(const struct option *o, const char *command)
{
    struct str rest = str_of(o->help), clause, names, name;
    while (str_cut(&rest, ';', &clause)) {
        if (!memchr(clause.p, ':', clause.n) || !str_cut(&clause, ':', &names))
            continue;
        while (str_cut(&names, ',', &name)) {
            if (str_is(str_trim(name), command))
                return true;
        }
    }
    return false;
}

bool help_command(struct str_buf *out, const char *command)
{
    for (size_t k = 0; k < sizeof commands / sizeof *commands; k++) {
        if (strcmp(commands[k].name, command))
            continue;
        str_buf_printf(out, "usage: retrain %s [--option value]...%s%s\n\n  ", command, *commands[k].arguments ? " " : "",
                       commands[k].arguments);
        add_wrapped(out, commands[k].help, 2, 91);
        for (int i = 0, n = 0; i < option_count; i++) {
            if (!concerns(&option_table[i], command))
                continue;
            if (n++ == 0)
                str_buf_addc(out, '\n');
            add_option(out, &option_table[i]);
        }
        str_buf_adds(out, "\nThe options of `retrain run` count here too, as far as they have a meaning: `retrain help` lists them.\n");
        return true;
    }
    return false;
}

bool help_option(struct str_buf *out, const char *name)
{
    const struct option *o = option_find(str_of(strncmp(name, "--", 2) ? name : name + 2));
    if (!o)
        return false;
    add_option(out, o);
    struct arena a = {0};
    if (o->scope != OPTION_CLI)
        str_buf_printf(out, "%34sworkflow: with: %s   environment: RETRAIN_%s%s\n", "", o->name,
                       option_env_name(o->name, &a), o->scope == OPTION_INPUT ? "   retrain.yml: the same name" : "");
    if (o->in_recipe)
        str_buf_printf(out, "%34spart of the recipe: another value is another version\n", "");
    arena_free(&a);
    return true;
}

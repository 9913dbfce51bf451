/* Where values come from, lowest precedence first: defaults, retrain.yml, RETRAIN_*, INPUT_*, command line. Each source
 * overwrites the one before, so a wrong value is an error even where a better one follows. */
#include "config/config.h"

#include <ctype.h>
#include <string.h>

#include "config/loader.h"
#include "core/clock.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/thread.h"

#define EVAL_CONFIDENCE 0.001 /* metrics rank nearly everything; people want what is likely */

/* --- environment -------------------------------------------------------------------------------------------- */

/* The value of NAME in a NAME=value list; NULL when unset. */
static const char *environment_get(const char *const *environment, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; environment && environment[i]; i++) {
        if (!strncmp(environment[i], name, n) && environment[i][n] == '=')
            return environment[i] + n + 1;
    }
    return NULL;
}

static bool read_variable(struct loader *l, const struct option *o, const char *name, struct error *e)
{
    const char *value = environment_get(l->in->environment, name);
    return !value || loader_set(l, o, str_of(value), name, name, e);
}

/* GitHub upper-cases an input's name and keeps its hyphens, which no shell can write; hence both spellings. Lowest
 * first. */
static bool read_environment(struct loader *l, struct error *e)
{
    struct arena *a = l->in->arena;
    for (int i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        if (o->scope == OPTION_CLI)
            continue;
        char *under = option_env_name(o->name, a), *hyphen = arena_strdup(a, under);
        for (char *p = hyphen; *p; p++)
            *p = *p == '_' ? '-' : *p;
        if (!read_variable(l, o, arena_printf(a, "RETRAIN_%s", under), e) ||
            !read_variable(l, o, arena_printf(a, "INPUT_%s", under), e))
            return false;
        if (strcmp(under, hyphen) && !read_variable(l, o, arena_printf(a, "INPUT_%s", hyphen), e))
            return false;
    }
    return true;
}

/* A misspelt input would otherwise be ignored in silence. `args` and `entrypoint` are the runner's own. */
static void warn_unknown_inputs(const struct config_input *in)
{
    bool is_github = in->host && !strcmp(in->host->name, "github");
    for (size_t i = 0; in->environment && in->environment[i]; i++) {
        struct str rest = str_of(in->environment[i]), name;
        bool is_input = str_starts(rest, "INPUT_") && is_github;
        bool is_ours = str_starts(rest, "RETRAIN_");
        if ((!is_input && !is_ours) || !str_cut(&rest, '=', &name))
            continue;
        char *option = str_dup(in->arena, str_slice(name, is_input ? 6 : 8, name.n));
        for (char *p = option; *p; p++)
            *p = *p == '_' || *p == ' ' ? '-' : (char)tolower((unsigned char)*p);
        const struct option *known = option_find(str_of(option));
        if (is_input && (!strcmp(option, "args") || !strcmp(option, "entrypoint")))
            continue;
        if (known && (known->scope != OPTION_CLI || is_ours))
            continue;
        const char *near = known ? NULL : option_nearest(str_of(option), OPTION_OUTSIDE);
        if (known)
            log_warning(STR_FMT ": '%s' is an option of the command line only; ignored", STR_ARG(name), option);
        else if (near)
            log_warning(STR_FMT ": there is no option '%s'; did you mean '%s'? Ignored", STR_ARG(name), option, near);
        else if (is_input)
            log_warning(STR_FMT ": there is no input '%s'; ignored", STR_ARG(name), option);
    }
}

/* --- what follows from the values --------------------------------------------------------------------------- */

/* What was set and by whom, for the log. Values that name accounts or servers are left out. */
static char *describe_given(const struct loader *l)
{
    static const char *const quiet[] = {"role-to-assume", "endpoint-url", "audience"};
    struct str_buf b = STR_BUF(8 << 10);
    for (int i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        if (!l->origins[i] || o->scope == OPTION_SECRET)
            continue;
        bool is_quiet = false;
        for (size_t k = 0; k < sizeof quiet / sizeof *quiet; k++)
            is_quiet |= !strcmp(o->name, quiet[k]);
        char number[32] = "";
        const void *v = option_value(l->c, o);
        const char *text = number;
        switch (o->type) {
        case OPTION_TEXT:
        case OPTION_CHOICE:
        case OPTION_LIST:
            text = is_quiet ? "" : *(const char *const *)v;
            break;
        case OPTION_INT:
        case OPTION_STEP_32:
            config_format_real(*(const int *)v, number);
            break;
        case OPTION_AUTO_INT:
            config_format_real(*(const int *)v, number);
            text = *(const int *)v ? number : "auto";
            break;
        case OPTION_AUTO_REAL:
        case OPTION_REAL:
            config_format_real(*(const double *)v, number);
            text = o->type == OPTION_AUTO_REAL && *(const double *)v == 0 ? "auto" : number;
            break;
        case OPTION_DURATION:
            clock_format_duration(*(const double *)v, number);
            break;
        case OPTION_FLAG:
            text = *(const bool *)v ? "true" : "false";
            break;
        case OPTION_MAP:
            break;
        }
        str_buf_printf(&b, "%s%s%s%s (%s)", b.n ? ", " : "", o->name, *text ? " " : "", text, l->origins[i]);
    }
    char *out = arena_strdup(l->in->arena, str_buf_text(&b));
    str_buf_free(&b);
    return out;
}

/* What outputs and messages need, from whatever was understood so far. */
static void resolve(struct loader *l)
{
    struct config *c = l->c;
    struct arena *a = l->in->arena;
    c->dataset_path = fs_join(a, c->workspace, c->dataset);
    c->output_json_path = *c->output_json ? fs_join(a, c->workspace, c->output_json) : "";
    c->report_dir = fs_join(a, c->workspace, "retrain-report");
    c->want_onnx = strstr(c->formats, "onnx") != NULL;
    c->want_safetensors = strstr(c->formats, "safetensors") != NULL;
    if (c->threads == 0)
        c->threads = cpu_count();
    if (c->smoke)
        c->epochs = 1;
    if (!strcmp(c->command, "eval") && !l->origins[option_find(STR_LIT("confidence")) - option_table])
        c->confidence = EVAL_CONFIDENCE;
    c->given = describe_given(l);
}

/* The command line is read twice: first for its command, --config and --output-json, which are needed before the file
 * and even if the file is wrong; last because it has the final word. */
static bool load(struct loader *l, struct error *e)
{
    struct config *c = l->c;
    const struct option *file = option_find(STR_LIT("config"));
    if (!loader_read_command_line(l, e))
        return false;
    if (!strcmp(c->command, "help"))
        return true;
    if (!read_environment(l, e) || !loader_read_command_line(l, e))
        return false;
    const char *named_by = l->origins[file - option_table];
    if (!loader_check_escape(l, "config", c->config, e) || !loader_read_file(l, c->config, named_by, e))
        return false;
    return read_environment(l, e) && loader_read_command_line(l, e);
}

bool config_load(const struct config_input *in, struct config *out, struct error *e)
{
    *out = (struct config){.command = "run"};
    struct loader l = {.in = in, .c = out};
    if (option_count > LOADER_MAX_OPTIONS)
        BUG("%d options", option_count);
    out->workspace = in->host && in->host->workspace ? in->host->workspace : ".";
    option_set_defaults(out, in->arena);
    bool ok = load(&l, e);
    resolve(&l);
    if (ok && !strcmp(out->command, "help"))
        return true;
    if (ok)
        warn_unknown_inputs(in);
    return ok && loader_check_places(&l, e);
}

char *config_path(const struct config *c, struct arena *a, const char *path)
{
    return fs_join(a, c->workspace, path);
}

/* The repository's files that are made from the option table: docs/options.md and action.yml. */
#include <ctype.h>
#include <string.h>

#include "command/help.h"
#include "config/options.h"
#include "pipeline/outputs.h"

/* '|' would end a table's cell. */
static void add_cell(struct str_buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            str_buf_addc(out, '\\');
        str_buf_addc(out, *text);
    }
}

static void add_values(struct str_buf *out, const struct option *o)
{
    char low[32], high[32];
    config_format_real(o->low, low);
    config_format_real(o->high, high);
    switch (o->type) {
    case OPTION_CHOICE:
    case OPTION_LIST: {
        struct str rest = str_of(o->choices), word;
        bool is_first = true;
        while (str_cut(&rest, '|', &word)) {
            str_buf_printf(out, "%s`" STR_FMT "`", is_first ? "" : ", ", STR_ARG(word));
            is_first = false;
        }
        if (o->type == OPTION_LIST)
            str_buf_adds(out, ", with commas");
        break;
    }
    case OPTION_INT:
    case OPTION_REAL:
        str_buf_printf(out, "%s..%s", low, high);
        break;
    case OPTION_STEP_32:
        str_buf_printf(out, "%s..%s, multiple of 32", low, high);
        break;
    case OPTION_AUTO_INT:
    case OPTION_AUTO_REAL:
        str_buf_printf(out, "`auto`, %s..%s", low, high);
        break;
    case OPTION_FLAG:
        str_buf_adds(out, "`true`, `false`");
        break;
    case OPTION_DURATION:
        str_buf_adds(out, "such as `90s`, `45m`, `5h30m`");
        break;
    case OPTION_TEXT:
    case OPTION_MAP:
        str_buf_adds(out, o->type == OPTION_MAP ? "see below" : o->scope == OPTION_SECRET ? "secret; variable or input only" : "text");
        break;
    }
}

void help_markdown(struct str_buf *out)
{
    str_buf_adds(
        out,
        "# Options\n\nMade from `action/options.def` by `retrain help --markdown`; edit the table, not this page.\n\n"
        "An option `image-size` is taken from the first of these that gives a value (empty counts as not given; "
        "blanks around it are cut):\n\n"
        "| where | spelling |\n| --- | --- |\n"
        "| command line | `--image-size 320` or `--image-size=320` |\n"
        "| GitHub workflow | `with: image-size: 320` (variable `INPUT_IMAGE-SIZE`, also `INPUT_IMAGE_SIZE`) |\n"
        "| GitLab, docker, shell | variable `RETRAIN_IMAGE_SIZE` |\n"
        "| file | `image-size: 320` in `retrain.yml` at the repository's root (`--config` names another) |\n\n"
        "Relative paths start at the workspace: `GITHUB_WORKSPACE`, `CI_PROJECT_DIR`, else the working directory. "
        "On a CI host they must not leave it. Booleans are `true` or `false`. A flag on the command line needs no "
        "value.\n"
        "*Recipe* marks the options that change the trained weights: they are part of the version, and changing one "
        "trains a new model.\n");
    const char *section = "";
    for (int i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        if (strcmp(section, o->section))
            str_buf_printf(
                out, "\n## %s\n\n%s| option | values | default | recipe | meaning |\n| --- | --- | --- | --- | --- |\n",
                o->section, o->scope == OPTION_CLI ? "These are options of the command line only.\n\n" : "");
        section = o->section;
        str_buf_printf(out, "| `%s` | ", o->name);
        add_values(out, o);
        str_buf_printf(out, " | %s%s%s | %s | ", *o->fallback ? "`" : "", o->fallback, *o->fallback ? "`" : "",
                       o->in_recipe ? "yes" : "");
        add_cell(out, o->help);
        str_buf_adds(out, " |\n");
    }
    str_buf_adds(
        out, "\n## Keys of `augment`\n\nIn `retrain.yml` a map, elsewhere `mosaic=0.5,fliplr=0`; keys that are not "
             "named keep their "
             "value. All are part of the recipe.\n\n| key | values | default | meaning |\n| --- | --- | --- | --- |\n");
    for (int i = 0; i < augment_count; i++) {
        const struct augment_key *k = &augment_table[i];
        char low[32], high[32], fallback[32];
        config_format_real(k->low, low);
        config_format_real(k->high, high);
        config_format_real(k->fallback, fallback);
        str_buf_printf(out, "| `%s` | %s..%s | `%s` | %s |\n", k->name, low, high, fallback, k->help);
    }
    str_buf_adds(out, "\n## Outputs\n\nSet on every path, skip and failure too: as outputs of the GitHub step, on "
                      "GitLab as variables in the dotenv file "
                      "`retrain.env` (`RETRAIN_MODEL_KEY`), and with `output-json` in a file.\n\n| output | meaning "
                      "|\n| --- | --- |\n");
#define OUTPUT_ROW(field, name, description) str_buf_printf(out, "| `%s` | %s |\n", name, description);
    OUTPUTS(OUTPUT_ROW)
#undef OUTPUT_ROW
}

/* Single-quoted YAML: only the quote itself needs doubling. */
static void add_quoted(struct str_buf *out, const char *text)
{
    str_buf_addc(out, '\'');
    for (; *text; text++) {
        if (*text == '\'')
            str_buf_addc(out, '\'');
        str_buf_addc(out, *text);
    }
    str_buf_addc(out, '\'');
}

/* No input has a `default:`: GitHub would hand it over as if the user had written it, and it would win over
 * retrain.yml. The defaults are told in the description instead. But the token cannot stand there, and the runner gives
 * the job's own to no container unless asked. */
void help_action_yml(struct str_buf *out)
{
    str_buf_adds(
        out,
        "# Made by `retrain help --action-yml` from action/options.def; edit the table, not this file.\n"
        "name: retrain detector\n"
        "description: Train an object detector when its dataset changes, publish it to S3, skip when nothing changed\n"
        "author: retrain\n"
        "branding:\n  icon: refresh-cw\n  color: blue\n"
        "runs:\n  using: docker\n  image: Dockerfile\n"
        "inputs:\n");
    for (int i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        if (o->scope == OPTION_CLI)
            continue;
        struct str_buf text = STR_BUF(4096);
        str_buf_printf(&text, "%c%s", toupper((unsigned char)o->help[0]), o->help + 1);
        if (*o->fallback)
            str_buf_printf(&text, " (default: %s)", o->fallback);
        str_buf_printf(out, "  %s:\n    description: ", o->name);
        add_quoted(out, str_buf_text(&text));
        str_buf_adds(out, "\n    required: false\n");
        if (o->scope == OPTION_SECRET)
            str_buf_adds(out, "    default: ${{ github.token }}\n");
        str_buf_free(&text);
    }
    str_buf_adds(out, "outputs:\n");
#define OUTPUT_YML(field, name, text)                                                                                  \
    str_buf_printf(out, "  %s:\n    description: ", name), add_quoted(out, text), str_buf_addc(out, '\n');
    OUTPUTS(OUTPUT_YML)
#undef OUTPUT_YML
}

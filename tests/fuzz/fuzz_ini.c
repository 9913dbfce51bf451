/* ~/.aws/config and ~/.aws/credentials. */
#include "fuzz.h"

#include <string.h>

#include "cloud/profile_files.h"

/* All names and values lie in the text, or wiping it would leave some behind. */
static void check(const struct ini_section *s, const char *text, size_t n)
{
    for (; s; s = s->next) {
        PROMISE(s->name >= text && s->name + strlen(s->name) <= text + n);
        for (const struct ini_property *p = s->properties; p; p = p->next) {
            PROMISE(p->name[0] && p->value >= text && p->value + strlen(p->value) <= text + n && p->line > 0);
            PROMISE(strcmp(ini_get(s, p->name), "") != 0 || p->value[0] == 0 || p->next);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct error e = {0};
    struct ini_section *sections;
    struct profile_files f;
    char *text = arena_strndup(&a, (const char *)data, size), *copy = arena_strdup(&a, text);

    if (ini_parse(text, size, "fuzz", &a, &sections, &e)) {
        check(sections, text, size);
        for (const struct ini_section *s = sections; s; s = s->next)
            for (const struct ini_property *p = s->properties; p; p = p->next)
                ini_get_nested(p->value, "endpoint_url", &a);
    } else {
        PROMISE(e.code == ERR_CONFIG && str_starts(str_of(e.message), "fuzz"));
    }
    if (profile_files_parse(copy, copy, &f, &e)) {
        profile_get(&f, "default", "region");
        profile_endpoint_url(&f, "ci", "s3", &a);
    }
    profile_files_free(&f);
    arena_free(&a);
    return 0;
}

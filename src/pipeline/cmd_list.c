/* Published versions, newest first: a table for people, one JSON object per line with --log-format json. */
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "pipeline/job.h"
#include "pipeline/show.h"

static void print_row(const struct json *m, bool is_latest)
{
    const struct json *metrics = json_get(m, "metrics"), *data = json_get(m, "dataset");
    printf("%c %7.4f  %8.4f  %6.0f  ", is_latest ? '*' : '-', json_number(json_get(metrics, "map50"), 0),
           json_number(json_get(metrics, "map50_95"), 0), json_number(json_get(data, "images"), 0));
    show_text(json_string(json_get(m, "version"), "?"));
    printf("  ");
    show_text(json_string(json_get(m, "created_at"), "?"));
    printf("  ");
    show_text(json_string(json_get(json_get(m, "source"), "commit"), ""));
    putchar('\n');
}

bool cmd_list(struct job *j, struct error *e)
{
    struct json *all = NULL;
    if (!job_open_store(j, e) || !publish_list(j->store, &all, e))
        return false;
    const char *latest = json_string(json_get(j->latest, "version"), "");
    bool is_json = !strcmp(j->config->log_format, "json");
    if (!is_json && json_len(all))
        printf("%9s  %8s  %6s  %-21s  %-20s  %s\n", "mAP50", "mAP50-95", "images", "version", "created", "commit");
    for (size_t i = 0; i < json_len(all); i++) {
        const struct json *m = json_at(all, i);
        if (!is_json) {
            print_row(m, !strcmp(latest, json_string(json_get(m, "version"), "?")));
            continue;
        }
        show_json_line(m);
    }
    if (!json_len(all))
        log_info("nothing is published in %s yet", store_url(j->store));
    json_free(all);
    return true;
}

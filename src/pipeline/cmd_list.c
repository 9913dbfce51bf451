/* Published versions, newest first: a table for people, one JSON object per line with --log-format json. */
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "pipeline/job.h"

static void print_row(const struct json *m, bool is_latest)
{
    const struct json *metrics = json_get(m, "metrics"), *data = json_get(m, "dataset");
    printf("%c %-21.40s  %-20.20s  %7.4f  %8.4f  %6.0f  %.12s\n", is_latest ? '*' : ' ', json_string(json_get(m, "version"), "?"),
           json_string(json_get(m, "created_at"), "?"), json_number(json_get(metrics, "map50"), 0),
           json_number(json_get(metrics, "map50_95"), 0), json_number(json_get(data, "images"), 0),
           json_string(json_get(json_get(m, "source"), "commit"), ""));
}

bool cmd_list(struct job *j, struct error *e)
{
    struct json *all = NULL;
    if (!job_open_store(j, e) || !publish_list(j->store, &all, e))
        return false;
    const char *latest = json_string(json_get(j->latest, "version"), "");
    bool is_json = !strcmp(j->config->log_format, "json");
    if (!is_json && json_len(all))
        printf("  %-21s  %-20s  %7s  %8s  %6s  %s\n", "version", "created", "mAP50", "mAP50-95", "images", "commit");
    for (size_t i = 0; i < json_len(all); i++) {
        const struct json *m = json_at(all, i);
        if (!is_json) {
            print_row(m, !strcmp(latest, json_string(json_get(m, "version"), "?")));
            continue;
        }
        struct str_buf text = STR_BUF(4u << 20);
        json_write(m, false, &text);
        printf("%s\n", str_buf_text(&text));
        str_buf_free(&text);
    }
    if (!json_len(all))
        log_info("nothing is published in %s yet", store_url(j->store));
    json_free(all);
    return true;
}

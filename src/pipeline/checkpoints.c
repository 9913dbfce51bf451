#include "pipeline/checkpoints.h"

#include <stdio.h>
#include <string.h>

#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"

#define LIST "checkpoint.json"
#define LIMIT_LIST_BYTES (64u << 10)
#define LIMIT_KEYS 1000
#define MOST_JOBS 1000000

static char *key_of(struct arena *a, const char *version, const char *name)
{
    return arena_printf(a, "checkpoints/%s/%s", version, name);
}

/* ---- the list ------------------------------------------------------------------------------------------------------ */

static struct json *entry_object(const struct checkpoint_entry *x)
{
    struct json *out = json_new_object();
    json_set(out, "file", json_new_string(x->file));
    json_set(out, "sha256", json_new_string(x->sha256));
    json_set(out, "size", json_new_int(x->size_bytes));
    json_set(out, "epoch", json_new_int(x->at.epoch));
    json_set(out, "epochs", json_new_int(x->at.epochs));
    json_set(out, "batches", json_new_int(x->at.batches));
    json_set(out, "jobs", json_new_int(x->at.jobs));
    return out;
}

static bool entry_parse(const struct json *from, struct checkpoint_entry *x)
{
    const char *file = json_string(json_get(from, "file"), ""), *sum = json_string(json_get(from, "sha256"), "");
    int64_t epoch = 0, epochs = 0, batches = 0, jobs = 0;
    uint8_t bytes[SHA256_BYTES];

    *x = (struct checkpoint_entry){0};
    json_int64(json_get(from, "size"), &x->size_bytes);
    json_int64(json_get(from, "epoch"), &epoch);
    json_int64(json_get(from, "epochs"), &epochs);
    json_int64(json_get(from, "batches"), &batches);
    if (!hex_decode(str_of(sum), bytes, sizeof bytes) || !json_int64(json_get(from, "jobs"), &jobs) || jobs < 1 ||
        jobs > MOST_JOBS || strlen(file) >= sizeof x->file || strchr(file, '/') || batches < 0)
        return false;
    snprintf(x->file, sizeof x->file, "%s", file);
    memcpy(x->sha256, sum, sizeof x->sha256);
    x->at = (struct train_position){.epoch = (int)epoch, .epochs = (int)epochs, .batches = (long)batches, .jobs = (int)jobs};
    return *file != 0;
}

bool checkpoints_find(struct store *s, const char *version, struct checkpoint_list *out, struct error *e)
{
    struct arena a = {0};
    enum store_found found;
    struct str text;
    struct json *list = NULL;
    struct error broken = {0};

    *out = (struct checkpoint_list){0};
    bool ok = store_get(s, key_of(&a, version, LIST), LIMIT_LIST_BYTES, &a, &found, &text, NULL, e);
    if (ok && found == STORE_PRESENT) {
        const struct json *previous = NULL;
        bool is_sound = json_parse(text, LIST, &list, &broken) && entry_parse(list, &out->newest);
        if (is_sound && (previous = json_get(list, "previous")))
            is_sound = entry_parse(previous, &out->previous);
        if (!is_sound)
            log_warning("%s of %s is damaged%s%s: what is damaged in it is not used", LIST, version, *broken.message ? ": " : "",
                        broken.message);
    }
    json_free(list);
    arena_free(&a);
    return ok;
}

static bool put_list(struct store *s, const char *version, const struct checkpoint_list *list, struct error *e)
{
    struct arena a = {0};
    struct str_buf text = STR_BUF(LIMIT_LIST_BYTES);
    struct json *out = entry_object(&list->newest);
    bool written;

    json_set(out, "schema", json_new_int(1));
    if (*list->previous.file)
        json_set(out, "previous", entry_object(&list->previous));
    json_write(out, true, &text);
    bool ok = store_put(s, key_of(&a, version, LIST), str_buf_view(&text), "application/json", STORE_ALWAYS, NULL, &written, e);
    json_free(out);
    str_buf_free(&text);
    arena_free(&a);
    return ok;
}

/* ---- the files ----------------------------------------------------------------------------------------------------- */

bool checkpoints_fetch(struct store *s, const char *version, const struct checkpoint_entry *x, const char *path,
                       struct error *e)
{
    struct arena a = {0};
    uint8_t sum[SHA256_BYTES];
    if (!hex_decode(str_of(x->sha256), sum, sizeof sum))
        BUG("checkpoint %s: its checksum was checked when the list was read", x->file);
    bool ok = store_get_file(s, key_of(&a, version, x->file), path, sum, e);
    arena_free(&a);
    return ok;
}

/* What is left behind is only untidy. */
static void remove_others(struct store *s, const char *version, const struct checkpoint_list *list)
{
    struct arena a = {0};
    struct error ignored = {0};
    const char **keys;
    size_t n;

    bool ok = store_list(s, key_of(&a, version, ""), LIMIT_KEYS, &a, &keys, &n, &ignored);
    for (size_t i = 0; ok && i < n; i++) {
        const char *name = fs_base(keys[i]);
        if (!strcmp(fs_ext(name), ".bin") && strcmp(name, list->newest.file) && strcmp(name, list->previous.file))
            ok = store_delete(s, keys[i], &ignored);
    }
    if (!ok)
        log_debug("an old checkpoint stays: %s", ignored.message);
    arena_free(&a);
}

bool checkpoints_add(struct store *s, const char *version, const char *path, const struct train_position *at,
                     struct checkpoint_list *list, struct error *e)
{
    struct arena a = {0};
    struct store_file file;
    struct checkpoint_entry x = {.at = *at};

    if (!store_file_read(path, NULL, &file, e))
        return false;
    hex_encode(file.sha256, sizeof file.sha256, x.sha256);
    if (!strcmp(x.sha256, list->newest.sha256))
        return true;
    snprintf(x.file, sizeof x.file, "%.16s.bin", x.sha256);
    x.size_bytes = (int64_t)file.size_bytes;
    struct checkpoint_list next = {x, list->newest};
    bool ok = store_put_file(s, key_of(&a, version, x.file), &file, e) && put_list(s, version, &next, e);
    if (ok) {
        *list = next;
        remove_others(s, version, list);
    }
    arena_free(&a);
    return ok;
}

bool checkpoints_clear(struct store *s, const char *version, struct error *e)
{
    struct arena a = {0};
    const char **keys;
    size_t n;

    bool ok = store_delete(s, key_of(&a, version, LIST), e) &&
              store_list(s, key_of(&a, version, ""), LIMIT_KEYS, &a, &keys, &n, e);
    for (size_t i = 0; ok && i < n; i++)
        ok = store_delete(s, keys[i], e);
    arena_free(&a);
    return ok;
}

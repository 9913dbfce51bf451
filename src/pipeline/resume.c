/* A training that did not end goes on in a later job, on any machine: its checkpoint lies in the store under
 * checkpoints/<version>/, a file named by its content and checkpoint.json, written last, that points at it. */
#include <string.h>

#include "core/fs.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/stop.h"
#include "pipeline/job.h"

#define SECONDS_AFTER_STOP 4.0 /* GitHub: SIGTERM comes 7.5 seconds after SIGINT, SIGKILL at 10 */
#define LIMIT_POINTER_BYTES (64u << 10)

static char *key_of(const struct job *j, const char *name)
{
    return arena_printf(j->arena, "checkpoints/%s/%s", j->version.name, name);
}

bool resume_fetch(struct job *j, bool *found, struct error *e)
{
    enum store_found there;
    struct str text;
    struct json *pointer = NULL;
    *found = false;
    j->n_jobs = 1;
    if (!store_get(j->store, key_of(j, "checkpoint.json"), LIMIT_POINTER_BYTES, j->arena, &there, &text, NULL, e))
        return false;
    if (there == STORE_ABSENT)
        return true;

    struct error broken = {0};
    uint8_t sum[SHA256_BYTES];
    int64_t jobs = 0;
    bool ok = json_parse(text, "checkpoint.json", &pointer, &broken) &&
              hex_decode(str_of(json_string(json_get(pointer, "sha256"), "")), sum, sizeof sum) &&
              json_int64(json_get(pointer, "jobs"), &jobs) && jobs > 0 && jobs < 1000000;
    const char *file = arena_strdup(j->arena, fs_base(json_string(json_get(pointer, "file"), "-")));
    json_free(pointer);
    /* A checkpoint only saves time: a broken one costs a fresh start, not the run. */
    if (!ok || !store_get_file(j->store, key_of(j, file), j->checkpoint_path, sum, &broken)) {
        log_warning("the checkpoint of %s cannot be used, training starts anew: %s", j->version.name,
                    *broken.message ? broken.message : "checkpoint.json is damaged");
        return fs_remove(j->checkpoint_path, e);
    }
    j->n_jobs = (int)jobs + 1;
    *found = true;
    return true;
}

bool resume_push(struct job *j, struct error *e)
{
    if (!j->keeps_checkpoints)
        return true;
    if (stop_requested()) /* this is the one thing that is still worth a request; the host kills us soon */
        store_allow_after_stop(j->store, SECONDS_AFTER_STOP);
    struct store_file checkpoint;
    char hex[SHA256_HEX];
    if (!store_file_read(j->checkpoint_path, NULL, &checkpoint, e))
        return false;
    hex_encode(checkpoint.sha256, sizeof checkpoint.sha256, hex);
    const char *file = arena_printf(j->arena, "%.16s.bin", hex);
    if (!store_put_file(j->store, key_of(j, file), &checkpoint, e))
        return fail_in(e, "checkpoint");

    struct json *pointer = json_new_object();
    struct str_buf text = STR_BUF(LIMIT_POINTER_BYTES);
    bool written;
    json_set(pointer, "schema", json_new_int(1));
    json_set(pointer, "file", json_new_string(file));
    json_set(pointer, "sha256", json_new_string(hex));
    json_set(pointer, "size", json_new_int((int64_t)checkpoint.size_bytes));
    json_set(pointer, "jobs", json_new_int(j->n_jobs));
    json_write(pointer, true, &text);
    json_free(pointer);
    bool ok = store_put(j->store, key_of(j, "checkpoint.json"), str_buf_view(&text), "application/json", STORE_ALWAYS,
                        NULL, &written, e);
    str_buf_free(&text);
    if (!ok)
        return fail_in(e, "checkpoint");

    const char **keys;
    size_t n;
    struct error ignored = {0}; /* an old checkpoint that stays is only untidy */
    if (!store_list(j->store, key_of(j, ""), 100, j->arena, &keys, &n, &ignored))
        return true;
    for (size_t i = 0; i < n; i++) {
        const char *name = fs_base(keys[i]);
        if (strcmp(name, file) && !strcmp(fs_ext(name), ".bin") && !store_delete(j->store, keys[i], &ignored))
            log_debug("%s", ignored.message);
    }
    return true;
}

bool resume_clear(struct job *j, struct error *e)
{
    const char **keys;
    size_t n;
    if (!store_delete(j->store, key_of(j, "checkpoint.json"), e) ||
        !store_list(j->store, key_of(j, ""), 100, j->arena, &keys, &n, e))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!store_delete(j->store, keys[i], e))
            return false;
    }
    return true;
}

/* The store's operations as commands, for tests that need a real server or a process to kill:
 *
 *     store_driver URL COMMAND ARGUMENTS...
 *
 * The options endpoint-url, region, addressing-style and role-to-assume come from DRIVER_ENDPOINT, DRIVER_REGION,
 * DRIVER_STYLE, DRIVER_ROLE and DRIVER_ROLE_SECONDS; DRIVER_STALE is how many seconds a killed holder of the lock is
 * waited for. Results go to standard output, one line each; errors to standard error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/stop.h"
#include "store/backend.h"
#include "store/publish.h"
#include "store/rejected.h"
#include "store/training_lease.h"

static struct store *store;
static struct arena arena;
static struct error err;

static const char *env(const char *name)
{
    return getenv(name);
}

static bool cmd_get(char **arg)
{
    enum store_found found;
    struct str text;
    char etag[128];
    if (!store_get(store, arg[0], 1 << 20, &arena, &found, &text, etag, &err))
        return false;
    if (found)
        printf("present %s\n" STR_FMT "\n", etag, STR_ARG(text));
    else
        printf("absent\n");
    return true;
}

static bool cmd_stat(char **arg)
{
    enum store_found found;
    uint64_t size;
    if (!store_stat(store, arg[0], &found, &size, &err))
        return false;
    printf(found ? "present %llu\n" : "absent\n", (unsigned long long)size);
    return true;
}

static bool cmd_digest(char **arg)
{
    enum store_found found;
    uint8_t sum[32] = {0};
    char hex[65];
    if (!store_digest(store, arg[0], &found, sum, &err))
        return false;
    hex_encode(sum, 32, hex);
    printf("%s\n", found ? hex : "absent");
    return true;
}

static bool put(char **arg, enum store_condition when, const char *etag)
{
    bool written;
    if (!store_put(store, arg[0], str_of(arg[1]), "text/plain", when, etag, &written, &err))
        return false;
    printf(written ? "written\n" : "refused\n");
    return true;
}

static bool cmd_put(char **arg)
{
    return put(arg, STORE_ALWAYS, NULL);
}

static bool cmd_put_new(char **arg)
{
    return put(arg, STORE_IF_ABSENT, NULL);
}

static bool cmd_put_match(char **arg)
{
    return put(arg, STORE_IF_MATCH, arg[2]);
}

static bool cmd_put_file(char **arg)
{
    struct store_file f;
    return store_file_read(arg[1], NULL, &f, &err) && store_put_file(store, arg[0], &f, &err);
}

static bool put_new_file(const char *key, const struct store_file *f)
{
    bool written;
    if (!store_put_new_file(store, key, f, &written, &err))
        return false;
    printf(written ? "written\n" : "refused\n");
    return true;
}

static bool cmd_put_new_file(char **arg)
{
    struct store_file f;
    return store_file_read(arg[1], NULL, &f, &err) && put_new_file(arg[0], &f);
}

/* put-stale-file KEY PATH BEFORE: PATH, as if it had been the file BEFORE when it was read. */
static bool cmd_put_stale_file(char **arg)
{
    struct store_file f;
    if (!store_file_read(arg[2], NULL, &f, &err))
        return false;
    f.path = arg[1];
    return put_new_file(arg[0], &f);
}

static bool cmd_get_file(char **arg)
{
    uint8_t sum[32];
    bool have = arg[2] && hex_decode(str_of(arg[2]), sum, 32);
    return store_get_file(store, arg[0], arg[1], have ? sum : NULL, &err);
}

static bool cmd_delete(char **arg)
{
    return store_delete(store, arg[0], &err);
}

static bool cmd_list(char **arg)
{
    const char **keys;
    size_t n;
    if (!store_list(store, arg[0], 100000, &arena, &keys, &n, &err))
        return false;
    for (size_t i = 0; i < n; i++)
        printf("%s\n", keys[i]);
    return true;
}

static bool cmd_probe(char **arg)
{
    (void)arg;
    bool atomic;
    if (!store_probe(store, &atomic, &err))
        return false;
    printf(atomic ? "atomic\n" : "best effort\n");
    return true;
}

/* publish VERSION SECONDS MODEL REPORT */
static bool cmd_publish(char **arg)
{
    struct artifact artifacts[2] = {{.name = "model.onnx", .path = arg[2]}, {.name = "report.html", .path = arg[3]}};
    struct json *m = json_new_object();
    bool already;
    json_set(m, "schema", json_new_int(1));
    json_set(m, "version", json_new_string(arg[0]));
    bool ok = publish_version(store, arg[0], artifacts, 2, &m, &already, (time_t)strtoll(arg[1], NULL, 10), &err);
    if (ok)
        printf("%s %s\n", already ? "already" : "published", json_string(json_get(m, "created_at"), "?"));
    json_free(m);
    return ok;
}

/* reject VERSION MODEL REPORT: keeps a refused model, and no more of them than there shall be. */
static bool cmd_reject(char **arg)
{
    struct artifact artifacts[2] = {{.name = "model.onnx", .path = arg[1]}, {.name = "report.html", .path = arg[2]}};
    char now[CLOCK_RFC3339];
    struct json *m = json_new_object();
    clock_rfc3339(clock_now(), now);
    json_set(m, "schema", json_new_int(1));
    json_set(m, "version", json_new_string(arg[0]));
    json_set(m, "created_at", json_new_string(now));
    bool ok = rejected_put(store, arg[0], artifacts, 2, m, &err) && rejected_prune(store, clock_now(), &err);
    json_free(m);
    return ok;
}

static bool cmd_rejected(char **arg)
{
    (void)arg;
    struct json *all;
    if (!rejected_list(store, &all, &err))
        return false;
    for (size_t i = 0; i < json_len(all); i++)
        printf("%s\n", json_string(json_get(json_at(all, i), "version"), "?"));
    json_free(all);
    return true;
}

static bool cmd_forget(char **arg)
{
    return rejected_remove(store, arg[0], &err);
}

/* Publishes what each line of standard input says, in the words of `publish`; an answer to each. */
static bool cmd_publish_lines(char **arg)
{
    char line[1024];
    (void)arg;
    while (fgets(line, sizeof line, stdin)) {
        char version[128], seconds[32], model[256], report[256];
        if (sscanf(line, "%127s %31s %255s %255s", version, seconds, model, report) != 4)
            return fail(&err, ERR_CONFIG, "line %s", line);
        if (!cmd_publish((char *[]){version, seconds, model, report}))
            return false;
        fflush(stdout);
    }
    return true;
}

static bool cmd_find(char **arg)
{
    static const char *const names[] = {"absent", "published", "incomplete"};
    enum version_state state;
    struct json *m;
    char missing[256];
    if (!publish_find(store, arg[0], &state, &m, missing, &err))
        return false;
    printf("%s %s\n", names[state], missing);
    json_free(m);
    return true;
}

static bool cmd_latest(char **arg)
{
    (void)arg;
    enum store_found found;
    struct json *m;
    if (!publish_latest(store, &found, &m, &err))
        return false;
    printf("%s\n", found ? json_string(json_get(m, "version"), "?") : "absent");
    json_free(m);
    return true;
}

static bool cmd_point(char **arg)
{
    return publish_point(store, arg[0], HISTORY_ROLLBACK, &err);
}

static bool cmd_versions(char **arg)
{
    (void)arg;
    struct json *all;
    if (!publish_list(store, &all, &err))
        return false;
    for (size_t i = 0; i < json_len(all); i++)
        printf("%s\n", json_string(json_get(json_at(all, i), "version"), "?"));
    json_free(all);
    return true;
}

static bool cmd_remove(char **arg)
{
    return publish_delete(store, arg[0], &err);
}

static bool cmd_prune(char **arg)
{
    int n;
    if (!publish_prune(store, (int)strtol(arg[0], NULL, 10), clock_now(), &n, &err))
        return false;
    printf("%d\n", n);
    return true;
}

static bool cmd_age(char **arg)
{
    enum store_found found;
    double age_s;
    char etag[128];
    if (!store_age(store, arg[0], &found, &age_s, etag, &err))
        return false;
    printf(found ? "present %.3f %s\n" : "absent\n", age_s, etag);
    return true;
}

/* train-take VERSION SECONDS, train-renew, train-release: the lease on training a version. */
static struct training_lease training;

static bool cmd_train_take(char **arg)
{
    struct training_lease_about about = {"driver", "https://ci.example.com/runs/1", NULL};
    char holder[768];
    bool taken;
    if (!training_lease_take(store, arg[0], &about, strtod(arg[1], NULL), &training, &taken, holder, &err))
        return false;
    if (taken)
        printf("taken\n");
    else
        printf("held by %s\n", holder);
    return true;
}

static bool cmd_train_renew(char **arg)
{
    (void)arg;
    bool held;
    if (!training_lease_renew(store, &training, &held, &err))
        return false;
    printf(held ? "held\n" : "lost\n");
    return true;
}

static bool cmd_train_release(char **arg)
{
    (void)arg;
    training_lease_release(store, &training);
    return true;
}

/* Until a line comes in, or its end. */
static bool cmd_wait(char **arg)
{
    char line[16];
    (void)arg;
    return !fgets(line, sizeof line, stdin) || true;
}

static bool cmd_sleep(char **arg)
{
    clock_sleep(strtod(arg[0], NULL));
    return true;
}

static bool cmd_allow(char **arg)
{
    store_allow_after_stop(store, strtod(arg[0], NULL));
    return true;
}

static const struct {
    const char *name;
    int n_arguments;
    bool (*run)(char **arg);
} commands[] = {
    {"get", 1, cmd_get},           {"stat", 1, cmd_stat},         {"digest", 1, cmd_digest},
    {"put", 2, cmd_put},           {"put-new", 2, cmd_put_new},   {"put-match", 3, cmd_put_match},
    {"put-file", 2, cmd_put_file}, {"put-new-file", 2, cmd_put_new_file}, {"put-stale-file", 3, cmd_put_stale_file},
    {"get-file", 3, cmd_get_file}, {"delete", 1, cmd_delete},     {"list", 1, cmd_list},
    {"publish-lines", 0, cmd_publish_lines},
    {"probe", 0, cmd_probe},       {"publish", 4, cmd_publish},   {"find", 1, cmd_find},
    {"latest", 0, cmd_latest},     {"point", 1, cmd_point},       {"versions", 0, cmd_versions},
    {"remove", 1, cmd_remove},     {"prune", 1, cmd_prune},       {"sleep", 1, cmd_sleep},
    {"allow-after-stop", 1, cmd_allow}, {"age", 1, cmd_age},    {"wait", 0, cmd_wait},
    {"reject", 3, cmd_reject},     {"rejected", 0, cmd_rejected}, {"forget", 1, cmd_forget},
    {"train-take", 2, cmd_train_take}, {"train-renew", 0, cmd_train_renew}, {"train-release", 0, cmd_train_release},
};

/* Several commands in one process: each with its fixed number of arguments. */
static bool run_all(int argc, char **argv)
{
    for (int i = 0; i < argc;) {
        size_t k = 0, n = sizeof commands / sizeof *commands;
        while (k < n && strcmp(commands[k].name, argv[i]))
            k++;
        if (k == n || i + commands[k].n_arguments >= argc)
            return fail(&err, ERR_CONFIG, "command %s", argv[i]);
        if (!commands[k].run(argv + i + 1))
            return false;
        fflush(stdout);
        i += 1 + commands[k].n_arguments;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct log_options log = {.least = getenv("DRIVER_DEBUG") ? LOG_DEBUG : LOG_INFO, .fd = 2};
    struct store_options o = {
        .url = argc > 1 ? argv[1] : "",
        .workspace = ".",
        .endpoint_url = getenv("DRIVER_ENDPOINT"),
        .region = getenv("DRIVER_REGION"),
        .addressing_style = getenv("DRIVER_STYLE"),
        .role_to_assume = getenv("DRIVER_ROLE"),
        .role_seconds = getenv("DRIVER_ROLE_SECONDS") ? (int)strtol(getenv("DRIVER_ROLE_SECONDS"), NULL, 10) : 0,
        .getenv = env,
    };
    log_configure(&log);
    stop_install();
    bool ok = store_open(&o, &store, &err);
    if (ok && getenv("DRIVER_STALE"))
        store->stale_s = strtod(getenv("DRIVER_STALE"), NULL);
    ok = ok && run_all(argc - 2, argv + 2);
    if (!ok)
        log_error("%s", err.message);
    store_close(store);
    arena_free(&arena);
    return ok ? 0 : error_exit_code(err.code);
}

/* A bucket as a store. */
#include <stdlib.h>
#include <string.h>

#include "cloud/profile.h"
#include "core/clock.h"
#include "store/s3_get.h"
#include "store/s3_list.h"
#include "store/s3_object.h"
#include "store/s3_put.h"
#include "store/s3_resume.h"

#define PART_BYTES (16ull << 20)
#define PART_MIN_BYTES (64ull << 10) /* S3 wants 5 MiB; servers with other rules say so themselves */
#define PART_MAX_BYTES (5ull << 30)

static void s3_close(struct store *base)
{
    struct s3_store *s = s3_of(base);
    credentials_close(s->credentials);
    for (int i = 0; i < S3_LANES; i++)
        http_close(s->http[i]);
    pthread_mutex_destroy(&s->lock);
    arena_free(&s->arena);
    mem_free(s);
}

static char *s3_object_url(const struct store *base, const char *key, struct arena *a)
{
    const struct s3_location *at = &s3_of(base)->location;
    return arena_printf(a, "s3://%s/%s%s%s", at->bucket, at->prefix, at->prefix[0] ? "/" : "", key);
}

static void s3_allow_after_stop(struct store *base, double seconds)
{
    struct s3_store *s = s3_of(base);

    s->stop_deadline = clock_seconds() + seconds;
    for (int i = 0; i < S3_LANES && s->http[i]; i++)
        http_allow_after_stop(s->http[i], seconds);
    credentials_allow_after_stop(s->credentials, seconds);
}

static bool s3_remove(struct store *s, const char *key, struct error *e)
{
    struct arena a = {0};
    struct s3_call c = {.s3 = s3_of(s), .method = "DELETE", .key = key, .absent_is_fine = true};
    bool ok = s3_run(&c, &a, e);
    arena_free(&a);
    return ok;
}

static bool s3_clear(struct store *base, struct error *e)
{
    struct s3_store *s = s3_of(base);
    if (!s->location.prefix[0])
        return fail(e, ERR_STORE, "%s is a whole bucket, which retrain does not empty", base->url);
    s3_resume_abort_all(s);
    return true;
}

static const struct store_backend s3_backend = {
    .close = s3_close,
    .object_url = s3_object_url,
    .get = s3_get,
    .stat = s3_stat,
    .age = s3_age,
    .digest = s3_digest,
    .put_file = s3_put_file,
    .guards_new_file = s3_guards_new_file,
    .get_file = s3_get_file,
    .put = s3_put,
    .remove = s3_remove,
    .list = s3_list,
    .clear = s3_clear,
    .allow_after_stop = s3_allow_after_stop,
};

/* The first that says something. */
static const char *choose(const struct store_options *o, const char *option, const char *const *names)
{
    if (option && option[0])
        return option;
    for (size_t i = 0; o->getenv && names[i]; i++) {
        const char *value = o->getenv(names[i]);
        if (value && value[0])
            return value;
    }
    return "";
}

/* RETRAIN_PART_SIZE: "16MiB" or "512KiB". */
static bool choose_parts(const struct store_options *o, uint64_t *out, struct error *e)
{
    static const char *const names[] = {"RETRAIN_PART_SIZE", NULL};
    const char *text = choose(o, NULL, names);
    struct str number = str_of(text);
    uint64_t n = 0, unit = str_ends(number, "MiB") ? 1u << 20 : str_ends(number, "KiB") ? 1u << 10 : 0;

    *out = PART_BYTES;
    if (!text[0])
        return true;
    if (!unit || !str_to_uint64(str_slice(number, 0, number.n - 3), &n) || n > PART_MAX_BYTES / unit || n * unit < PART_MIN_BYTES)
        return fail(e, ERR_CONFIG, "RETRAIN_PART_SIZE: \"%.40s\" is not a size from 64KiB to 5120MiB, like 16MiB", text);
    *out = n * unit;
    return true;
}

/* endpoint-url and region: the option, else the environment, else the profile in use. */
static bool find_service(struct s3_store *s, const struct store_options *o, struct error *e)
{
    static const char *const endpoints[] = {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", NULL};
    static const char *const regions[] = {"AWS_REGION", "AWS_DEFAULT_REGION", NULL};
    struct profile_settings profile = {0};

    s->endpoint_url = arena_strdup(&s->arena, choose(o, o->endpoint_url, endpoints));
    const char *region = choose(o, o->region, regions);
    if ((!s->endpoint_url[0] || !region[0]) && !profile_settings(o->getenv, &s->arena, &profile, e))
        return false;
    if (!s->endpoint_url[0])
        s->endpoint_url = profile.endpoint_url_s3;
    region = region[0] || !profile.region ? region : profile.region;
    s->region = arena_strdup(&s->arena, s3_first_region(region, s->endpoint_url));
    return true;
}

bool s3_open(const struct store_options *o, struct store **out, struct error *e)
{
    struct s3_store *s = mem_alloc(sizeof *s);
    struct s3_address at;

    s->base.backend = &s3_backend;
    s->http_options.getenv = o->getenv;
    if (o->is_hasty) {
        s->max_tries = HASTY_TRIES;
        s->budget_s = HASTY_BUDGET_SECONDS;
        s->http_options.connect_seconds = HASTY_CONNECT_SECONDS;
        s->http_options.stall_seconds = HASTY_STALL_SECONDS;
    }
    if (pthread_mutex_init(&s->lock, NULL))
        BUG("a mutex cannot be made");
    if (!find_service(s, o, e)) {
        s3_close(&s->base);
        return false;
    }
    struct credentials_options credentials = {
        .getenv = o->getenv,
        .role = o->role_to_assume,
        .audience = o->audience,
        .role_seconds = o->role_seconds,
        .is_anonymous = o->is_anonymous,
        .region = s->region,
        .endpoint_url = s3_endpoint_is_aws(s->endpoint_url) ? "" : s->endpoint_url,
    };
    bool ok = s3_parse_url(o->url, &s->arena, &s->location, e) && s3_parse_style(o->addressing_style, &s->style, e) &&
              s3_address(s->endpoint_url, s->region, s->location.bucket, s->style, &s->arena, &at, e) &&
              choose_parts(o, &s->part_bytes, e) && s3_open_lanes(s, 1, e) && credentials_open(&credentials, &s->credentials, e);
    if (!ok) {
        s3_close(&s->base);
        return false;
    }
    s->base.url = store_strdup(s->location.prefix[0] ? s3_object_url(&s->base, "", &s->arena)
                                                     : arena_printf(&s->arena, "s3://%s", s->location.bucket));
    size_t n = strlen(s->base.url);
    if (s->base.url[n - 1] == '/')
        s->base.url[n - 1] = 0;
    *out = &s->base;
    return true;
}

#include "cloud/ci_call.h"

#include <string.h>

#include "cloud/retry.h"
#include "core/hash.h"
#include "core/log.h"

#define REPLY_MAX (4u << 20) /* a hundred jobs with their steps */
#define HASTY_SECONDS 2.0
#define CONNECT_SECONDS 5.0
#define TOTAL_SECONDS 8.0
#define TRIES 2
#define BUDGET_SECONDS 6.0 /* less than the above: what was not answered in time may have been done, and is not asked again */
#define BODY_MAX (64u << 10)

struct attempt {
    struct ci_call *call;
    const char *text; /* of the body */
};

static bool prepare(void *ctx, struct http_request *r, struct arena *a, struct error *e)
{
    const struct attempt *t = ctx;
    const struct ci_api *api = t->call->api;
    (void)e;

    r->method = t->call->method;
    r->url = arena_printf(a, "%s%s", api->url, t->call->path);
    r->body = str_of(t->text);
    r->max_bytes = REPLY_MAX;
    http_add_header(r, "Accept", "application/json");
    if (t->text)
        http_add_header(r, "Content-Type", "application/json");
    if (t->call->has_bearer) {
        http_add_header(r, "Authorization", arena_printf(a, "Bearer %s", api->token));
        http_add_header(r, "X-GitHub-Api-Version", "2022-11-28");
    }
    return true;
}

static enum retry_kind judge(void *ctx, const struct http_response *reply, struct arena *a, struct error *e)
{
    const struct attempt *t = ctx;
    (void)a;

    if (retry_classify(reply->status, "") != RETRY_LATER)
        return RETRY_DONE;
    fail(e, ERR_NET, "the server answers %d: it is in trouble, or asked too often", reply->status);
    return t->call->is_hasty ? RETRY_NEVER : RETRY_LATER;
}

/* GitHub: {"message": "..."}. GitLab: {"message": "..."}, {"message": {"base": ["..."]}} or {"error": "..."}. */
static const char *words_of(const struct json *v, int depth)
{
    const char *text = json_string(v, "");
    static const char *const names[] = {"message", "error", "base"};

    for (size_t i = 0; !text[0] && depth < 3 && i < sizeof names / sizeof *names; i++)
        text = words_of(json_get(v, names[i]), depth + 1);
    return text[0] || depth == 3 ? text : json_string(json_at(v, 0), "");
}

static const char *read_words(const struct ci_call *c, struct arena *a)
{
    struct json *root = NULL;
    struct error ignored;
    const char *out = "";

    if (c->reply.status / 100 == 2 || !json_parse(c->reply.body, "reply", &root, &ignored))
        return "";
    const char *said = words_of(root, 0);
    if (!strstr(said, c->api->token)) /* a server that repeats what it was sent */
        out = arena_printf(a, "%.300s", said);
    json_free(root);
    return out;
}

bool ci_call(struct ci_call *c, struct arena *a, struct error *e)
{
    struct http_options o = {
        .getenv = c->api->getenv,
        .ca_file = c->api->ca_file,
        .connect_seconds = c->is_hasty ? HASTY_SECONDS : CONNECT_SECONDS,
        .total_seconds = c->is_hasty ? HASTY_SECONDS : TOTAL_SECONDS,
    };
    struct str_buf body = STR_BUF(BODY_MAX);
    struct attempt t = {.call = c};
    struct retry retry = {.prepare = prepare, .judge = judge, .ctx = &t, .max_tries = c->is_hasty ? 1 : TRIES,
                          .budget_s = BUDGET_SECONDS};
    struct http *http = NULL;

    c->said = "";
    if (c->body) {
        json_write(c->body, false, &body);
        t.text = str_buf_text(&body);
    }
    bool ok = http_open(&o, &http, e) && retry_run(&retry, http, a, &c->reply, e);
    http_close(http);
    if (ok) {
        c->said = read_words(c, a);
    } else if (e->code == ERR_NET && c->reply.status == 0) { /* the connection's advice is for the store's endpoint */
        log_debug("%s", e->message);
        fail(e, ERR_NET, "%s cannot be reached, or does not answer in time", c->api->url);
    } else if (e->code == ERR_STORE) {
        e->code = ERR_NET;
    }
    if (body.p)
        secure_wipe(body.p, body.n);
    str_buf_free(&body);
    return ok;
}

bool ci_refused(const struct ci_call *c, const char *server, const char *cure, struct error *e)
{
    int status = c->reply.status;

    if (status / 100 == 3)
        return fail(e, ERR_CONFIG, "%s answers %d and leads elsewhere, where the token is not sent: was the project renamed or moved?",
                    server, status);
    return fail(e, ERR_CONFIG, "%s answers %d%s%s%s%s%s", server, status, c->said[0] ? " (" : "", c->said, c->said[0] ? ")" : "",
                cure[0] ? ": " : "", cure);
}

#include "cloud/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "cloud/http_body.h"
#include "cloud/http_reply.h"
#include "cloud/url.h"
#include "core/clock.h"
#include "core/stop.h"
#include "core/wipe.h"

#define CONNECT_SECONDS 10.0
#define STALL_SECONDS 30.0
#define METADATA_SECONDS 2.0 /* as botocore asks containers and instances */
#define SMALL_REPLY (64u << 10)
#define HEADERS_MAX (64u << 10)

struct http {
    CURL *curl;
    struct curl_slist *slist;
    char *ca_file, *allow_http; /* owned, may be NULL */
    const char *proxy;          /* the variable that names one, NULL = none */
    double connect_seconds, stall_seconds, total_seconds; /* total: 0 = none */
    bool is_metadata_service;
    bool was_reached;     /* a reply came once: the address is right, and what is refused now may come back */
    bool wants_fresh;     /* the last attempt failed: its connection may be in mid-body */
    double stop_deadline; /* monotonic; requests may run until then although a stop was requested */
};

/* What one transfer needs in its callbacks. */
struct transfer {
    struct http *h;
    const struct http_request *request;
    struct http_body body;
    struct str_buf reply, headers;
    struct sha256 hash;
    uint64_t n_bytes;
    struct http_sink sink;
    bool too_long;
};

static void init_curl(void)
{
    curl_global_init_mem(CURL_GLOBAL_DEFAULT, wipe_malloc, wipe_free, wipe_realloc, wipe_strdup, wipe_calloc);
}

static char *copy(const char *s)
{
    if (!s || !s[0])
        return NULL;
    size_t n = strlen(s) + 1;
    char *p = mem_alloc(n);
    memcpy(p, s, n);
    return p;
}

/* libcurl reads these itself; we need them for what errors say. HTTP_PROXY is not among them: on a web server it is a
 * request's header. */
static const char *find_proxy(http_getenv_fn env)
{
    static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = env(names[i]);
        if (value && value[0])
            return names[i];
    }
    return NULL;
}

bool http_open(const struct http_options *o, struct http **out, struct error *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    double seconds;

    pthread_once(&once, init_curl);
    *out = NULL;
    struct http *h = mem_alloc(sizeof *h);
    h->curl = curl_easy_init();
    if (!h->curl) {
        mem_free(h);
        return fail(e, ERR_INTERNAL, "libcurl cannot be initialised");
    }
    h->connect_seconds = o->connect_seconds > 0 ? o->connect_seconds : CONNECT_SECONDS;
    h->stall_seconds = o->stall_seconds > 0 ? o->stall_seconds : STALL_SECONDS;
    h->total_seconds = o->is_metadata_service ? METADATA_SECONDS : o->total_seconds;
    h->is_metadata_service = o->is_metadata_service;
    h->ca_file = copy(o->ca_file);
    if (o->getenv) {
        const char *stall = o->getenv("RETRAIN_STALL_TIMEOUT");
        h->ca_file = h->ca_file ? h->ca_file : copy(o->getenv("AWS_CA_BUNDLE"));
        h->allow_http = copy(o->getenv("RETRAIN_ALLOW_HTTP"));
        h->proxy = find_proxy(o->getenv);
        if (stall && stall[0]) {
            if (!clock_parse_duration(str_of(stall), &seconds) || seconds < 1) {
                http_close(h);
                return fail(e, ERR_CONFIG, "RETRAIN_STALL_TIMEOUT: \"%.40s\" is not a duration like 30s", stall);
            }
            h->stall_seconds = seconds;
        }
    }
    *out = h;
    return true;
}

void http_close(struct http *h)
{
    if (!h)
        return;
    curl_easy_cleanup(h->curl);
    mem_free(h->ca_file);
    mem_free(h->allow_http);
    mem_free(h);
}

void http_allow_after_stop(struct http *h, double seconds)
{
    h->stop_deadline = clock_seconds() + seconds;
}

bool http_may_go_on(const struct http *h)
{
    return !stop_requested() || clock_seconds() < h->stop_deadline;
}

void http_add_header(struct http_request *r, const char *name, const char *value)
{
    if (r->n_headers == HTTP_MAX_HEADERS)
        BUG("too many headers, at %s", name);
    r->headers[r->n_headers++] = (struct http_header){name, value};
}

static size_t on_read(char *p, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;

    n *= size;
    return http_body_read(&t->body, p, &n) ? n : CURL_READFUNC_ABORT;
}

/* Without it a connection that died while idle cannot be replayed: CURLE_SEND_FAIL_REWIND. */
static int on_seek(void *ctx, curl_off_t offset, int origin)
{
    struct transfer *t = ctx;

    if (origin != SEEK_SET || offset != 0) /* we resume nothing: it only ever begins again */
        return CURL_SEEKFUNC_CANTSEEK;
    return http_body_rewind(&t->body) ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static size_t on_write(char *p, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    long status = 0;

    n *= size;
    t->n_bytes += n;
    curl_easy_getinfo(t->h->curl, CURLINFO_RESPONSE_CODE, &status);
    if (t->sink.file && status / 100 == 2) {
        t->too_long = t->request->max_sink_bytes && t->n_bytes > t->request->max_sink_bytes;
        if (t->too_long)
            return 0;
        sha256_add(&t->hash, p, n);
        return http_sink_write(&t->sink, status, str_buf_view(&t->headers), p, n) ? n : 0;
    }
    if (status / 100 != 2 && t->reply.ceiling < SMALL_REPLY)
        t->reply.ceiling = SMALL_REPLY; /* what an answer may be long does not bound a refusal */
    str_buf_addn(&t->reply, p, n);
    t->too_long = t->reply.overflow;
    return t->too_long ? 0 : n;
}

static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;

    n *= size;
    if (n > 5 && memcmp(p, "HTTP/", 5) == 0)
        str_buf_clear(&t->headers); /* after "100 Continue" comes the real one */
    str_buf_addn(&t->headers, p, n);
    return n;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct transfer *t = ctx;
    (void)a, (void)b, (void)c, (void)d;
    return !http_may_go_on(t->h);
}

static bool host_is_listed(const char *list, const char *host)
{
    struct str rest = str_of(list), one;
    while (str_cut(&rest, ',', &one)) {
        if (str_is(str_trim(one), host))
            return true;
    }
    return false;
}

static bool check_url(const struct http *h, const struct http_request *r, struct url *u, struct arena *a, struct error *e)
{
    if (!url_parse(r->url, "address", a, u, e))
        return false;
    if (u->is_https || h->is_metadata_service || url_host_is_loopback(u->host) || host_is_listed(h->allow_http, u->host))
        return true;
    return fail(e, ERR_CONFIG,
                "http://%s is not encrypted: use https, or set RETRAIN_ALLOW_HTTP=%s if that network is yours", u->authority,
                u->host);
}

static bool set_headers(struct http *h, const struct http_request *r, struct error *e)
{
    struct arena a = {0};
    bool ok = true;

    for (size_t i = 0; ok && i < r->n_headers; i++) {
        const char *value = r->headers[i].value;
        if (strpbrk(value, "\r\n"))
            ok = fail(e, ERR_STORE, "the value of the header %s holds a line break", r->headers[i].name);
        if (!ok)
            break;
        /* "Name;" is how libcurl sends a header without a value. */
        char *line = value[0] ? arena_printf(&a, "%s: %s", r->headers[i].name, value)
                              : arena_printf(&a, "%s;", r->headers[i].name);
        h->slist = curl_slist_append(h->slist, line);
        secure_wipe(line, strlen(line));
    }
    arena_free(&a);
    return ok;
}

/* Session tokens are among them. */
static void wipe_headers(struct http *h)
{
    for (struct curl_slist *l = h->slist; l; l = l->next)
        secure_wipe(l->data, strlen(l->data));
    curl_slist_free_all(h->slist);
    h->slist = NULL;
}

static void set_method(CURL *c, const char *method, uint64_t n)
{
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    } else if (strcmp(method, "PUT") == 0) {
        curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)n);
    } else if (strcmp(method, "POST") == 0) {
        curl_easy_setopt(c, CURLOPT_POST, 1L);
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n);
    } else if (strcmp(method, "GET")) {
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
    }
}

static void set_timeouts(CURL *c, const struct http *h, unsigned patience)
{
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(h->connect_seconds * 1000));
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(h->total_seconds * 1000));
    if (h->is_metadata_service)
        curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    /* Not one time for the whole transfer: a model may be large and the line slow, but it must move. */
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)(h->stall_seconds * (patience ? patience : 1)));
}

static void set_options(struct http *h, struct transfer *t, const struct url *u)
{
    CURL *c = h->curl;

    curl_easy_setopt(c, CURLOPT_URL, t->request->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "retrain");
    if (h->ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, h->ca_file);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, h->slist);
    curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(c, CURLOPT_READDATA, t);
    curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(c, CURLOPT_SEEKDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, h->wants_fresh ? 1L : 0L);
    /* Plain http is let through to loopback because it does not leave the machine: so it must not go to a proxy. */
    if (!u->is_https && url_host_is_loopback(u->host))
        curl_easy_setopt(c, CURLOPT_PROXY, "");
    set_timeouts(c, h, t->request->patience);
    set_method(c, t->request->method, http_body_size(&t->body));
}

static const char *tls_cure(const char *detail)
{
    if (strstr(detail, "expired") || strstr(detail, "not yet valid"))
        return "renew the server's certificate, if this machine's clock is right";
    if (strstr(detail, "subject name"))
        return "write endpoint-url with a name that the certificate holds";
    return "name the file of your own authority in AWS_CA_BUNDLE";
}

/* The sentence for a transfer that did not end in a whole reply. */
static bool transfer_failed(const struct transfer *t, CURLcode rc, const char *detail, const char *host,
                            struct http_response *out, struct error *e)
{
    const struct http_request *r = t->request;

    if (!http_may_go_on(t->h) && rc == CURLE_ABORTED_BY_CALLBACK)
        return fail(e, ERR_STOPPED, "%s: stopped by a signal", host);
    if (t->sink.error)
        return fail(e, ERR_STORE, "writing the reply of %s to disk: %s", host, strerror(t->sink.error));
    if (t->sink.is_wrong_range)
        return fail(e, ERR_STORE, "%s: the reply holds another range of the bytes than was asked for", host);
    if (t->too_long)
        return fail(e, ERR_STORE, "%s: the reply is longer than it may be (%" PRIu64 " bytes)", host,
                    r->sink && t->reply.n == 0 ? r->max_sink_bytes : (uint64_t)t->reply.ceiling);
    if (t->body.has_changed)
        return fail(e, ERR_STORE, "%s changed while it was being uploaded: nothing was stored", r->body_path);
    switch (rc) {
    case CURLE_COULDNT_RESOLVE_HOST:
        out->unreachable = !t->h->was_reached;
        return fail(e, ERR_NET, "cannot resolve the host name %s: check endpoint-url, region and the network", host);
    case CURLE_COULDNT_RESOLVE_PROXY: /* no detail: it may hold the proxy's password */
        return fail(e, ERR_STORE, "the proxy's address cannot be used: check %s", t->h->proxy ? t->h->proxy : "https_proxy");
    case CURLE_COULDNT_CONNECT:
        out->unreachable = !t->h->was_reached;
        if (t->h->proxy)
            return fail(e, ERR_NET, "cannot connect to %s (%s): is the server running, and the proxy in %s?", host, detail,
                        t->h->proxy);
        return fail(e, ERR_NET, "cannot connect to %s (%s): is the server running, and endpoint-url right?", host, detail);
    case CURLE_OPERATION_TIMEDOUT:
        return fail(e, ERR_NET, "%s does not answer (%s)", host, detail);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return fail(e, ERR_STORE, "%s: TLS verification failed (%s): %s", host, detail, tls_cure(detail));
    case CURLE_SSL_CONNECT_ERROR:
        if (strstr(detail, "wrong version number") || strstr(detail, "packet length too long"))
            return fail(e, ERR_STORE, "%s does not speak TLS (%s): is it the port of https?", host, detail);
        return fail(e, ERR_NET, "%s: the connection failed (%s)", host, detail);
    case CURLE_READ_ERROR:
    case CURLE_ABORTED_BY_CALLBACK:
        return fail(e, ERR_STORE, "reading %s while sending it: %s", r->body_path ? r->body_path : "the body",
                    strerror(errno));
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_OUT_OF_MEMORY:
        return fail(e, ERR_STORE, "%s: %s", host, detail);
    default:
        if (strstr(detail, "response 407"))
            return fail(e, ERR_STORE, "%s: the proxy in %s wants a user name and a password: http://user:password@host:port",
                        host, t->h->proxy ? t->h->proxy : "https_proxy");
        return fail(e, ERR_NET, "%s: the connection failed (%s)", host, detail);
    }
}

static bool perform(struct http *h, struct transfer *t, const struct url *u, struct http_response *out, struct error *e)
{
    char detail[CURL_ERROR_SIZE] = "";

    set_options(h, t, u);
    curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, detail);
    CURLcode rc = curl_easy_perform(h->curl);
    long status = 0;
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, NULL);
    /* A refusal before the whole body was sent is an answer all the same. */
    bool is_answered = rc == CURLE_OK || (rc == CURLE_SEND_ERROR && status >= 400 && t->reply.n > 0);
    h->wants_fresh = rc != CURLE_OK || status >= 500;
    h->was_reached = h->was_reached || is_answered;
    if (!is_answered)
        return transfer_failed(t, rc, detail[0] ? detail : curl_easy_strerror(rc), u->authority, out, e);
    if (t->request->sink && fflush(t->request->sink))
        return fail(e, ERR_STORE, "writing the reply of %s to disk: %s", u->authority, strerror(errno));
    out->status = (int)status;
    out->n_bytes = t->n_bytes;
    return true;
}

bool http_send(struct http *h, const struct http_request *r, struct arena *a, struct http_response *out, struct error *e)
{
    struct transfer t = {.h = h, .request = r, .sink = {.file = r->sink, .from = r->sink_from}};
    struct url u;

    memset(out, 0, sizeof *out);
    if (!http_may_go_on(h))
        return fail(e, ERR_STOPPED, "stopped by a signal");
    if (!check_url(h, r, &u, a, e))
        return false;
    t.reply = STR_BUF(r->max_bytes ? r->max_bytes : SMALL_REPLY);
    t.headers = STR_BUF(HEADERS_MAX);
    sha256_begin(&t.hash);

    curl_easy_reset(h->curl); /* options only: connections stay */
    bool ok = http_body_open(&t.body, r, e);
    /* An attempt before this one may have left bytes. */
    if (ok && !http_sink_begin(&t.sink))
        ok = fail(e, ERR_STORE, "truncating a temporary file: %s", strerror(t.sink.error));
    ok = ok && set_headers(h, r, e) && perform(h, &t, &u, out, e);

    sha256_end(&t.hash, out->sha256);
    http_body_close(&t.body);
    out->body = (struct str){arena_strndup(a, str_buf_text(&t.reply), t.reply.n), t.reply.n};
    out->headers = (struct str){arena_strndup(a, str_buf_text(&t.headers), t.headers.n), t.headers.n};
    wipe_headers(h);
    if (t.reply.n)
        secure_wipe(t.reply.p, t.reply.n); /* a service's answer may be keys */
    str_buf_free(&t.reply);
    str_buf_free(&t.headers);
    return ok;
}

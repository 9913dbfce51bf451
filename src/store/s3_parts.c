#include "store/s3_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/hash.h"
#include "core/xml.h"
#include "store/s3_object.h"

#define PART_MAX_BYTES (5ull << 30)
#define READ_BYTES (1u << 20)
#define LIST_MAX_PAGES 100
#define LIST_REPLY_MAX (2u << 20)
#define UPLOAD_ID_MAX 1024
#define COMPLETE_PATIENCE 10 /* a server may put terabytes together before its first byte */

/* radosgw says NoSuchKey when it is asked for the parts of a finished upload. */
static const char *const gone_answers[] = {"NoSuchUpload", "NoSuchKey", NULL};

bool s3_upload_plan(struct s3_upload *u, struct s3_store *s, const char *key, const struct store_file *f, struct error *e)
{
    uint64_t least = f->size_bytes / S3_PARTS_MAX + 1, mebi = 1u << 20;
    uint64_t rounded = (least + mebi - 1) / mebi * mebi;

    *u = (struct s3_upload){.s3 = s, .key = key, .file = f};
    u->part_bytes = s->part_bytes >= least ? s->part_bytes : rounded;
    if (u->part_bytes > PART_MAX_BYTES)
        return fail(e, ERR_STORE, "%s: %s has %" PRIu64 " bytes: S3 takes at most 5 TB", s->base.url, f->path, f->size_bytes);
    u->n_parts = (int)((f->size_bytes + u->part_bytes - 1) / u->part_bytes);
    u->parts = ARENA_NEW(&u->arena, struct s3_part, (size_t)u->n_parts);
    return true;
}

void s3_upload_free(struct s3_upload *u)
{
    arena_free(&u->arena);
}

uint64_t s3_part_offset(const struct s3_upload *u, int part)
{
    return u->part_bytes * (uint64_t)part;
}

uint64_t s3_part_size(const struct s3_upload *u, int part)
{
    return part + 1 < u->n_parts ? u->part_bytes : u->file->size_bytes - s3_part_offset(u, part);
}

static bool hash_part(struct s3_upload *u, int part, FILE *f, char *buffer, struct sha256 *whole, struct error *e)
{
    struct sha256 h;
    bool ok = true;

    sha256_begin(&h);
    for (uint64_t left = s3_part_size(u, part); ok && left;) {
        size_t n = left < READ_BYTES ? (size_t)left : READ_BYTES;
        if (!http_may_go_on(u->s3->http[0]))
            ok = fail(e, ERR_STOPPED, "%s: stopped by a signal", u->s3->base.url);
        else if (fread(buffer, 1, n, f) != n)
            ok = ferror(f) ? fail(e, ERR_STORE, "read %s: %s", u->file->path, strerror(errno)) : store_file_changed(u->file, e);
        if (ok) {
            sha256_add(&h, buffer, n);
            sha256_add(whole, buffer, n);
        }
        left -= n;
    }
    sha256_end(&h, u->parts[part].sha256);
    return ok;
}

bool s3_upload_hash(struct s3_upload *u, struct error *e)
{
    struct sha256 whole;
    uint8_t sum[SHA256_BYTES];
    bool ok = true;

    FILE *f = fopen(u->file->path, "rbe");
    if (!f)
        return fail(e, ERR_STORE, "open %s: %s", u->file->path, strerror(errno));
    char *buffer = mem_alloc(READ_BYTES);
    sha256_begin(&whole);
    for (int i = 0; ok && i < u->n_parts; i++)
        ok = hash_part(u, i, f, buffer, &whole, e);
    sha256_end(&whole, sum);
    if (ok && memcmp(sum, u->file->sha256, sizeof sum))
        ok = store_file_changed(u->file, e);
    mem_free(buffer);
    fclose(f);
    return ok;
}

/* A reply that must have that root; NULL, and then why, when it has not. */
static const struct xml_node *parse_reply(struct str body, const char *root_name, struct arena *a, struct error *e)
{
    struct xml_node *root;

    if (!xml_parse(str_trim(body), "reply", a, &root, e)) {
        e->code = ERR_STORE;
        return NULL;
    }
    if (strcmp(root->name, root_name)) {
        fail(e, ERR_STORE, "the reply is no %s: is endpoint-url an S3 server?", root_name);
        return NULL;
    }
    return root;
}

bool s3_parts_begin(struct s3_upload *u, struct error *e)
{
    static const char *const answers[] = {"NotImplemented", NULL};
    struct arena a = {0};
    struct s3_call c = {.s3 = u->s3, .method = "POST", .key = u->key, .answers = answers};
    char hex[SHA256_HEX];

    hex_encode(u->file->sha256, SHA256_BYTES, hex);
    s3_call_parameter(&c, "uploads", "");
    s3_call_header(&c, "Content-Type", u->file->content_type ? u->file->content_type : S3_OCTETS);
    s3_call_header(&c, S3_META_SHA256, hex);
    bool ok = s3_run(&c, &a, e);
    u->s3->has_no_multipart = ok && c.code[0];
    if (ok && !c.code[0]) {
        const struct xml_node *root = parse_reply(c.reply.body, "InitiateMultipartUploadResult", &a, e);
        const char *id = root ? xml_text(root, "UploadId", "") : "";
        ok = root && ((id[0] && strlen(id) <= UPLOAD_ID_MAX) || fail(e, ERR_STORE, "the reply names no UploadId"));
        if (ok)
            u->id = arena_strdup(&u->arena, id);
        else
            fail_in(e, "%s: beginning the upload of %s", u->s3->base.url, u->key);
    }
    arena_free(&a);
    return ok;
}

/* What may stand in XML and in a header as it is. */
static bool etag_is_usable(struct str etag)
{
    for (size_t i = 0; i < etag.n; i++) {
        if (etag.p[i] <= ' ' || etag.p[i] >= 0x7f || strchr("<>&", etag.p[i]))
            return false;
    }
    return etag.n && etag.n < S3_ETAG_BYTES;
}

static void keep_etag(struct s3_part *p, struct str etag)
{
    memcpy(p->etag, etag.p, etag.n);
    p->etag[etag.n] = 0;
}

bool s3_read_parts(struct s3_upload *u, struct str body, struct arena *a, const char **marker, struct error *e)
{
    const struct xml_node *root = parse_reply(body, "ListPartsResult", a, e);

    *marker = NULL;
    if (!root)
        return false;
    for (const struct xml_node *n = xml_get(root, "Part"); n; n = xml_next(n)) {
        struct str etag = str_of(xml_text(n, "ETag", ""));
        uint64_t number, size_bytes;
        if (str_to_uint64(str_of(xml_text(n, "PartNumber", "")), &number) && number >= 1 && number <= (uint64_t)u->n_parts &&
            str_to_uint64(str_of(xml_text(n, "Size", "")), &size_bytes) && etag_is_usable(etag) &&
            size_bytes == s3_part_size(u, (int)number - 1))
            keep_etag(&u->parts[number - 1], etag);
    }
    if (strcmp(xml_text(root, "IsTruncated", "false"), "true") == 0)
        *marker = xml_text(root, "NextPartNumberMarker", NULL);
    return true;
}

bool s3_parts_list(struct s3_upload *u, bool *gone, struct error *e)
{
    struct arena a = {0};
    const char *marker = NULL;
    bool ok = true;

    *gone = false;
    for (int i = 0; i < u->n_parts; i++)
        u->parts[i].etag[0] = 0;
    for (int page = 0; ok && !*gone && page < LIST_MAX_PAGES && (page == 0 || marker); page++) {
        struct s3_call c = {.s3 = u->s3, .method = "GET", .key = u->key, .max_bytes = LIST_REPLY_MAX, .answers = gone_answers};
        s3_call_parameter(&c, "uploadId", u->id);
        if (marker)
            s3_call_parameter(&c, "part-number-marker", marker);
        ok = s3_run(&c, &a, e);
        *gone = ok && c.code[0];
        if (ok && !*gone && !s3_read_parts(u, c.reply.body, &a, &marker, e))
            ok = fail_in(e, "%s: the parts of %s", u->s3->base.url, u->key);
    }
    arena_free(&a);
    return ok;
}

bool s3_parts_send(struct s3_upload *u, int part, int lane, bool *gone, struct error *e)
{
    struct arena a = {0};
    char hex[SHA256_HEX];
    struct s3_call c = {
        .s3 = u->s3,
        .method = "PUT",
        .key = u->key,
        .body_path = u->file->path,
        .body_offset = s3_part_offset(u, part),
        .body_bytes = s3_part_size(u, part),
        .body_sha256 = u->parts[part].sha256,
        .payload_sha256 = hex,
        .answers = gone_answers,
        .lane = lane,
    };
    hex_encode(u->parts[part].sha256, SHA256_BYTES, hex);
    s3_call_parameter(&c, "partNumber", arena_printf(&a, "%d", part + 1));
    s3_call_parameter(&c, "uploadId", u->id);
    bool ok = s3_run(&c, &a, e);
    *gone = ok && c.code[0];
    if (ok && !*gone) {
        struct str etag = http_header(&c.reply, "ETag");
        if (etag_is_usable(etag))
            keep_etag(&u->parts[part], etag);
        else
            ok = fail(e, ERR_STORE, "%s: part %d of %s was taken, but the answer has no usable ETag: does a proxy drop it?",
                      u->s3->base.url, part + 1, u->key);
    }
    arena_free(&a);
    return ok;
}

static char *list_of_parts(const struct s3_upload *u, struct arena *a)
{
    struct str_buf xml = STR_BUF(1u << 20);

    str_buf_adds(&xml, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (int i = 0; i < u->n_parts; i++)
        str_buf_printf(&xml, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i + 1, u->parts[i].etag);
    str_buf_adds(&xml, "</CompleteMultipartUpload>");
    char *text = arena_strdup(a, str_buf_text(&xml));
    str_buf_free(&xml);
    return text;
}

static bool complete_once(struct s3_upload *u, bool with_condition, struct s3_call *c, struct arena *a, struct error *e)
{
    static const char *const answers[] = {
        "NoSuchUpload", "InvalidPart", "InvalidPartOrder", "PreconditionFailed", "ConditionalRequestConflict", NULL,
    };
    *c = (struct s3_call){.s3 = u->s3, .method = "POST", .key = u->key, .body = str_of(list_of_parts(u, a)),
                          .answers = answers, .patience = COMPLETE_PATIENCE, .is_conditional = with_condition};
    s3_call_parameter(c, "uploadId", u->id);
    s3_call_header(c, "Content-Type", "application/xml");
    if (with_condition)
        s3_call_header(c, "If-None-Match", "*");
    return s3_run(c, a, e);
}

bool s3_parts_complete(struct s3_upload *u, bool only_if_absent, enum s3_outcome *out, struct error *e)
{
    struct arena a = {0};
    struct s3_call c;
    bool with_condition = only_if_absent && !u->s3->has_no_conditions;

    bool ok = complete_once(u, with_condition, &c, &a, e);
    if (ok && with_condition && c.reply.status == 501) {
        u->s3->has_no_conditions = true;
        store_degrade(&u->s3->base, "has no conditional writes");
        ok = complete_once(u, false, &c, &a, e);
    }
    if (ok) {
        bool is_taken = c.reply.status == 412 || c.reply.status == 304 || strcmp(c.code, "PreconditionFailed") == 0;
        *out = is_taken ? S3_TAKEN : c.code[0] || c.reply.status / 100 != 2 ? S3_BEGIN_ANEW : S3_COMPLETED;
    }
    arena_free(&a);
    return ok;
}

bool s3_parts_abort(struct s3_store *s, const char *key, const char *id, struct error *e)
{
    struct arena a = {0};
    struct s3_call c = {.s3 = s, .method = "DELETE", .key = key, .answers = gone_answers, .max_tries = 1};

    s3_call_parameter(&c, "uploadId", id);
    bool ok = s3_run(&c, &a, e);
    arena_free(&a);
    return ok;
}

#include "cloud/sigv4.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"

#define TEXT_MAX (256u << 10) /* a canonical request: bounded by what http_request can carry */

void sigv4_date(time_t t, char out[SIGV4_DATE])
{
    struct tm tm;
    gmtime_r(&t, &tm);
    if (!strftime(out, SIGV4_DATE, "%Y%m%dT%H%M%SZ", &tm))
        BUG("a time beyond the year 9999");
}

static void encode(struct str s, bool keep_slash, struct str_buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool is_plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr("-._~", c);
        if ((is_plain && c) || (c == '/' && keep_slash)) {
            str_buf_addc(out, (char)c);
        } else {
            str_buf_addc(out, '%');
            str_buf_addc(out, digits[c >> 4]);
            str_buf_addc(out, digits[c & 15]);
        }
    }
}

static char *take(struct str_buf *b, struct arena *a)
{
    if (b->overflow)
        BUG("a request to sign of more than %zu bytes", b->ceiling);
    char *text = arena_strndup(a, str_buf_text(b), b->n);
    str_buf_free(b);
    return text;
}

char *sigv4_encode(struct str s, bool keep_slash, struct arena *a)
{
    struct str_buf b = STR_BUF(TEXT_MAX);
    encode(s, keep_slash, &b);
    return take(&b, a);
}

struct pair {
    const char *name, *value;
};

static int by_name_then_value(const void *x, const void *y)
{
    const struct pair *a = x, *b = y;
    int order = strcmp(a->name, b->name);
    return order ? order : strcmp(a->value, b->value);
}

char *sigv4_query(const struct sigv4_parameter *p, size_t n, struct arena *a)
{
    struct pair *pairs = ARENA_NEW(a, struct pair, n);
    struct str_buf b = STR_BUF(TEXT_MAX);

    for (size_t i = 0; i < n; i++)
        pairs[i] = (struct pair){sigv4_encode(p[i].name, false, a), sigv4_encode(p[i].value, false, a)};
    /* By the encoded bytes, as the reference says: '-' sorts before '=', which sorting whole "name=value" would miss. */
    qsort(pairs, n, sizeof *pairs, by_name_then_value);
    for (size_t i = 0; i < n; i++)
        str_buf_printf(&b, "%s%s=%s", i ? "&" : "", pairs[i].name, pairs[i].value);
    return take(&b, a);
}

/* Trimmed, inner runs of blanks made one. */
static char *canonical_value(const char *value, struct arena *a)
{
    struct str s = str_trim(str_of(value));
    char *out = arena_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool is_blank = s.p[i] == ' ' || s.p[i] == '\t';
        if (!is_blank)
            out[n++] = s.p[i];
        else if (out[n - 1] != ' ')
            out[n++] = ' ';
    }
    return out;
}

struct line {
    const char *name, *value;
    size_t position; /* headers of one name keep their order */
};

static int by_name_then_position(const void *x, const void *y)
{
    const struct line *a = x, *b = y;
    int order = strcmp(a->name, b->name);
    return order ? order : (a->position < b->position ? -1 : 1);
}

static struct line *sorted_headers(const struct sigv4_request *r, struct arena *a)
{
    struct line *lines = ARENA_NEW(a, struct line, r->n_headers);
    for (size_t i = 0; i < r->n_headers; i++) {
        char *name = arena_strdup(a, r->headers[i].name);
        for (char *p = name; *p; p++)
            *p = (char)tolower((unsigned char)*p);
        lines[i] = (struct line){name, canonical_value(r->headers[i].value, a), i};
    }
    qsort(lines, r->n_headers, sizeof *lines, by_name_then_position);
    return lines;
}

/* "name:value\n" for every name, its values joined by commas; and the names alone, joined by semicolons. */
static void header_block(const struct sigv4_request *r, struct arena *a, struct str_buf *block, struct str_buf *names)
{
    const struct line *lines = sorted_headers(r, a);
    for (size_t i = 0; i < r->n_headers; i++) {
        bool is_same = i && strcmp(lines[i].name, lines[i - 1].name) == 0;
        if (is_same) {
            str_buf_printf(block, ",%s", lines[i].value);
            continue;
        }
        str_buf_printf(block, "%s%s:%s", i ? "\n" : "", lines[i].name, lines[i].value);
        str_buf_printf(names, "%s%s", i ? ";" : "", lines[i].name);
    }
    str_buf_addc(block, '\n');
}

static void derive_and_sign(const struct sigv4_key *k, const char *date, const char *text, char signature[65])
{
    struct arena a = {0};
    uint8_t key[SHA256_BYTES];
    char *first = arena_printf(&a, "AWS4%s", k->secret_key);

    hmac_sha256(first, strlen(first), date, strlen(date), key);
    secure_wipe(first, strlen(first));
    hmac_sha256(key, sizeof key, k->region, strlen(k->region), key);
    hmac_sha256(key, sizeof key, k->service, strlen(k->service), key);
    hmac_sha256(key, sizeof key, "aws4_request", 12, key);
    hmac_sha256(key, sizeof key, text, strlen(text), key);
    hex_encode(key, sizeof key, signature);
    secure_wipe(key, sizeof key);
    arena_free(&a);
}

void sigv4_sign(const struct sigv4_request *r, const struct sigv4_key *k, time_t now, struct arena *a, struct sigv4 *out)
{
    struct str_buf block = STR_BUF(TEXT_MAX), names = STR_BUF(TEXT_MAX), canonical = STR_BUF(TEXT_MAX);
    uint8_t sum[SHA256_BYTES];
    char hex[SHA256_HEX], time_text[SIGV4_DATE];

    header_block(r, a, &block, &names);
    str_buf_printf(&canonical, "%s\n%s\n%s\n%s\n%s\n%s", r->method, r->path, r->query, str_buf_text(&block),
                   str_buf_text(&names), r->payload_sha256);
    out->canonical_request = take(&canonical, a);

    sigv4_date(now, time_text);
    const char *date = arena_strndup(a, time_text, 8);
    const char *scope = arena_printf(a, "%s/%s/%s/aws4_request", date, k->region, k->service);
    sha256_of(out->canonical_request, strlen(out->canonical_request), sum);
    hex_encode(sum, sizeof sum, hex);
    out->string_to_sign = arena_printf(a, "AWS4-HMAC-SHA256\n%s\n%s\n%s", time_text, scope, hex);

    derive_and_sign(k, date, out->string_to_sign, out->signature);
    out->authorization = arena_printf(a, "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
                                      k->access_key, scope, str_buf_text(&names), out->signature);
    str_buf_free(&block);
    str_buf_free(&names);
}

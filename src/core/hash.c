#include "core/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Fetched once: in OpenSSL 3 the implicit fetch behind EVP_sha256() costs more than hashing a small message. */
static EVP_MD *sha256_md;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void fetch_sha256(void)
{
    sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!sha256_md)
        BUG("OpenSSL offers no SHA-256");
}

void sha256_begin(struct sha256 *h)
{
    pthread_once(&sha256_once, fetch_sha256);
    h->ctx = EVP_MD_CTX_new();
    if (!h->ctx || !EVP_DigestInit_ex2(h->ctx, sha256_md, NULL))
        BUG("OpenSSL cannot begin a SHA-256");
}

void sha256_add(struct sha256 *h, const void *p, size_t n)
{
    if (n && !EVP_DigestUpdate(h->ctx, p, n))
        BUG("OpenSSL cannot add to a SHA-256");
}

void sha256_end(struct sha256 *h, uint8_t out[SHA256_BYTES])
{
    if (!EVP_DigestFinal_ex(h->ctx, out, NULL))
        BUG("OpenSSL cannot end a SHA-256");
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
}

void sha256_of(const void *p, size_t n, uint8_t out[SHA256_BYTES])
{
    struct sha256 h;
    sha256_begin(&h);
    sha256_add(&h, p, n);
    sha256_end(&h, out);
}

bool sha256_file(const char *path, uint8_t out[SHA256_BYTES], uint64_t *size_bytes, struct error *e)
{
    enum { BLOCK = 256 << 10 };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(e, ERR_INTERNAL, "open %s: %s", path, strerror(errno));
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);

    struct sha256 h;
    uint8_t *block = mem_alloc(BLOCK);
    uint64_t total = 0;
    ssize_t n;
    sha256_begin(&h);
    while ((n = read(fd, block, BLOCK)) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0)
            continue;
        sha256_add(&h, block, (size_t)n);
        total += (uint64_t)n;
    }
    bool is_read = n == 0 || fail(e, ERR_INTERNAL, "read %s: %s", path, strerror(errno));
    uint8_t sum[SHA256_BYTES];
    sha256_end(&h, sum);
    mem_free(block);
    close(fd);
    if (!is_read)
        return false;
    memcpy(out, sum, sizeof sum);
    if (size_bytes)
        *size_bytes = total;
    return true;
}

void hmac_sha256(const void *key, size_t n_key, const void *msg, size_t n_msg, uint8_t out[SHA256_BYTES])
{
    pthread_once(&sha256_once, fetch_sha256);
    if (n_key > INT32_MAX)
        BUG("hmac_sha256: a key of %zu bytes", n_key);
    /* NULL would mean "the key of the last call" to OpenSSL's older interface. */
    if (!HMAC(sha256_md, n_key ? key : "", (int)n_key, n_msg ? msg : (const void *)"", n_msg, out, NULL))
        BUG("OpenSSL cannot make an HMAC");
}

static EVP_MD_CTX *md5_begin(struct error *e)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx && EVP_DigestInit_ex2(ctx, EVP_md5(), NULL))
        return ctx;
    EVP_MD_CTX_free(ctx);
    fail(e, ERR_STORE, "OpenSSL offers no MD5 on this machine");
    return NULL;
}

static void md5_end(EVP_MD_CTX *ctx, uint8_t out[MD5_BYTES])
{
    if (!EVP_DigestFinal_ex(ctx, out, NULL))
        BUG("OpenSSL cannot end an MD5");
    EVP_MD_CTX_free(ctx);
}

static void md5_add(EVP_MD_CTX *ctx, const void *p, size_t n)
{
    if (n && !EVP_DigestUpdate(ctx, p, n))
        BUG("OpenSSL cannot add to an MD5");
}

bool md5_of(const void *p, size_t n, uint8_t out[MD5_BYTES], struct error *e)
{
    EVP_MD_CTX *ctx = md5_begin(e);
    if (!ctx)
        return false;
    md5_add(ctx, p, n);
    md5_end(ctx, out);
    return true;
}

bool md5_of_file(const char *path, uint64_t offset, uint64_t n, uint8_t out[MD5_BYTES], struct error *e)
{
    enum { BLOCK = 256 << 10 };
    EVP_MD_CTX *ctx = md5_begin(e);
    if (!ctx)
        return false;
    FILE *f = fopen(path, "rbe");
    bool ok = f && fseeko(f, (off_t)offset, SEEK_SET) == 0;
    char *block = mem_alloc(BLOCK);
    while (ok && n > 0) {
        size_t wanted = n < BLOCK ? (size_t)n : BLOCK;
        errno = 0;
        ok = fread(block, 1, wanted, f) == wanted;
        md5_add(ctx, block, ok ? wanted : 0);
        n -= wanted;
    }
    if (!ok)
        fail(e, ERR_STORE, "read %s: %s", path, errno ? strerror(errno) : "it became shorter");
    if (f)
        fclose(f);
    mem_free(block);
    md5_end(ctx, out);
    return ok;
}

void hex_encode(const uint8_t *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * n] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool hex_decode(struct str s, uint8_t *out, size_t n)
{
    if (s.n % 2 != 0 || s.n / 2 != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = hex_value(s.p[2 * i]), low = hex_value(s.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(16 * high + low);
    }
    return true;
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const uint8_t *p, size_t n, struct str_buf *out)
{
    for (size_t i = 0; i < n; i += 3) {
        uint32_t bits = (uint32_t)p[i] << 16;
        bits |= i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0;
        bits |= i + 2 < n ? p[i + 2] : 0;
        char four[4] = {base64_digits[bits >> 18], base64_digits[bits >> 12 & 63],
                        i + 1 < n ? base64_digits[bits >> 6 & 63] : '=', i + 2 < n ? base64_digits[bits & 63] : '='};
        str_buf_addn(out, four, sizeof four);
    }
}

static int base64url_value(char c)
{
    c = c == '-' ? '+' : c == '_' ? '/' : c == '+' || c == '/' ? '\0' : c;
    const char *at = c ? strchr(base64_digits, c) : NULL;
    return at ? (int)(at - base64_digits) : -1;
}

/* RFC 4648 section 5. Bits that a short last group does not use must be zero, so that each text has one value. */
bool base64url_decode(struct str s, struct str_buf *out)
{
    if (s.n % 4 == 0 && str_ends(s, "="))
        s = str_slice(s, 0, s.n - (str_ends(s, "==") ? 2 : 1));
    if (s.n % 4 == 1)
        return false;
    uint32_t bits = 0;
    unsigned n_bits = 0;
    for (size_t i = 0; i < s.n; i++) {
        int value = base64url_value(s.p[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            str_buf_addc(out, (char)(unsigned char)(bits >> n_bits));
            bits &= (1u << n_bits) - 1;
        }
    }
    return bits == 0;
}

void random_bytes(void *p, size_t n)
{
    uint8_t *at = p;
    while (n > 0) {
        ssize_t got = getrandom(at, n < 256 ? n : 256, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            BUG("getrandom: %s", strerror(errno));
        at += got;
        n -= (size_t)got;
    }
}

void secure_wipe(void *p, size_t n)
{
    if (n)
        explicit_bzero(p, n);
}

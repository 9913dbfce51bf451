/* SHA-256, HMAC-SHA-256 and MD5, on OpenSSL (the only file that includes it is src/core/hash.c). */
#ifndef CORE_HASH_H
#define CORE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/str.h"

#define SHA256_BYTES 32
#define SHA256_HEX 65 /* 64 lower-case digits and a NUL */

struct sha256 {
    void *ctx; /* EVP_MD_CTX; owned between sha256_begin and sha256_end */
};
void sha256_begin(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *p, size_t n);
void sha256_end(struct sha256 *h, uint8_t out[SHA256_BYTES]); /* frees; call exactly once per begin */

void sha256_of(const void *p, size_t n, uint8_t out[SHA256_BYTES]);
MUST_CHECK bool sha256_file(const char *path, uint8_t out[SHA256_BYTES], uint64_t *size_bytes, struct error *e);
void hmac_sha256(const void *key, size_t n_key, const void *msg, size_t n_msg, uint8_t out[SHA256_BYTES]);

/* For servers that ask for it beside a signature; worth nothing against an attacker. ERR_STORE when OpenSSL may
 * not do MD5 (FIPS), or the file has no n bytes from the offset on. */
#define MD5_BYTES 16
MUST_CHECK bool md5_of(const void *p, size_t n, uint8_t out[MD5_BYTES], struct error *e);
MUST_CHECK bool md5_of_file(const char *path, uint64_t offset, uint64_t n, uint8_t out[MD5_BYTES], struct error *e);

void hex_encode(const uint8_t *p, size_t n, char *out); /* out holds 2n+1 */
bool hex_decode(struct str s, uint8_t *out, size_t n);  /* exactly 2n digits */
void base64_encode(const uint8_t *p, size_t n, struct str_buf *out);
bool base64url_decode(struct str s, struct str_buf *out); /* with or without padding */

void random_bytes(void *p, size_t n);  /* getrandom; aborts if the system has none */
void secure_wipe(void *p, size_t n);   /* not optimised away */

#endif

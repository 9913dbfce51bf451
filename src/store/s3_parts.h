/* The requests of one multipart upload, and its plan: parts of one size, as Cloudflare R2 wants them, the last one
 * shorter; each part is signed with its own SHA-256, so that the server refuses other bytes. */
#ifndef STORE_S3_PARTS_H
#define STORE_S3_PARTS_H

#include "store/s3_request.h"

#define S3_PARTS_MAX 1000 /* S3 takes 10 000; Scaleway 1000 */
#define S3_ETAG_BYTES 128

struct s3_part {
    uint8_t sha256[32];
    char etag[S3_ETAG_BYTES]; /* as the server gave it; "" = not uploaded yet */
};

struct s3_upload {
    struct s3_store *s3;
    const char *key;
    const struct store_file *file;
    uint64_t part_bytes;
    int n_parts;
    struct s3_part *parts; /* [n_parts], in the arena */
    const char *id;        /* the server's name of the upload; NULL = not begun */
    struct arena arena;
};

/* Chooses parts of s3->part_bytes, or larger where there would be more than S3_PARTS_MAX. ERR_STORE beyond 5 GiB each.
 * All is freed by s3_upload_free. */
MUST_CHECK bool s3_upload_plan(struct s3_upload *u, struct s3_store *s, const char *key, const struct store_file *f,
                               struct error *e);
void s3_upload_free(struct s3_upload *u);
uint64_t s3_part_offset(const struct s3_upload *u, int part);
uint64_t s3_part_size(const struct s3_upload *u, int part);
/* Fills parts[].sha256 in one pass over the file, which also proves that the parts make up `file`: else ERR_STORE. */
MUST_CHECK bool s3_upload_hash(struct s3_upload *u, struct error *e);

/* Begins an upload: u->id, or has_no_multipart. */
MUST_CHECK bool s3_parts_begin(struct s3_upload *u, struct error *e);
/* Fills in the ETags of the parts that are there with the right size. *gone = the server knows no such upload. */
MUST_CHECK bool s3_parts_list(struct s3_upload *u, bool *gone, struct error *e);
/* One page of that list; *marker = where the next one begins, NULL = there is none. */
MUST_CHECK bool s3_read_parts(struct s3_upload *u, struct str body, struct arena *a, const char **marker, struct error *e);
/* May run in several threads at once, each with its own part and lane. */
MUST_CHECK bool s3_parts_send(struct s3_upload *u, int part, int lane, bool *gone, struct error *e);

enum s3_outcome {
    S3_COMPLETED,  /* or so it seems: some answers hold nothing to tell by, look at the object */
    S3_TAKEN,      /* only_if_absent, and somebody was first */
    S3_BEGIN_ANEW, /* the server does not know the upload or its parts (any more), or another writer was in the way */
};
MUST_CHECK bool s3_parts_complete(struct s3_upload *u, bool only_if_absent, enum s3_outcome *out, struct error *e);
/* One try; an upload that is gone is a success. */
MUST_CHECK bool s3_parts_abort(struct s3_store *s, const char *key, const char *id, struct error *e);

#endif

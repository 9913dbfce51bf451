/* Unfinished multipart uploads, remembered in the store itself: a job that is killed leaves no disk behind, and the next
 * one runs elsewhere.
 *
 * uploads/<name>.json says which upload of the server's holds the parts of which file; <name> is made of the key, the
 * file's SHA-256 and the part size. So what is continued has the same bytes by its name, and two runs that upload other
 * bytes to one key never meet; ETags, which are MD5 on some servers only, need not be trusted. */
#ifndef STORE_S3_RESUME_H
#define STORE_S3_RESUME_H

#include "store/s3_parts.h"

#define S3_ABANDONED_S (24 * 3600.0) /* no job lasts that long */

/* u->id of the upload that was begun for these very bytes; NULL when there is none. Trouble counts as none. */
void s3_resume_find(struct s3_upload *u);
/* Remembers u->id; without success it cannot be resumed, and that is all. */
void s3_resume_keep(const struct s3_upload *u);
void s3_resume_forget(const struct s3_upload *u);
/* Aborts what was begun more than a day ago and never finished, anywhere below the store's prefix; mentions younger ones. */
void s3_resume_tidy(struct s3_store *s);
/* Aborts every unfinished upload below the store's prefix, as far as it can. */
void s3_resume_abort_all(struct s3_store *s);

#endif

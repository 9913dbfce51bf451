/* Large files: in parts, by several threads at once, resumable by a later process. Memory: one read buffer a thread. */
#ifndef STORE_S3_MULTIPART_H
#define STORE_S3_MULTIPART_H

#include "store/s3_request.h"

/* Like store_put_file and, only_if_absent, store_put_new_file. When s->has_no_multipart is set afterwards, the server
 * has no such thing and nothing was done.
 *
 * What is left after a failure: a stop or a lost network leaves the parts that are there for the next run, which resumes
 * (s3_resume.h); anything else aborts the upload. A server that ignores If-None-Match on completion (radosgw) is looked
 * at before, and another writer may still slip in between. */
MUST_CHECK bool s3_multipart_put(struct s3_store *s, const char *key, const struct store_file *f, bool only_if_absent,
                                 bool *written, struct error *e);

#endif

#include "store/s3_list.h"

#include <stdlib.h>
#include <string.h>

#include "core/xml.h"

#define LIST_REPLY_MAX (8u << 20)
#define LIST_MAX_PAGES 1000

bool s3_read_page(struct str body, struct s3_listing *l, size_t limit, struct arena *a, const char **token, struct error *e)
{
    struct xml_node *root;

    *token = NULL;
    if (!xml_parse(body, "listing", a, &root, e)) {
        e->code = ERR_STORE;
        return false;
    }
    if (strcmp(root->name, "ListBucketResult"))
        return fail(e, ERR_STORE, "the reply is not a listing: is endpoint-url an S3 server?");
    for (const struct xml_node *c = xml_get(root, "Contents"); c && l->n < limit; c = xml_next(c)) {
        const char *key = xml_text(c, "Key", "");
        if (!str_starts(str_of(key), l->skip) || !store_key_is_valid(key + strlen(l->skip)))
            continue; /* not ours */
        MEM_GROW(l->keys, l->n, l->cap);
        l->keys[l->n++] = arena_strdup(a, key + strlen(l->skip));
    }
    if (strcmp(xml_text(root, "IsTruncated", "false"), "true") == 0 && l->n < limit) {
        *token = xml_text(root, "NextContinuationToken", "");
        if (!(*token)[0])
            return fail(e, ERR_STORE, "the listing goes on but has no continuation token");
    }
    return true;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool s3_list(struct store *s, const char *prefix, size_t limit, struct arena *a, const char ***keys, size_t *n,
             struct error *e)
{
    const char *own = ((struct s3_store *)s)->location.prefix, *token = NULL;
    struct s3_listing l = {.skip = own[0] ? arena_printf(a, "%s/", own) : ""};
    bool ok = true;

    for (int page = 0; ok && (page == 0 || token); page++) {
        struct s3_call c = {.s3 = ((struct s3_store *)s), .method = "GET", .max_bytes = LIST_REPLY_MAX};
        s3_call_parameter(&c, "list-type", "2");
        s3_call_parameter(&c, "prefix", arena_printf(a, "%s%s", l.skip, prefix));
        if (token)
            s3_call_parameter(&c, "continuation-token", token);
        if (page == LIST_MAX_PAGES)
            ok = fail(e, ERR_STORE, "%s: the listing of %s does not end", s->url, prefix);
        ok = ok && s3_run(&c, a, e) && (s3_read_page(c.reply.body, &l, limit, a, &token, e) || fail_in(e, "%s", s->url));
    }
    if (ok) {
        /* UTF-8 order is what AWS promises; not every store keeps it. */
        if (l.n)
            qsort(l.keys, l.n, sizeof *l.keys, by_bytes);
        *keys = ARENA_NEW(a, const char *, l.n);
        if (l.n)
            memcpy(*keys, l.keys, l.n * sizeof *l.keys);
        *n = l.n;
    }
    mem_free(l.keys);
    return ok;
}

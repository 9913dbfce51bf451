/* The objects of the publish protocol: where they are and what a sound one looks like. A manifest that we fetched is
 * outside text: nothing in it is used before manifest_check. */
#ifndef STORE_MANIFEST_H
#define STORE_MANIFEST_H

#include "core/json.h"
#include "store/store.h"

#define MANIFEST_MAX_BYTES (4u << 20)
#define MANIFEST_SCHEMA 1
#define VERSION_MAX_BYTES 64
#define LATEST_KEY "latest.json"

/* 1 to 64 of [A-Za-z0-9._-], not beginning with '.': a version is a folder's name. */
bool version_is_valid(const char *version);
char *version_key(struct arena *a, const char *version, const char *name); /* versions/<version>/<name> */
/* There while a publication runs, so that the next run can tell a killed one from a rollback. */
char *version_publishing_key(struct arena *a, const char *version); /* checkpoints/<version>/publishing */

/* Parses and checks: schema, version (when not NULL, exactly that one), created_at, artifacts with keys below
 * versions/<version>/. False = damaged, `why` says how; a newer schema sets *is_newer. *out is owned on success. */
bool manifest_parse(struct str text, const char *version, struct json **out, bool *is_newer, char why[256]);
/* The same for artifacts with keys below <folder>/<version>/. */
bool manifest_parse_below(struct str text, const char *folder, const char *version, struct json **out, bool *is_newer,
                          char why[256]);

const char *manifest_version(const struct json *m);
time_t manifest_time(const struct json *m); /* created_at; 0 = not a time */
/* Publish order: created_at, then the version's bytes. <0, 0, >0 like strcmp. */
int manifest_order(const struct json *a, const struct json *b);

#endif

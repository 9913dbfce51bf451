/* history.jsonl: how latest.json moved, one line of JSON for each move, oldest first:
 *
 *     {"time": "2026-11-21T08:15:30Z", "from": "VERSION or null", "to": "VERSION", "created_at": "of `to`",
 *      "why": "publish", "by": "who, or null"}
 *
 * why: publish, rollback (to an older version), restore (to a newer one, by `rollback VERSION`), revert (the dataset went
 * back to an earlier state), repair (latest.json was damaged, or put right). A line that a killed run could not write is
 * inferred by who moves latest.json next: its `by` is null. It tells people what happened, and `rollback` where to go; what
 * is published never depends on it. */
#ifndef STORE_HISTORY_H
#define STORE_HISTORY_H

#include "core/json.h"
#include "store/store.h"

#define HISTORY_KEY "history.jsonl"
#define HISTORY_MAX_BYTES (1u << 20) /* beyond it the oldest lines are dropped */

enum history_why { HISTORY_PUBLISH, HISTORY_ROLLBACK, HISTORY_RESTORE, HISTORY_REVERT, HISTORY_REPAIR };

/* The moves, oldest first, owned by the caller; empty when there is no such file. Lines that are damaged are left out. */
MUST_CHECK bool history_read(struct store *s, struct json **moves, struct error *e);

struct json *history_parse(struct str text); /* the same of a text */

/* Was this version what latest.json named at some time? */
bool history_was_latest(const struct json *moves, const char *version);
/* The move by which somebody rolled back from this version and nobody has gone back to it since; NULL = none. */
const struct json *history_rolled_back(const struct json *moves, const char *version);
/* What latest.json named before `latest` and is good: in `published` (publish_list) and not rolled back from. By the
 * moves, else by created_at. Borrowed from either; NULL = there is none. */
const char *history_previous(const struct json *moves, const struct json *published, const char *latest);

#endif

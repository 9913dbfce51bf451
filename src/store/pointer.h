/* latest.json: the pointer to the newest version. Moved under the store's lock; each move is noted in history.jsonl. */
#ifndef STORE_POINTER_H
#define STORE_POINTER_H

#include "store/history.h"
#include "store/manifest.h"

/* Moves the pointer to `manifest` unless it already names this version or one later in publish order. With several
 * publishers at once it ends on the latest of them. */
MUST_CHECK bool pointer_forward(struct store *s, const struct json *manifest, struct error *e);
/* Moves it to `manifest` wherever that is. */
MUST_CHECK bool pointer_set(struct store *s, const struct json *manifest, enum history_why why, struct error *e);

#endif

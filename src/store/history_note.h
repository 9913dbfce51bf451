/* Writing history.jsonl: for the file that moves the pointer. */
#ifndef STORE_HISTORY_NOTE_H
#define STORE_HISTORY_NOTE_H

#include "store/history.h"

/* (P7b) Under the lock, once the pointer was moved or found in place. from: the manifest that latest.json held before,
 * NULL when none or damaged; to: what it holds now, which is `from` itself when nothing moved. Adds the line of this
 * move, and those that killed runs could not write; nothing when the last line says it already. A line that cannot be
 * written is a warning. */
void history_note(struct store *s, const struct json *from, const struct json *to, enum history_why why);

#endif

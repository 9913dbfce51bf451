/* Temporaries of killed runs: invisible to every reader, but as large as a model each. */
#ifndef STORE_DIR_TIDY_H
#define STORE_DIR_TIDY_H

#define DIR_TIDY_AGE_S (24 * 3600.0) /* no upload to a folder takes a day */

/* Removes our temporaries below `folder` that are older than age_s. Trouble is ignored: nothing depends on it. */
void dir_tidy(const char *folder, double age_s);

#endif

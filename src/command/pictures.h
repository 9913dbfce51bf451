/* What `predict` is asked about: files, folders, patterns and lists become one list of images. Private to command.
 *
 * An argument is a file; a folder (all images below it, by path; names that begin with a dot are left out); a pattern
 * with *, ?, [..] or {a,b} that the shell has not expanded; or "-", a list of files and folders on standard input, one a
 * line. A file that exists is never taken for a pattern. */
#ifndef COMMAND_PICTURES_H
#define COMMAND_PICTURES_H

#include "config/config.h"

struct picture {
    const char *path; /* absolute, without "." and ".." */
    const char *name; /* as the user would write it: the argument, or the path below it joined to it */
    const char *copy; /* after pictures_place_copies: where its annotated copy goes, absolute */
};

struct pictures {
    struct picture *all; /* in the order of the arguments, each file once */
    int n;
    int n_missing;      /* arguments that led to no image: each has been logged as an error */
    const char *common; /* the deepest folder that holds all images and is no deeper than a folder that was named */
};

/* skip_dir: what is below it is left out of the folders that hold it (the annotated copies of an earlier call); "" = none.
 * Memory is the arena's. Cannot fail: what is wrong with one argument does not keep the others from their answer. */
void pictures_find(const struct config *c, const char *const *arguments, int n_arguments, const char *skip_dir,
                   struct arena *a, struct pictures *out);

/* Gives each image the place of its copy: below `dir` as the image lies below `common`, ending in .jpg, or .png for PNG
 * and BMP, with "-2", "-3" where two would meet. ERR_CONFIG: a place is taken already and may_replace is false, or it is
 * one of the images themselves. */
MUST_CHECK bool pictures_place_copies(struct pictures *p, const char *dir, bool may_replace, struct arena *a,
                                      struct error *e);

#endif

#include <string.h>
#include <strings.h>

#include "dataset/draft.h"

bool path_has_ext(const char *path, const char *ext)
{
    return strcasecmp(fs_ext(path), ext) == 0;
}

bool path_is_image(const char *path)
{
    /* Formats that cannot be decoded are taken for images too: the user hears of them instead of missing them. */
    static const char *const exts[] = {".jpg", ".jpeg", ".png",  ".bmp",  ".jfif", ".webp",
                                       ".gif", ".tif",  ".tiff", ".heic", ".avif"};
    for (size_t i = 0; i < sizeof exts / sizeof *exts; i++) {
        if (path_has_ext(path, exts[i]))
            return true;
    }
    return false;
}

const char *path_tail(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    if (n == 0)
        return path;
    return strncmp(path, folder, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
}

static unsigned part_of_word(const char *p, size_t n)
{
    static const struct {
        const char *word;
        enum dataset_part part;
    } words[] = {{"train", PART_TRAIN},    {"training", PART_TRAIN}, {"val", PART_VAL},     {"valid", PART_VAL},
                 {"validation", PART_VAL}, {"test", PART_TEST},      {"testing", PART_TEST}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i].word) == n && strncasecmp(p, words[i].word, n) == 0)
            return 1u << words[i].part;
    }
    return 0;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A folder's whole name, but for a year after it ("train2017"); in a file name any word between other signs. */
unsigned path_parts(const char *path, bool in_base_name)
{
    unsigned in_name = 0;
    for (const char *base = fs_base(path), *p = in_base_name ? base : ""; *p && !in_name;) {
        size_t n = 0;
        while (is_letter(p[n]))
            n++;
        in_name = part_of_word(p, n);
        p += n;
        while (*p && !is_letter(*p))
            p++;
    }
    if (in_name)
        return in_name;
    for (const char *p = path, *slash; (slash = strchr(p, '/')); p = slash + 1) {
        size_t n = (size_t)(slash - p);
        while (n > 0 && p[n - 1] >= '0' && p[n - 1] <= '9')
            n--;
        unsigned part = part_of_word(p, n);
        if (part)
            return part;
    }
    return 0;
}

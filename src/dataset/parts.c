#include "dataset/parts.h"

#include <stdlib.h>
#include <string.h>

#include "core/hash.h"

enum word { WORD_TRAIN, WORD_VAL, WORD_TEST, WORD_EARLIER, WORDS };
static const char *const words[WORDS] = {[WORD_TRAIN] = "train", [WORD_VAL] = "val", [WORD_TEST] = "test", [WORD_EARLIER] = "earlier"};

enum { TRAINED_ON = 1, HELD_BACK = 2 };

/* An image of a list; line: "sha256  path". */
struct image_line {
    uint8_t sum[SHA256_BYTES];
    enum word word;
    struct str line;
};

struct image_list {
    struct image_line *all; /* in the arena */
    size_t n;
};

static int by_sum(const void *a, const void *b)
{
    return memcmp(((const struct image_line *)a)->sum, ((const struct image_line *)b)->sum, SHA256_BYTES);
}

static bool read_line(struct str line, struct image_line *out)
{
    out->line = line;
    return line.n > 66 && hex_decode(str_slice(line, 0, 64), out->sum, SHA256_BYTES) && line.p[64] == ' ' && line.p[65] == ' ';
}

static size_t count_lines(struct str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    return n + 1;
}

static bool parse(struct str text, struct arena *a, struct image_list *out)
{
    struct str line, word;
    *out = (struct image_list){.all = ARENA_NEW(a, struct image_line, count_lines(text))};
    while (str_cut(&text, '\n', &line)) {
        struct image_line *x = &out->all[out->n];
        if (!line.n)
            continue;
        int k = 0;
        str_cut(&line, ' ', &word);
        while (k < WORDS && !str_is(word, words[k]))
            k++;
        if (k == WORDS || !read_line(line, x))
            return false;
        x->word = (enum word)k;
        out->n++;
    }
    return true;
}

static int compare_paths(struct str a, struct str b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static struct str path_of(struct str line)
{
    return str_slice(line, 66, SIZE_MAX);
}

/* The dataset's images, by path: samples and manifest are both sorted by it. */
static void list_images(const struct dataset *d, const struct manifest *m, struct arena *a, struct image_list *out)
{
    struct str rest = {m->text, m->n}, line = {0};
    bool has_line = str_cut(&rest, '\n', &line);
    *out = (struct image_list){.all = ARENA_NEW(a, struct image_line, (size_t)d->n_samples + 1)};
    for (int i = 0; i < d->n_samples; i++) {
        const struct sample *s = &d->samples[i];
        while (has_line && line.n > 66 && compare_paths(path_of(line), str_of(s->name)) < 0)
            has_line = str_cut(&rest, '\n', &line);
        struct image_line *x = &out->all[out->n];
        if (!has_line || compare_paths(path_of(line), str_of(s->name)) || !read_line(line, x))
            continue;
        x->word = s->part == PART_TRAIN ? WORD_TRAIN : s->part == PART_VAL ? WORD_VAL : WORD_TEST;
        out->n++;
    }
}

/* What a list sorted by sum says of one image: TRAINED_ON and HELD_BACK, both where its bytes are in it twice. */
static int look_up(const struct image_list *l, const uint8_t sum[SHA256_BYTES])
{
    struct image_line key;
    int found = 0;
    memcpy(key.sum, sum, SHA256_BYTES);
    const struct image_line *x = l->n ? bsearch(&key, l->all, l->n, sizeof *x, by_sum) : NULL;
    while (x && x > l->all && !by_sum(x - 1, &key))
        x--;
    for (; x && x < l->all + l->n && !by_sum(x, &key); x++)
        found |= x->word == WORD_TRAIN || x->word == WORD_EARLIER ? TRAINED_ON : HELD_BACK;
    return found;
}

static void sort(struct image_list *l)
{
    if (l->n)
        qsort(l->all, l->n, sizeof *l->all, by_sum);
}

static void add(struct str_buf *out, enum word word, struct str line)
{
    str_buf_printf(out, "%s " STR_FMT "\n", words[word], STR_ARG(line));
}

struct str parts_write(const struct dataset *d, const struct manifest *m, struct str earlier, struct arena *a)
{
    struct arena work = {0};
    struct image_list now, before;
    struct str_buf text = STR_BUF(2 * (m->n + earlier.n) + 16 * (size_t)d->n_samples + 64);
    list_images(d, m, &work, &now);
    for (size_t i = 0; i < now.n; i++)
        add(&text, now.all[i].word, now.all[i].line);
    sort(&now);
    bool is_sound = parse(earlier, &work, &before);
    for (size_t i = 0; is_sound && i < before.n; i++) {
        const struct image_line *x = &before.all[i];
        bool was_trained_on = x->word == WORD_TRAIN || x->word == WORD_EARLIER;
        if (was_trained_on && !(look_up(&now, x->sum) & TRAINED_ON))
            add(&text, WORD_EARLIER, x->line);
    }
    struct str out = {arena_strndup(a, str_buf_text(&text), text.n), text.n};
    str_buf_free(&text);
    arena_free(&work);
    return out;
}

bool parts_compare(const struct dataset *d, const struct manifest *m, struct str theirs, struct parts_overlap *out)
{
    struct arena work = {0};
    struct image_list now, other;
    *out = (struct parts_overlap){0};
    bool is_sound = parse(theirs, &work, &other) && other.n > 0;
    if (is_sound) {
        sort(&other);
        list_images(d, m, &work, &now);
    }
    for (size_t i = 0; is_sound && i < now.n; i++) {
        int found = look_up(&other, now.all[i].sum);
        if (now.all[i].word == WORD_VAL) {
            out->n_val++;
            out->n_val_trained_on += (found & TRAINED_ON) != 0;
        } else if (now.all[i].word == WORD_TRAIN) {
            out->n_train++;
            out->n_train_held_back += (found & HELD_BACK) != 0;
        }
    }
    arena_free(&work);
    return is_sound;
}

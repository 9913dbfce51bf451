#include "train/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/fs.h"
#include "core/hash.h"
#include "export/safetensors.h"

#define CHECKPOINT_MAX_BYTES ((size_t)4 << 30)
#define N_BLOCKS 6

struct block {
    const char *name;
    real *data;
    size_t n;
};

static void blocks_of(const struct train_state *s, const struct param_set *p, struct block b[N_BLOCKS])
{
    b[0] = (struct block){"data", p->data, p->n_total};
    b[1] = (struct block){"ema", p->ema, p->n_total};
    b[2] = (struct block){"best", s->best, p->n_total};
    b[3] = (struct block){"grad", p->grad, p->n_trainable};
    b[4] = (struct block){"moment1", p->moment1, p->n_trainable};
    b[5] = (struct block){"moment2", p->moment2, p->n_trainable};
}

/* Counters as text; doubles as hexadecimal so that they come back exactly. */
static char *counters_text(const struct train_state *s, struct arena *a)
{
    return arena_printf(a, "%d %d %ld %ld %ld %a %a %a %a %a %a %d %d %d %d %d", s->epoch, s->batch, s->iteration,
                        s->last_step, s->updates, s->loss_sums[0], s->loss_sums[1], s->loss_sums[2], s->epoch_seconds,
                        s->seconds, s->best_fitness, s->best_epoch, s->jobs, s->n_rows, s->epochs, s->is_trained);
}

static bool counters_parse(const char *text, struct train_state *s)
{
    int trained;
    if (sscanf(text, "%d %d %ld %ld %ld %la %la %la %la %la %la %d %d %d %d %d", &s->epoch, &s->batch, &s->iteration,
               &s->last_step, &s->updates, &s->loss_sums[0], &s->loss_sums[1], &s->loss_sums[2], &s->epoch_seconds,
               &s->seconds, &s->best_fitness, &s->best_epoch, &s->jobs, &s->n_rows, &s->epochs, &trained) != 16)
        return false;
    s->is_trained = trained != 0;
    return s->epochs > 0 && s->epoch >= 0 && s->epoch <= s->epochs && s->iteration >= 0 && s->jobs > 0;
}

static void rows_text(const struct train_state *s, struct str_buf *b)
{
    for (int i = 0; i < s->n_rows; i++) {
        const struct epoch_row *r = &s->rows[i];
        str_buf_printf(b, "%d %a %a %a %a %d %a %a %a %a %a %a\n", r->epoch, (double)r->box_loss, (double)r->cls_loss,
                       (double)r->dfl_loss, (double)r->learning_rate, r->has_metrics, (double)r->map50,
                       (double)r->map50_95, (double)r->precision, (double)r->recall, r->seconds,
                       (double)r->images_per_second);
    }
}

static bool rows_parse(const char *text, struct train_state *s)
{
    struct str rest = str_of(text), line;
    for (int i = 0; i < s->n_rows; i++) {
        struct epoch_row *r = &s->rows[i];
        int metrics;
        if (!str_cut(&rest, '\n', &line) ||
            sscanf(line.p, "%d %a %a %a %a %d %a %a %a %a %la %a", &r->epoch, &r->box_loss, &r->cls_loss, &r->dfl_loss,
                   &r->learning_rate, &metrics, &r->map50, &r->map50_95, &r->precision, &r->recall, &r->seconds,
                   &r->images_per_second) != 12)
            return false;
        r->has_metrics = metrics != 0;
    }
    return true;
}

static void digest_of(const char *identity, const char *counters, const char *rows, const struct tensor_file *f,
                      char hex[SHA256_HEX])
{
    struct sha256 h;
    uint8_t sum[SHA256_BYTES];
    sha256_begin(&h);
    sha256_add(&h, identity, strlen(identity) + 1);
    sha256_add(&h, counters, strlen(counters) + 1);
    sha256_add(&h, rows, strlen(rows) + 1);
    for (size_t i = 0; i < f->n_tensors; i++)
        sha256_add(&h, f->tensors[i].data, f->tensors[i].n * sizeof(float));
    sha256_end(&h, sum);
    hex_encode(sum, sizeof sum, hex);
}

bool state_save(const char *path, const char *identity, const struct train_state *s, const struct param_set *p,
                struct error *e)
{
    struct arena a = {0};
    struct str_buf rows = STR_BUF(4 << 20);
    struct block blocks[N_BLOCKS];
    struct file_tensor tensors[N_BLOCKS];
    blocks_of(s, p, blocks);
    for (int i = 0; i < N_BLOCKS; i++)
        tensors[i] = (struct file_tensor){.name = blocks[i].name,
                                        .n_dims = 1,
                                        .dims = {(int64_t)blocks[i].n, 1, 1, 1},
                                        .data = blocks[i].data,
                                        .n = blocks[i].n};
    rows_text(s, &rows);
    char *counters = counters_text(s, &a), hex[SHA256_HEX];
    struct file_meta meta[] = {
        {"retrain.checkpoint", identity}, {"counters", counters}, {"rows", str_buf_text(&rows)}, {"sha256", hex}};
    struct tensor_file f = {.tensors = tensors, .n_tensors = N_BLOCKS, .meta = meta, .n_meta = sizeof meta / sizeof *meta};
    digest_of(identity, counters, str_buf_text(&rows), &f, hex);
    bool ok = safetensors_write(path, &f, e) || fail_in(e, "checkpoint");
    str_buf_free(&rows);
    arena_free(&a);
    return ok;
}

static const char *meta_of(const struct tensor_file *f, const char *key)
{
    const char *v = tensor_file_meta(f, key);
    return v ? v : "";
}

static bool check(const struct tensor_file *f, const char *path, const char *identity, struct error *e)
{
    char hex[SHA256_HEX];
    if (strcmp(meta_of(f, "retrain.checkpoint"), identity) != 0)
        return fail(e, ERR_DATA, "%s: is a checkpoint of version '%s', not of '%s'", path,
                    meta_of(f, "retrain.checkpoint"), identity);
    digest_of(identity, meta_of(f, "counters"), meta_of(f, "rows"), f, hex);
    return !strcmp(hex, meta_of(f, "sha256")) ||
           fail(e, ERR_DATA, "%s: checkpoint is damaged (its SHA-256 does not match)", path);
}

/* Of a file that passed check. Everything is looked at before anything is taken over. */
static bool take_over(const struct tensor_file *f, const char *path, struct train_state *s, const struct param_set *p,
                      int max_rows, struct error *e)
{
    struct block blocks[N_BLOCKS];
    blocks_of(s, p, blocks);
    for (int i = 0; i < N_BLOCKS; i++) {
        const struct file_tensor *t = tensor_file_find(f, blocks[i].name);
        if (!t || t->n != blocks[i].n)
            return fail(e, ERR_DATA, "%s: checkpoint's '%s' does not fit this model", path, blocks[i].name);
    }
    struct train_state loaded = {.rows = s->rows, .best = s->best};
    if (!counters_parse(meta_of(f, "counters"), &loaded) || loaded.n_rows < 0 || loaded.n_rows > max_rows ||
        !rows_parse(meta_of(f, "rows"), &loaded))
        return fail(e, ERR_DATA, "%s: checkpoint's counters cannot be read", path);
    for (int i = 0; i < N_BLOCKS; i++)
        memcpy(blocks[i].data, tensor_file_find(f, blocks[i].name)->data, blocks[i].n * sizeof(real));
    *s = loaded;
    return true;
}

/* *found = false: there is no file. */
static bool read_checked(const char *path, const char *identity, struct arena *a, struct tensor_file *f, bool *found,
                         struct error *e)
{
    struct str bytes;
    *found = fs_exists(path);
    return !*found || (fs_read_file(path, CHECKPOINT_MAX_BYTES, a, &bytes, e) && safetensors_parse(bytes, path, a, f, e) &&
                       check(f, path, identity, e));
}

bool state_peek(const char *path, const char *identity, struct train_state *s, bool *found, struct error *e)
{
    struct arena a = {0};
    struct tensor_file f;
    bool ok = read_checked(path, identity, &a, &f, found, e);
    if (ok && *found && !counters_parse(meta_of(&f, "counters"), s))
        ok = fail(e, ERR_DATA, "%s: checkpoint's counters cannot be read", path);
    arena_free(&a);
    return ok;
}

bool state_load(const char *path, const char *identity, struct train_state *s, const struct param_set *p, int max_rows,
                bool *found, struct error *e)
{
    struct arena a = {0};
    struct tensor_file f;
    bool ok = read_checked(path, identity, &a, &f, found, e) && (!*found || take_over(&f, path, s, p, max_rows, e));
    arena_free(&a);
    return ok;
}

#include "pipeline/stages.h"

static bool fail_engine(struct error *e)
{
    return fail(e, ERR_INTERNAL, "this build of retrain has no training engine");
}

bool stage_train(struct job *j, struct trained *out, struct error *e)
{
    (void)j, (void)out;
    return fail_engine(e);
}

bool stage_evaluate(struct job *j, struct trained *t, struct error *e)
{
    (void)j, (void)t;
    return fail_engine(e);
}

bool stage_export(struct job *j, const struct trained *t, const char *dir, struct artifact *artifacts, size_t *n,
                  struct error *e)
{
    (void)j, (void)t, (void)dir, (void)artifacts, (void)n;
    return fail_engine(e);
}

bool stage_photos(struct job *j, const struct trained *t, struct report_photo **out, int *n, struct error *e)
{
    (void)j, (void)t, (void)out, (void)n;
    return fail_engine(e);
}

void stage_free(struct trained *t)
{
    (void)t;
}

bool stage_load(struct job *j, const char *path, struct loaded *out, struct error *e)
{
    (void)j, (void)path, (void)out;
    return fail_engine(e);
}

bool stage_measure(struct job *j, const struct loaded *m, struct metrics *out, struct error *e)
{
    (void)j, (void)m, (void)out;
    return fail_engine(e);
}

bool stage_predict(struct job *j, const struct loaded *m, const char *image_path, double min_score,
                   struct detection **out, int *n, int *w, int *h, struct error *e)
{
    (void)j, (void)m, (void)image_path, (void)min_score, (void)out, (void)n, (void)w, (void)h;
    return fail_engine(e);
}

void stage_unload(struct loaded *m)
{
    (void)m;
}

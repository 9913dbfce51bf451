/* Everything that can be known before training: configuration, every defect of the dataset, class balance, access to
 * the store. */
#include <stdio.h>

#include "command/commands.h"
#include "command/show.h"
#include "core/log.h"
#include "pipeline/chain.h"

static void print_balance(const struct dataset *d)
{
    printf("    boxes  share  images  class\n");
    for (int i = 0; i < d->n_classes; i++) {
        double share = d->n_boxes ? 100.0 * (double)d->boxes_per_class[i] / (double)d->n_boxes : 0;
        printf("%9ld %5.1f%% %7ld  ", d->boxes_per_class[i], share, d->images_per_class[i]);
        show_text(d->classes[i]);
        putchar('\n');
    }
}

static void warn_imbalance(const struct dataset *d)
{
    for (int i = 0; i < d->n_classes; i++) {
        if (d->boxes_per_class[i] == 0)
            log_warning("class '%s' has no box: remove it or label some", d->classes[i]);
        else if (d->boxes_per_class[i] < 10)
            log_warning("class '%s' has only %ld boxes: expect little of it", d->classes[i], d->boxes_per_class[i]);
    }
}

static bool check_dataset(struct job *j, struct error *e)
{
    if (!job_version(j, e) || !job_scan(j, e))
        return false;
    dataset_decode_all(&j->dataset, j->pool, j->arena);
    job_log_defects(j, 1 << 30);
    print_balance(&j->dataset);
    warn_imbalance(&j->dataset);
    return job_accept_dataset(j, e) && job_check_memory(j, e);
}

static bool check_store(struct job *j, struct error *e)
{
    bool is_published, atomic;
    char why[320];
    if (job_is_untrusted(j)) {
        log_info("the store is not checked: a pull request from a fork gets no credentials");
        return true;
    }
    if (!j->store && !job_open_store(j, e))
        return false;
    if (*j->version.name && !job_find(j, &is_published, why, e))
        return false;
    if (!store_probe(j->store, &atomic, e))
        return false;
    log_info("store %s: readable and writable, publishing is %s", store_url(j->store),
             atomic ? "atomic" : "best effort");
    if (*j->version.name)
        log_info("%s", why);
    return true;
}

/* Both halves are checked whatever the first one says; the first error decides the exit code, the second is shown. */
bool cmd_check(struct job *j, struct error *e)
{
    struct error store_error = {0};
    bool is_data_good = check_dataset(j, e);
    bool is_store_good = check_store(j, &store_error);
    chain_warn(j);
    if (is_data_good && is_store_good) {
        j->outputs.status = "planned";
        j->headline = "check: configuration, dataset and store are in order";
        return true;
    }
    if (is_data_good)
        *e = store_error;
    else if (!is_store_good)
        log_error("%s", store_error.message);
    return false;
}

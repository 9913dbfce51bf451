/* One run, from the options to the outputs: what its steps hand to each other.
 *
 * The steps are called in this order by run.c; the other commands use some of them. Each fails with a complete
 * message; none prints an error itself. All memory is the run's arena unless said otherwise. */
#ifndef PIPELINE_JOB_H
#define PIPELINE_JOB_H

#include "core/thread.h"
#include "dataset/dataset.h"
#include "export/transfer.h"
#include "host/host.h"
#include "config/config.h"
#include "pipeline/leakage.h"
#include "pipeline/outputs.h"
#include "pipeline/version.h"
#include "store/publish.h"
#include "store/store.h"
#include "store/training_lease.h"
#include "train/budget.h"

struct initial_weights {
    char sha256[65];    /* of the weights' file, or "none": this enters the recipe */
    const char *path;   /* local file once weights_fetch was called; NULL = train from scratch */
    const char *key;    /* of the file in the store; NULL when it is not there */
    const char *parent; /* version whose weights they are; NULL when unknown or none */
    struct transfer transfer; /* what training took of them; zero before */
    struct json *manifest;    /* of that version, or NULL; owned */
    struct str split;         /* its split.sha256; empty when there is none */
    struct leakage leakage;   /* after weights_fetch */
};

struct job {
    const struct config *config;
    const struct host *host;
    struct arena *arena;
    struct pool *pool;

    struct store *store;      /* NULL until job_open_store */
    struct manifest manifest; /* of the dataset */
    struct initial_weights weights;
    struct version version;
    struct json *latest;    /* what latest.json said, or NULL; owned by the job */
    struct json *published; /* manifest of this version in the store, or NULL; owned by the job */
    struct dataset dataset; /* after job_scan */

    double began;                /* clock_seconds() at the start of the process */
    struct budget budget;        /* after job_prepare */
    const char *work_dir;        /* scratch folder inside the workspace, for this version */
    const char *checkpoint_path; /* work_dir/checkpoint.bin: written by training */
    size_t cache_bytes;          /* after job_check_memory: what decoded images may take */
    int folder_lock;             /* of work_dir, while this process trains in it; -1 = none */
    struct training_lease lease; /* on training this version; the heartbeat has it once that is open */
    struct heartbeat *heartbeat; /* renews it; NULL = not open */
    struct keeper *keeper;       /* brings checkpoints to the store while training goes on, so that a later job on another
                                  * machine goes on; NULL when that is not wanted */
    int n_jobs;                  /* this run included, how many have worked on this version */
    long steps_before, steps;    /* batches trained and epochs measured: when this run began, and at its newest checkpoint */

    struct json *refused; /* refused.c: manifest of a model of this version that an earlier run's gate refused, or NULL; owned */
    bool is_refused_kept; /* what this run's gate refused lies in the store */
    bool is_compared;     /* `latest` has figures of today's held-back images */
    const char *notes;    /* on the figures, for the report; NULL = none */

    struct report_photo *photos; /* for the report, found once; NULL until then */
    int n_photos;
    struct outputs outputs;
    struct str summary;   /* Markdown of the last report_write; goes to the host once, at the end */
    const char *headline; /* "what happened; what to do next": last line of the log, and in the report */
    const char *next;     /* what to do next where the headline does not say it; NULL = nothing */
    const char *passed;   /* steps of a smoke run, those that passed; NULL = it is none */
    const char *next_url; /* page where the next job runs, or is to be started; NULL = none */
};

/* Opens a store with the run's options; is_hasty as in store_options. The caller closes it. */
MUST_CHECK bool job_connect_to(struct job *j, const char *url, bool is_hasty, struct store **out, struct error *e);
/* Opens the run's store. */
MUST_CHECK bool job_connect(struct job *j, bool is_hasty, struct error *e);
/* Opens the store and reads latest.json. */
MUST_CHECK bool job_open_store(struct job *j, struct error *e);
/* What latest.json names by now, "" = nothing; rereads it when that is not this version. */
MUST_CHECK bool job_latest(struct job *j, const char **version, struct error *e);
/* Checksum, initial weights, version. Opens the store only if the initial weights ask for it. Decodes nothing. */
MUST_CHECK bool job_version(struct job *j, struct error *e);
/* Is this version published? Fills j->published and the outputs. `why` says what was found, for people. */
MUST_CHECK bool job_find(struct job *j, bool *is_published, char why[320], struct error *e);
/* Reads labels and image headers. Defects are in j->dataset, not yet judged. */
MUST_CHECK bool job_scan(struct job *j, struct error *e);
/* Refuses a dataset with errors or without training or held-back images; cuts it down for `smoke`. */
MUST_CHECK bool job_accept_dataset(struct job *j, struct error *e);
/* job_memory.c: reckons what training takes and says it. ERR_CONFIG when the machine, or the control group that bounds this
 * process, has less: names the largest batch-size that would fit. After job_accept_dataset. */
MUST_CHECK bool job_check_memory(struct job *j, struct error *e);
/* Everything that must hold before hours are spent: write permission (if will_publish), initial weights on disk, the
 * time left. */
MUST_CHECK bool job_prepare(struct job *j, bool will_publish, struct error *e);
/* job_clock.c: sets j->budget's end and length. */
void job_set_clock(struct job *j);
/* Logs defects, at most `limit` warnings and all errors. */
void job_log_defects(const struct job *j, int limit);
/* A pull request from a fork on a store that needs credentials which a fork's run never gets. */
bool job_is_untrusted(const struct job *j);
/* How the run ended: the output `status` and the last line of the log, "what happened; what to do next". */
void job_conclude(struct job *j, const char *status, const char *headline);
/* The same for a failure, or for a stop by a signal that has_checkpoint or not. */
void job_conclude_failure(struct job *j, bool has_checkpoint, const struct error *e);
void job_free(struct job *j);

/* weights.c: `initial-weights`, resolved to a checksum (cheap) and fetched to a file (before training). */
MUST_CHECK bool weights_resolve(struct job *j, struct error *e);
MUST_CHECK bool weights_fetch(struct job *j, struct error *e);

/* smoke.c: run's work on a small part of the dataset, published to a throw-away folder of the store. */
MUST_CHECK bool smoke_run(struct job *j, struct error *e);
void smoke_subset(struct dataset *d, struct arena *a); /* cuts a sound dataset down */

#endif

/* Comparing with the golden vectors (see README.md here). One struct golden is one file of vectors; the checks fail the
 * running cmocka test and remember the largest difference, which golden_report prints.
 *
 * A tolerance is a number of eps of `real`, relative to the largest value of the tensor (for the sums of a digest: to its
 * norm, which is what independent errors of that relative size add up to). The same number serves single and double
 * precision. Every comparison fails on NaN. */
#ifndef TESTS_GOLDEN_GOLDEN_H
#define TESTS_GOLDEN_GOLDEN_H

#include "../harness/cmocka_all.h"
#include "detector/loss.h"
#include "export/safetensors.h"
#include "seeded.h"

#ifdef REAL_IS_DOUBLE
/* A stored value keeps 48 bits; and sums have no wider type to be taken in, as they have in single precision. */
#define GOLDEN_EPS 0x1p-49
#else
#define GOLDEN_EPS 0x1p-23
#endif

struct golden {
    struct arena arena; /* of the vectors and of what golden_get returns */
    struct tensor_file file;
    long n_compared;     /* values, since the last report */
    double worst;        /* in parts of its tolerance */
    double worst_eps;    /* and in eps */
    char worst_name[160];
};

void golden_open(struct golden *g, const char *file); /* "blocks": tests/golden/vectors/blocks.safetensors */
void golden_close(struct golden *g);

/* The stored values; NULL and n 0 when there are none of that name. */
const double *golden_get(struct golden *g, const char *name, size_t *n);

/* The value's digest against the stored one. */
void golden_check(struct golden *g, const char *name, const real *x, size_t n, double eps_allowed);
/* Values against those of a stored list, from `first` on, each relative to itself or `scale`, whichever is larger. */
void golden_check_list(struct golden *g, const char *name, size_t first, const double *x, size_t n, double scale,
                       double eps_allowed);
size_t golden_plane(const struct tensor *t); /* pixels of a channel */
/* One tensor of a net, all images of the batch; gradient instead of value when is_grad. */
void golden_check_tensor(struct golden *g, const char *name, const struct tensor *t, int batch, bool is_grad,
                         double eps_allowed);
/* Every parameter's gradient as "<stem>/grad/<name>"; running statistics as "<stem>/running/<name>". */
void golden_check_grads(struct golden *g, const char *stem, const struct param_set *p, double eps_allowed);
void golden_check_running(struct golden *g, const char *stem, const struct param_set *p, double eps_allowed);
/* All of `block`, which is data or ema, as "<stem>/<name>". */
void golden_check_state(struct golden *g, const char *stem, const struct param_set *p, const real *block,
                        double eps_allowed);
/* Prints the record and starts the next one; it fails when nothing was compared. */
void golden_report(struct golden *g, const char *what);

/* Labels of n images from "<stem>/labels". */
struct golden_labels {
    struct label *items;
    size_t n_items;
    const struct label **of;
    int *n;
};
struct golden_labels golden_labels(struct golden *g, const char *stem, int n);

/* The model's weights from "<stem>/...", with boxes some cells wide: as network.make in reference/. */
void golden_model(struct model *m, const char *stem, char scale, int classes, int size, bool for_training,
                  struct arena *a);
/* Names seeded images as the network's input; they lie in the arena. */
void golden_use_images(struct detector *d, const char *stem, int n, struct arena *a);

/* The kernel set of this test (the test's state is its name), or the test is skipped. */
void golden_kernels(void **state, struct kernels *k);

#define COUNT(a) (sizeof(a) / sizeof *(a))

#define GOLDEN_SET(test, set) {#test " " set, test, NULL, NULL, (void *)(set)}
#ifdef REAL_IS_DOUBLE
#define GOLDEN_SETS(test) GOLDEN_SET(test, "ref")
#else
#define GOLDEN_SETS(test)                                                                                    \
    GOLDEN_SET(test, "ref"), GOLDEN_SET(test, "openblas"), GOLDEN_SET(test, "avx2"), GOLDEN_SET(test, "avx512")
#endif

#endif

/* The training engine: a list of operations over planned memory.
 *
 * Building: net_input makes the input, net_buffer a buffer of c channels, net_view names a run of its channels as a
 * tensor, net_conv and friends append operations. net_plan then knows every size, lays out all memory for a largest
 * batch and for so many workers, and decides which gradient write comes first (and may overwrite). After it nothing
 * allocates.
 * Running: net_use_weights says which weights (and packs them for inference), net_forward walks the list up, net_backward
 * down. Work is split over images, parts of images or fixed groups of images, and sums are combined in image order, so
 * results do not depend on the number of threads.
 *
 *     struct net net = {.kernels = &k, .params = &params, .pool = pool};
 *     int x = net_input(&net, 3, 320, 320);
 *     ...
 *     net_plan(&net, 16, true, &arena);
 *     net_use_weights(&net, params.data);
 *     net_forward(&net, 16);  loss writes the gradients of the outputs;  net_backward(&net, 16);
 *     net_update_running(&net); */
#ifndef NN_NET_H
#define NN_NET_H

#include "core/arena.h"
#include "core/thread.h"
#include "nn/conv.h"
#include "nn/kernels.h"
#include "nn/tensor.h"

#define NET_BN_EPS 1e-3 /* the detector's BatchNorm settings (YOLOv8), not PyTorch's defaults */
#define NET_BN_MOMENTUM 0.03
#define NET_GRAD_GROUPS 8 /* weight gradients are summed in this many runs of images, then in order */
#define NET_POOL_SIZE 5
#define NET_KEEP_BYTES ((size_t)1 << 30)

enum op_kind {
    OP_CONV_BN_SILU, /* out = silu(bn(conv(in))) [+ residual] */
    OP_CONV_BIAS,    /* out = conv(in) + bias: the head's outputs */
    OP_MAXPOOL,      /* 5x5, stride 1, padding 2 with -inf */
    OP_UPSAMPLE,     /* nearest, x2 */
};

struct op {
    enum op_kind kind;
    int in, out, residual; /* tensors; residual -1 = none */
    int z;                 /* tensor of the convolution's output before BatchNorm; = out for inference */
    struct conv conv; /* k and stride from the start, the rest from net_plan */
    real *packed; /* weights as the kernels read them: its own for inference, shared by all operations in training */
    const struct param *weight, *bias, *scale, *mean, *var; /* bias: of BatchNorm or of the convolution */
    bool in_overwrite, residual_overwrite; /* this op's gradient write is the first into those channels */
    double *sums;                          /* [batch * n_chunks][2][c] of parts of images, per channel */
    real *batch_mean, *inv_std;            /* [c] of the last training forward; channels are padded to whole blocks here */
    double *batch_var;                     /* [c] the unbiased variance that the running one will take */
    real *fold_scale, *fold_shift;         /* [c] y = fold_scale * z + fold_shift; the shift alone for OP_CONV_BIAS */
    real *grad_a, *grad_b, *grad_c;        /* [c] coefficients of bn_grad */
    uint8_t *argmax;                       /* [batch][block][h][w][16] which of the 25 cells won */
};

struct net_buffer {
    int c, h, w, lanes;
    bool is_input, is_output; /* output: the caller reads it and writes its whole gradient */
    bool is_rgb;              /* an input of bytes that lie with the caller: it has no place here */
    bool is_source;           /* nobody produces it: the caller writes it and may read its gradient (not that of an input) */
    bool is_z;                /* pre-BatchNorm values: no gradient of their own (it lives in the output's buffer) */
    bool is_restored;         /* given up after forward, computed again where backward needs it */
    size_t data_offset, grad_offset; /* elements, for the planned batch */
};

struct net {
    const struct kernels *kernels; /* borrowed, as are the next two */
    struct param_set *params;
    struct pool *pool;
    bool (*is_cancelled)(void); /* asked between operations: true ends a walk early; NULL = never */

    struct op *ops;
    int n_ops, cap_ops;
    struct tensor *tensors;
    int *tensor_buffer, *tensor_channel; /* [n_tensors] where each view lies */
    int n_tensors, cap_tensors;
    struct net_buffer *buffers;
    int n_buffers, cap_buffers;

    int batch; /* planned */
    bool is_training;
    size_t keep_bytes; /* set before net_plan, which says what it is; 0 = NET_KEEP_BYTES */
    real *data;     /* values and gradients */
    size_t n_data;  /* elements */
    real *scratch;  /* [workers][scratch_stride] */
    size_t scratch_stride;
    real *restored; /* [workers][restored_stride] what backward computes again of a few images */
    size_t restored_stride;
    real *packed;           /* packed weights */
    size_t n_packed;
    real *partial; /* [NET_GRAD_GROUPS][largest weight, packed] */
    size_t partial_stride;
    const real *weights; /* what net_use_weights named */
    const uint8_t *const *images; /* what net_use_images named */
    real *lent; /* what net_lodge_in named: another net's values and gradients */
    size_t n_lent, n_lodged; /* elements; those in use */
};

int net_input(struct net *net, int c, int h, int w); /* a tensor; it has no gradient */
/* An input of RGB images that stay bytes, read by convolutions alone: net_use_images before each walk. */
int net_input_rgb(struct net *net, int h, int w);
int net_buffer(struct net *net, int c, int h, int w);
int net_view(struct net *net, int buffer, int channel, int c); /* a tensor; channel is a multiple of 16 */
/* Parameters are found by name: "<name>.conv.weight", "<name>.bn.weight", ... ; a missing one is a BUG. */
void net_conv_bn_silu(struct net *net, const char *name, int in, int out, int residual, int k, int stride);
void net_conv_bias(struct net *net, const char *name, int in, int out); /* 1x1; "<name>.weight", "<name>.bias" */
void net_maxpool(struct net *net, int in, int out);
void net_upsample(struct net *net, int in, int out);

/* Lays out everything for at most `batch` images. Memory is the arena's; values and gradients share it as their lives
 * allow, so that after forward only outputs can be read, and after backward only gradients of sources. A training net that
 * would need more than keep_bytes for them gives most values up after forward and computes them again in backward, to the
 * same bits: half the memory; docs/performance.md has the cost. a NULL: sizes only, for net_bytes; such a net cannot run. */
void net_plan(struct net *net, int batch, bool is_training, struct arena *a);
size_t net_bytes(const struct net *net); /* what the plan took; without what is lent */
/* Between host's net_plan and this net's, which is for inference: as much of its memory as fits will lie where host's
 * values and gradients do. A walk of either then destroys what the other's has left: only one of them can be at work, and
 * this one needs net_use_weights after host has walked. */
void net_lodge_in(struct net *net, const struct net *host);

/* weights: [params->n_total], borrowed. A net for inference packs them here: call it again whenever they changed. A training
 * net packs them as it goes. */
void net_use_weights(struct net *net, const real *weights);
/* images: of each image of the batch h*w*3 bytes that stand for value / 255. Borrowed, backward reads them too. */
void net_use_images(struct net *net, const uint8_t *const *images);
/* Training normalises by batch statistics, inference by the running ones of the weights. False = cancelled: the outputs
 * are not valid. */
bool net_forward(struct net *net, int n);
/* Adds to params->grad. Output gradients must have been written, zero in the channels that pad the last block. False =
 * cancelled: params->grad holds a part and must be cleared. */
bool net_backward(struct net *net, int n);
/* Moves the running statistics in params->data towards those of the last training forward. Apart from it, so that a
 * cancelled batch leaves no trace. */
void net_update_running(struct net *net);

void net_free(struct net *net); /* the lists; planned memory belongs to the arena */

#endif

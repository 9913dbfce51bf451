#include "train/budget.h"

#include <math.h>

#define MARGIN 1.5 /* what took so long before may take this much longer the next time: machines are shared */

/* Before anything was measured. */
#define GUESS_SAVE_S 2.0
#define GUESS_BATCH_S 2.0
#define GUESS_VALIDATE_S 20.0
#define GUESS_UPLOAD_BYTES_PER_S 4e6

#define REPORT_S 4.0 /* report, summary, outputs, the program's own end */
#define VALIDATIONS_AT_END 4 /* of the best and the last weights, on square input, and of the published model for the gate */
#define MODEL_SHARE (1.0 / 3) /* model.onnx and model.safetensors hold one block each of a checkpoint's six */

void budget_saw(double *slowest, double seconds)
{
    if (seconds > *slowest)
        *slowest = seconds;
}

static double or_guess(double measured, double guess)
{
    return measured > 0 ? measured : guess;
}

static double upload_seconds(const struct budget *b)
{
    return or_guess(b->upload_seconds, b->is_far ? b->checkpoint_bytes / GUESS_UPLOAD_BYTES_PER_S : 0);
}

double budget_reserve_to_stop(const struct budget *b)
{
    return MARGIN * (or_guess(b->batch_seconds, GUESS_BATCH_S) + or_guess(b->save_seconds, GUESS_SAVE_S) + upload_seconds(b)) +
           REPORT_S;
}

double budget_reserve_to_finish(const struct budget *b)
{
    /* Exporting writes about as much as a checkpoint. */
    return MARGIN * (VALIDATIONS_AT_END * or_guess(b->validate_seconds, GUESS_VALIDATE_S) +
                     or_guess(b->save_seconds, GUESS_SAVE_S) +
                     (1 + MODEL_SHARE) * upload_seconds(b)) + /* the last checkpoint may be under way */
           REPORT_S;
}

/* A reserve never takes more than half of `seconds`: each job gets on. */
static double after_reserve(double seconds, double reserve)
{
    return seconds - fmin(reserve, fmax(seconds, 0) / 2);
}

double budget_left(const struct budget *b, double now, double reserve)
{
    if (b->end <= 0)
        return HUGE_VAL;
    if (b->opened > 0 && b->end > b->opened) /* half of what training had at its start */
        reserve = fmin(reserve, (b->end - b->opened) / 2);
    return b->end - now - reserve;
}

bool budget_lacks(const struct budget *b, double now, double seconds, double reserve)
{
    return !(budget_left(b, now, reserve) > seconds);
}

int budget_jobs(const struct budget *b, double now, double seconds)
{
    if (seconds <= budget_left(b, now, budget_reserve_to_finish(b)))
        return 1;
    /* A later job begins like this one: checkout, decoding, fetching the checkpoint. */
    double start = b->opened > 0 ? b->length - (b->end - b->opened) : 0;
    double each = after_reserve(b->length - start, budget_reserve_to_stop(b));
    double last = after_reserve(b->length - start, budget_reserve_to_finish(b));
    if (!(each > 0))
        return 0;
    double later = seconds - fmax(budget_left(b, now, budget_reserve_to_stop(b)), 0);
    double jobs = later <= last ? 2 : 2 + ceil((later - last) / each);
    return jobs < 1e6 ? (int)jobs : 1000000;
}

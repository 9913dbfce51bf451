/* Which kernels run: by name, or the best that this CPU has. Decided by CPUID bits, never by a model name. */
#include "nn/kernels.h"

#include <string.h>

#ifndef REAL_IS_DOUBLE

#include "nn/kernels/kernel_sets.h"

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

bool kernels_select(const char *name, struct kernels *out, struct error *e)
{
    __builtin_cpu_init();
    if (!strcmp(name, "auto"))
        name = has_avx512() ? "avx512" : has_avx2() ? "avx2" : "openblas";
    bool avx512 = !strcmp(name, "avx512"), avx2 = !strcmp(name, "avx2"), openblas = !strcmp(name, "openblas");
    if (!avx512 && !avx2 && !openblas && strcmp(name, "ref") != 0)
        return fail(e, ERR_CONFIG, "kernels '%s' is unknown: use auto, ref, openblas, avx2 or avx512", name);
    if ((avx2 && !has_avx2()) || (avx512 && !has_avx512()))
        return fail(e, ERR_CONFIG, "kernels '%s' need instructions that this CPU lacks: use auto", name);
    kernels_ref(out);
    if (avx512)
        kernels_avx512(out);
    else if (avx2 || (openblas && has_avx2()))
        kernels_avx2(out);
    return !openblas || kernels_openblas(out, has_avx512() ? "SkylakeX" : has_avx2() ? "Haswell" : "Nehalem", e);
}

#else

bool kernels_select(const char *name, struct kernels *out, struct error *e)
{
    (void)e;
    (void)name; /* the double-precision build has the reference only */
    kernels_ref(out);
    return true;
}

#endif

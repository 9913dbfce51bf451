#include "store/lock.h"

#include "store/backend.h"

static double stale_s(const struct store *s)
{
    return s->stale_s > 0 ? s->stale_s : LEASE_STALE_S;
}

bool store_lock(struct store *s, struct error *e)
{
    bool ok = s->backend->lock ? s->backend->lock(s, e) : lease_take(s, &s->lease, stale_s(s), e);
    return ok || fail_in(e, "waiting for the store's lock");
}

bool store_lock_keep(struct store *s, bool *held, struct error *e)
{
    return s->backend->lock_keep ? s->backend->lock_keep(s, held, e) : lease_keep(s, &s->lease, stale_s(s), held, e);
}

bool store_lock_check(struct store *s, struct error *e)
{
    bool held;

    if (!store_lock_keep(s, &held, e))
        return false;
    return held || fail(e, ERR_STORE, "%s: lost the store's lock (was this process suspended?): start it again", s->url);
}

void store_unlock(struct store *s)
{
    if (s->backend->unlock)
        s->backend->unlock(s);
    else
        lease_release(s, &s->lease);
}

"""The publish protocol through every interleaving of two or three processes, killed at any step (model.py).

PROTOCOL_DEEP=1 adds three processes and more (minutes). The steps are those of src/store: (P1) to (P9) in publish.c,
upload.c, pointer.c and history.c, (R1) to (R3) in versions.c, (L) in lease.c. Whoever changes one changes the other. A
mistake must show: at the end the protocol is broken on purpose, once for each rule that it has, and the model must find
each of them."""
import os
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [FOLDER, os.path.join(FOLDER, "..", "e2e")]
import tap  # noqa: E402
from model import Model, Violation  # noqa: E402

LATEST, HISTORY = "latest", "history"
DEEP = bool(os.environ.get("PROTOCOL_DEEP"))  # minutes instead of seconds


class Rules:
    """The program as it is; a test of the model switches one rule off."""
    atomic = True         # the store has conditional writes
    lock = True           # (L)
    manifest_last = True  # (P2) before (P6)
    no_overwrite = True   # (P2) others' bytes are never replaced
    verify = True         # (P5) the artifacts are looked at again under the lock (so a manifest cannot come first, either)
    compare = True        # (P6) a bad manifest is replaced only as it was seen
    forward = True        # (P7) the pointer moves forward only
    infer = True          # (P7b) a move that was not written down is inferred by who moves the pointer next
    tidy_later = True     # (P8) without conditional writes a published version's rest stays for a while
    goes_on = False       # (P5) a lost lock does not matter: with conditional writes, at the last try
    fresh_latest = True   # (R1) under the lock
    manifest_first = True  # (R2) before (R3)

    def __init__(self, **off):
        self.__dict__.update(off)


def manifest(version, order, key, data, by):
    return ("manifest", version, order, key, data, by)


def is_manifest(m):
    return isinstance(m, tuple) and m[0] == "manifest"


def is_sound(store, m):
    return is_manifest(m) and store.get(m[3]) == m[4]


# ---- (L) lease.c: one flag each; who sees a higher rank (a smaller name) lowers its own and waits
def lock(me, rules):
    while rules.lock:
        yield "put", "locks/" + me, me
        up = yield "list", "locks/"
        if not any(k < "locks/" + me for k in up):
            yield "wait", "locks/", lambda k: k > "locks/" + me
            return
        yield "delete", "locks/" + me
        yield "wait", "locks/", lambda k: k != "locks/" + me


def unlock(me, rules):
    if rules.lock:
        yield "delete", "locks/" + me


def keep(me, rules):
    """store_lock_keep: a living process knows by its clock whether its flag may have been removed."""
    if not rules.lock:
        return True
    flag = yield "get", "locks/" + me
    return flag is not None


def put_if(rules, key, expected, value):
    """A conditional write, or without them a look and a write."""
    if rules.atomic:
        return (yield "put_if", key, expected, value)
    if (yield "get", key) != expected:
        return False
    yield "put", key, value
    return True


# ---- (P) publish.c
def upload(me, version, data, sole, rules):
    plain, written = version + "/art", False
    if not rules.no_overwrite:
        yield "put", plain, data
        return plain
    if rules.atomic or sole:
        written = yield from put_if(rules, plain, None, data)
    if written or (yield "get", plain) == data:
        return plain
    hashed = "%s/%s/art" % (version, data)
    yield "put", hashed, data
    return hashed


def move_pointer(me, m, anywhere, rules):
    """(what the pointer named, what it names)"""
    while True:
        now = yield "get", LATEST
        if now == m or (now and not anywhere and rules.forward and now[2] >= m[2]):
            return now[1], now[1]
        if (yield from put_if(rules, LATEST, now, m)) and (yield "get", LATEST) == m:
            return now[1] if now else None, m[1]


def note(me, moved, rules):
    """(P7b) history.c: a line for this move, and for one before it whose run was killed."""
    while True:
        lines = yield "get", HISTORY
        last, added = (lines[-1][1] if lines else None), ()
        if rules.infer and moved[0] and last and last != moved[0]:
            added += ((last, moved[0]),)
        if moved[0] != moved[1]:
            added += (moved,)
        elif not last:
            added += ((None, moved[1]),)
        if not added or (yield from put_if(rules, HISTORY, lines, (lines or ()) + added)):
            return


def tidy(me, version, m, rules):
    if rules.atomic or not rules.tidy_later:
        keys = yield "list", version + "/"                            # (P8)
        claims = yield "list", "claims/%s/" % version
        for key in keys:
            if key.endswith("/art") and key != m[3]:
                if not (yield from keep(me, rules)):
                    return
                yield "delete", key
        for key in claims:
            yield "delete", key


def end_publishing(me, version, m, rules):
    moved = yield from move_pointer(me, m, False, rules)              # (P7)
    if not (yield from keep(me, rules)):
        newest = m
        keys = yield "list", "v"
        for key in keys:
            other = (yield "get", key) if key.endswith("/manifest") else None
            if is_manifest(other) and other[2] > newest[2]:
                newest = other
        moved = yield from move_pointer(me, newest, False, rules)
    yield from note(me, moved, rules)
    yield from tidy(me, version, m, rules)
    yield "delete", "publishing-" + version                           # (P9)


def commit(me, version, m, first, rules):
    """The outcome, and the manifest that is there now. first: what was there before the upload and was not sound."""
    yield from lock(me, rules)                                        # (P3)
    there = yield "get", version + "/manifest"                        # (P4)
    if is_manifest(there) and there != first and (yield "get", there[3]) == there[4]:
        if (yield "get", "publishing-" + version):
            yield from end_publishing(me, version, there, rules)
        yield from tidy(me, version, there, rules)
        outcome, named = "already", there
    else:
        sound = not rules.verify or (yield "get", m[3]) == m[4]       # (P5)
        yield "put", "publishing-" + version, me
        held = yield from keep(me, rules)
        if not sound or not (held or rules.goes_on):
            yield from unlock(me, rules)
            return "again", None
        if rules.compare:
            written = yield from put_if(rules, version + "/manifest", there, m)
        else:
            if there:
                yield "delete", version + "/manifest"
            written = yield from put_if(rules, version + "/manifest", None, m)
        if not written:
            yield from unlock(me, rules)
            return "again", None
        now = yield "get", version + "/manifest"                      # (P6)
        outcome, named = ("published", m) if now == m else ("already", now)
        if now is None:
            yield from unlock(me, rules)
            return "failed", None
        yield from end_publishing(me, version, named, rules)
    yield from unlock(me, rules)
    return outcome, named


def publisher(me, version, order, data, rules):
    def run():
        there = yield "get", version + "/manifest"
        if is_manifest(there) and (yield "get", there[3]) == there[4]:
            if (yield "get", "publishing-" + version):
                yield from lock(me, rules)
                there = yield "get", version + "/manifest"
                if is_manifest(there) and (yield "get", "publishing-" + version):
                    yield from end_publishing(me, version, there, rules)
                yield from unlock(me, rules)
            return "already"
        claim = "claims/%s/%s" % (version, me)
        yield "put", claim, me                                        # (P1)
        sole = (yield "list", "claims/%s/" % version) == (claim,)
        outcome = "again"
        while outcome == "again":
            if rules.manifest_last:
                key = yield from upload(me, version, data, sole, rules)   # (P2)
            else:
                key = "%s/%s/art" % (version, data)
            outcome, _ = yield from commit(me, version, manifest(version, order, key, data, me), there, rules)
            if not rules.manifest_last:
                yield from upload(me, version, data, False, rules)
        yield "delete", claim
        return outcome
    return run


# ---- (R) versions.c
def remover(me, version, rules):
    def run():
        if not rules.fresh_latest:
            latest = yield "get", LATEST
        yield from lock(me, rules)
        if rules.fresh_latest:
            latest = yield "get", LATEST                              # (R1)
        if (latest and latest[1] == version) or not (yield "get", version + "/manifest"):
            yield from unlock(me, rules)
            return "refused"
        keys = yield "list", version + "/"
        keys = (version + "/manifest", *(k for k in keys if not k.endswith("/manifest")))
        keys = keys if rules.manifest_first else keys[::-1]
        for key in keys:                                              # (R2), (R3)
            if not (yield from keep(me, rules)):
                return "lost"
            yield "delete", key
        yield from unlock(me, rules)
        return "removed"
    return run


def rollback(me, version, rules):
    def run():
        yield from lock(me, rules)
        m = yield "get", version + "/manifest"
        found = is_manifest(m) and (yield "get", m[3]) == m[4]
        if found and (yield from keep(me, rules)):
            yield from note(me, (yield from move_pointer(me, m, True, rules)), rules)
        yield from unlock(me, rules)
        return "moved" if found else "refused"
    return run


# ---- what must hold in every state that a reader may see, and at the end
def checker(order=True, immutable=True, complete=True, may_go_back=()):
    def check(before, after, name, op):
        for key, m in after.objects.items():
            if complete and is_manifest(m) and not is_sound(after, m) and (key != LATEST or op[1] == LATEST):
                if not (key in before.objects and not is_sound(before, before.get(key)) and before.get(key) == m):
                    raise Violation("%s: %s makes %s name what is not there" % (name, op, key))
        m = after.get(LATEST)
        if complete and m and (not is_sound(after, m) or not is_sound(after, after.get(m[1] + "/manifest"))):
            raise Violation("%s: %s leaves latest on an incomplete version" % (name, op))
        was = before.get(LATEST)
        if order and was and (not m or m[2] < was[2]) and name not in may_go_back:
            raise Violation("%s: %s moves latest back" % (name, op))
        if immutable and op[1].endswith("/manifest") and op[0] != "delete":
            was = before.get(op[1])
            if is_sound(before, was) and was != HEALED["v1/manifest"] and after.get(op[1]) != was:
                raise Violation("%s: %s replaces a published manifest" % (name, op))
        if immutable and op[0] == "delete" and op[1].endswith("/manifest") and name[0] != "r":
            if is_sound(before, before.get(op[1])):
                raise Violation("%s: %s removes a published manifest" % (name, op))
    return check


def check_history(store, killed):
    """Each line goes on where the last one ended, and the last one ended where the pointer is."""
    lines = store.get(HISTORY)
    for one, next_one in zip(lines, lines[1:]):
        if one[1] != next_one[0]:
            raise Violation("history has a gap: %s" % (lines,))
    if not killed and lines[-1][1] != store.get(LATEST)[1]:
        raise Violation("latest is %s, history says %s" % (store.get(LATEST), lines))


def ended(versions, exactly_one=True, latest=None, tidy=True):
    def at_end(store, results):
        if tidy:
            check_history(store, "killed" in results.values())
        published = [n for n, r in results.items() if r == "published"]
        if "failed" in results.values():
            raise Violation("a publisher failed: %s" % results)
        killed = "killed" in results.values()
        for version in versions:
            m = store.get(version + "/manifest")
            if not killed and not is_sound(store, m):
                raise Violation("%s is not published at the end: %s" % (version, results))
        if exactly_one and (len(published) > len(versions) or (not killed and len(published) != len(versions))):
            raise Violation("published by %s" % published)
        if latest and not killed and store.get(LATEST)[1] != latest:
            raise Violation("latest is %s" % (store.get(LATEST),))
        if tidy and not killed and [k for k in store.objects if k.startswith(("locks/", "claims/", "publishing-"))]:
            raise Violation("left: %s" % store.keys(""))
    return at_end


OLD = manifest("v0", 0, "v0/art", "old", "x")
START = {"v0/manifest": OLD, "v0/art": "old", LATEST: OLD, HISTORY: ((None, "v0"),)}
BROKEN = {**START, "v1/manifest": manifest("v1", 1, "v1/gone", "gone", "x")}
HEALED = {**START, "v1/manifest": manifest("v1", 1, "v1/art", "a", "x")}  # by who uploads the same bytes again
DAMAGED = {**START, "v1/manifest": "{"}


def same(rules, n=2, data="abc"):
    return {"p%d" % i: publisher("p%d" % i, "v1", 1, data[i], rules) for i in range(n)}


def scenarios():
    """(name, processes by rules, objects, check, end, options)"""
    one = ended(["v1"], latest="v1")
    yield "same version", lambda r: same(r), START, checker(), one, {"kills": 1, "late": True}
    yield "same version, same bytes", lambda r: same(r, data="aa"), START, checker(), one, {"kills": 1, "late": True}
    if DEEP:
        yield "three times the same version", lambda r: same(r, 3), START, checker(), one, {}
        yield ("twice the same version and its removal", lambda r: {**same(r), "r": remover("r", "v1", r)}, START, checker(),
               ended([], exactly_one=False), {"kills": 1})
    yield "repair of an incomplete version", lambda r: same(r), BROKEN, checker(), one, {"kills": 1, "late": True}
    yield "repair with the same bytes", lambda r: same(r), HEALED, checker(), one, {"kills": 1, "late": True}
    yield "repair of a damaged manifest", lambda r: same(r), DAMAGED, checker(), one, {"kills": 1}
    yield ("two versions", lambda r: {"p1": publisher("p1", "v1", 1, "a", r), "p2": publisher("p2", "v2", 2, "b", r)}, START,
           checker(), ended(["v1", "v2"], latest="v2"), {"kills": 1, "late": True})
    yield ("publishing and removing another", lambda r: {"p1": publisher("p1", "v1", 1, "a", r), "r": remover("r", "v0", r)},
           START, checker(), ended(["v1"], latest="v1"), {"kills": 1})
    roll = {**START, "v1/manifest": manifest("v1", 1, "v1/art", "a", "x"), "v1/art": "a"}
    roll[LATEST] = roll["v1/manifest"]
    roll[HISTORY] += (("v0", "v1"),)
    yield ("rolling back to what is being removed",
           lambda r: {"b": rollback("b", "v0", r), "r": remover("r", "v0", r)}, roll, checker(may_go_back="b"),
           ended([]), {"kills": 1, "late": True})
    yield ("publishing again what is being removed",
           lambda r: {"p0": publisher("p0", "v0", 0, "old", r), "r": remover("r", "v0", r)}, roll, checker(),
           ended([], exactly_one=False), {"kills": 1})


def explore(rules, scenario, **more):
    _, processes, objects, check, at_end, options = scenario
    return Model(processes(rules), objects, check, at_end, **{**options, **more}).explore()


def holds(what, rules, scenario, **more):
    try:
        n = explore(rules, scenario, **more)
        tap.ok(n > 50, "%s, %s: %d states" % (what, scenario[0], n))
    except Violation as v:
        tap.ok(False, "%s, %s" % (what, scenario[0]), v)


def test_rules():
    """With the assumption about time: everything holds, whether the store has conditional writes or not."""
    for scenario in scenarios():
        holds("conditional writes", Rules(), scenario)
        holds("best effort", Rules(atomic=False), scenario)


def test_without_time():
    """A living process takes so long that others take it for dead. With conditional writes publishing stays right; without
    them nothing incomplete is visible, but two may win, and the pointer may go back until it is put right."""
    for name, processes, objects, _, _, options in scenarios():
        if "remov" in name or "three" in name or (not DEEP and name not in ("same version", "two versions")):
            continue
        versions = ["v1", "v2"] if name == "two versions" else ["v1"]
        options = {**options, "kills": 0, "broken": 1}
        strong = name, processes, objects, checker(), ended(versions, latest=versions[-1], tidy=False), options
        holds("lock lost, conditional writes", Rules(), strong)
        holds("lock lost and ignored, conditional writes", Rules(goes_on=True), strong)
        weak = (name, processes, objects, checker(order=False, immutable=False),
                ended(versions, exactly_one=False, tidy=False), options)
        holds("lock lost, best effort", Rules(atomic=False), weak)
        if name == "same version":
            try:
                explore(Rules(atomic=False, tidy_later=False), weak)
                tap.ok(False, "without the rule tidy_later nothing is found")
            except Violation as v:
                tap.ok(True, "without the rule tidy_later: " + str(v).splitlines()[0])


def test_of_the_model():
    """Without one of its rules the protocol is wrong, and this scenario shows it."""
    by_name = {scenario[0]: scenario for scenario in scenarios()}
    for rule, name in (("lock", "same version"), ("manifest_last verify", "same version"), ("no_overwrite", "same version"),
                       ("verify", "publishing again what is being removed"), ("compare", "repair with the same bytes"),
                       ("forward", "two versions"), ("infer", "two versions"), ("fresh_latest", "rolling back to what is being removed"),
                       ("manifest_first", "publishing and removing another")):
        found = None
        for atomic in (True, False):
            try:
                explore(Rules(atomic=atomic, **{r: False for r in rule.split()}), by_name[name])
            except Violation as v:
                found = found or str(v).splitlines()[0]
        tap.ok(found, "without the rule %s, %s: %s" % (rule, name, found))


def main():
    tap.main(test_rules, test_without_time, test_of_the_model)


main()

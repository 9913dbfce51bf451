"""Every interleaving of a few processes over a store: an exhaustive check of the publish protocol.

A process is a generator that yields operations of the store and gets their results; its state is where it stands and its
local variables (so it keeps nothing elsewhere: a list that it goes through needs a name). explore() walks through all reachable states: at each one any process may do its next operation, or be killed
before it; a killed process's flag is removed by whoever waits for it (in the program: after LEASE_STALE_S). Polling is
modelled as waiting: reads change nothing.

    kills       how many processes may be killed
    late        a killed process's last write may still arrive, as long as its flag is up
    broken      how many times the flag of a living process may be removed: the program's assumption about time fails
"""


class Violation(Exception):
    pass


class Store:
    """Immutable; an operation gives (new store, result)."""
    __slots__ = ("objects", "_hash")

    def __init__(self, objects):
        self.objects = objects
        self._hash = hash(frozenset(objects.items()))

    def __hash__(self):
        return self._hash

    def __eq__(self, other):
        return self.objects == other.objects

    def get(self, key):
        return self.objects.get(key)

    def keys(self, prefix):
        return tuple(sorted(k for k in self.objects if k.startswith(prefix)))

    def do(self, op):
        kind, key = op[0], op[1]
        if kind == "get":
            return self, self.get(key)
        if kind == "list":
            return self, self.keys(key)
        if kind == "wait":  # until none of these keys is there; enabled() has seen to that
            return self, None
        if kind == "put_if" and self.get(key) != op[2]:  # compare and swap; None = absent
            return self, False
        objects = dict(self.objects)
        if kind == "delete":
            objects.pop(key, None)
        else:
            objects[key] = op[-1]
        return Store(objects), True

    def enabled(self, op):
        return op[0] != "wait" or not any(op[2](k) for k in self.keys(op[1]))


WRITES = ("put", "put_if", "delete")


class Model:
    """processes: {name: function() -> generator}. check(before, after, name, op, results) raises Violation."""

    def __init__(self, processes, objects, check, at_end, kills=0, late=False, broken=0):
        self.names = sorted(processes)
        self.processes, self.check, self.at_end = processes, check, at_end
        self.kills, self.late, self.broken = kills, late, broken
        self.start = (Store(dict(objects)), tuple(() for _ in self.names), (), (), 0)
        self.next_of, self.same = {}, {}

    def next_op(self, i, history):
        """("do", op, history) or ("end", result, history) of process i after these results; the history is one that leads
        to the same state, the same one for each."""
        known = self.next_of.get((i, history))
        if known is None:
            process = self.processes[self.names[i]]()
            try:
                op = next(process)
                for result in history:
                    op = process.send(result)
                known = ("do", op, self.same.setdefault((i, state_of(process)), history))
            except StopIteration as stop:
                known = ("end", stop.value, self.same.setdefault((i, stop.value), history))
            self.next_of[i, history] = known
        return known

    def flags_of(self, store, i):
        return [k for k in store.keys("locks/") if k.split("/")[1].split("-")[0] == self.names[i]]

    def steps(self, state):
        store, histories, dead, pending, n_broken = state
        for i, history in enumerate(histories):
            if i in dead:
                continue
            what, op, _ = self.next_op(i, history)
            if what == "end":
                continue
            if store.enabled(op):
                after, result = store.do(op)
                self.check(store, after, self.names[i], op)
                grown = histories[:i] + (self.next_op(i, history + (result,))[2],) + histories[i + 1:]
                yield "%s %s" % (self.names[i], show(op)), (after, grown, dead, pending, n_broken)
            if len(dead) < self.kills:
                yield "kill " + self.names[i], (store, histories, dead + (i,), pending, n_broken)
                if self.late and op[0] in WRITES:
                    yield "kill %s, %s on its way" % (self.names[i], show(op)), (
                        store, histories, dead + (i,), pending + ((i, op),), n_broken)
        for i in range(len(self.names)):
            if i in dead or n_broken < self.broken:
                for flag in self.flags_of(store, i):
                    after, _ = store.do(("delete", flag))
                    yield "removed " + flag, (after, histories, dead, tuple(p for p in pending if p[0] != i),
                                              n_broken + (i not in dead))
        for p in pending:
            after, _ = store.do(p[1])
            self.check(store, after, self.names[p[0]], p[1])
            yield "late %s" % show(p[1]), (after, histories, dead, tuple(q for q in pending if q != p), n_broken)

    def explore(self):
        """The number of states. Raises Violation with the trace to it."""
        seen, stack = {self.start: None}, [self.start]
        while stack:
            state = stack.pop()
            n_next = 0
            try:
                for name, after in self.steps(state):
                    n_next += 1
                    if after not in seen:
                        seen[after] = (name, state)
                        stack.append(after)
                if not n_next:
                    self.end(state)
            except Violation as v:
                raise Violation("%s\n%s" % (v, "\n".join(self.trace(seen, state)))) from None
        return len(seen)

    def end(self, state):
        store, histories, dead, _, _ = state
        results = {}
        for i, history in enumerate(histories):
            what, value, _ = self.next_op(i, history)
            if i in dead:
                results[self.names[i]] = "killed"
            elif what == "do":
                raise Violation("%s waits for ever: %s" % (self.names[i], show(value)))
            else:
                results[self.names[i]] = value
        self.at_end(store, results)

    @staticmethod
    def trace(seen, state):
        lines = []
        while seen[state]:
            name, state = seen[state]
            lines.append(name)
        return lines[::-1]


def state_of(process):
    frames = []
    while process is not None:
        frames.append((process.gi_code.co_name, process.gi_frame.f_lasti,
                       tuple(sorted((k, v) for k, v in process.gi_frame.f_locals.items() if is_plain(v)))))
        process = process.gi_yieldfrom
    return tuple(frames)


def is_plain(value):
    return value is None or isinstance(value, (str, int, tuple))


def show(op):
    return "%s %s" % (op[0], " ".join(str(x) for x in op[1:] if not callable(x)))

"""Publishing to a directory while its file system fails: the n-th call that changes something is failed, or the process
is killed there, for every n until a run comes through (preload.c).

After each: one error line and exit 4 (or it came through), nothing half visible, no temporary file where it could be
removed, and the next run converges. RETRAIN_FAULT_STRIDE=1 tries every n; by default it is every eleventh."""
import hashlib
import json
import os
import shutil
import sys
import tempfile

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(FOLDER, "..", "e2e")]
import store_tool  # noqa: E402
import tap  # noqa: E402

PRELOAD = os.path.abspath("build/tests/preload.so")
STRIDE = int(os.environ.get("RETRAIN_FAULT_STRIDE", "11"))
N_MOST = 1000
scratch = tempfile.mkdtemp(prefix="retrain-io-")


def write(name, data):
    path = os.path.join(scratch, name)
    with open(path, "wb") as f:
        f.write(data)
    return path


def files(folder):
    return sorted(os.path.relpath(os.path.join(top, name), folder) for top, _, names in os.walk(folder) for name in names)


def defects(folder):
    """What a reader could complain about."""
    found = []
    for path in files(folder):
        if not path.endswith("manifest.json") and path != "latest.json" or path.startswith("rejected/"):
            continue  # a refused model counts only with all its files
        try:
            with open(os.path.join(folder, path), "rb") as f:
                manifest = json.load(f)
            for a in manifest["artifacts"]:
                with open(os.path.join(folder, a["key"]), "rb") as f:
                    if hashlib.sha256(f.read()).hexdigest() != a["sha256"]:
                        found.append("%s: %s has other bytes" % (path, a["key"]))
            if path == "latest.json" and not os.path.exists(os.path.join(folder, manifest["manifest"])):
                found.append("latest.json names %s, which is not there" % manifest["version"])
        except (OSError, ValueError) as e:
            found.append("%s: %r" % (path, e))
    return found


def history_defects(folder):
    with open(os.path.join(folder, "latest.json"), "rb") as f:
        latest = json.load(f)["version"]
    with open(os.path.join(folder, "history.jsonl"), "rb") as f:
        return store_tool.history_defects(f.read(), latest)


def hidden(folder):
    return [f for f in files(folder) if "/." in "/" + f]


class Trial:
    def __init__(self):
        self.model, self.report = write("model", os.urandom(70000)), write("report", b"report")
        self.template, self.store = os.path.join(scratch, "template"), os.path.join(scratch, "store")
        shutil.rmtree(self.template, ignore_errors=True)
        code, _, err = self.driver(self.template)("publish", "v1", 1000, self.model, self.report)
        if code:
            raise RuntimeError(err)

    @staticmethod
    def driver(folder, **env):
        return store_tool.Driver("file://" + folder, DRIVER_DEBUG="", **env)

    def fresh(self):
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.copytree(self.template, self.store)

    def run(self, n, command, **fault):
        """(was there a fault, exit code, error lines) of one run with the fault at its n-th call."""
        d = self.driver(self.store, LD_PRELOAD=PRELOAD, FAULT_AT=str(n), FAULT_BELOW=self.store, **fault)
        code, _, err = d(*command)
        if "LD_PRELOAD" in err:
            raise RuntimeError(err)
        lines = [line for line in err.splitlines() if line.startswith("fault:")]
        return lines, code, store_tool.message(err), err


def sweep(trial, name, command, after, stride=STRIDE, leaves_files=False, kill=False, must_pass=False, **fault):
    """`after`: the next run, and the end of what it prints when it converges."""
    wrong, n, tried = [], 1, 0
    while n < N_MOST and len(wrong) < 5:
        trial.fresh()
        faults, code, errors, err = trial.run(n, command, **fault)
        if not faults:
            if code:
                wrong.append("n=%d: exit %d without a fault: %s" % (n, code, err))
            break
        tried += 1
        where = "n=%d %s" % (n, faults[0])
        if kill:
            if code != -9:
                wrong.append("%s: exit %d" % (where, code))
        elif code not in ((0,) if must_pass else (0, 4)) or (code and len(errors) != 1) or (not code and errors):
            wrong.append("%s: exit %d, %s" % (where, code, errors))
        wrong += ["%s: %s" % (where, d) for d in defects(trial.store)]
        if not kill and not leaves_files and hidden(trial.store):
            wrong.append("%s: left %s" % (where, hidden(trial.store)))
        got = trial.driver(trial.store)(*after[0])
        if got[0] or not got[1].endswith(after[1]):
            wrong.append("%s: then %s" % (where, got))
        wrong += ["%s: then %s" % (where, d) for d in defects(trial.store) + history_defects(trial.store)]
        left = [f for f in files(trial.store) if f.startswith(("checkpoints/", "locks/", ".lock"))]
        # Temporaries go after a day (dir_tidy); a dead holder's lock holds nobody up.
        left = [f for f in left if not (kill or leaves_files) or ("/.tmp-" not in f and f != ".lock")]
        if left:
            wrong.append("%s: then left %s" % (where, left))
        n += stride
    tap.ok(not wrong and tried, "%s: %d faults" % (name, tried), "\n".join(wrong[:5]))


def test_publish():
    t = Trial()
    publish = ("publish", "v2", 2000, t.model, t.report)
    again = (*publish, "find", "v2", "latest"), "published \nv2\n"
    sweep(t, "killed at every call", publish, again, stride=min(STRIDE, 5), kill=True, FAULT_DO="kill")
    sweep(t, "EIO once", publish, again, stride=min(STRIDE, 7), FAULT_DO="EIO", FAULT_CALLS="open,write,fsync,close,rename,link,mkdir")
    for error in ("ENOSPC", "EDQUOT", "EROFS"):
        sweep(t, error + " from then on", publish, again, FAULT_DO=error, FAULT_FOREVER="1",
              FAULT_CALLS="open,write,fsync,close,mkdir,link,rename")
    sweep(t, "files cannot be removed", publish, again, leaves_files=True, FAULT_DO="EACCES", FAULT_CALLS="unlink,rmdir")
    sweep(t, "reading fails", publish, again, FAULT_DO="EIO", FAULT_CALLS="openr,read")
    sweep(t, "ESTALE once while reading", publish, again, FAULT_DO="ESTALE", FAULT_CALLS="read")
    sweep(t, "short writes", publish, again, must_pass=True, FAULT_DO="short", FAULT_CALLS="write")
    sweep(t, "every write is short", publish, again, stride=N_MOST // 100, must_pass=True, FAULT_DO="short",
          FAULT_CALLS="write", FAULT_FOREVER="1")
    sweep(t, "interrupted writes", publish, again, must_pass=True, FAULT_DO="EINTR", FAULT_CALLS="write,close")
    sweep(t, "lost answers of a network file system", publish, again, stride=min(STRIDE, 3), must_pass=True, FAULT_DO="lost",
          FAULT_CALLS="link,rename,mkdir,unlink,rmdir")
    sweep(t, "no hard links", publish, again, stride=N_MOST, must_pass=True, FAULT_DO="EPERM", FAULT_CALLS="link",
          FAULT_FOREVER="1")


def test_prune():
    t = Trial()
    for i in range(2, 5):
        code, _, err = t.driver(t.template)("publish", "v%d" % i, 1000 * i, t.model, t.report)
        if code:
            raise RuntimeError(err)
    again = ("prune", 2, "list", "versions/v1", "list", "versions/v2", "versions", "latest"), "\nv4\nv3\nv4\n"
    sweep(t, "prune, killed at every call", ("prune", 2), again, stride=min(STRIDE, 3), kill=True, FAULT_DO="kill")
    sweep(t, "prune, EIO once", ("prune", 2), again, stride=min(STRIDE, 5), leaves_files=True, FAULT_DO="EIO",
          FAULT_CALLS="unlink,rmdir,fsync,open,write,close")
    back = ("point", "v3", "latest"), "v3\n"
    sweep(t, "rollback, killed at every call", ("point", "v3"), back, stride=min(STRIDE, 3), kill=True, FAULT_DO="kill")


def test_rejected():
    """A refused model: there with all its files or not at all, never in the way of what is published."""
    t = Trial()
    code, _, err = t.driver(t.template)("reject", "v2", t.model, t.report)
    if code:
        raise RuntimeError(err)
    reject = ("reject", "v3", t.model, t.report)
    again = (*reject, "rejected", "versions", "latest"), "v3\nv2\nv1\nv1\n"
    sweep(t, "refused, killed at every call", reject, again, stride=min(STRIDE, 5), kill=True, FAULT_DO="kill")
    sweep(t, "refused, EIO once", reject, again, stride=min(STRIDE, 7), FAULT_DO="EIO", FAULT_CALLS="open,write,fsync,close,rename,link,mkdir")
    sweep(t, "refused, a full disk", reject, again, FAULT_DO="ENOSPC", FAULT_FOREVER="1", FAULT_CALLS="open,write,fsync,close,mkdir,link,rename")
    gone = ("forget", "v2", "list", "rejected", "rejected", "versions", "latest"), "v1\nv1\n"
    sweep(t, "forgotten, killed at every call", ("forget", "v2"), gone, stride=min(STRIDE, 3), kill=True, FAULT_DO="kill")


def main():
    if not store_tool.ready() or not os.path.exists(PRELOAD):
        tap.skip("i/o faults", "the store driver or build/tests/preload.so is not built")
        tap.done()
    try:
        tap.main(test_publish, test_prune, test_rejected)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


main()

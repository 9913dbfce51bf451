"""A whole run on a disk that is full from the n-th call on, or fails once: report, checkpoint, outputs and store are all on
it. One error line or none, the exit code's meaning, nothing half published; with room again the next run publishes, or
finds that this one did."""
import hashlib
import json
import os
import shutil
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(FOLDER, "..", "e2e")]
import tap  # noqa: E402
from workspace import make_workspace  # noqa: E402

PRELOAD = os.path.abspath("build/tests/preload.so")
STRIDE = int(os.environ.get("RETRAIN_FAULT_STRIDE", "70"))
N_MOST = 1000
ARGS = ("run", "--image-size", "32", "--epochs", "1", "--batch-size", "4", "--threads", "1")


def run(work, **fault):
    env = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": work, "GITHUB_OUTPUT": work + "/set", **fault}
    env["GITHUB_STEP_SUMMARY"] = work + "/summary"
    return tap.run(*ARGS, "--output-json", "out.json", cwd=work, env=env, timeout=300)


def fresh(work):
    for name in os.listdir(work):
        if name != "dataset":
            path = os.path.join(work, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


def published(work):
    """The versions with a manifest, or what is wrong with them."""
    store, found = os.path.join(work, "models"), []
    for top, _, names in os.walk(store):
        if "manifest.json" not in names:
            continue
        with open(os.path.join(top, "manifest.json"), "rb") as f:
            manifest = json.load(f)
        for a in manifest["artifacts"]:
            with open(os.path.join(store, a["key"]), "rb") as f:
                if hashlib.sha256(f.read()).hexdigest() != a["sha256"]:
                    raise RuntimeError("%s has other bytes" % a["key"])
        found.append(manifest["version"])
    return found


def status(work):
    try:
        with open(os.path.join(work, "out.json"), "rb") as f:
            return json.load(f)["status"]
    except FileNotFoundError:
        return None


def sweep(work, name, stride, **fault):
    wrong, tried, n = [], 0, 1
    while n < N_MOST and len(wrong) < 3:
        fresh(work)
        r = run(work, LD_PRELOAD=PRELOAD, FAULT_AT=str(n), FAULT_BELOW=work, **fault)
        text = r.stdout + r.stderr
        faults = [line for line in text.splitlines() if line.startswith("fault:")]
        if "LD_PRELOAD" in text or not faults:
            break
        tried += 1
        errors = [line for line in text.splitlines() if line.startswith(("::error", "retrain: error"))]
        if (r.returncode == 0) != (not errors) or len(errors) > 1 or r.returncode not in (0, 1, 4):
            wrong.append("n=%d %s: exit %d, %s" % (n, faults[0], r.returncode, errors))
        before = published(work)
        r = run(work)
        if r.returncode or published(work) != (before or published(work)) or len(published(work)) != 1:
            wrong.append("n=%d %s: then %d %s" % (n, faults[0], r.returncode, r.stderr))
        if status(work) != ("skipped" if before else "published"):
            wrong.append("n=%d %s: then status %s" % (n, faults[0], status(work)))
        hidden = [os.path.join(top, f) for top, _, names in os.walk(work) for f in names if f.startswith(".tmp-")]
        if hidden:
            wrong.append("n=%d %s: left %s" % (n, faults[0], hidden))
        n += stride
    tap.ok(not wrong and tried > 1, "%s: %d faults" % (name, tried), "\n".join(wrong))


def main():
    if not os.path.exists(PRELOAD):
        tap.skip("run faults", "build/tests/preload.so is not built")
        tap.done()
    work = make_workspace(6, 2)
    try:
        tap.main(lambda: sweep(work, "a full disk", STRIDE, FAULT_DO="ENOSPC", FAULT_FOREVER="1",
                               FAULT_CALLS="open,write,fsync,close,mkdir,link,rename"),
                 lambda: sweep(work, "one EIO", STRIDE, FAULT_DO="EIO"))
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()

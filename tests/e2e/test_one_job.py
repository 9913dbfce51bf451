#!/usr/bin/env python3
"""One job trains a version: a dead job's lease ends, a living one's is respected, two runs in one workspace do not meet. And
`epochs: auto`."""
import glob
import json
import os
import shutil
import threading
import time

import resume_checks
import tap
from resume_checks import OPTIONS, published, run, two_generations, weights
from workspace import make_workspace, start


def test_lease():
    work = make_workspace(32, 8)
    two_generations(work)
    shutil.rmtree(os.path.join(work, ".retrain"))
    lease = glob.glob(os.path.join(work, "models/checkpoints/*/training.json"))[0]
    os.utime(lease, (time.time() - 296,) * 2)
    r = run(work)
    tap.ok(r.returncode == 0 and "waiting" in r.stderr and "takes over" in r.stderr, "a dead job's lease ends, and the next job goes on",
           r.stderr)

    two_generations(work)
    shutil.rmtree(os.path.join(work, ".retrain"))
    lease = glob.glob(os.path.join(work, "models/checkpoints/*/training.json"))[0]
    os.utime(lease, (time.time() - 100,) * 2)

    def live():
        time.sleep(2)
        with open(lease, encoding="utf-8") as f:
            text = json.load(f)
        text["renewed"] += 1
        with open(lease + ".new", "w", encoding="utf-8") as f:
            json.dump(text, f)
        os.replace(lease + ".new", lease)
    thread = threading.Thread(target=live)
    thread.start()
    r = run(work)
    thread.join()
    with open(os.path.join(work, "out.json"), encoding="utf-8") as f:
        status = json.load(f)["status"]
    tap.ok(r.returncode == 0 and status == "skipped" and "is being trained by" in r.stderr, "a living job is left alone", r.stderr)

    shutil.rmtree(os.path.join(work, "models"))
    p = start(work, "run", *OPTIONS)
    for line in p.stdout:
        if "epoch 1/" in line:
            break
    r = run(work)
    tap.ok(r.returncode == 0 and "another run in this workspace" in r.stderr, "two runs in one workspace: the second leaves it alone",
           r.stderr)
    os.remove(glob.glob(os.path.join(work, "models/checkpoints/*/training.json"))[0])
    p.communicate()
    tap.equal((p.returncode, os.path.exists(os.path.join(work, "models/latest.json"))), (0, True), "and the first one publishes")
    shutil.rmtree(work)


def test_auto_epochs():
    work = make_workspace(24, 8)
    small = ["--image-size", "64", "--batch-size", "8", "--threads", "1"]
    n_jobs = 0
    while n_jobs < 5 and not os.path.exists(os.path.join(work, "models/latest.json")):  # more than one where the machine got slower
        r = tap.run("run", *small, "--epochs", "auto", "--time-budget", "20s", cwd=work, timeout=200)
        n_jobs += 1
    if not tap.equal(r.returncode, 0, "epochs auto ends in %d job(s)" % n_jobs):
        tap.diag(r.stderr)
    _, manifest = published(work)
    n = manifest["training"]["epochs_planned"]
    tap.ok(manifest["recipe"]["epochs"] == "auto" and 1 <= n <= 300 and manifest["training"]["jobs"] == n_jobs, "%d epochs were chosen, once" % n, manifest)
    r = tap.run("train", *small, "--epochs", n, "--output", "same", cwd=work, timeout=200)
    key = next(a["key"] for a in manifest["artifacts"] if a["name"] == "model.safetensors")
    tap.ok(weights(os.path.join(work, "same/model.safetensors")) == weights(os.path.join(work, "models", key)),
           "and the same number by hand gives the same weights")
    r = tap.run("plan", "--epochs", "auto", cwd=work)
    tap.contains(r.stdout, "as many epochs as time-budget allows", "plan says so")
    shutil.rmtree(work)


resume_checks.main(test_lease, test_auto_epochs)

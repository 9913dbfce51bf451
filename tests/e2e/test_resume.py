#!/usr/bin/env python3
"""Training that is interrupted and goes on: killed at twenty random moments, from the workspace's checkpoint and from the
store's, with the newest one damaged, with both, with a foreign one, with a dead job's lease and a living one's, and
`epochs: auto`. Whatever happens, the model has the bytes of an uninterrupted training."""
import glob
import json
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time

import tap
from workspace import ROOT, digest, make_workspace, start

OPTIONS = ["--image-size", "64", "--epochs", "5", "--batch-size", "4", "--checkpoint-every", "1s", "--threads", "1"]
KILLS = 20


def run(work, *args):
    return tap.run("run", *OPTIONS, "--output-json", "out.json", *args, cwd=work, timeout=300)


def published(work, store="models"):
    with open(os.path.join(work, store, "latest.json"), encoding="utf-8") as f:
        manifest = json.load(f)
    key = next(a["key"] for a in manifest["artifacts"] if a["name"] == "model.safetensors")
    return digest(os.path.join(work, store, key)), manifest


def weights(path):
    """The tensors' bytes, without the header, which names the version."""
    with open(path, "rb") as f:
        n = int.from_bytes(f.read(8), "little")
        f.seek(8 + n)
        return f.read()


def whole(work):
    """An uninterrupted training: its bytes and its seconds."""
    from_time = time.monotonic()
    r = run(work, "--store", "file://whole")
    if not tap.equal(r.returncode, 0, "an uninterrupted training"):
        tap.diag(r.stderr)
    return published(work, "whole")[0], time.monotonic() - from_time


def forget_machine(work):
    """The next job runs elsewhere: it has only the store. A killed job's lease is made as old as if minutes had passed."""
    shutil.rmtree(os.path.join(work, ".retrain"), ignore_errors=True)
    for lease in glob.glob(os.path.join(work, "models/checkpoints/*/training.json")):
        os.utime(lease, (time.time() - 1000,) * 2)


def interrupt(work, *args, until=r"resumed|epoch 2/5"):
    """Starts a run and kills it two checkpoints later."""
    p = start(work, "run", *OPTIONS, *args)
    log = ""
    for line in p.stdout:
        log += line
        if re.search(until, line):
            break
    paths = os.path.join(work, "models/checkpoints/*/*.bin")
    began, seen = time.monotonic(), set()
    while len(seen) < 2 and p.poll() is None and time.monotonic() - began < 60:
        seen |= set(glob.glob(paths))
        time.sleep(0.02)
    os.killpg(p.pid, signal.SIGKILL)
    p.communicate()
    return log


def test_twenty_kills():
    work = make_workspace(32, 8)
    want, seconds = whole(work)
    rng, n, n_stopped, n_models, ends = random.Random(20), 0, 0, 0, []
    while n < KILLS:
        if n % 2:
            forget_machine(work)
        p = start(work, "run", *OPTIONS)
        how = rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        try:
            p.communicate(timeout=rng.uniform(0.1, max(0.3 * seconds, 1.5)))
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, how)
            out = p.communicate()[0]
            n += 1
            n_stopped += how != signal.SIGKILL
            ends.append(p.returncode)
            if how != signal.SIGKILL and p.returncode not in (130, 143, 0):
                tap.ok(False, "a signal ends a run with its own code", "%s\n%s" % (p.returncode, out))
            continue
        tap.equal(published(work)[0], want, "a training of several interrupted jobs has the same bytes")
        n_models += 1
        shutil.rmtree(os.path.join(work, "models"))
    forget_machine(work)
    r = run(work)
    if not tap.equal(r.returncode, 0, "after %d kills (%d by SIGTERM or SIGINT) the next run ends it" % (n, n_stopped)):
        tap.diag(r.stderr)
    got, manifest = published(work)
    tap.equal(got, want, "with the bytes of the uninterrupted training")
    tap.ok(manifest["training"]["jobs"] > 1 or n_models, "in %d jobs" % manifest["training"]["jobs"], ends)
    tap.ok(not glob.glob(os.path.join(work, "models/checkpoints/*/*")), "no checkpoint and no lease is left")
    shutil.rmtree(work)


def flip(path):
    with open(path, "r+b") as f:
        f.seek(os.path.getsize(path) // 2)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 1]))


def two_generations(work):
    """A killed training whose workspace and store have two checkpoints each."""
    shutil.rmtree(os.path.join(work, "models"), ignore_errors=True)
    shutil.rmtree(os.path.join(work, ".retrain"), ignore_errors=True)
    interrupt(work)
    folder = glob.glob(os.path.join(work, "models/checkpoints/*"))[0]
    with open(os.path.join(folder, "checkpoint.json"), encoding="utf-8") as f:
        listed = json.load(f)
    here = glob.glob(os.path.join(work, ".retrain/*/"))[0]
    return folder, listed, here


def check(work, want, words, name):
    r = run(work)
    ok = r.returncode == 0 and published(work)[0] == want and all(w in r.stderr for w in words)
    tap.ok(ok, name, "%s\n%s" % (words, r.stderr))


def test_damaged():
    work = make_workspace(32, 8)
    want, _ = whole(work)

    _, listed, here = two_generations(work)
    tap.ok("previous" in listed and listed["file"] != listed["previous"]["file"], "the store keeps two generations", listed)
    flip(os.path.join(here, "checkpoint.bin"))
    shutil.rmtree(os.path.join(work, "models"))
    check(work, want, ["SHA-256 does not match", "going on from the checkpoint before it", "resumed"],
          "the newest one in the workspace is damaged: the one before it is used")

    folder, listed, _ = two_generations(work)
    forget_machine(work)
    flip(os.path.join(folder, listed["file"]))
    check(work, want, ["cannot be used", "trying the one before it", "resumed"],
          "the newest one in the store is damaged: the one before it is used")

    folder, listed, _ = two_generations(work)
    forget_machine(work)
    os.truncate(os.path.join(folder, listed["file"]), 1000)
    os.remove(os.path.join(folder, listed["previous"]["file"]))
    check(work, want, ["cannot be used"], "both are useless: training starts anew")

    folder, listed, _ = two_generations(work)
    forget_machine(work)
    with open(os.path.join(folder, "checkpoint.json"), "w", encoding="utf-8") as f:
        f.write('{"schema": 1, "file": "../../latest.json", "sha256": "00"')
    check(work, want, ["checkpoint.json", "damaged"], "a damaged list: training starts anew")

    folder, listed, _ = two_generations(work)
    forget_machine(work)
    r = tap.run("run", *OPTIONS, "--seed", "5", "--time-budget", "1s", "--store", "file://other", cwd=work, timeout=100)
    other = glob.glob(os.path.join(work, "other/checkpoints/*/*.bin"))
    tap.equal((r.returncode, len(other)), (0, 1), "a checkpoint of another recipe")
    listed.pop("previous")
    listed.update(sha256=digest(other[0]), size=os.path.getsize(other[0]))
    shutil.copy(other[0], os.path.join(folder, listed["file"]))
    with open(os.path.join(folder, "checkpoint.json"), "w", encoding="utf-8") as f:
        json.dump(listed, f)
    shutil.rmtree(os.path.join(work, ".retrain"))
    check(work, want, ["is a checkpoint of version"], "which is refused under this version's name")
    shutil.rmtree(work)


def test_newest_wins():
    """The workspace may be ahead of the store, when the last upload failed, and behind it, when another machine went on."""
    work = make_workspace(32, 8)
    want, _ = whole(work)
    folder, listed, here = two_generations(work)
    older = os.path.join(here, "checkpoint.previous.bin")
    shutil.copy(older, os.path.join(here, "checkpoint.bin"))
    os.remove(older)
    check(work, want, ["resumed"], "the store is ahead of the workspace")

    folder, listed, here = two_generations(work)
    previous = listed["previous"]
    with open(os.path.join(folder, "checkpoint.json"), "w", encoding="utf-8") as f:
        json.dump(dict(previous, schema=1), f)
    os.remove(os.path.join(folder, listed["file"]))
    r = run(work)
    at = re.search(r"resumed from the checkpoint at epoch (\d+), batch (\d+) of (\d+)", r.stderr)
    done = (int(at[1]) - 1) * int(at[3]) + int(at[2]) if at else 0
    tap.ok(r.returncode == 0 and published(work)[0] == want and done >= listed["batches"], "the workspace is ahead of the store",
           "%s, %s\n%s" % (done, listed, r.stderr))
    shutil.rmtree(work)


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
        if "epoch 1/5" in line:
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
    r = tap.run("run", *small, "--epochs", "auto", "--time-budget", "20s", cwd=work, timeout=200)
    if not tap.equal(r.returncode, 0, "epochs auto ends in one job"):
        tap.diag(r.stderr)
    _, manifest = published(work)
    n = manifest["training"]["epochs_planned"]
    tap.ok(manifest["recipe"]["epochs"] == "auto" and 1 <= n <= 300 and manifest["training"]["jobs"] == 1, "%d epochs were chosen" % n, manifest)
    r = tap.run("train", *small, "--epochs", n, "--output", "same", cwd=work, timeout=200)
    key = next(a["key"] for a in manifest["artifacts"] if a["name"] == "model.safetensors")
    tap.ok(weights(os.path.join(work, "same/model.safetensors")) == weights(os.path.join(work, "models", key)),
           "and the same number by hand gives the same weights")
    r = tap.run("plan", "--epochs", "auto", cwd=work)
    tap.contains(r.stdout, "as many epochs as time-budget allows", "plan says so")
    shutil.rmtree(work)


if not os.path.isdir(os.path.join(ROOT, "dataset", "images", "train")):
    tap.skip("training", "the sample dataset is not here")
    tap.done()
tap.main(test_twenty_kills, test_damaged, test_newest_wins, test_lease, test_auto_epochs)

"""Trainings that are interrupted and go on: what the tests of that share."""
import glob
import json
import os
import re
import shutil
import signal
import time

import tap
from workspace import ROOT, digest, start

OPTIONS = ["--image-size", "64", "--epochs", "12", "--batch-size", "4", "--checkpoint-every", "1s", "--threads", "1"]


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


def interrupt(work, *args, until=r"resumed|epoch 2/"):
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
    if p.poll() is not None:
        raise RuntimeError("the training was over before it had two checkpoints")
    os.killpg(p.pid, signal.SIGKILL)
    p.communicate()
    return log


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


def main(*tests):
    if not os.path.isdir(os.path.join(ROOT, "dataset", "images", "train")):
        tap.skip("training", "the sample dataset is not here")
        tap.done()
    tap.main(*tests)

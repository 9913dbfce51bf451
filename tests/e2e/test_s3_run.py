#!/usr/bin/env python3
"""The whole program against a real S3 server that verifies signatures: publish, skip, pull, a checkpoint that another
machine goes on from, kill -9, and what goes wrong."""
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import fault_proxy
import leaks
import radosgw
import s3_server
import tap
from workspace import ROOT, SMALL, digest, make_workspace, start

STORE = "s3://models/team/detector"
server = None
admin = None


def env(**more):
    return {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key,
            "AWS_EC2_METADATA_DISABLED": "true", "RETRAIN_ENDPOINT_URL": server.endpoint, "RETRAIN_STORE": STORE, **more}


def run(work, *args, **more):
    r = tap.run(*args, cwd=work, env=env(**more), timeout=300)
    return r


def outputs(work):
    with open(os.path.join(work, "out.json"), encoding="utf-8") as f:
        return json.load(f)


def test_publish_skip_pull():
    work = make_workspace()
    r = run(work, "run", *SMALL, "--output-json", "out.json")
    tap.equal(r.returncode, 0, "a run against S3 exits 0") or tap.diag(r.stderr)
    tap.equal(outputs(work)["status"], "published", "published")
    version = outputs(work)["version"]
    from_time = time.monotonic()
    r = run(work, "run", *SMALL, "--output-json", "out.json")
    tap.equal((r.returncode, outputs(work)["status"]), (0, "skipped"), "the second run skips")
    tap.ok(time.monotonic() - from_time < 1, "within a second")
    r = run(work, "pull", "--output", "got")
    tap.equal(r.returncode, 0, "pull exits 0") or tap.diag(r.stderr)
    sums = {a["name"]: a["sha256"] for a in json.loads(admin.ok("GET", "/models/team/detector/latest.json")[1])["artifacts"]}
    tap.equal(digest(os.path.join(work, "got", "model.onnx")), sums["model.onnx"], "the model is whole")
    tap.contains(run(work, "list").stdout, version, "list names it")
    leaks.remove(work)
    return version


def test_goes_on_elsewhere():
    """SIGTERM in mid-training leaves a checkpoint in the store; a job in a fresh workspace ends with the same bytes."""
    one, two = make_workspace(), make_workspace()
    p = start(one, "run", *SMALL, "--seed", "7", **env())
    for line in p.stdout:
        leaks.saw(line)
        if re.search(r"epoch 1/3", line):
            break
    time.sleep(0.1)
    p.send_signal(signal.SIGTERM)
    at = time.monotonic()
    leaks.saw(p.communicate(timeout=30)[0])
    tap.equal(p.returncode, 143, "SIGTERM ends the first job with 143")
    tap.ok(time.monotonic() - at < 7, "within 7 seconds")
    tap.ok(any("/checkpoint.json" in k for k in admin.keys("models", "team/detector/checkpoints/")), "its checkpoint is in the store")
    r = run(two, "run", *SMALL, "--seed", "7", "--output-json", "out.json")
    tap.equal((r.returncode, outputs(two)["status"]), (0, "published"), "another workspace finishes the job") or tap.diag(r.stderr)
    tap.contains(r.stderr, "resumed", "from that checkpoint")
    r = run(two, "train", *SMALL, "--seed", "7", "--output", "whole")
    served = admin.ok("GET", "/models/team/detector/versions/%s/model.safetensors" % outputs(two)["version"])[1]
    with open(os.path.join(two, "whole", "model.safetensors"), "rb") as f:
        tap.ok(f.read() == served, "with the bytes of an uninterrupted training")
    for work in (one, two):
        leaks.remove(work)


def test_uploads_beside_training():
    """A store that holds each part of a checkpoint until two more epochs have passed, and then for ever: a stop still ends the
    job in seconds."""
    proxy = fault_proxy.Proxy(server.port)
    work = make_workspace(16, 4)
    held, released = threading.Event(), threading.Event()

    def hold(x):
        held.set()
        released.wait(60)
        x.send(x.forward())
    proxy.on("PUT .*\\.bin", hold, n=None)
    p = start(work, "run", "--image-size", "32", "--epochs", "10000", "--batch-size", "8", "--checkpoint-every", "1s",
              **env(RETRAIN_ENDPOINT_URL=proxy.endpoint))
    log, n_epochs = "", 0
    for line in p.stdout:
        log += leaks.saw(line) or line
        n_epochs += held.is_set() and "retrain: epoch" in line
        if n_epochs == 3:
            break
    tap.ok(n_epochs == 3 and not released.is_set(), "epochs pass while a checkpoint is going up", log)
    at = time.monotonic()
    p.send_signal(signal.SIGTERM)
    leaks.saw(p.communicate(timeout=60)[0])
    took = time.monotonic() - at
    tap.ok(p.returncode == 143 and took < 7, "SIGTERM in the middle of an upload that hangs: over in seven seconds (%.1f)" % took,
           p.returncode)
    released.set()
    proxy.close()
    leaks.remove(work)


def broken_versions():
    bad = []
    for key in admin.keys("models", "killed/versions/"):
        if key.endswith("/manifest.json"):
            for a in json.loads(admin.ok("GET", "/models/" + key)[1])["artifacts"]:
                size = len(admin.ok("GET", "/models/killed/" + a["key"])[1])
                if size != a["size"]:
                    bad.append((key, a["name"]))
    return bad


def test_kills():
    work = make_workspace(16, 4)
    began = time.monotonic()
    tap.equal(run(work, "run", *SMALL, RETRAIN_STORE="s3://models/timing").returncode, 0, "an undisturbed run")
    whole = time.monotonic() - began
    rng = random.Random(2)
    for i in range(10):
        p = start(work, "run", *SMALL, "--seed", str(i), **env(RETRAIN_STORE="s3://models/killed"))
        try:
            leaks.saw(p.communicate(timeout=rng.uniform(0.6, 1.1) * whole)[0])
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            p.communicate()
        shutil.rmtree(os.path.join(work, ".retrain"), ignore_errors=True)
    tap.equal(broken_versions(), [], "after kill -9 at ten moments no visible version is incomplete")
    leaks.remove(work)


def test_wrong():
    work = make_workspace(4, 2)
    keys = admin.keys("models", "")
    for name, more, word in (
            ("a wrong key", {"AWS_SECRET_ACCESS_KEY": "wrong/secret+key0000000000000000000001"}, "403"),
            ("a missing bucket", {"RETRAIN_STORE": "s3://no-such-bucket/x"}, "NoSuchBucket"),
            ("a refused connection", {"RETRAIN_ENDPOINT_URL": "http://127.0.0.1:%d" % radosgw.free_port()}, "cannot connect")):
        r = run(work, "run", *SMALL, "--output-json", "out.json", **more)
        errors = [line for line in r.stderr.splitlines() if "error" in line]
        tap.equal((r.returncode, outputs(work)["status"]), (4, "failed"), "%s: exit 4" % name)
        tap.ok(len(errors) == 1 and word in errors[0], "%s: one line that says so" % name, r.stderr)
    tap.equal(admin.keys("models", ""), keys, "and nothing was published")
    leaks.remove(work)


def main():
    global server, admin
    if not os.path.isdir(os.path.join(ROOT, "dataset", "images", "train")):
        tap.skip("runs against S3", "the sample dataset is not here")
        tap.done()
    with s3_server.running(radosgw, tempfile.mkdtemp(prefix="retrain-s3run-"), "runs against S3", "models", needs_driver=False) as (server, admin):
        tap.main(test_publish_skip_pull, test_goes_on_elsewhere, test_uploads_beside_training, test_kills, test_wrong)


main()

"""Training as a user runs it, on a small part of the sample dataset: publish and skip, the same bytes for any number of
threads, interruption and resumption, the gate, divergence, and kill -9 at any moment."""
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
from workspace import ROOT, SMALL, digest, make_workspace, start  # noqa: E402


def train(work, out, *more):
    return tap.run("train", "--output", out, *SMALL, *more, cwd=work, timeout=300)


def outputs(work, name="out.json"):
    with open(os.path.join(work, name), encoding="utf-8") as f:
        return json.load(f)


def read_bytes(path):
    with open(path, "rb") as f:
        return f.read()


def test_publish_and_skip():
    work = make_workspace()
    r = tap.run("run", *SMALL, "--output-json", "out.json", cwd=work, timeout=300)
    tap.equal(r.returncode, 0, "a run exits 0")
    if r.returncode:
        tap.diag(r.stderr)
    out = outputs(work)
    tap.equal(out["status"], "published", "and says published")
    folder = os.path.join(work, "models", "versions", out["version"])
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as f:
        manifest = json.load(f)
    names = {a["name"] for a in manifest["artifacts"]}
    tap.ok({"model.onnx", "model.safetensors", "dataset.sha256", "report.html", "metrics.csv"} <= names, "all artifacts are listed", names)
    tap.ok(all(digest(os.path.join(folder, a["name"])) == a["sha256"] for a in manifest["artifacts"]), "with their true checksums")
    tap.equal(out["dataset-checksum"], manifest["dataset"]["checksum"], "outputs and manifest agree")
    tap.ok(not os.path.exists(os.path.join(work, "models", "checkpoints")) or not os.listdir(os.path.join(work, "models", "checkpoints")),
           "no checkpoint is left")
    from_time = time.monotonic()
    r = tap.run("run", *SMALL, "--output-json", "out.json", cwd=work)
    took = time.monotonic() - from_time
    tap.equal((r.returncode, outputs(work)["status"]), (0, "skipped"), "the second run skips")
    tap.ok(took < 1, "within a second", took)
    tap.equal(outputs(work)["map50"], out["map50"], "and still says how good the model is")
    sums = {a["name"]: a["sha256"] for a in manifest["artifacts"]}
    report = os.path.join(work, "retrain-report")
    for where in ("the workspace that trained", "a fresh workspace"):
        got = {name: digest(os.path.join(report, name)) for name in ("report.html", "metrics.csv")}
        tap.equal(got, {name: sums[name] for name in got}, "with the report as it was published, in " + where)
        tap.ok(os.path.exists(os.path.join(report, "summary.md")) and outputs(work)["report"], "and a summary of its own")
        shutil.rmtree(report)
        tap.run("run", *SMALL, "--output-json", "out.json", cwd=work)
    shutil.rmtree(work)


def test_same_bytes():
    work = make_workspace()
    sums = {}
    for threads in (1, 2, 3, 4):
        r = train(work, "t%d" % threads, "--threads", threads, "--onnx-dynamic-batch", "true" if threads == 4 else "false")
        if r.returncode:
            tap.diag(r.stderr)
        sums[threads] = digest(os.path.join(work, "t%d" % threads, "model.safetensors"))
    tap.ok(len(set(sums.values())) == 1, "1, 2, 3 and 4 threads give the same bytes", sums)
    # TensorShapeProto.Dimension.dim_param, of the input and of the output
    n_dynamic = [read_bytes(os.path.join(work, "t%d" % n, "model.onnx")).count(b"\x12\x05batch") for n in sums]
    tap.equal(n_dynamic, [0, 0, 0, 2], "the ONNX file takes any batch where onnx-dynamic-batch says so, and only there")
    r = train(work, "seed", "--seed", "1")
    tap.ok(digest(os.path.join(work, "seed", "model.safetensors")) != sums[1], "another seed gives another model")

    p = start(work, "train", "--output", "stopped", *SMALL, "--threads", "2")
    log = ""
    for line in p.stdout:  # the second epoch is under way
        log += line
        if re.search(r"epoch 1/3", line):
            break
    time.sleep(0.15)
    at = time.monotonic()
    p.send_signal(signal.SIGTERM)
    log += p.communicate(timeout=30)[0]
    tap.equal(p.returncode, 143, "SIGTERM ends it with 143")
    tap.ok(time.monotonic() - at < 7, "within 7 seconds")
    tap.ok(not os.path.exists(os.path.join(work, "stopped", "model.safetensors")), "without a model")
    r = train(work, "stopped", "--threads", "2")
    tap.equal(r.returncode, 0, "the same command goes on")
    tap.contains(r.stderr, "resumed", "from the checkpoint")
    tap.equal(digest(os.path.join(work, "stopped", "model.safetensors")), sums[1], "and ends with the very same bytes")
    shutil.rmtree(work)


def test_same_bytes_on_every_cpu():
    """The reference set, one lane after another, and every vector set that this CPU has: two epochs, 1 to 4 threads."""
    work = make_workspace(4, 2)
    sums, sets = {}, []
    for kernels in ("ref", "avx2", "avx512"):
        for threads in (1, 2, 3, 4):
            name = "%s-%d" % (kernels, threads)
            r = tap.run("train", "--output", name, "--image-size", "64", "--epochs", "2", "--batch-size", "2", "--kernels", kernels,
                        "--threads", threads, cwd=work, timeout=300)
            if r.returncode == 2 and "this CPU lacks" in r.stderr:
                tap.skip("the %s kernels" % kernels, "this CPU lacks their instructions")
                break
            sums[name] = digest(os.path.join(work, name, "model.safetensors"))
            sets.append(kernels)
    tap.ok(len(set(sets)) >= 2 and len(set(sums.values())) == 1,
           "kernel sets %s give the same bytes for 1, 2, 3 and 4 threads" % ", ".join(sorted(set(sets))), sums)
    r = tap.run("train", "--output", "blas", "--image-size", "64", "--epochs", "2", "--batch-size", "2", "--kernels", "openblas", cwd=work,
                timeout=300)
    tap.equal(r.returncode, 0, "the openblas set trains too; its bits are its own")
    shutil.rmtree(work)


def write_weights(path, name, shape, value):
    n = 1
    for side in shape:
        n *= side
    header = json.dumps({name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 4 * n]}}).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(header)) + header + struct.pack("<f", value) * n)


def test_gate_and_divergence():
    work = make_workspace(16, 4)
    r = tap.run("run", *SMALL, "--min-map50", "1", "--output-json", "out.json", cwd=work, timeout=300)
    tap.equal((r.returncode, outputs(work)["status"]), (5, "rejected"), "a model below the gate is refused")
    tap.ok(not os.path.exists(os.path.join(work, "models", "latest.json")), "and not visible")
    write_weights(os.path.join(work, "huge.safetensors"), "model.0.conv.weight", [16, 3, 3, 3], 3e38)
    r = tap.run("run", *SMALL, "--initial-weights", "huge.safetensors", "--output-json", "out.json", cwd=work, timeout=300)
    tap.equal((r.returncode, outputs(work)["status"]), (6, "failed"), "a diverged training fails by its own code")
    tap.contains(r.stderr, "not finite", "and says so")
    tap.ok(not os.path.exists(os.path.join(work, "models", "latest.json")), "nothing was published")
    shutil.rmtree(work)


def test_fine_tuning():
    work = make_workspace(16, 4)
    r = train(work, "first")
    tap.equal(r.returncode, 0, "a first model is trained")
    for name in ("model.safetensors", "model.onnx"):
        r = tap.run("run", *SMALL, "--initial-weights", "first/" + name, "--output-json", "out.json", cwd=work, timeout=300)
        if not tap.equal(r.returncode, 0, name + " is a start"):
            tap.diag(r.stderr)
        tap.contains(r.stderr, "initial weights: 297 of 297 tensors taken", "and all of it is taken")
        with open(os.path.join(work, "models", "versions", outputs(work)["version"], "manifest.json"), encoding="utf-8") as f:
            training = json.load(f)["training"]
        tap.equal(training["initial_weights"], {"taken": 297, "cut": 0, "fresh": 0, "unused": 0}, "as the manifest says")
        with open(os.path.join(work, "retrain-report", "summary.md"), encoding="utf-8") as f:
            tap.contains(f.read(), "| Initial weights | 297 tensors taken", "and the summary")
        r = tap.run("eval", "first/" + name, cwd=work, timeout=300)
        tap.equal(r.returncode, 0, name + " can be measured")
    r = tap.run("run", *SMALL, "--model", "s", "--initial-weights", "first/model.safetensors", cwd=work, timeout=300)
    tap.ok(r.returncode == 2 and "model.0.conv.weight" in r.stderr and "scale n" in r.stderr, "weights of another scale are refused by name",
           r.stderr)
    shutil.rmtree(work)


def whole_versions(work):
    """Every visible version must be complete; returns how many there are."""
    base, n = os.path.join(work, "models", "versions"), 0
    for version in os.listdir(base) if os.path.isdir(base) else []:
        path = os.path.join(base, version, "manifest.json")
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8") as f:
            manifest = json.load(f)
        for a in manifest["artifacts"]:
            if digest(os.path.join(work, "models", a["key"])) != a["sha256"]:
                raise AssertionError("%s of %s is not whole" % (a["name"], version))
        n += 1
    pointer = os.path.join(work, "models", "latest.json")
    if os.path.exists(pointer):
        with open(pointer, encoding="utf-8") as f:
            latest = json.load(f)
        assert os.path.exists(os.path.join(work, "models", latest["manifest"])), "latest.json names a version that is not there"
    return n


def test_kill():
    work = make_workspace(16, 4)
    began = time.monotonic()
    r = tap.run("run", *SMALL, "--store", "file://timing", cwd=work, timeout=300)
    whole = time.monotonic() - began
    tap.equal(r.returncode, 0, "an undisturbed run takes %.1f s" % whole)
    shutil.rmtree(os.path.join(work, "timing"))
    rng, seen = random.Random(1), []
    for i in range(10):  # the last moments are the interesting ones: half of the kills fall into the final tenth
        p = start(work, "run", *SMALL, "--checkpoint-every", "1s")
        moment = rng.uniform(0, whole) if i % 2 else rng.uniform(0.9 * whole, 1.1 * whole)
        try:
            p.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            p.communicate()
        seen.append(whole_versions(work))
        if seen[-1]:  # published: start again from nothing
            shutil.rmtree(os.path.join(work, "models"))
    tap.equal(len(seen), 10, "after kill -9 at ten moments every visible version is complete (%s)" % seen)
    r = tap.run("run", *SMALL, cwd=work, timeout=300)
    tap.equal((r.returncode, whole_versions(work)), (0, 1), "and the next run publishes")
    if r.returncode:
        tap.diag(r.stderr)
    shutil.rmtree(work)


def peak_kb(work, epochs):
    p = start(work, "train", "--output", "m%d" % epochs, "--image-size", "64", "--epochs", str(epochs), "--batch-size", "8")
    p.stdout.read()
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    return p.returncode, usage.ru_maxrss


def test_memory():
    work = make_workspace(16, 4)
    (code1, short), (code2, long) = peak_kb(work, 2), peak_kb(work, 12)
    tap.equal((code1, code2), (0, 0), "short and long trainings end well")
    tap.ok(long <= short * 1.02 + 2048, "memory does not grow from epoch to epoch", "2 epochs %d kB, 12 epochs %d kB" % (short, long))
    shutil.rmtree(work)


if not os.path.isdir(os.path.join(ROOT, "dataset", "images", "train")):
    tap.skip("training", "the sample dataset is not here")
    tap.done()
tap.main(test_publish_and_skip, test_same_bytes, test_same_bytes_on_every_cpu, test_gate_and_divergence, test_fine_tuning, test_kill, test_memory)

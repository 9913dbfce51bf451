#!/usr/bin/env python3
"""The quality gate: the published model run again on today's photos, classes that changed, a refused model that is kept and
asked about again without training, a published model that cannot be compared with, leakage."""
import json
import os
import re
import shutil
import tempfile

import tap
from workspace import png

BASE = ["--image-size", "64", "--batch-size", "4", "--threads", "1", "--warmup-epochs", "0", "--learning-rate", "0.01",
        "--augment", "mosaic=0,scale=0,translate=0"]
GOOD, POOR = BASE + ["--epochs", "8"], BASE + ["--epochs", "1"]
work = tempfile.mkdtemp(prefix="retrain-gate-")


def path(*names):
    return os.path.join(work, *names)


def read_json(*names):
    with open(path(*names), encoding="utf-8") as f:
        return json.load(f)


def write(name, text):
    os.makedirs(os.path.dirname(path(name)), exist_ok=True)
    with open(path(name), "w", encoding="utf-8") as f:
        f.write(text)


def image(part, i, label="0 0.5 0.5 0.8 0.8\n"):
    os.makedirs(path("dataset/images", part), exist_ok=True)
    png(path("dataset/images", part, "%s%d.png" % (part, i)), 64, 64, shade=(i * 17 + 5 * (part == "val")) % 100)
    write("dataset/labels/%s/%s%d.txt" % (part, part, i), label)


def names(*classes):
    write("dataset/data.yaml", "train: images/train\nval: images/val\nnames: [%s]\n" % ", ".join(classes))


def make_dataset():
    shutil.rmtree(path("dataset"), ignore_errors=True)
    for i in range(16):
        image("train", i)
    for i in range(4):
        image("val", i)
    names("thing")


def run(*args):
    r = tap.run("run", *args, "--output-json", "out.json", cwd=work, timeout=300)
    return r, read_json("out.json")


def files(folder):
    return sorted(os.listdir(path("models", folder))) if os.path.isdir(path("models", folder)) else []


def latest():
    return read_json("models", "latest.json")["version"]


def trained(r):
    return "epoch 1/" in r.stderr


good = {}


def test_refused():
    make_dataset()
    for seed in range(5):  # one that finds something, on whatever kernels
        r, out = run(*GOOD, "--seed", seed)
        if out["map50"] > 0.03:
            break
        shutil.rmtree(path("models"))
    good.update(out, seed=seed)
    tap.equal((r.returncode, out["status"]), (0, "published"), "a model is published") or tap.diag(r.stderr)
    r, out = run(*POOR, "--max-map50-drop", "0.01")
    version = out["version"]
    tap.equal((r.returncode, out["status"]), (5, "rejected"), "a worse one is refused") or tap.diag(r.stderr)
    tap.contains(r.stderr, "on the same images, more than max-map50-drop 0.0100; the model is kept in rejected/%s" % version,
                 "the last line says why and where it is")
    tap.equal((out["model-key"], out["model-url"], out["model-sha256"]), (None, None, None), "no output leads to it")
    tap.ok(out["map50"] is not None and out["report"], "its figures and report are set")
    tap.equal(latest(), good["version"], "latest.json stays")
    tap.ok({"manifest.json", "model.onnx", "model.safetensors", "report.html", "metrics.csv", "dataset.sha256", "split.sha256"}
           <= set(files("rejected/" + version)), "it is kept with its report", files("rejected/" + version))
    manifest = read_json("models/rejected", version, "manifest.json")
    tap.equal((manifest["rejected"]["max-map50-drop"], "mAP50" in manifest["rejected"]["reason"]), (0.01, True),
              "its manifest says by which options, and why")
    tap.equal((manifest["comparison"]["version"], manifest["comparison"]["images"]), (good["version"], 4), "and compared with what")
    tap.ok(not files("checkpoints/" + version) and not os.path.exists(path(".retrain")), "the checkpoint is cleared")
    with open(path("retrain-report", "summary.md"), encoding="utf-8") as f:
        summary = f.read()
    tap.ok("rejected" in summary and "run again on today's 4 held-back images" in summary.replace("\\", ""), "so does the summary", summary)
    return version


def test_asked_again():
    r, out = run(*POOR, "--max-map50-drop", "0.01")
    version = out["version"]
    tap.equal((r.returncode, out["status"], trained(r)), (5, "rejected", False), "the next run does not train again")
    tap.contains(tap.run("list", "--output-json", "list.json", cwd=work).stdout, "x " + version, "list marks it")
    tap.equal([m["version"] for m in read_json("list.json")["rejected"]], [version], "also as JSON")
    tap.contains(tap.run("plan", *POOR, cwd=work).stdout, "run would ask the quality gate again", "plan says so")
    tap.run("eval", "rejected/" + version, "--output-json", "eval.json", cwd=work)
    tap.equal(read_json("eval.json")["map50"], read_json("models/rejected", version, "manifest.json")["metrics"]["map50"], "eval runs it, and finds the same figure")
    r = tap.run("predict", "rejected/0123456789ab-01234567", "dataset/images/val/val0.png", cwd=work)
    tap.ok(r.returncode == 4 and "no refused model of version" in r.stderr, "one that is not there is an error", r.stderr)
    before = files("rejected/" + version)
    r, out = run(*POOR, "--max-map50-drop", "0.01", "--force")
    tap.equal((r.returncode, trained(r), files("rejected/" + version)), (5, True, before), "with force it trains again")
    with open(path("models/rejected", version, "model.safetensors"), "rb") as f:
        weights = f.read()
    r, out = run(*POOR)
    tap.equal((r.returncode, out["status"], out["version"], trained(r)), (0, "published", version, False),
              "with other options it is published, without training") or tap.diag(r.stderr)
    with open(path("models/versions", version, "model.safetensors"), "rb") as f:
        tap.ok(f.read() == weights, "the same bytes")
    tap.equal((latest(), files("rejected")), (version, []), "latest.json names it, and rejected/ does not keep it")
    with open(path("models/versions", version, "report.html"), encoding="utf-8") as f:
        html = f.read()
    tap.ok("published %s with" % version in html and "not published" not in html and "<svg" in html, "its report is a published model's", html[:1500])
    tap.run("rollback", cwd=work)


def test_damaged_refused():
    r, out = run(*POOR, "--seed", "77", "--min-map50", "1")
    model = path("models/rejected", out["version"], "model.safetensors")
    with open(model, "r+b") as f:
        f.seek(1000)
        f.write(b"\xff" * 8)
    r, out = run(*POOR, "--seed", "77", "--min-map50", "1")
    tap.equal((r.returncode, trained(r)), (5, True), "a damaged one is not used")
    tap.contains(r.stderr, "the refused model cannot be used, training starts anew", "and a warning says so")
    os.remove(path("models/rejected", out["version"], "manifest.json"))
    r, out = run(*POOR, "--seed", "77", "--min-map50", "1")
    tap.equal((r.returncode, trained(r)), (5, True), "nor one without its manifest")


def test_todays_photos():
    """Golden: what `retrain eval` says of the published model on the same photos."""
    for i in range(4, 7):
        image("val", i, "0 0.4 0.5 0.7 0.8\n")
    tap.run("eval", good["version"], "--output-json", "eval.json", cwd=work)
    r, out = run(*POOR)
    want, got = read_json("eval.json"), read_json("models/versions", out["version"], "manifest.json")["comparison"]
    tap.equal((got["map50"], got["map50_95"], got["images"]), (want["map50"], want["map50_95"], 7),
              "what is compared is the published model on today's photos") or tap.diag(r.stderr)
    tap.ok(abs(got["map50"] - good["map50"]) > 1e-6, "which is another figure than the one it was published with")
    tap.run("rollback", cwd=work)


def test_classes():
    names("other", "thing")  # in another place, too
    for folder in ("train", "val"):
        for name in os.listdir(path("dataset/labels", folder)):
            write("dataset/labels/%s/%s" % (folder, name), "1 0.5 0.5 0.8 0.8\n")
    image("train", 30, "0 0.5 0.5 0.3 0.3\n")
    image("val", 30, "0 0.5 0.5 0.3 0.3\n")
    r, out = run(*POOR, "--max-map50-drop", "0.01")
    comparison = read_json("models/rejected", out["version"], "manifest.json")["comparison"]
    tap.equal((r.returncode, comparison["classes"]), (5, 1), "with a new class, the classes that both know are compared") or tap.diag(r.stderr)
    tap.ok(comparison["map50"] > comparison["own_map50"] + 0.01, "by name")
    tap.contains(r.stderr, "over the 1 class that both models know", "and it says so")
    names("quite", "different")
    r, out = run(*POOR, "--max-map50-drop", "0")
    tap.equal((r.returncode, out["status"]), (0, "published"), "with no class in common nothing is compared")
    tap.contains(r.stderr, "knows no class that has boxes today", "and it says so")
    tap.run("rollback", cwd=work)
    shutil.rmtree(path("models/rejected"))


def test_unusable():
    make_dataset()
    tap.equal(latest(), good["version"], "the good one is latest again")
    model = path("models/versions", good["version"], "model.safetensors")
    shutil.copy(model, path("whole"))
    with open(model, "r+b") as f:
        f.seek(5000)
        f.write(b"\xff" * 8)
    r, out = run(*POOR, "--seed", "8", "--max-map50-drop", "0.9")
    tap.equal((r.returncode, out["status"], latest()), (4, "failed", good["version"]),
              "with max-map50-drop, a published model that cannot be verified stops the publication")
    tap.ok(re.search("max-map50-drop is 0.9, and the published model cannot be compared with: version " + good["version"], r.stderr)
           and "kept in rejected/" in r.stderr, "the last line says what is wrong and where the model is", r.stderr)
    shutil.copy(path("whole"), model)
    r, out = run(*POOR, "--seed", "8", "--max-map50-drop", "0.9")
    tap.equal((r.returncode, out["status"], trained(r)), (0, "published", False), "with it repaired, the next run publishes, without training")
    tap.run("rollback", cwd=work)
    os.remove(model)
    r, out = run(*POOR, "--seed", "9")
    tap.equal((r.returncode, out["status"]), (0, "published"), "without max-map50-drop it is a warning")
    tap.contains(r.stderr, "not compared with the published model", "which says so")
    tap.run("rollback", good["version"], cwd=work)
    shutil.copy(path("whole"), model)
    tap.run("rollback", good["version"], cwd=work)


def move_image(name, source, target):
    for kind, ending in (("images", ".png"), ("labels", ".txt")):
        os.rename(path("dataset", kind, source, name + ending), path("dataset", kind, target, name + ending))


def test_leakage():
    r, out = run(*POOR, "--initial-weights", "latest", "--seed", "20")
    manifest = read_json("models/versions", out["version"], "manifest.json")
    tap.equal((manifest["parent"], manifest["leakage"]["status"]), (good["version"], "none"), "the parent is recorded; nothing leaks") or tap.diag(r.stderr)
    tap.run("rollback", good["version"], cwd=work)
    move_image("train3", "train", "val")
    move_image("train4", "train", "val")
    move_image("val1", "val", "train")
    r, out = run(*POOR, "--initial-weights", "latest", "--seed", "20")
    manifest = read_json("models/versions", out["version"], "manifest.json")
    want = {"status": "found", "version": good["version"], "validation_trained_on": 2, "training_held_back": 1}
    tap.equal(manifest["leakage"], want, "images that changed their part are found") or tap.diag(r.stderr)
    tap.contains(r.stderr, "2 of today's 5 held-back images had been trained on by the initial weights, version " + good["version"],
                 "a warning says so before training")
    tap.equal(manifest["comparison"]["leakage"], want, "so does the comparison")
    with open(path("retrain-report", "summary.md"), encoding="utf-8") as f:
        tap.contains(f.read().replace("\\", ""), "had been trained on by the initial weights", "and the report")
    first = out["version"]
    r, out = run(*POOR, "--initial-weights", "latest", "--seed", "21")
    with open(path("models/versions", out["version"], "split.sha256"), encoding="utf-8") as f:
        split = f.read()
    tap.equal((len(re.findall("^earlier ", split, re.M)), len(re.findall("^train ", split, re.M)), len(re.findall("^val ", split, re.M))),
              (2, 15, 5), "what ancestors were trained on is remembered")
    tap.equal(read_json("models/versions", out["version"], "manifest.json")["leakage"]["validation_trained_on"], 2,
              "so a grandchild knows, too")
    tap.run("rollback", first, cwd=work)
    for name in ("models/versions/%s/manifest.json" % first, "models/latest.json"):  # as if published before split.sha256
        manifest = read_json(name)
        manifest["artifacts"] = [a for a in manifest["artifacts"] if a["name"] != "split.sha256"]
        write(name, json.dumps(manifest))
    r, out = run(*POOR, "--initial-weights", "latest", "--seed", "22")
    tap.equal(read_json("models/versions", out["version"], "manifest.json")["leakage"]["status"], "unknown",
              "of older models nothing is claimed") or tap.diag(r.stderr)


def test_scale():
    r, out = run(*POOR, "--initial-weights", "latest", "--model", "s", "--image-size", "32")
    tap.contains(r.stderr, "no published version does, so training begins from scratch", "no weights of another scale are taken")
    first = out["version"]
    r, out = run(*POOR, "--seed", "30")
    r, out = run(*POOR, "--initial-weights", "latest", "--model", "s", "--image-size", "32", "--seed", "31")
    tap.contains(r.stderr, "does not fit a model of scale s: beginning with " + first, "the newest that fits is")
    tap.equal(read_json("models/versions", out["version"], "manifest.json")["parent"], first, "and is the parent") or tap.diag(r.stderr)


try:
    tap.main(test_refused, test_asked_again, test_damaged_refused, test_todays_photos, test_classes, test_unusable,
             test_leakage, test_scale)
finally:
    shutil.rmtree(work, ignore_errors=True)

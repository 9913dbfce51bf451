#!/usr/bin/env python3
"""Trains the same data with retrain and with Ultralytics' YOLOv8n, and tabulates what both reach.

    compare.py data FOLDER OUT                 the dataset as both sides read it: YOLO labels, retrain's own split
    compare.py train SIDE OUT NAME SEED        SIDE is retrain or reference; writes results/SIDE-NAME-sSEED.json
    compare.py table                           the results as Markdown: mean, spread, time until the reference's mean

A run of the reference needs a python3 with ultralytics; it is run as a program, from scratch, with its defaults, 320 px,
batch 16, on as many threads as the machine has (by itself it takes one less than there are cores). Both sides report
mAP by the rule in which precision beyond the reached recall is zero. Options: --epochs 100, --image-size 320,
--threads N, --recipe NAME, --convolution auto|direct, --tag TEXT (kept apart in results), --retrain PROGRAM, --shared, --resume.
"""
import argparse
import csv
import hashlib
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

HERE = pathlib.Path(__file__).resolve().parent
RESULTS = HERE / "results"
VAL_FRACTION = 0.2


def is_held_back(stem):
    """src/dataset/split.c: the first 8 bytes of the SHA-256 of the file's stem, as a share of 2^64."""
    return int.from_bytes(hashlib.sha256(stem.encode()).digest()[:8], "big") / 2**64 < VAL_FRACTION


def voc_labels(path, names):
    root = ET.parse(path).getroot()
    w, h = (float(root.find("size/" + k).text) for k in ("width", "height"))
    for found in root.findall("object"):
        x1, y1, x2, y2 = (float(found.find("bndbox/" + k).text) for k in ("xmin", "ymin", "xmax", "ymax"))
        x1, x2, y1, y2 = max(0, x1 - 1), min(w, x2), max(0, y1 - 1), min(h, y2)
        name = found.find("name").text
        if name not in names:
            names.append(name)
        yield "%d %.8f %.8f %.8f %.8f" % (names.index(name), (x1 + x2) / 2 / w, (y1 + y2) / 2 / h, (x2 - x1) / w, (y2 - y1) / h)


def labels_of(image, names):
    beside = image.with_suffix(".txt")
    if beside.exists():
        lines = [line for line in beside.read_text().splitlines() if line.strip()]
        while len(names) <= max((int(line.split()[0]) for line in lines), default=-1):
            names.append("class_%d" % len(names))
        return lines
    return list(voc_labels(image.parents[1] / "annotations" / (image.stem + ".xml"), names))


def make_data(folder, out):
    names = []
    for image in sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png")):
        part = "val" if is_held_back(image.stem) else "train"
        for kind in ("images", "labels"):
            (out / kind / part).mkdir(parents=True, exist_ok=True)
        shutil.copy(image, out / "images" / part / image.name)
        (out / "labels" / part / (image.stem + ".txt")).write_text("".join(s + "\n" for s in labels_of(image, names)))
    (out / "data.yaml").write_text("path: %s\ntrain: images/train\nval: images/val\nnames: %s\n" % (out.resolve(), json.dumps(names)))
    print("%s: %d classes" % (out, len(names)))


def run_retrain(o, work):
    """The whole job into a store of its own, which keeps one row per epoch."""
    store = work / "store"
    shutil.rmtree(store, ignore_errors=True)
    command = [os.path.abspath(o.retrain), "run", "--dataset", str(o.out.resolve()), "--image-size", str(o.image_size), "--epochs", str(o.epochs), "--seed",
               str(o.seed), "--recipe", o.recipe, "--convolution", o.convolution, "--threads", str(o.threads), "--store", "file://%s" % store.resolve()]
    started, ends = time.time(), {}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=work) as process:
        for line in process.stderr:
            print(line, end="", flush=True)
            if epoch := re.match(r"retrain: epoch (\d+)/", line):
                ends[int(epoch[1])] = time.time() - started
    if process.returncode != 0:
        sys.exit("%s ended with %d" % (o.retrain, process.returncode))
    wall = time.time() - started
    published = json.loads((store / "latest.json").read_text())
    rows = [{"epoch": int(r["epoch"]), "map50": float(r["map50"]), "map50_95": float(r["map50_95"]), "ended": ends[int(r["epoch"])]}
            for r in csv.DictReader((store / "versions" / published["version"] / "metrics.csv").open())]
    return {"wall": wall, "rows": rows, "recipe": o.recipe, "convolution": o.convolution, "engine": published["training"]["engine"]}


def run_reference(o, work):
    started, ends = time.time(), {}
    os.environ["YOLO_OFFLINE"] = "true"
    import torch
    import ultralytics
    last = work / "run" / "weights" / "last.pt"
    model = ultralytics.YOLO(last if o.resume and last.exists() else "yolov8n.yaml")
    model.add_callback("on_train_start", lambda _: torch.set_num_threads(o.threads))
    model.add_callback("on_fit_epoch_end", lambda trainer: ends.setdefault(trainer.epoch + 1, time.time() - started))
    model.train(data=str(o.out / "data.yaml"), epochs=o.epochs, imgsz=o.image_size, batch=16, seed=o.seed, device="cpu", pretrained=False,
                plots=False, workers=0, amp=False, verbose=False, project=str(work.resolve()), name="run", exist_ok=True,
                resume=o.resume and last.exists())
    rows = [{"epoch": int(r["epoch"]), "map50": float(r["metrics/mAP50(B)"]), "map50_95": float(r["metrics/mAP50-95(B)"]),
             "ended": ends.get(int(r["epoch"]))}
            for r in csv.DictReader((work / "run" / "results.csv").open(), skipinitialspace=True)]
    return {"wall": time.time() - started, "rows": rows, "version": "ultralytics %s, torch %s" % (ultralytics.__version__, torch.__version__),
            "threads": torch.get_num_threads()}


def machine():
    """A virtual machine's model name says little: what it can do, says more."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii")
    except OSError:
        return platform.machine()
    model = re.search(r"model name\s*: (.*)", text)
    return "%s, %s" % (model[1] if model else platform.machine(), "AVX-512" if " avx512f" in text else "AVX2" if " avx2" in text else "SSE")


def train(o):
    work = pathlib.Path(o.work) / ("%s%s-%s-%d" % (o.side, o.tag and "-" + o.tag, o.name, o.seed))
    work.mkdir(parents=True, exist_ok=True)
    result = (run_retrain if o.side == "retrain" else run_reference)(o, work)
    if o.shared or o.resume:
        result["wall"] = None
        for row in result["rows"]:
            del row["ended"]
    best = max(result["rows"], key=lambda r: 0.1 * r["map50"] + 0.9 * r["map50_95"])
    result.update(side=o.side, dataset=o.name, seed=o.seed, epochs=o.epochs, image_size=o.image_size, best=best, cores=os.cpu_count(),
                  machine=machine())
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / ("%s%s-%s-s%d.json" % (o.side, o.tag and "-" + o.tag, o.name, o.seed))
    path.write_text(json.dumps(result, indent=None, separators=(",", ":")) + "\n")
    print("%s: best epoch %d, mAP50 %.4f, mAP50-95 %.4f, %s" % (path.name, best["epoch"], best["map50"], best["map50_95"],
                                                               "%.0f s" % result["wall"] if result["wall"] else "no time taken"))


def first_to(run, goal):
    """The first epoch that is as good as the goal."""
    return next((row for row in run["rows"] if row["map50_95"] >= goal), {})


def mean_or_dash(values, form):
    return "-" if None in values else form % statistics.mean(values)


def table(_):
    """Where a run had to share the machine its wall time is null and only its epochs count. Runs with a tag are compared with the
    reference's of the same tag, where there are any."""
    groups = {}
    for path in sorted(RESULTS.glob("*.json")):
        run = json.loads(path.read_text())
        groups.setdefault((run["dataset"], path.name.split("-" + run["dataset"])[0]), []).append(run)
    print("| dataset | side | seeds | mAP50-95, mean (lowest to highest) | mAP50, mean | wall time | until the reference's mean: epochs | and time |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for (dataset, side), runs in sorted(groups.items()):
        scores = [r["best"]["map50_95"] for r in runs]
        tag = "".join(side.partition("-")[1:])
        reference = groups.get((dataset, "reference" + tag)) or groups.get((dataset, "reference"))
        firsts = [{}]
        if reference:
            goal = statistics.mean(r["best"]["map50_95"] for r in reference)
            firsts = [first_to(r, goal) for r in runs]
        epochs, times = ([f.get(key) for f in firsts] for key in ("epoch", "ended"))
        print("| %s | %s | %d | %.4f (%.4f to %.4f) | %.4f | %s | %s | %s |" % (
            dataset, side, len(runs), statistics.mean(scores), min(scores), max(scores),
            statistics.mean(r["best"]["map50"] for r in runs), mean_or_dash([r["wall"] for r in runs], "%.0f s"),
            mean_or_dash(epochs, "%.0f"), mean_or_dash(times, "%.0f s")))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    data = commands.add_parser("data")
    data.add_argument("folder", type=pathlib.Path)
    data.add_argument("out", type=pathlib.Path)
    run = commands.add_parser("train")
    run.add_argument("side", choices=("retrain", "reference"))
    run.add_argument("out", type=pathlib.Path)
    run.add_argument("name")
    run.add_argument("seed", type=int)
    run.add_argument("--epochs", type=int, default=100)
    run.add_argument("--image-size", type=int, default=320)
    run.add_argument("--threads", type=int, default=os.cpu_count())
    run.add_argument("--shared", action="store_true", help="the machine does other work too: keep no wall time")
    run.add_argument("--resume", action="store_true", help="go on from the reference's last checkpoint; keeps no wall time")
    run.add_argument("--recipe", default="small-data")
    run.add_argument("--convolution", choices=("auto", "direct"), default="auto")
    run.add_argument("--tag", default="")
    run.add_argument("--retrain", default=str(HERE.parents[1] / "build" / "retrain"))
    run.add_argument("--work", default="build/accuracy")
    commands.add_parser("table")
    o = parser.parse_args()
    if o.command == "data":
        make_data(o.folder, o.out)
    else:
        {"train": train, "table": table}[o.command](o)


if __name__ == "__main__":
    sys.exit(main())

"""What `make bench` measures: this program and what its users would run instead, taking turns in one run on one machine; medians,
and the ratio's median and spread over the pairs, as Markdown. It refuses to run when the golden tests fail: a fast wrong step is
no step.
    tests/bench/bench.py [--only step,epoch,predict,memory,threads,hash,skip] [--pairs 7] [--sizes 320,640] [--dataset FOLDER]
        [--threads N] [--image NAME] [--unchecked]
step     a training step (forward, loss, backward, update) of batch 16 against PyTorch with the golden tests' reference network
epoch    an epoch with augmentation and validation against `yolo train`, the same settings: from the first epoch's end to the second's
predict  batch 1 and 16 against ONNX Runtime on our own model.onnx
memory   the largest resident memory of a training at 640 px, batch 16, against `yolo train`
threads  a training step on 1 and on N threads
hash     the dataset's checksum against find, sort and sha256sum
skip     a whole run that finds its version published, in a directory store
start    what the action's container takes to say its first line and end, against one that runs /bin/true; needs --image
DATASET is a YOLO folder with data.yaml (default: dataset/); the peer needs one too. Needs a python3 with torch, ultralytics,
onnxruntime; a section whose library is missing says so."""
import argparse
import importlib.util
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import bench_onnx
import bench_pytorch

ROOT = bench_pytorch.ROOT
RETRAIN = os.path.join(ROOT, "build", "retrain")
SECTIONS = ("step", "epoch", "predict", "memory", "threads", "hash", "skip", "start")
NEEDS = {"step": "torch", "epoch": "ultralytics", "predict": "onnxruntime", "memory": "ultralytics"}
CHECKSUM = r"find . -type f -not -path '*/.*' -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--only", default=",".join(SECTIONS))
    p.add_argument("--pairs", type=int, default=7)
    p.add_argument("--sizes", default="320,640")
    p.add_argument("--dataset", default=os.path.join(ROOT, "dataset"))
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--image", help="of the action, built: for the section start")
    p.add_argument("--unchecked", action="store_true", help="do not run the golden tests first")
    return p.parse_args()


def timed(command, **more):
    """Wall seconds and largest resident MB."""
    start = time.perf_counter()
    p = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **more)
    message = p.stderr.read()
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode != 0:
        sys.exit("bench: %s ended with %d: %s" % (command[0], p.returncode, message[-500:]))
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def row(what, theirs, ours, unit, form="%.1f"):
    ratios = [t / u for t, u in zip(theirs, ours)]
    cells = [form % statistics.median(theirs), form % statistics.median(ours)]
    print("| %s | %s %s | %s %s | %.2f (%.2f to %.2f) |" % (what, cells[0], unit, cells[1], unit, statistics.median(ratios), min(ratios), max(ratios)),
          flush=True)


def head(title, theirs="", ours="retrain"):
    print("\n## %s\n" % title)
    if theirs:
        print("| | %s | %s | ratio, median (lowest to highest) |\n| --- | --- | --- | --- |" % (theirs, ours), flush=True)


def step(o):
    head("A training step")
    has_avx512 = "avx512f" in open("/proc/cpuinfo", encoding="ascii").read()
    for avx2 in (False, True) if has_avx512 else (True,):
        for size in o.sizes.split(","):
            bench_pytorch.compare(argparse.Namespace(pairs=o.pairs, threads=o.threads, avx2=avx2), int(size), ["default", "last"])


PEER = """
import sys
data, epochs, size, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
import torch, ultralytics
model = ultralytics.YOLO("yolov8n.yaml")
model.add_callback("on_train_start", lambda _: torch.set_num_threads(threads))
model.add_callback("on_fit_epoch_end", lambda trainer: print("an epoch's end", flush=True))
model.train(data=data, epochs=epochs, imgsz=size, batch=16, device="cpu", pretrained=False, plots=False, workers=0, amp=False, verbose=False,
            close_mosaic=0, project=sys.argv[5], name="run", exist_ok=True)
"""


def peer_train(o, work, epochs, size):
    """On a copy: it leaves files of its own among the labels."""
    copy = os.path.join(work, "dataset")
    if not os.path.exists(copy):
        shutil.copytree(o.dataset, copy)
    return [sys.executable, "-c", PEER, os.path.join(copy, "data.yaml"), str(epochs), str(size), str(o.threads), work]


def own_train(o, epochs, size):
    return [RETRAIN, "train", "--dataset", os.path.abspath(o.dataset), "--output", "out", "--epochs", str(epochs), "--image-size", str(size),
            "--threads", str(o.threads), "--augment", "close-mosaic=0"]


def second_epoch(command, work, end):
    """Seconds from the first line that matches to the second."""
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=work, env=dict(os.environ, YOLO_OFFLINE="true"))
    times = [time.perf_counter() for line in p.stdout if re.search(end, line)]
    if p.wait() != 0 or len(times) < 2:
        sys.exit("bench: %s ended with %d after %d epochs" % (command[0], p.returncode, len(times)))
    return times[1] - times[0]


def epoch(o):
    head("An epoch with augmentation and validation, 320 px", "ultralytics")
    theirs, ours = [], []
    with tempfile.TemporaryDirectory() as work:
        for _ in range(o.pairs):
            theirs.append(second_epoch(peer_train(o, work, 2, 320), work, "^an epoch's end"))
            ours.append(second_epoch(own_train(o, 2, 320), work, r"^retrain: epoch \d+/"))
    row("%s, %d threads" % (os.path.basename(os.path.abspath(o.dataset)), o.threads), theirs, ours, "s")


def memory(o):
    head("Largest resident memory of a training, 640 px, batch 16", "ultralytics")
    with tempfile.TemporaryDirectory() as work:
        theirs = timed(peer_train(o, work, 1, 640), env=dict(os.environ, YOLO_OFFLINE="true"), cwd=work)[1]
        ours = timed(own_train(o, 1, 640), cwd=work)[1]
    row("%s, one epoch" % os.path.basename(os.path.abspath(o.dataset)), [theirs], [ours], "MB", "%.0f")


def predict(o):
    bench_onnx.compare_all(argparse.Namespace(pairs=o.pairs, sizes=o.sizes, batches="1,16", threads=o.threads))


def threads(o):
    head("A training step on more threads", "1 thread", "%d threads" % o.threads)
    one, all_of_them = [], []
    for _ in range(o.pairs):
        for values, n in ((one, 1), (all_of_them, o.threads)):
            values.append(bench_pytorch.run_own(argparse.Namespace(avx2=False, threads=n), 320) * 1e3)
    row("batch 16, 320 px", one, all_of_them, "ms")


def hash_dataset(o):
    head("The dataset's checksum", "find, sort, sha256sum")
    theirs, ours = [], []
    for _ in range(o.pairs + 1):
        theirs.append(timed(["sh", "-c", CHECKSUM], cwd=o.dataset)[0] * 1e3)
        ours.append(timed([RETRAIN, "version", "--dataset", os.path.abspath(o.dataset)])[0] * 1e3)
    row("hot cache, the whole process", theirs[1:], ours[1:], "ms")


def skip(o):
    head("A run that has nothing to do")
    with tempfile.TemporaryDirectory() as work:
        common = ["--dataset", os.path.abspath(o.dataset), "--store", "file://%s/store" % work, "--epochs", "1", "--image-size", "32"]
        timed([RETRAIN, "run", *common], cwd=work)
        spent = [timed([RETRAIN, "run", *common], cwd=work)[0] * 1e3 for _ in range(3 * o.pairs)]
    print("%.0f ms (%.0f to %.0f), from start to exit, directory store" % (statistics.median(spent), min(spent), max(spent)))


def start(o):
    head("A container that says one line and ends", "/bin/true")
    if not o.image:
        print("skipped: no --image")
        return
    theirs, ours = [], []
    for _ in range(o.pairs + 1):
        theirs.append(timed(["docker", "run", "--rm", "--entrypoint", "/bin/true", o.image])[0] * 1e3)
        ours.append(timed(["docker", "run", "--rm", o.image, "help"])[0] * 1e3)
    row("docker run", theirs[1:], ours[1:], "ms", "%.0f")
    more = [u - t for t, u in zip(theirs[1:], ours[1:])]
    print("\nmore than /bin/true: %.0f ms (%.0f to %.0f)" % (statistics.median(more), min(more), max(more)))


def main():
    o = options()
    if not o.unchecked:
        subprocess.run(["make", "-s", "-C", ROOT, "golden"], check=True, stdout=subprocess.DEVNULL)
    programs = [bench_pytorch.BENCH, os.path.join(ROOT, bench_onnx.BENCH), os.path.join(ROOT, bench_onnx.WRITER), RETRAIN]
    subprocess.run(["make", "-s", "-C", ROOT, *(os.path.relpath(p, ROOT) for p in programs)], check=True)
    model = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo", encoding="ascii").read())
    print("%s, %d threads, %d pairs" % (model.group(1) if model else "unknown CPU", o.threads, o.pairs))
    run = {"step": step, "epoch": epoch, "predict": predict, "memory": memory, "threads": threads, "hash": hash_dataset, "skip": skip,
           "start": start}
    for name in o.only.split(","):
        if name in NEEDS and not importlib.util.find_spec(NEEDS[name]):
            print("\n%s: skipped, %s has no %s" % (name, sys.executable, NEEDS[name]))
            continue
        run[name](o)


if __name__ == "__main__":
    main()

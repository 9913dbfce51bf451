"""Prediction here against ONNX Runtime on our own model.onnx, taking turns: random images in, boxes and scores of every anchor
out, scale n, 3 classes. Run by hand; docs/performance.md has a result.
    tests/bench/bench_onnx.py [--sizes 320,640] [--batches 1,16] [--pairs 7] [--threads 2]
Prints the median of each and the median and spread of the ratio within pairs. Needs a python3 with onnxruntime and numpy; make
builds the rest."""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = "build/release/tests/bench/bench_predict"
WRITER = "build/release/tests/golden/onnx/write_model"
WARMUP, RUNS = 3, 15


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--sizes", default="320,640")
    p.add_argument("--batches", default="1,16")
    p.add_argument("--pairs", type=int, default=7)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--onnx", help=argparse.SUPPRESS)
    return p.parse_args()


def onnx_run(path, batch, size, threads):
    """Median seconds of a run, in this process."""
    import numpy
    import onnxruntime
    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, o, providers=["CPUExecutionProvider"])
    images = numpy.random.default_rng(1).random((batch, 3, size, size), dtype=numpy.float32)
    seconds = []
    for _ in range(WARMUP + RUNS):
        start = time.perf_counter()
        session.run(None, {"images": images})
        seconds.append(time.perf_counter() - start)
    print(json.dumps(statistics.median(seconds[WARMUP:])))


def output_of(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def compare(o, folder, size, batch):
    theirs, ours = [], []
    for _ in range(o.pairs):
        theirs.append(json.loads(output_of([sys.executable, __file__, "--onnx", os.path.join(folder, "model.onnx" if batch == 1 else "dynamic.onnx"), "--sizes", str(size), "--batches",
                                            str(batch), "--threads", str(o.threads)]).splitlines()[-1]))
        done = output_of([os.path.join(ROOT, BENCH), folder + "/model.safetensors", str(batch), str(o.threads)])
        ours.append(float(re.search(r"median ([0-9.]+) ms", done).group(1)) / 1e3)
    ratios = [t / u for t, u in zip(theirs, ours)]
    print("| %d px, %d | %.1f | %.1f | %.2f (%.2f to %.2f) |" % (
        size, batch, 1e3 * statistics.median(theirs), 1e3 * statistics.median(ours), statistics.median(ratios), min(ratios), max(ratios)), flush=True)


def compare_all(o):
    print("\n## Prediction, scale n, %d threads\n" % o.threads)
    print("| size, batch | ONNX Runtime ms | retrain ms | ratio, median (lowest to highest) |\n| --- | --- | --- | --- |")
    for size in o.sizes.split(","):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([os.path.join(ROOT, WRITER), "n", size, "5", folder, "a", "b", "c"], check=True)
            for batch in o.batches.split(","):
                compare(o, folder, int(size), int(batch))


def main():
    o = options()
    if o.onnx:
        onnx_run(o.onnx, int(o.batches), int(o.sizes), o.threads)
        return
    subprocess.run(["make", "-s", "-C", ROOT, BENCH, WRITER], check=True)
    compare_all(o)


if __name__ == "__main__":
    main()

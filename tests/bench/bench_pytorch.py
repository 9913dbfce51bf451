"""A training step here against one in PyTorch, taking turns: the reference network, loss and AdamW of tests/golden/reference,
random images, batch 16, scale n, 3 classes, 12 boxes an image. Run by hand; docs/performance.md has a result.
    tests/bench/bench_pytorch.py [--sizes 320,640] [--pairs 7] [--threads 2] [--avx2] [--bf16]
--avx2 keeps PyTorch and the engine to AVX2, what most hosted runners have. Prints the median of each and the median and spread of
the ratio within pairs. Needs a python3 with torch; make builds the rest."""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(ROOT, "build", "release", "tests", "bench", "bench_step")
BATCH, CLASSES, BOXES, STEPS = 16, 3, 12, 5


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--sizes", default="320")
    p.add_argument("--pairs", type=int, default=7)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--avx2", action="store_true")
    p.add_argument("--bf16", action="store_true", help="also with bf16 autocast")
    p.add_argument("--torch", help=argparse.SUPPRESS)
    return p.parse_args()


def torch_step(layout, size, threads):
    """Median seconds of a step, in this process."""
    sys.path.insert(0, os.path.join(ROOT, "tests", "golden"))
    import torch
    from reference import loss, network
    torch.set_num_threads(threads)
    net = network.Network("n", CLASSES).train()
    images = torch.rand(BATCH, 3, size, size)
    if layout != "default":
        net, images = net.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    labels = [torch.cat([torch.randint(0, CLASSES, (BOXES, 1)).double(), torch.rand(BOXES, 2) * 0.6 + 0.2,
                         torch.rand(BOXES, 2) * 0.25 + 0.05], 1).tolist() for _ in range(BATCH)]
    seconds = []
    for _ in range(STEPS + 2):
        start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=layout == "bf16"):
            boxes, classes = net(images)
        total, _, _ = loss.detection_loss([x.float() for x in boxes], [x.float() for x in classes], labels, size)
        total.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": statistics.median(seconds[2:]), "torch": torch.__version__}))


def run_torch(o, layout, size):
    env = dict(os.environ)
    if o.avx2:
        env.update(ONEDNN_MAX_CPU_ISA="AVX2", ATEN_CPU_CAPABILITY="avx2")
    done = subprocess.run([sys.executable, __file__, "--torch", layout, "--sizes", str(size), "--threads", str(o.threads)], env=env,
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])["seconds"]


def run_own(o, size):
    done = subprocess.run([BENCH, "avx2" if o.avx2 else "auto", str(size), str(o.threads)], capture_output=True, text=True, check=True)
    return float(re.search(r"step\s+median\s+([0-9.]+) ms", done.stdout).group(1)) / 1e3


def compare(o, size, layouts):
    seconds = {name: [] for name in layouts + ["retrain"]}
    ratios = {name: [] for name in layouts}
    for _ in range(o.pairs):
        for name in layouts:
            seconds[name].append(run_torch(o, name, size))
            seconds["retrain"].append(run_own(o, size))
            ratios[name].append(seconds[name][-1] / seconds["retrain"][-1])
    print("%d px, batch %d, %d threads%s" % (size, BATCH, o.threads, ", AVX2 only" if o.avx2 else ""))
    print("| step | median ms | images/s | against it, median (lowest to highest) |\n| --- | --- | --- | --- |")
    for name, values in seconds.items():
        middle = statistics.median(values)
        ratio = "" if name == "retrain" else "%.2f (%.2f to %.2f)" % (statistics.median(ratios[name]), min(ratios[name]), max(ratios[name]))
        label = name if name == "retrain" else "PyTorch, " + {"default": "its default layout", "last": "channels last", "bf16": "bf16"}[name]
        print("| %s | %.0f | %.1f | %s |" % (label, 1e3 * middle, BATCH / middle, ratio))


def main():
    o = options()
    if o.torch:
        torch_step(o.torch, int(o.sizes), o.threads)
        return
    subprocess.run(["make", "-s", "-C", ROOT, os.path.relpath(BENCH, ROOT)], check=True)
    for size in o.sizes.split(","):
        compare(o, int(size), ["default", "last"] + (["bf16"] if o.bf16 else []))


if __name__ == "__main__":
    main()

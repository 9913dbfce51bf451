"""Does training from weights of another dataset beat training from scratch in the same time? Trains on dataset/, then on a
second dataset from those weights and from scratch, the same epochs and seeds, and prints mAP after each epoch count:
    tests/bench/fine_tuning.py DATASET [--epochs 5,10,20] [--seeds 3] [--image-size 160] [--pretrain 20] [--work FOLDER]
Equal epochs are equal time here: the networks, the images and the steps are the same. Run by hand; docs/weights.md has a result."""
import argparse
import json
import os
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.abspath(os.environ.get("RETRAIN_BIN", os.path.join(ROOT, "build", "retrain")))


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("dataset", type=os.path.abspath)
    p.add_argument("--epochs", default="5,10,20")
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--image-size", default="160")
    p.add_argument("--pretrain", default="20", help="epochs on the first dataset")
    p.add_argument("--weights", type=os.path.abspath, help="begin from this file instead of training on the first dataset")
    p.add_argument("--work", help="keep the models in this folder")
    return p.parse_args()


def train(work, name, *args):
    """Best mAP50, best mAP50-95 and seconds, from the manifest that a run publishes."""
    store = os.path.join(work, name)
    out = os.path.join(work, name + ".json")
    done = subprocess.run([BIN, "run", "--store", "file://" + store, "--output-json", out, *args], cwd=work, stderr=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    with open(os.path.join(store, "latest.json"), encoding="utf-8") as f:
        latest = json.load(f)
    return os.path.join(store, "versions", latest["version"], "model.safetensors"), latest["metrics"], latest["training"]


def mean(values):
    return sum(values) / len(values)


def main():
    o = options()
    with tempfile.TemporaryDirectory(prefix="retrain-tune-") as folder:
        work = os.path.abspath(o.work or folder)
        os.makedirs(work, exist_ok=True)
        common = ["--image-size", o.image_size, "--formats", "safetensors"]
        weights = o.weights
        if not weights:
            weights, metrics, training = train(work, "first", "--dataset", os.path.join(ROOT, "dataset"), "--epochs", o.pretrain, *common)
            print("first dataset: %s epochs, mAP50 %.3f, %.0f s" % (o.pretrain, metrics["map50"], training["seconds"]), flush=True)
        print("epochs  from     mAP50 (each seed)          mAP50-95  seconds")
        for epochs in o.epochs.split(","):
            for start, more in (("scratch", []), ("weights", ["--initial-weights", weights])):
                runs = [train(work, "%s-%s-%d" % (start, epochs, seed), "--dataset", o.dataset, "--epochs", epochs, "--seed", str(seed), *common, *more)
                        for seed in range(o.seeds)]
                map50 = [r[1]["map50"] for r in runs]
                print("%6s  %s  %.3f (%s)  %.3f  %6.0f" % (epochs, start, mean(map50), ", ".join("%.3f" % m for m in map50),
                                                        mean([r[1]["map50_95"] for r in runs]), mean([r[2]["seconds"] for r in runs])), flush=True)


main()

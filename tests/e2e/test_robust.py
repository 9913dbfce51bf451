"""Odd datasets and divergence: each ends sensibly, with one line that says what to do."""
import json
import os
import re
import shutil
import struct
import tempfile
import zlib

import tap
from workspace import SMALL, digest, make_workspace

QUICK = ["--image-size", "64", "--epochs", "2", "--batch-size", "2"]
BOX = "0 0.5 0.5 0.5 0.6\n"
FOLDERS = []


def flat_png(path, w, h, shade):
    """One colour: 48 megapixels are written in a second and fit into kilobytes."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    row, deflate = b"\0" + bytes([shade]) * 3 * w, zlib.compressobj(1)
    body = b"".join(deflate.compress(row) for _ in range(h)) + deflate.flush()
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)) + chunk(b"IDAT", body) + chunk(b"IEND", b""))


def dataset(train, val, classes=("thing",)):
    """A workspace; each image is (width, height, label lines or None for no label file)."""
    work = tempfile.mkdtemp(prefix="retrain-robust-")
    FOLDERS.append(work)
    for part, images in (("train", train), ("val", val)):
        for kind in ("images", "labels"):
            os.makedirs(os.path.join(work, "dataset", kind, part))
        for i, (w, h, lines) in enumerate(images):
            flat_png(os.path.join(work, "dataset/images", part, "%s%d.png" % (part, i)), w, h, 60 + i)
            if lines is not None:
                with open(os.path.join(work, "dataset/labels", part, "%s%d.txt" % (part, i)), "w", encoding="utf-8") as f:
                    f.write(lines)
    with open(os.path.join(work, "dataset/data.yaml"), "w", encoding="utf-8") as f:
        f.write("path: .\ntrain: images/train\n%snames: [%s]\n" % ("val: images/val\n" if val else "", ", ".join(classes)))
    return work


def run(work, *more):
    r = tap.run("run", *QUICK, "--output-json", "out.json", *more, cwd=work, timeout=300)
    with open(os.path.join(work, "out.json"), encoding="utf-8") as f:
        return r, json.load(f)


def errors(log):
    return [line for line in log.splitlines() if "error:" in line]


def trains(name, work, *words):
    r, out = run(work)
    tap.ok(r.returncode == 0 and out["status"] == "published" and not errors(r.stderr), "%s: trains and publishes" % name, r.stderr)
    for word in words:
        tap.contains(r.stderr, word, "%s: says %r" % (name, word))
    tap.ok(out["map50"] is not None and 0 <= out["map50"] <= 1 and not re.search(r"\bnan\b|\binf\b", r.stderr), "%s: with finite figures" % name, r.stderr)
    images = [os.path.join(work, "dataset/images/val", n) for n in os.listdir(os.path.join(work, "dataset/images/val"))]
    r = tap.run("predict", "latest", "--confidence", "0", *images, cwd=work)
    tap.ok(r.returncode == 0 and all(json.loads(line)["width"] for line in r.stdout.splitlines()), "%s: the model can be used" % name, r.stderr)


def refused(name, work, *words):
    r, out = run(work)
    tap.ok(r.returncode == 3 and out["status"] == "failed", "%s: is refused with exit 3" % name, r.stderr)
    tap.ok(all(word in errors(r.stderr)[-1] for word in words), "%s: the last line says why and what to do" % name, r.stderr)
    tap.ok(not os.path.exists(os.path.join(work, "models/latest.json")), "%s: nothing is published" % name)


def test_classes():
    normal = (60, 40, BOX)
    trains("one class", dataset([normal] * 3, [normal]))
    trains("80 classes", dataset([normal, (50, 50, "79 0.5 0.5 0.3 0.3\n")], [normal], ["class%d" % i for i in range(80)]),
           "'class1', 2 'class2', 3 'class3', 4 'class4', 5 'class5' and 73 more have no box in the training part")


def test_boxes():
    pixel = "0 0.5 0.5 %f %f\n" % (1 / 640, 1 / 480)
    trains("1-pixel boxes", dataset([(640, 480, pixel)] * 3, [(640, 480, pixel)]))
    trains("boxes larger than the image", dataset([(60, 40, "0 0.5 0.5 1.5 3\n0 0.9 0.1 0.4 0.4\n")] * 3, [(60, 40, "0 0.5 0.5 2 2\n")]),
           "train0.txt:1: box reaches outside the image: cut at its border", "train0.txt:2: box reaches")
    trains("a thousand boxes in one image", dataset([(60, 40, "".join("0 %.6f 0.5 0.02 0.%d\n" % ((i + 1) / 1002, i % 9 + 1) for i in range(1000)))],
                                                    [(60, 40, BOX)]))


def test_sizes():
    trains("1x1 images", dataset([(1, 1, "0 0.5 0.5 1 1\n")] * 3, [(1, 1, "0 0.5 0.5 1 1\n")]))
    trains("8000x6000 images", dataset([(8000, 6000, BOX)], [(60, 40, BOX)]))
    trains("thin images", dataset([(8000, 2, BOX), (3, 5000, BOX)], [(1, 9000, BOX)]))


def test_few():
    normal = (60, 40, BOX)
    trains("one image in each part", dataset([normal], [normal]))
    refused("a dataset of one image", dataset([normal], []), "no image to ", "add images")
    refused("background only", dataset([(60, 40, None), (60, 40, "")], [(60, 40, None)]), "no image has a box", "label files")
    refused("background to train on", dataset([(60, 40, "")] * 3, [normal]), "no image of the training part has a box", "label some")
    refused("background to measure on", dataset([normal] * 3, [(60, 40, None)]), "no image of the validation part has a box", "label some")
    trains("some background", dataset([normal, (60, 40, ""), (60, 40, None)], [normal, (60, 40, None)]))


def write_weights(path, name, shape, value):
    n = 1
    for side in shape:
        n *= side
    header = json.dumps({name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 4 * n]}}).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(header)) + header + struct.pack("<f", value) * n)


def named_images(line):
    return re.search(r"\(([^()]*)\)", line).group(1).split(", ")


def test_not_finite_from_the_start():
    """Weights so large that the loss overflows, and such that only the gradient does."""
    work = make_workspace(8, 4)
    FOLDERS.append(work)
    n_classes = 3  # of the sample dataset
    for what, name, shape, value in (("loss", "model.0.conv.weight", [16, 3, 3, 3], 3e38), ("gradient", "model.22.cv3.0.2.weight", [n_classes, 64, 1, 1], 1e30)):
        write_weights(os.path.join(work, what + ".safetensors"), name, shape, value)
        r = tap.run("train", "--output", "out", *SMALL, "--batch-size", "4", "--initial-weights", what + ".safetensors", cwd=work, timeout=300)
        line = errors(r.stderr)
        tap.ok(r.returncode == 6 and len(line) == 1 and "the %s is not finite in epoch 1, batch 1 (" % what in line[0], "%s: one line, exit 6" % what, r.stderr)
        names = named_images(line[0])
        tap.ok(len(set(names)) == 4 and all(os.path.exists(os.path.join(work, "dataset", n)) for n in names), "%s: it names the batch's images" % what, line)
        tap.contains(line[0], "no checkpoint had been written", "%s: and says that nothing was kept" % what)
        tap.ok(not os.path.exists(os.path.join(work, "out/model.safetensors")), "%s: no model is written" % what)


def checkpoint_of(work):
    """The path and whether every value in it is finite."""
    folder = os.path.join(work, ".retrain")
    path = os.path.join(folder, os.listdir(folder)[0], "checkpoint.bin")
    with open(path, "rb") as f:
        data = f.read()
    values = memoryview(data[8 + struct.unpack("<Q", data[:8])[0]:]).cast("f")
    return path, all(v - v == 0 for v in values)


def test_divergence_on_the_way():
    """Decoupled weight decay of 1 at a learning rate of 10 makes every weight -9 times as large, a step at a time. The reference
    kernels are slow enough on any machine that a checkpoint is written before it is over."""
    work = make_workspace(16, 4)
    FOLDERS.append(work)
    args = ("run", "--image-size", "64", "--epochs", "40", "--batch-size", "2", "--optimizer", "adamw", "--learning-rate", "10", "--weight-decay", "1",
            "--warmup-epochs", "0", "--checkpoint-every", "1s", "--kernels", "ref", "--threads", "1", "--output-json", "out.json")
    r = tap.run(*args, cwd=work, timeout=300)
    line = errors(r.stderr)
    tap.ok(r.returncode == 6 and len(line) == 1 and "is not finite" in line[0], "a training that diverges on its way: one line, exit 6", r.stderr)
    tap.equal(len(named_images(line[0])), 2, "it names the batch's images")
    if not tap.contains(line[0], "stays, but leads here again", "it says that the last checkpoint stays, and what that is worth"):
        return
    path, is_finite = checkpoint_of(work)
    tap.ok(is_finite, "every value of the checkpoint is finite")
    with open(os.path.join(work, "out.json"), encoding="utf-8") as f:
        out = json.load(f)
    kept = os.path.join(work, "models/checkpoints", out["version"])
    tap.ok(out["status"] == "failed" and os.path.isdir(kept) and not os.path.exists(os.path.join(work, "models/latest.json")),
           "the store keeps it too, and nothing is published", out)
    before = digest(path)
    r = tap.run(*args, "--checkpoint-every", "1h", cwd=work, timeout=300)
    tap.ok(r.returncode == 6 and "resumed from the checkpoint" in r.stderr and "stays, but leads here again" in r.stderr,
           "the next run of this version goes on from it, and says the same", r.stderr)
    tap.equal(digest(path), before, "and leaves it as it is")
    r = tap.run("run", *QUICK, "--output-json", "out.json", cwd=work, timeout=300)
    tap.ok(r.returncode == 0 and "resumed" not in r.stderr, "other options are another version, which starts anew", r.stderr)


try:
    tap.main(test_classes, test_boxes, test_sizes, test_few, test_not_finite_from_the_start, test_divergence_on_the_way)
finally:
    for folder in FOLDERS:
        shutil.rmtree(folder, ignore_errors=True)

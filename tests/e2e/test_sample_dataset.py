#!/usr/bin/env python3
"""The committed sample dataset: what it holds, that it is sound, and that its generator still makes these bytes."""
import filecmp
import os
import struct
import subprocess
import tempfile

import tap

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATASET = os.path.join(ROOT, "dataset")
MAX_BYTES = 4000000
CLASSES = ["bolt", "nut", "gear"]
PARTS = ("train", "val")
N_RENDERED_AGAIN = 5  # of 240: about a third of a second each


def listed(kind, part):
    return sorted(os.listdir(os.path.join(DATASET, kind, part)))


def jpeg_size(path):
    """(width, height) from the frame header of a baseline JPEG; raises ValueError where there is none."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:2] != b"\xff\xd8" or data[-2:] != b"\xff\xd9":
        raise ValueError("not a whole JPEG")
    at = 2
    while at + 9 < len(data) and data[at] == 0xff:
        if data[at + 1] == 0xc0:
            h, w = struct.unpack(">HH", data[at + 5:at + 9])
            return w, h
        at += 2 + struct.unpack(">H", data[at + 2:at + 4])[0]
    raise ValueError("no baseline frame header")


def labels(part, name):
    """[(class, [x, y, w, h])], raises ValueError for a line that is not a label."""
    with open(os.path.join(DATASET, "labels", part, name), encoding="ascii") as f:
        rows = [line.split() for line in f]
    if any(len(row) != 5 for row in rows):
        raise ValueError("a line without five fields")
    return [(int(row[0]), [float(field) for field in row[1:]]) for row in rows]


def test_counts():
    n = {part: len(listed("images", part)) for part in PARTS}
    tap.ok(150 <= n["train"] + n["val"] <= 250, "150 to 250 images", n)
    tap.ok(0.15 <= n["val"] / (n["train"] + n["val"]) <= 0.3, "a fifth of them is held back", n)
    for part in PARTS:
        stems = [[os.path.splitext(name)[0] for name in listed(kind, part)] for kind in ("images", "labels")]
        tap.equal(stems[0], stems[1], "each image of %s has its label file and each label file its image" % part)
    size = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(DATASET) for name in names)
    tap.ok(size < MAX_BYTES, "all files together are under %d bytes" % MAX_BYTES, size)
    with open(os.path.join(DATASET, "data.yaml"), encoding="ascii") as f:
        text = f.read()
    names = [line.split(": ")[1] for line in text.splitlines() if line.startswith("  ")]
    tap.equal(names, CLASSES, "data.yaml names the classes")


def test_images():
    bad, shapes = [], set()
    for part in PARTS:
        for name in listed("images", part):
            try:
                size = jpeg_size(os.path.join(DATASET, "images", part, name))
                shapes.add(size)
                if not 160 <= min(size) <= max(size) <= 320:
                    bad.append("%s: %r" % (name, size))
            except ValueError as e:
                bad.append("%s: %s" % (name, e))
    tap.ok(not bad, "every image is a whole baseline JPEG of 160 to 320 pixels a side", "\n".join(bad))
    tap.ok(len(shapes) >= 4, "images come in several sizes", shapes)


def test_labels():
    bad = []
    for part in PARTS:
        boxes, n_empty, sides = [0] * len(CLASSES), 0, []
        for name in listed("labels", part):
            try:
                rows = labels(part, name)
            except ValueError as e:
                bad.append("%s: %s" % (name, e))
                continue
            n_empty += not rows
            for c, (x, y, w, h) in rows:
                if not (0 <= c < len(CLASSES) and w > 0 and h > 0 and x - w / 2 > -2e-6 and y - h / 2 > -2e-6 and
                        x + w / 2 < 1 + 2e-6 and y + h / 2 < 1 + 2e-6):
                    bad.append("%s: %r" % (name, (c, x, y, w, h)))
                    continue
                boxes[c] += 1
                sides.append(max(w, h))
        share = n_empty / len(listed("labels", part))
        tap.ok(min(boxes) >= 15 and max(boxes) <= 2 * min(boxes), "every class is in %s, in balance" % part, boxes)
        tap.ok(0.04 <= share <= 0.1, "4 to 10 %% of %s shows none of the classes" % part, share)
        tap.ok(min(sides) < 0.2 and max(sides) > 0.4, "%s has small and large boxes" % part, (min(sides), max(sides)))
    tap.ok(not bad, "every label is a class and a box inside its image", "\n".join(bad))


def test_generator():
    tool = os.path.join(ROOT, "build", "tools", "render_sample")
    what = "the generator makes the committed bytes"
    built = subprocess.run(["make", "-s", "-C", ROOT, "build/tools/render_sample"], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, check=False)
    if not tap.ok(built.returncode == 0, "make build/tools/render_sample", built.stdout):
        return
    with tempfile.TemporaryDirectory() as folder:
        for i in range(N_RENDERED_AGAIN):
            subprocess.run([tool, folder, str(7 + 43 * i), "1"], check=True)
        made = [os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names]
        differ = [name for name in sorted(made) if not os.path.exists(os.path.join(DATASET, name)) or
                  not filecmp.cmp(os.path.join(folder, name), os.path.join(DATASET, name), shallow=False)]
        tap.equal(len(made), 2 * N_RENDERED_AGAIN + 1, "an image and its labels for each index, and data.yaml")
        tap.ok(not differ, what, "these differ (another stb_image_write, or a change without `make sample`?):\n" +
               "\n".join(differ))


tap.main(test_counts, test_images, test_labels, test_generator)

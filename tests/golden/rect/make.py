#!/usr/bin/env python3
"""Writes cases.txt: how the reference recipe's own validation loader lays images of many sizes out for rectangular validation.

The ultralytics package runs here as a black box, through its public dataset builder: blank images of the sizes below go in,
the order and the shapes that it hands to its model come out. Needs ultralytics and opencv. Usage: make.py > cases.txt

    case NAME IMAGES SIZE GROUP
    w h                             one line per image, in the order of the file names
    image net_w net_h w h left top  one line per image, in the loader's order
"""
import os
import pathlib
import sys
import tempfile

os.environ.update(YOLO_VERBOSE="false", YOLO_OFFLINE="true")

import cv2
import numpy as np
import ultralytics
from ultralytics.cfg import get_cfg
from ultralytics.data.build import build_yolo_dataset


def layout(sizes, size, group):
    with tempfile.TemporaryDirectory() as folder:
        images = pathlib.Path(folder) / "images"
        images.mkdir()
        (images.parent / "labels").mkdir()
        for i, (w, h) in enumerate(sizes):
            cv2.imwrite(str(images / f"{i:04d}.png"), np.zeros((h, w, 3), np.uint8))
            (images.parent / "labels" / f"{i:04d}.txt").write_text("0 0.5 0.5 1.0 1.0\n")  # a box as large as the image
        settings = get_cfg(overrides={"imgsz": size, "task": "detect", "mode": "val", "rect": True, "cache": False})
        loader = build_yolo_dataset(settings, str(images), group, {"names": {0: "a"}, "channels": 3, "nc": 1}, mode="val",
                                    rect=True, stride=32)
        for i in range(len(loader)):
            s = loader[i]
            net_h, net_w = s["img"].shape[1:]
            _, (left, top) = s["ratio_pad"]
            w, h = s["bboxes"][0, 2:].numpy() * (net_w, net_h)  # that box, as a share of the input
            yield [int(pathlib.Path(s["im_file"]).stem), net_w, net_h, round(float(w)), round(float(h)), left, top]


def show(name, sizes, size, group):
    rows = list(layout(sizes, size, group))
    print("case", name, len(sizes), size, group)
    for w, h in sizes:
        print(w, h)
    for row in rows:
        print(*row)


def distinct(rng, n, low, high):
    """Random sizes of different aspect ratios: the loader leaves the order of equal ones open."""
    found = {}
    while len(found) < n:
        w, h = (int(v) for v in rng.integers(low, high, 2))
        found.setdefault(w / h, (w, h))
    return list(found.values())


def main():
    print("ultralytics", ultralytics.__version__, "opencv", cv2.__version__, file=sys.stderr)
    rng = np.random.default_rng(8)
    wide = [s for s in distinct(rng, 60, 200, 700) if s[0] > s[1]]
    tall = [(h, w) for w, h in wide]
    show("one", [(640, 480)], 320, 32)
    show("square", [(640, 640)], 640, 32)
    show("wide", wide, 320, 8)
    show("tall", tall, 320, 8)
    show("mixed", distinct(rng, 50, 40, 900), 320, 8)
    show("mixed-640", distinct(rng, 40, 100, 1400), 640, 32)
    show("small", distinct(rng, 20, 10, 90), 96, 4)
    show("thin", [(900, 30), (30, 900), (700, 31), (31, 650), (500, 100)], 320, 1)


main()

#!/usr/bin/env python3
"""The whole chain against ultralytics: one model file, one set of pixels, `retrain eval` and the package's own `val`.

The photos are written as PNG files of the size that the network sees, so that nobody's JPEG decoder and resizing enter.
Needs ultralytics, opencv, safetensors and a built build/retrain.
Usage: whole.py MODEL.safetensors DATASET SIZE   (DATASET in YOLO format, with images/train, images/val and data.yaml)
"""
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

os.environ.update(YOLO_VERBOSE="false", YOLO_OFFLINE="true")

import cv2
import numpy as np
import ultralytics
import yaml
from safetensors.torch import load_file
from ultralytics import YOLO
from ultralytics.nn.tasks import DetectionModel

ROOT = pathlib.Path(__file__).resolve().parents[3]
GROUP = 32  # images that share an input shape: src/train/rect.h


def prepare(dataset, size, folder):
    """Copies the validation part (and two photos to train on, since a dataset must have some) with its photos loaded."""
    names = yaml.safe_load((dataset / "data.yaml").read_text())["names"]
    for part, most in (("train", 2), ("val", None)):
        (folder / "images" / part).mkdir(parents=True)
        (folder / "labels" / part).mkdir(parents=True)
        for photo in sorted((dataset / "images" / part).iterdir())[:most]:
            im = cv2.imread(str(photo))
            h, w = im.shape[:2]
            gain = size / max(h, w)
            if gain != 1:
                im = cv2.resize(im, (min(math.ceil(w * gain), size), min(math.ceil(h * gain), size)))
            cv2.imwrite(str(folder / "images" / part / f"{photo.stem}.png"), im)
            shutil.copy(dataset / "labels" / part / f"{photo.stem}.txt", folder / "labels" / part)
    data = {"path": str(folder), "train": "images/train", "val": "images/val", "names": names}
    (folder / "data.yaml").write_text(yaml.safe_dump(data))
    return names if isinstance(names, dict) else dict(enumerate(names))


def theirs(weights, names, folder, size):
    if not hasattr(np, "trapz"):
        np.trapz = np.trapezoid  # an old version under a new NumPy
    model = YOLO("yolov8n.yaml")
    model.model = DetectionModel("yolov8n.yaml", nc=len(names), verbose=False)
    model.model.load_state_dict(load_file(weights), strict=False)
    model.model.names, model.model.args = names, {**model.overrides, "task": "detect"}
    r = model.val(data=str(folder / "data.yaml"), imgsz=size, batch=GROUP, rect=True, conf=0.001, iou=0.7, device="cpu", plots=False,
                  workers=0, project=str(folder / "runs"))
    return [r.box.map50, r.box.map, r.box.mp, r.box.mr]


def main():
    weights, dataset, size = sys.argv[1], pathlib.Path(sys.argv[2]).resolve(), int(sys.argv[3])
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        names = prepare(dataset, size, folder)
        ours = subprocess.run([ROOT / "build" / "retrain", "eval", os.path.abspath(weights), "--dataset", folder, "--log-format", "json"],
                              stdout=subprocess.PIPE, check=True, cwd=folder)
        ours = json.loads(ours.stdout.splitlines()[-1])
        row = lambda name, values: print(f"{name:22}" + " ".join("%.4f" % v for v in values))
        print(" " * 22 + "mAP50  m50-95 prec.  recall")
        row(f"ultralytics {ultralytics.__version__}", theirs(weights, names, folder, size))
        for name, r in (("strict", ours), ("classic", ours["classic"]), ("coco", ours["coco"])):
            row(f"retrain, {name}", [r[k] for k in ("map50", "map50_95", "precision", "recall")])


main()

#!/usr/bin/env python3
"""Scenes of detections and labels, and what other programs' validators make of them; tests/unit/test_map.c holds ours to all.

    make.py scenes PREDICTIONS DATASET > scenes.txt     crafted scenes, and real predictions (lines of `retrain predict`)
    make.py ultralytics > ultralytics-VERSION.txt       by the validator of whatever version is installed, run as a black box
    make.py pycocotools > pycocotools.txt               by COCO's tool: areas "all", no crowds, at most 300 detections an image

Boxes lie on eighths of a pixel, so that float arithmetic on them is exact and nobody's rounding decides a match; where an
overlap comes too near a threshold all the same, a crafted scene is drawn again and a real image is left out.

scenes.txt: "scene NAME CLASSES IMAGES", then per image "image DETECTIONS LABELS" and lines "class score x1 y1 x2 y2" and
"class x1 y1 x2 y2". The others: "scene NAME map50 map50_95 precision recall", then one such line per class: "map50 map50_95
precision recall". COCO's tool has no precision and recall at a confidence: they are read off its matches as ultralytics
reads them, at the confidence of the best mean F1.
"""
import contextlib
import functools
import io
import json
import os
import pathlib
import sys

import numpy as np

os.environ.update(YOLO_VERBOSE="false", YOLO_OFFLINE="true")
HERE = pathlib.Path(__file__).parent
STABLE = functools.partial(np.argsort, kind="stable")
THRESHOLDS = np.array([0.5 + 0.05 * i for i in range(10)])
SIDE = 1024  # of every scene; a power of two, so that sharing by it is exact


# ---- scenes ----------------------------------------------------------------------------------------------------------------


class Unfair(Exception):
    pass


def snap(boxes):
    b = np.round(np.array(boxes, float).reshape(-1, 4) * 8) / 8
    return np.concatenate([np.minimum(b[:, :2], b[:, 2:]), np.maximum(b[:, :2], b[:, 2:])], 1)


def check_fair(det, lab):
    if not len(det) or not len(lab):
        return
    a, b = det[:, None, 2:], lab[None, :, 1:]
    both = np.prod(np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None), -1)
    area = lambda r: np.prod(r[..., 2:] - r[..., :2], -1)
    iou = both / (area(a) + area(b) - both)
    if np.abs(iou[..., None] - THRESHOLDS).min() < 1e-5:
        raise Unfair


def image(found, labels):
    """found: rows (class, score, box), best first; labels: rows (class, box)."""
    found = sorted(found, key=lambda r: -r[1])
    det = np.array([[c, np.float32(s), *snap(b)[0]] for c, s, b in found], float).reshape(-1, 6)
    lab = np.array([[c, *snap(b)[0]] for c, b in labels], float).reshape(-1, 5)
    check_fair(det, lab)
    return det, lab


def scatter(rng, n_images, n_classes, n_labels, jitter, n_false, absent=(), twice=0.0, side=(15, 80), digits=6):
    """Labels, detections that scatter around them (`twice`: the part found twice), some of a wrong class, and false alarms."""
    images = []
    while len(images) < n_images:
        n = int(rng.integers(0, n_labels + 1))
        centre, size = rng.uniform(100, 400, (n, 2)), rng.uniform(*side, (n, 2))
        boxes, classes = snap(np.concatenate([centre - size / 2, centre + size / 2], 1)), rng.integers(0, n_classes, n)
        found = []
        for b, c in zip(boxes, classes):
            for _ in range(rng.choice([0, 1, 2], p=[0.15, 0.85 - twice, twice])):
                c = c if rng.random() < 0.9 else rng.integers(0, n_classes)
                found.append((c, round(rng.beta(5, 2), digits), b + rng.normal(0, jitter, 4) * (b[2] - b[0])))
        for _ in range(int(rng.integers(0, n_false + 1))):
            a = rng.uniform(0, 400, 2)
            found.append((rng.integers(0, n_classes), round(rng.beta(2, 5), digits), [*a, *(a + rng.uniform(10, 90, 2))]))
        with contextlib.suppress(Unfair):
            images.append(image(found, [(c, b) for c, b in zip(classes, boxes) if c not in absent]))
    return images


def crowd(rng, n_images, pitch, size, jitter, missing=0.2, twice=0.2):
    """A grid of small boxes of one class, closer together than they are large when pitch < size."""
    images = []
    while len(images) < n_images:
        labels = [[20 + pitch * x, 20 + pitch * y, 20 + pitch * x + size, 20 + pitch * y + size] for x in range(12) for y in range(12)]
        found = []
        for b in labels:
            for _ in range(rng.choice([0, 1, 2], p=[missing, 1 - missing - twice, twice])):
                found.append((0, round(rng.beta(4, 2), 6), np.array(b) + rng.normal(0, jitter, 4)))
        with contextlib.suppress(Unfair):
            images.append(image(found, [(0, b) for b in labels]))
    return images


def crafted():
    a, b, c = [0, 0, 10, 10], [100, 100, 120, 120], [50, 50, 80, 70]
    yield "perfect", 1, [image([(0, 0.9, a), (0, 0.8, b)], [(0, a), (0, b)])]
    yield "no-labels-somewhere", 2, [image([(0, 0.9, a)], [(0, a)]), image([(0, 0.95, a), (1, 0.8, b)], []), image([(1, 0.7, b)], [(1, b)])]
    yield "no-detections-somewhere", 2, [image([(0, 0.9, a)], [(0, a)]), image([], [(0, a), (1, b)]), image([], [])]
    yield "no-detections", 2, [image([], [(0, a), (1, b)])]
    yield "nothing-right", 1, [image([(0, 0.9, c)], [(0, a)])]
    yield "class-never-found", 3, [image([(0, 0.9, a)], [(0, a), (2, b)])]
    yield "class-without-labels", 3, [image([(0, 0.9, a), (1, 0.8, c)], [(0, a), (2, b)])]
    yield "wrong-class", 2, [image([(1, 0.9, a), (0, 0.8, b)], [(0, a), (0, b)])]
    yield "half-found", 1, [image([(0, 0.9, a)], [(0, a), (0, b)])]
    yield "duplicate-behind", 1, [image([(0, 0.9, a), (0, 0.8, [0, 0, 10, 9.25])], [(0, a), (0, b)])]
    yield "duplicate-before", 1, [image([(0, 0.9, [0, 0, 10, 9.25]), (0, 0.8, a)], [(0, a)])]
    yield "second-choice", 1, [image([(0, 0.9, a), (0, 0.8, [0, 0.5, 10, 10.5])], [(0, a), (0, [0, 2, 10, 12])])]
    yield "over-the-edge", 1, [image([(0, 0.9, [-6, 0, 10, 10]), (0, 0.8, [1000, 1000, 1040, 1030])], [(0, a), (0, [1000, 1000, 1024, 1024])])]
    yield "tied-in-an-image", 1, [image([(0, 0.5, a), (0, 0.5, c), (0, 0.5, b)], [(0, a), (0, b)])]
    yield "tied-across-images", 1, [image([(0, 0.5, c)], [(0, a)]), image([(0, 0.5, a)], [(0, a)])]
    rows = [[20 * (i % 10), 20 * (i // 10), 20 * (i % 10) + 12, 20 * (i // 10) + 12] for i in range(100)]
    for n in (29, 57, 58):  # recalls that lie on the grid of 101 but for the last bit
        yield f"{n}-of-100", 1, [image([(0, 0.9 - i / 1000, rows[i]) for i in range(n)], [(0, r) for r in rows])]
    rng = np.random.default_rng(1)
    yield "plain", 3, scatter(rng, 40, 3, 8, 0.06, 4)
    yield "poor", 2, scatter(rng, 40, 2, 10, 0.15, 12)
    yield "sharp", 1, scatter(rng, 30, 1, 12, 0.02, 1)
    yield "absent", 5, scatter(rng, 40, 5, 10, 0.08, 6, absent=(1, 4))
    yield "doubles", 3, scatter(rng, 40, 3, 8, 0.06, 4, twice=0.33)
    yield "tied", 2, scatter(rng, 40, 2, 10, 0.06, 6, digits=1)
    yield "tiny", 2, scatter(rng, 40, 2, 20, 0.12, 8, side=(3, 9))
    yield "crowd-apart", 1, crowd(rng, 3, 10, 8, 0.6)
    yield "crowd-overlapping", 1, crowd(rng, 3, 5, 8, 0.6)


def real(predictions, dataset):
    """What a model of ours says about the held-back photos of the sample dataset."""
    images, n_unfair, n_classes = [], 0, 0
    for line in open(predictions):
        row = json.loads(line)
        w, h = row["width"], row["height"]
        label_file = pathlib.Path(dataset, "labels", "val", pathlib.Path(row["image"]).stem + ".txt")
        labels = []
        for label in label_file.read_text().splitlines():
            k, x, y, bw, bh = (float(v) for v in label.split())
            labels.append((int(k), [(x - bw / 2) * w, (y - bh / 2) * h, (x + bw / 2) * w, (y + bh / 2) * h]))
        found = [(d["class_id"], round(d["score"], 6), d["box"]) for d in row["detections"]]
        n_classes = max([n_classes, *[k + 1 for k, _ in labels]])
        try:
            images.append(image(found, labels))
        except Unfair:
            n_unfair += 1
    print(f"real: {len(images)} images, {n_unfair} left out", file=sys.stderr)
    return "real", n_classes, images


def write_scenes(predictions, dataset):
    for name, n_classes, images in [*crafted(), real(predictions, dataset)]:
        print("scene", name, n_classes, len(images))
        for det, lab in images:
            print("image", len(det), len(lab))
            for row in det:
                print(int(row[0]), " ".join("%.9g" % v for v in row[1:]))
            for row in lab:
                print(int(row[0]), " ".join("%g" % v for v in row[1:]))


def read_scenes():
    words = iter((HERE / "scenes.txt").read_text().split())
    for word in words:
        assert word == "scene"
        name, n_classes, n_images = next(words), int(next(words)), int(next(words))
        images = []
        for _ in range(n_images):
            assert next(words) == "image"
            n_det, n_lab = int(next(words)), int(next(words))
            take = lambda n, k: np.array([float(next(words)) for _ in range(n * k)]).reshape(n, k)
            images.append((take(n_det, 6), take(n_lab, 5)))
        yield name, n_classes, images


def show(name, total, rows):
    print("scene", name, " ".join("%.12g" % v for v in total))
    for row in rows:
        print(" ".join("%.12g" % v for v in row))


# ---- ultralytics -----------------------------------------------------------------------------------------------------------


def ultralytics_metrics(images, n_classes):
    import types

    import torch
    import ultralytics
    from ultralytics.models.yolo.detect import DetectionValidator

    is_old = int(ultralytics.__version__.split(".")[1]) < 4
    if not hasattr(np, "trapz"):
        np.trapz = np.trapezoid  # the old version under a new NumPy
    np.argsort = STABLE  # as it is, equal scores come in an order that depends on the CPU
    names = {i: str(i) for i in range(n_classes)}
    v = DetectionValidator(args={"plots": False, "save_json": False, "conf": 0.001, "task": "detect", "mode": "val", "split": "val"})
    v.data, v.device, v.training, v.nc = {"val": "", "names": names, "nc": n_classes}, torch.device("cpu"), False, n_classes
    v.dataloader = types.SimpleNamespace(dataset=types.SimpleNamespace(labels=[]))
    v.init_metrics(types.SimpleNamespace(names=names, end2end=False))
    for i, (det, lab) in enumerate(images):
        det, lab = torch.tensor(det, dtype=torch.float32), torch.tensor(lab, dtype=torch.float32)
        box = lab[:, 1:]
        batch = {"img": torch.zeros(1, 3, SIDE, SIDE), "cls": lab[:, :1], "batch_idx": torch.zeros(len(lab)), "im_file": [f"{i}.jpg"],
                 "bboxes": torch.cat([(box[:, :2] + box[:, 2:]) / 2, box[:, 2:] - box[:, :2]], 1) / SIDE,
                 "ori_shape": [(SIDE, SIDE)], "ratio_pad": [((1.0, 1.0), (0, 0))]}
        if is_old:
            v.update_metrics([torch.cat([det[:, 2:], det[:, 1:2], det[:, :1]], 1)], batch)
        else:
            v.update_metrics([{"bboxes": det[:, 2:], "conf": det[:, 1], "cls": det[:, 0], "extra": torch.zeros(len(det), 0)}], batch)
    v.get_stats()
    box = v.metrics.box
    rows = np.zeros((n_classes, 4))
    for i, c in enumerate(np.asarray(box.ap_class_index, int)):
        p, r, ap50, ap = box.class_result(i)
        rows[c] = ap50, ap, p, r
    return [box.map50, box.map, box.mp, box.mr], rows


# ---- pycocotools -----------------------------------------------------------------------------------------------------------


def coco_evaluate(images, n_classes):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    xywh = lambda b: [b[0], b[1], b[2] - b[0], b[3] - b[1]]
    truths, found = [], []
    for i, (det, lab) in enumerate(images, 1):
        for row in lab:
            b = xywh(row[1:].tolist())
            truths.append({"id": len(truths) + 1, "image_id": i, "category_id": int(row[0]), "bbox": b, "iscrowd": 0, "area": b[2] * b[3]})
        det = np.concatenate([det[:, :2], np.clip(det[:, 2:], 0, SIDE)], 1)  # as every program does that writes COCO's format
        found += [{"image_id": i, "category_id": int(r[0]), "bbox": xywh(r[2:].tolist()), "score": float(r[1])} for r in det]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"images": [{"id": i} for i in range(1, len(images) + 1)], "annotations": truths,
                         "categories": [{"id": c} for c in range(n_classes)], "info": {}}
        truth.createIndex()
        got = truth.loadRes(found) if found else COCO()
        e = COCOeval(truth, got, "bbox")
        if not found:
            e.params.imgIds, e.params.catIds = sorted(truth.getImgIds()), sorted(truth.getCatIds())
        e.params.maxDets = [1, 10, 300]
        e.evaluate()
        e.accumulate()
    return e


def at_best_f1(e, n_classes):
    """[classes, 2]: precision and recall of each class from COCO's matches at IoU 0.50, where the mean F1 is best."""
    n_images, grid = len(e.params.imgIds), np.linspace(0, 1, 1000)
    p, r = np.zeros((n_classes, 1000)), np.zeros((n_classes, 1000))
    seen = []
    for c in range(n_classes):
        parts = [x for x in e.evalImgs[c * 4 * n_images : c * 4 * n_images + n_images] if x]  # 4 areas, "all" first
        n_labels = sum(len(x["gtIds"]) for x in parts)
        if n_labels:
            seen.append(c)
        score = np.concatenate([[], *[x["dtScores"] for x in parts]])
        order = np.argsort(-score, kind="stable")
        if not n_labels or not len(order):
            continue
        hit = np.cumsum(np.concatenate([x["dtMatches"][0] > 0 for x in parts])[order])
        p[c] = np.interp(-grid, -score[order], hit / np.arange(1, len(order) + 1), left=1)
        r[c] = np.interp(-grid, -score[order], hit / n_labels, left=0)
    f1 = (2 * p * r / (p + r + 1e-16))[seen].mean(0)
    smooth = np.convolve(np.concatenate([np.full(50, f1[0]), f1, np.full(50, f1[-1])]), np.ones(101) / 101, "valid")
    at = smooth.argmax()
    return np.stack([p[:, at], r[:, at]], 1), seen


def coco_metrics(images, n_classes):
    e = coco_evaluate(images, n_classes)
    precision = e.eval["precision"][:, :, :, 0, 2]  # thresholds, recalls, classes; -1 for classes without labels
    at_f1, seen = at_best_f1(e, n_classes)
    ap = np.maximum(precision, 0).mean(1)
    rows = np.concatenate([ap[:1].T, ap.mean(0)[:, None], at_f1], 1)
    return rows[seen].mean(0), rows


def main():
    what = sys.argv[1]
    if what == "scenes":
        return write_scenes(*sys.argv[2:])
    measure = ultralytics_metrics if what == "ultralytics" else coco_metrics
    module = __import__(what)
    if hasattr(module, "__version__"):
        print(f"{what} {module.__version__}, numpy {np.__version__}", file=sys.stderr)
    for name, n_classes, images in read_scenes():
        show(name, *measure(images, n_classes))


main()

#!/usr/bin/env python3
"""Writes cases.txt: detections and labels with the metrics that they deserve by three programs.

  classic, strict   the two rules of include/detector/map.h, written here once more from their definition with NumPy: one
                    walk per threshold, numpy.interp and numpy.convolve
  coco              pycocotools on the same boxes, areas "all", at most 300 detections an image, no crowds

COCO's tool is not expected to agree to the last digit. It reads precision at 101 recalls as a step function and takes their
mean (ours: trapezoid over the linear interpolation); beyond the recall that was reached both it and "strict" count 0. And a
detection that lost its label may there still take the next one. The unit test holds strict to COCO's figures within 0.01 and
ours to the NumPy figures exactly.
Needs numpy and pycocotools. Usage: make.py > cases.txt

    case NAME CLASSES IMAGES
    image DETECTIONS LABELS, then lines "class score x1 y1 x2 y2" and lines "class x1 y1 x2 y2"
    rule NAME map50 map50_95 precision recall confidence, then one line per class "map50 map50_95 precision recall labels"
    coco map50 map50_95, or -
"""
import contextlib
import io
import sys

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

F = np.float32
THRESHOLDS = np.array([0.5 + 0.05 * i for i in range(10)])


class Unfair(Exception):
    pass


def overlaps(a, b):
    a, b = a[:, None, :].astype(float), b[None, :, :].astype(float)
    w = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    both = np.prod(np.clip(w, 0, None), -1)
    area = lambda r: np.prod(r[..., 2:] - r[..., :2], -1)
    return both / (area(a) + area(b) - both)


def hits_of_image(det, lab):
    """[detections, thresholds] of truth values."""
    hits = np.zeros((len(det["box"]), 10), bool)
    if not len(det["box"]) or not len(lab["box"]):
        return hits
    iou = overlaps(det["box"], lab["box"])
    if np.abs(iou[..., None] - THRESHOLDS).min() < 1e-5:
        raise Unfair  # float and double could disagree
    iou = np.where(det["class"][:, None] == lab["class"][None, :], iou, 0)
    for k, t in enumerate(THRESHOLDS):
        best = {i: int(iou[i].argmax()) for i in range(len(iou)) if iou[i].max() >= t}
        taken = set()
        for i in sorted(best, key=lambda i: (-det["score"][i], i)):
            if best[i] not in taken:
                taken.add(best[i])
                hits[i, k] = True
    return hits


def average_precision(recall, precision, strict):
    end = [recall[-1]] if strict else []
    r = np.concatenate([[0], recall, end, [1]])
    p = np.concatenate([[1], precision, [0] * len(end), [0]])
    p = np.maximum.accumulate(p[::-1])[::-1]
    x = np.linspace(0, 1, 101)
    y = np.interp(x, r, p)
    return float(np.sum((y[1:] + y[:-1]) / 2 * np.diff(x)))


def measure(images, n_classes, strict):
    hits = np.concatenate([hits_of_image(d, l) for d, l in images])
    score = np.concatenate([d["score"] for d, _ in images]).astype(float)
    cls = np.concatenate([d["class"] for d, _ in images])
    labels = np.bincount(np.concatenate([l["class"] for _, l in images]), minlength=n_classes)
    grid = np.linspace(0, 1, 1000)
    ap, p_grid, r_grid = np.zeros((n_classes, 10)), np.zeros((n_classes, 1000)), np.zeros((n_classes, 1000))
    for c in np.nonzero(labels)[0]:
        order = [i for i in np.argsort(-score, kind="stable") if cls[i] == c]
        if not order:
            continue
        good = np.cumsum(hits[order], 0)
        recall, precision = good / labels[c], good / np.arange(1, len(order) + 1)[:, None]
        p_grid[c] = np.interp(-grid, -score[order], precision[:, 0], left=1)
        r_grid[c] = np.interp(-grid, -score[order], recall[:, 0], left=0)
        ap[c] = [average_precision(recall[:, k], precision[:, k], strict) for k in range(10)]
    seen = labels > 0
    f1 = (2 * p_grid * r_grid / (p_grid + r_grid + 1e-16))[seen].mean(0)
    padded = np.concatenate([np.full(50, f1[0]), f1, np.full(50, f1[-1])])
    at = int(np.round(np.convolve(padded, np.ones(101), "valid"), 9).argmax())
    mean = lambda v: float(v[seen].mean())
    total = [mean(ap[:, 0]), mean(ap.mean(1)), mean(p_grid[:, at]), mean(r_grid[:, at]), grid[at]]
    rows = [[ap[c, 0], ap[c].mean(), p_grid[c, at], r_grid[c, at], int(labels[c])] for c in range(n_classes)]
    return total, rows


def coco(images, n_classes):
    def xywh(b):
        b = [float(v) for v in b]
        return [b[0], b[1], b[2] - b[0], b[3] - b[1]]

    truths, found = [], []
    for i, (d, l) in enumerate(images, 1):
        truths += [{"id": len(truths) + n, "image_id": i, "category_id": int(c), "bbox": xywh(b), "iscrowd": 0,
                    "area": xywh(b)[2] * xywh(b)[3]} for n, (c, b) in enumerate(zip(l["class"], l["box"]), 1)]
        found += [{"image_id": i, "category_id": int(c), "bbox": xywh(b), "score": float(s)}
                  for c, s, b in zip(d["class"], d["score"], d["box"])]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"images": [{"id": i} for i in range(1, len(images) + 1)], "annotations": truths,
                         "categories": [{"id": c} for c in range(n_classes)]}
        truth.createIndex()
        e = COCOeval(truth, truth.loadRes(found), "bbox")
        e.params.maxDets = [1, 10, 300]
        e.evaluate()
        e.accumulate()
    precision = e.eval["precision"][:, :, :, 0, 2]  # thresholds, recalls, classes
    seen = precision[0, 0] > -1
    return float(precision[0][:, seen].mean()), float(precision[:, :, seen].mean())


def scene(rng, n_images, n_classes, n_labels, jitter, n_false, absent=(), twice=0.0):
    """Labels, detections that scatter around them (`twice`: the part found twice), some of a wrong class, and false alarms."""
    images = []
    for _ in range(n_images):
        n = int(rng.integers(0, n_labels + 1))
        centre, size = rng.uniform(20, 300, (n, 2)), rng.uniform(15, 80, (n, 2))
        lab = {"box": np.concatenate([centre - size / 2, centre + size / 2], 1).astype(F),
               "class": rng.integers(0, n_classes, n)}
        boxes, classes, scores = [], [], []
        for b, c in zip(lab["box"], lab["class"]):
            for _ in range(rng.choice([0, 1, 2], p=[0.15, 0.85 - twice, twice])):
                boxes.append(b + rng.normal(0, jitter, 4) * (b[2] - b[0]))
                classes.append(c if rng.random() < 0.9 else rng.integers(0, n_classes))
                scores.append(rng.beta(5, 2))
        for _ in range(int(rng.integers(0, n_false + 1))):
            a = rng.uniform(0, 250, 2)
            boxes.append(np.concatenate([a, a + rng.uniform(10, 90, 2)]))
            classes.append(rng.integers(0, n_classes))
            scores.append(rng.beta(2, 5))
        order = np.argsort(-np.array(scores, F), kind="stable")
        det = {"box": np.array(boxes, F).reshape(-1, 4)[order], "class": np.array(classes, int)[order],
               "score": np.array(scores, F)[order]}
        keep = ~np.isin(lab["class"], absent)
        images.append((det, {k: v[keep] for k, v in lab.items()}))
    return images


def numbers(values):
    return " ".join("%.12g" % v for v in values)


def show(name, seed, n_classes, *args, compare=True, **options):
    """Prints the first scene from `seed` on whose overlaps all keep clear of the thresholds."""
    while True:
        try:
            images = scene(np.random.default_rng(seed), args[0], n_classes, *args[1:], **options)
            both = [measure(images, n_classes, strict) for strict in (False, True)]
            break
        except Unfair:
            seed += 100
    print("case", name, n_classes, len(images))
    for d, l in images:
        print("image", len(d["box"]), len(l["box"]))
        for c, s, b in zip(d["class"], d["score"], d["box"]):
            print(c, " ".join("%.9g" % v for v in [s, *b]))
        for c, b in zip(l["class"], l["box"]):
            print(c, " ".join("%.9g" % v for v in b))
    for rule, (total, rows) in zip(("classic", "strict"), both):
        print("rule", rule, numbers(total))
        for row in rows:
            print(numbers(row))
    want = coco(images, n_classes)
    print("coco", numbers(want) if compare else "-")
    print(name, "classic %.4f %.4f" % tuple(both[0][0][:2]), "strict %.4f %.4f" % tuple(both[1][0][:2]), "coco %.4f %.4f" % want,
          file=sys.stderr)
    assert not compare or all(abs(a - b) < 0.01 for a, b in zip(both[1][0], want))


def main():
    show("plain", 1, 3, 40, 8, 0.06, 4)
    show("poor", 2, 2, 40, 10, 0.15, 12)
    show("sharp", 3, 1, 30, 12, 0.02, 1)
    show("absent", 4, 5, 40, 10, 0.08, 6, absent=(1, 4))
    show("doubles", 5, 3, 40, 8, 0.06, 4, twice=0.33)


main()

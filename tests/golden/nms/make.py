#!/usr/bin/env python3
"""Writes cases.txt: dense boxes and scores, and the detections that a plain greedy suppression leaves.

The reference is the textbook loop (torchvision.ops.batched_nms on the same input keeps the same boxes): candidates by score,
a candidate falls if a kept one of its class overlaps it by more than the threshold. Equal scores are ordered by anchor, then
class, which torchvision leaves open. Needs numpy. Usage: make.py > cases.txt

    case NAME ANCHORS CLASSES MIN_SCORE MAX_IOU MULTI_LABEL MAX_CANDIDATES MAX_DETECTIONS KEPT
    x1 y1 x2 y2 score...      one line per anchor
    anchor class              one line per kept detection, in order
"""
import numpy as np

F = np.float32


def iou(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    area = lambda r: float(r[2] - r[0]) * float(r[3] - r[1])
    both = float(w) * float(h)
    return both / (area(a) + area(b) - both)


def greedy(boxes, scores, min_score, max_iou, multi, max_candidates, max_detections):
    anchors, classes = scores.shape
    candidates = []
    for a in range(anchors):
        chosen = range(classes) if multi else [int(np.argmax(scores[a]))]
        candidates += [(-float(scores[a, c]), a, c) for c in chosen if scores[a, c] > F(min_score)]
    candidates = sorted(candidates)[:max_candidates]
    kept = []
    for _, a, c in candidates:
        overlaps = [iou(boxes[a], boxes[b]) for b, k in kept if k == c]
        assert all(abs(o - max_iou) > 1e-5 for o in overlaps), "too near the threshold to be a fair case"
        if all(o <= max_iou for o in overlaps):
            kept.append((a, c))
    return kept[:max_detections]


def boxes_of(rng, n, spread, step=None):
    centre, size = rng.uniform(0, spread, (n, 2)), rng.uniform(5, 40, (n, 2))
    b = np.concatenate([centre - size / 2, centre + size / 2], 1)
    return (np.round(b / step) * step if step else b).astype(F)


def clusters(rng, n_groups, n_each):
    """Many nearly equal boxes on few objects, as a trained net gives them."""
    groups = np.repeat(boxes_of(rng, n_groups, 100), n_each, 0)
    return (groups + rng.normal(0, 1.2, groups.shape)).astype(F)


def show(name, boxes, scores, *options):
    kept = greedy(boxes, scores, *options)
    min_score, max_iou, multi, max_candidates, max_detections = options
    print("case", name, len(boxes), scores.shape[1], "%.9g %.9g" % (F(min_score), F(max_iou)), int(multi), max_candidates, max_detections,
          len(kept))
    for b, s in zip(boxes, scores):
        print(" ".join("%.9g" % v for v in [*b, *s]))
    for a, c in kept:
        print(a, c)


def main():
    rng = np.random.default_rng(20)
    show("crowd", clusters(rng, 12, 10), rng.random((120, 3), dtype=F), 0.25, 0.7, False, 30000, 300)
    show("crowd-multi", clusters(rng, 12, 10), rng.random((120, 3), dtype=F), 0.001, 0.7, True, 30000, 300)
    ties = np.round(rng.random((80, 2)) * 4).astype(F) / 4
    show("ties", boxes_of(rng, 80, 40, step=7), ties, 0.1, 0.49, True, 30000, 300)
    show("few-candidates", boxes_of(rng, 60, 60), rng.random((60, 4), dtype=F), 0.001, 0.45, True, 50, 300)
    show("few-detections", boxes_of(rng, 60, 200), rng.random((60, 2), dtype=F), 0.001, 0.7, True, 30000, 7)
    show("one-class", boxes_of(rng, 50, 50), rng.random((50, 1), dtype=F), 0.3, 0.3, False, 30000, 300)


main()

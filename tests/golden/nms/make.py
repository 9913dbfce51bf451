#!/usr/bin/env python3
"""Writes cases.txt: what torchvision's suppression leaves of dense boxes and scores that both sides draw from one generator.

Around torchvision.ops.nms (and batched_nms, which keeps the same boxes but returns equal scores in any order) stands what every
YOLO does: every class above the threshold is a candidate (multi-label) or the best one of an anchor, the best MAX_CANDIDATES are
looked at, MAX_DETECTIONS are kept. Equal scores stay in the order of anchor, then class: torchvision's sort is stable. Boxes lie
on eighths of a pixel, so that overlaps are exact up to the last division. Where scores are distinct enough, ultralytics'
non_max_suppression is run as well and must keep the same.

Needs torch, torchvision and ultralytics. Usage: make.py > cases.txt

    case NAME SEED ANCHORS CLASSES GROUPS SPREAD JITTER LEVELS MIN_SCORE MAX_IOU MULTI_LABEL MAX_CANDIDATES MAX_DETECTIONS KEPT
    anchor class              one line per kept detection, in order

GROUPS objects lie in a square of SPREAD pixels; anchor a sees object a % GROUPS, each side off by up to JITTER eighths. Scores
are multiples of 1 / LEVELS: few levels make many ties. The last object is faint, its scores are a 1024th of that.
"""
import os
import sys

os.environ.update(YOLO_VERBOSE="false", YOLO_OFFLINE="true")

import torch
import torchvision
import ultralytics


class Draw:
    """Knuth's linear congruential generator, its upper bits; tests/unit/test_nms.c has the same."""

    def __init__(self, seed):
        self.x = seed

    def __call__(self, n):
        self.x = (self.x * 1664525 + 1013904223) % 2**32
        return (self.x >> 8) % n


def make(seed, n_anchors, n_classes, n_groups, spread, jitter, levels):
    draw = Draw(seed)
    groups = []
    for _ in range(n_groups):
        x, y, w, h = draw(8 * spread), draw(8 * spread), 40 + draw(240), 40 + draw(240)
        groups.append((x, y, x + w, y + h))
    boxes, scores = [], []
    for a in range(n_anchors):
        boxes.append([(side + draw(jitter)) / 8 for side in groups[a % n_groups]])
        faint = 1024 if a % n_groups == n_groups - 1 else 1
        scores.append([draw(levels) / levels / faint for _ in range(n_classes)])
    return torch.tensor(boxes, dtype=torch.float32), torch.tensor(scores, dtype=torch.float32)


def by_torchvision(boxes, scores, min_score, max_iou, multi, max_candidates, max_detections):
    if multi:
        anchor, cls = torch.nonzero(scores > min_score).T  # by anchor, then class
    else:
        best, first = scores.max(1)
        anchor = torch.nonzero(best > min_score)[:, 0]
        cls = first[anchor]
    score = scores[anchor, cls]
    order = torch.sort(score, descending=True, stable=True).indices[:max_candidates]
    anchor, cls, score = anchor[order], cls[order], score[order]
    apart = boxes[anchor] + 7680 * cls[:, None]  # so that classes never meet
    kept = torchvision.ops.nms(apart, score, max_iou)
    assert set(kept.tolist()) == set(torchvision.ops.batched_nms(boxes[anchor], score, cls, max_iou).tolist())
    kept = kept[:max_detections]
    return list(zip(anchor[kept].tolist(), cls[kept].tolist()))


def by_ultralytics(boxes, scores, min_score, max_iou, multi, max_candidates, max_detections):
    from ultralytics.utils.nms import non_max_suppression

    rows = torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2], scores], 1).T[None]
    got = non_max_suppression(rows, min_score, max_iou, multi_label=multi, max_nms=max_candidates, max_det=max_detections,
                              max_time_img=1e6)[0]
    return sorted((round(s, 6), int(c)) for s, c in got[:, 4:6].tolist())


def show(name, *parameters):
    recipe, options = parameters[:7], parameters[7:]
    boxes, scores = make(*recipe)
    kept = by_torchvision(boxes, scores, *options)
    if recipe[6] > 1000:  # with few levels it is chance which of equal boxes it keeps
        ours = sorted((round(float(scores[a, c]), 6), c) for a, c in kept)
        assert ours == by_ultralytics(boxes, scores, *options), name
    print("case", name, *recipe, *("%d" % v if isinstance(v, (bool, int)) else "%.9g" % v for v in options), len(kept))
    for a, c in kept:
        print(a, c)


def main():
    print(f"torchvision {torchvision.__version__}, torch {torch.__version__}, ultralytics {ultralytics.__version__}", file=sys.stderr)
    fine = 2**20
    show("random", 1, 400, 3, 400, 300, 1, fine, 0.25, 0.7, False, 30000, 300)
    show("random-multi", 2, 400, 3, 400, 300, 1, fine, 0.001, 0.7, True, 30000, 300)
    show("crowd", 3, 1000, 2, 60, 100, 40, fine, 0.25, 0.7, False, 30000, 300)
    show("crowd-multi", 4, 1000, 3, 60, 100, 40, fine, 0.001, 0.7, True, 30000, 300)
    show("tight", 5, 1000, 1, 20, 60, 12, fine, 0.1, 0.45, True, 30000, 300)
    show("tied", 6, 600, 2, 50, 60, 24, 8, 0.1, 0.45, True, 30000, 300)
    show("all-tied", 7, 300, 1, 30, 60, 24, 2, 0.1, 0.7, True, 30000, 300)
    show("equal-boxes", 8, 300, 2, 40, 60, 1, 16, 0.1, 0.7, True, 30000, 300)
    show("one-class", 9, 500, 1, 100, 80, 30, fine, 0.3, 0.7, False, 30000, 300)
    show("few-candidates", 10, 300, 4, 100, 80, 30, fine, 0.001, 0.45, True, 50, 300)
    show("few-detections", 11, 300, 2, 100, 200, 30, fine, 0.001, 0.7, True, 30000, 7)
    show("whole-net", 12, 8400, 4, 900, 600, 60, fine, 0.001, 0.7, True, 30000, 300)
    show("enough-candidates", 13, 8400, 4, 40, 100, 3, fine, 0.0, 0.7, True, 40000, 300)
    show("too-many-candidates", 13, 8400, 4, 40, 100, 3, fine, 0.0, 0.7, True, 30000, 300)  # the faint object is lost


main()

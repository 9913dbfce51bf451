"""Assignment and loss of docs/detector.md in PyTorch; gradients come from autograd."""
import math

import torch
from torch.nn import functional as F

from . import network

TOP = 10
GAINS = {"box": 7.5, "cls": 0.5, "dfl": 1.5}


def ciou(a, b, eps=1e-7):
    """Complete IoU of corners [...,4]; its alpha carries no gradient."""
    w1, h1 = a[..., 2] - a[..., 0], a[..., 3] - a[..., 1] + eps
    w2, h2 = b[..., 2] - b[..., 0], b[..., 3] - b[..., 1] + eps
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    both = (high - low).clamp(0).prod(-1)
    iou = both / (w1 * h1 + w2 * h2 - both + eps)
    around = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    apart = (b[..., :2] + b[..., 2:] - a[..., :2] - a[..., 2:]).pow(2).sum(-1) / 4
    v = 4 / math.pi**2 * ((w2 / h2).atan() - (w1 / h1).atan()).pow(2)
    with torch.no_grad():
        alpha = v / (v - iou + 1 + eps)
    return iou - (apart / (around.pow(2).sum(-1) + eps) + v * alpha)


class Assignment:
    """Of one image: which anchors learn (index), with class, box (pixels) and target score; and how safe the choices were."""

    def __init__(self, index, classes, boxes, score, margin):
        self.index, self.classes, self.boxes, self.score, self.margin = index, classes, boxes, score, margin


def relative_gap(big, small):
    return float((big - small) / big) if big > 0 else 1.0


def choice_margin(align, overlap, picked, contested):
    """The smallest relative gap between what was taken and what was not: another rounding of the inputs must not change a
    choice. Equal boxes tie exactly on both sides; the order decides there. An overlap close to 0 must not vanish, but so small a
    one weighs next to nothing."""
    margin = 1.0
    for row in align:
        best = row.sort(descending=True).values
        if len(best) > TOP and best[TOP] > 0:
            margin = min(margin, relative_gap(best[TOP - 1], best[TOP]))
    for anchor in contested.nonzero().flatten():
        values = overlap[:, anchor].unique(sorted=True)
        margin = min(margin, relative_gap(values[-1], values[-2]) if len(values) > 1 else 1.0)
    positive = overlap[overlap > 0]
    return min(margin, 100 * float(positive.min()) if len(positive) else 1.0)


@torch.no_grad()
def assign(scores, boxes, centres, gt_class, gt_box):
    """scores [A,classes], boxes [A,4] and centres [A,2] in pixels, labels [G] and [G,4] in pixels."""
    if not len(gt_class):
        none = torch.zeros(0, dtype=torch.long)
        return Assignment(none, none, gt_box, scores.new_zeros(0), 1.0)
    inside = torch.cat([centres - gt_box[:, None, :2], gt_box[:, None, 2:] - centres], -1).amin(-1) > 1e-9  # [G,A]
    overlap = torch.where(inside, ciou(gt_box[:, None], boxes[None]).clamp(0), 0)
    align = torch.where(inside, scores[:, gt_class].T.sqrt() * overlap.pow(6), 0)
    picked = torch.zeros_like(inside)
    picked.scatter_(1, align.argsort(dim=1, descending=True, stable=True)[:, :TOP], True)
    picked &= inside & (align > 0)
    contested = picked.sum(0) > 1
    winner = overlap.argmax(0)
    margin = choice_margin(align, overlap, picked, contested)
    picked[:, contested] = F.one_hot(winner, len(gt_class)).T.bool()[:, contested]

    best_align = (align * picked).amax(1, keepdim=True)
    best_overlap = (overlap * picked).amax(1, keepdim=True)
    norm = (align * picked * best_overlap / (best_align + 1e-9)).amax(0)
    index = picked.any(0).nonzero().flatten()
    owner = picked.int().argmax(0)[index]
    return Assignment(index, gt_class[owner], gt_box[owner], norm[index], margin)


def corners(labels, size, dtype):
    """labels [G,5]: class, then centre and size as fractions -> classes [G], corners in pixels [G,4]."""
    xywh = torch.as_tensor(labels, dtype=dtype).reshape(-1, 5)[:, 1:] * size
    half = xywh[:, 2:] / 2
    classes = torch.as_tensor(labels, dtype=dtype).reshape(-1, 5)[:, 0].long()
    return classes, torch.cat([xywh[:, :2] - half, xywh[:, :2] + half], 1)


def dfl(logits, distance):
    """Cross entropy on the two bins around each side's distance: logits [N,4,16], distance [N,4] -> mean over sides [N]."""
    goal = distance.clamp(0, network.BINS - 1 - 0.01)
    low = goal.floor().long()
    high_weight = goal - low
    log_p = logits.log_softmax(-1)
    at = lambda i: log_p.gather(-1, i[..., None])[..., 0]
    return -(at(low) * (1 - high_weight) + at(low + 1) * high_weight).mean(-1)


def detection_loss(boxes, classes, labels, size):
    """boxes, classes: logits per level; labels: per image [G,5]. Returns the total, its parts with their gains, and the
    images' assignments."""
    box_logits, cls_logits = network.flatten(boxes), network.flatten(classes)
    centres, strides = network.anchors(size, box_logits.dtype)
    predicted = network.boxes_in_cells(box_logits, centres)
    assignments = []
    for i, rows in enumerate(labels):
        gt_class, gt_box = corners(rows, size, box_logits.dtype)
        assignments.append(assign(cls_logits[i].detach().sigmoid(), (predicted[i] * strides).detach(), centres * strides,
                                  gt_class, gt_box))
    total_score = max(float(sum(a.score.sum() for a in assignments)), 1.0)

    goal = torch.zeros_like(cls_logits)
    box_sum, dfl_sum = box_logits.sum() * 0, box_logits.sum() * 0
    for i, a in enumerate(assignments):
        goal[i, a.index, a.classes] = a.score
        truth, at = a.boxes / strides[a.index], centres[a.index]
        box_sum = box_sum + (a.score * (1 - ciou(predicted[i, a.index], truth))).sum()
        sides = torch.cat([at - truth[:, :2], truth[:, 2:] - at], 1)
        dfl_sum = dfl_sum + (a.score * dfl(box_logits[i, a.index].unflatten(-1, (4, network.BINS)), sides)).sum()
    parts = {"box": box_sum, "cls": F.binary_cross_entropy_with_logits(cls_logits, goal, reduction="sum"), "dfl": dfl_sum}
    parts = {k: GAINS[k] * v / total_score for k, v in parts.items()}
    return sum(parts.values()) * len(labels), parts, assignments

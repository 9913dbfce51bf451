"""From a photo to detections around any runtime: letterbox, the net's input, suppression, back to the photo. Written from
docs/detector.md; the letterbox rounds as the image module says (weights in 1/2048, half up)."""
import numpy as np


def resize(px, w, h):
    """[h,w,3] uint8, bilinear, half-pixel centres, integer arithmetic."""
    def axis(n_in, n_out):
        num = np.maximum((2 * np.arange(n_out, dtype=np.int64) + 1) * n_in - n_out, 0)
        at, weight = num // (2 * n_out), (num % (2 * n_out) * 2048 + n_out) // (2 * n_out)
        last = at >= n_in - 1
        return np.where(last, n_in - 1, at), np.minimum(at + 1, n_in - 1), np.where(last, 0, weight)

    if (w, h) == (px.shape[1], px.shape[0]):
        return px
    px = px.astype(np.int64)
    a, b, weight = axis(px.shape[1], w)
    px = px[:, a] * (2048 - weight)[None, :, None] + px[:, b] * weight[None, :, None]
    a, b, weight = axis(px.shape[0], h)
    px = px[a] * (2048 - weight)[:, None, None] + px[b] * weight[:, None, None]
    return ((px + (1 << 21)) >> 22).astype(np.uint8)


class Letterbox:
    def __init__(self, px, size):
        self.h, self.w = px.shape[:2]
        self.gain = min(size / self.w, size / self.h)
        w, h = round(self.w * self.gain), round(self.h * self.gain)
        self.left, self.top = (size - w) // 2, (size - h) // 2
        self.px = np.full((size, size, 3), 114, np.uint8)
        self.px[self.top:self.top + h, self.left:self.left + w] = resize(px, w, h)
        self.input = np.ascontiguousarray(self.px.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255))

    def to_photo(self, boxes):
        """[n,4] corners in the net's pixels."""
        boxes = (boxes - [self.left, self.top] * 2) / self.gain
        return np.clip(boxes, 0, [self.w, self.h] * 2)


def corners(output):
    """[4+classes,anchors] -> [anchors,4]"""
    c, s = output[:2].T.astype(float), output[2:4].T.astype(float)
    return np.concatenate([c - s / 2, c + s / 2], 1)


def overlap(one, many):
    wh = np.clip(np.minimum(one[2:], many[:, 2:]) - np.maximum(one[:2], many[:, :2]), 0, None)
    area = lambda b: (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])
    both = wh[:, 0] * wh[:, 1]
    return both / np.maximum(area(one) + area(many) - both, 1e-12)


def suppress(output, min_score, max_iou=0.7, most=300):
    """Kept (anchor, class) by score, and whether any decision was so close that rounding could turn it."""
    boxes, scores = corners(output), output[4:].T.astype(float)
    cls, best = scores.argmax(1), scores.max(1)
    close = bool((np.abs(best - min_score) < 1e-4).any())
    kept = []
    for a in sorted(np.nonzero(best > min_score)[0], key=lambda a: (-best[a], a)):
        same = np.array([k for k in kept if cls[k] == cls[a]], int)
        iou = overlap(boxes[a], boxes[same]) if len(same) else np.zeros(0)
        near = iou > max_iou - 1e-3
        close |= bool((np.abs(iou - max_iou) < 1e-3).any()) or bool((near & (best[same] - best[a] < 1e-5)).any())
        if not (iou > max_iou).any():
            kept.append(a)
    return [(a, int(cls[a])) for a in kept[:most]], close

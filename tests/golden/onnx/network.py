"""The detector once more, written from docs/detector.md with NumPy alone, in double precision and as plainly as possible:
what the ONNX file and the engine are compared with. Weights come from the safetensors file, unfolded."""
import json
import struct

import numpy as np


def read_safetensors(path):
    with open(path, "rb") as f:
        length, = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(length))
        data = f.read()
    meta = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], {"F32": "<f4", "I64": "<i8"}[entry["dtype"]]).reshape(entry["shape"])
    return tensors, meta


def conv2d(x, w, stride):
    """x [ci,h,w], w [co,ci,k,k], zero padding k//2."""
    k, pad = w.shape[2], w.shape[2] // 2
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), (1, 2))[:, ::stride, ::stride]
    return np.tensordot(w, windows, ([1, 2, 3], [0, 3, 4]))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Network:
    def __init__(self, tensors, repeats):
        """repeats: bottlenecks of the C2f layers 2, 4, 6, 8, 12, 15, 18, 21."""
        self.t = {k: v.astype(np.float64) for k, v in tensors.items()}
        self.repeats = repeats

    def conv(self, name, x, stride=1):
        p = {k: self.t["%s.bn.%s" % (name, k)][:, None, None] for k in ("weight", "bias", "running_mean", "running_var")}
        x = conv2d(x, self.t[name + ".conv.weight"], stride)
        x = (x - p["running_mean"]) / np.sqrt(p["running_var"] + 1e-3) * p["weight"] + p["bias"]
        return x * sigmoid(x)

    def c2f(self, index, x, shortcut):
        name = "model.%d" % index
        parts = list(np.split(self.conv(name + ".cv1", x), 2))
        for i in range(self.repeats[index]):
            y = self.conv("%s.m.%d.cv2" % (name, i), self.conv("%s.m.%d.cv1" % (name, i), parts[-1]))
            parts.append(parts[-1] + y if shortcut else y)
        return self.conv(name + ".cv2", np.concatenate(parts))

    def sppf(self, x):
        parts = [self.conv("model.9.cv1", x)]
        for _ in range(3):
            padded = np.pad(parts[-1], ((0, 0), (2, 2), (2, 2)), constant_values=-np.inf)
            parts.append(np.lib.stride_tricks.sliding_window_view(padded, (5, 5), (1, 2)).max((3, 4)))
        return self.conv("model.9.cv2", np.concatenate(parts))

    def branch(self, which, level, x):
        name = "model.22.%s.%d" % (which, level)
        x = self.conv(name + ".1", self.conv(name + ".0", x))
        return conv2d(x, self.t[name + ".2.weight"], 1) + self.t[name + ".2.bias"][:, None, None]

    def detect(self, levels):
        boxes, scores = [], []
        for level, x in enumerate(levels):
            stride, h, w = 8 << level, *x.shape[1:]
            bins = self.branch("cv2", level, x).reshape(4, 16, h, w)
            e = np.exp(bins - bins.max(1, keepdims=True))
            left, top, right, bottom = np.tensordot(np.arange(16.0), e / e.sum(1, keepdims=True), ([0], [1]))
            y, x_ = np.mgrid[0:h, 0:w] + 0.5
            x1, y1, x2, y2 = x_ - left, y - top, x_ + right, y + bottom
            boxes.append(np.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]).reshape(4, -1) * stride)
            scores.append(sigmoid(self.branch("cv3", level, x)).reshape(-1, h * w))
        return np.concatenate([np.concatenate(boxes, 1), np.concatenate(scores, 1)])

    def __call__(self, image):
        """[3,S,S], 0..1 -> [4 + classes, anchors]."""
        up = lambda x: x.repeat(2, 1).repeat(2, 2)
        x = self.conv("model.1", self.conv("model.0", image.astype(np.float64), 2), 2)
        p3 = self.c2f(4, self.conv("model.3", self.c2f(2, x, True), 2), True)
        p4 = self.c2f(6, self.conv("model.5", p3, 2), True)
        p5 = self.sppf(self.c2f(8, self.conv("model.7", p4, 2), True))
        n4 = self.c2f(12, np.concatenate([up(p5), p4]), False)
        n3 = self.c2f(15, np.concatenate([up(n4), p3]), False)
        o4 = self.c2f(18, np.concatenate([self.conv("model.16", n3, 2), n4]), False)
        o5 = self.c2f(21, np.concatenate([self.conv("model.19", o4, 2), p5]), False)
        return self.detect([n3, o4, o5])

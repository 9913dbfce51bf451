"""The network of docs/detector.md as PyTorch modules, under the parameter names that the field reads."""
import torch
from torch import nn
from torch.nn import functional as F

from . import seeded

BINS = 16
STRIDES = (8, 16, 32)
SCALES = {"n": (0.25, 0.33, 1024), "s": (0.50, 0.33, 1024), "m": (0.75, 0.67, 768)}  # width, depth, most channels


class Conv(nn.Module):
    def __init__(self, ci, co, k=1, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(ci, co, k, stride, k // 2, bias=False)
        self.bn = nn.BatchNorm2d(co, eps=1e-3, momentum=0.03)

    def forward(self, x):
        return F.silu(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, c, shortcut):
        super().__init__()
        self.cv1, self.cv2, self.shortcut = Conv(c, c, 3), Conv(c, c, 3), shortcut

    def forward(self, x):
        y = self.cv2(self.cv1(x))
        return x + y if self.shortcut else y


class C2f(nn.Module):
    def __init__(self, ci, co, repeats, shortcut):
        super().__init__()
        half = co // 2
        self.cv1 = Conv(ci, 2 * half)
        self.cv2 = Conv((2 + repeats) * half, co)
        self.m = nn.ModuleList(Bottleneck(half, shortcut) for _ in range(repeats))

    def forward(self, x):
        parts = list(self.cv1(x).chunk(2, 1))
        for bottleneck in self.m:
            parts.append(bottleneck(parts[-1]))
        return self.cv2(torch.cat(parts, 1))


class SPPF(nn.Module):
    def __init__(self, ci, co):
        super().__init__()
        self.cv1, self.cv2 = Conv(ci, ci // 2), Conv(2 * ci, co)

    def forward(self, x):
        parts = [self.cv1(x)]
        for _ in range(3):
            parts.append(F.max_pool2d(parts[-1], 5, 1, 2))
        return self.cv2(torch.cat(parts, 1))


def upsample(x):
    return F.interpolate(x, scale_factor=2, mode="nearest")


def branch(ci, hidden, outputs):
    return nn.Sequential(Conv(ci, hidden, 3), Conv(hidden, hidden, 3), nn.Conv2d(hidden, outputs, 1))


class Detect(nn.Module):
    def __init__(self, classes, channels):
        super().__init__()
        boxes, scores = max(16, channels[0] // 4, 4 * BINS), max(channels[0], min(classes, 100))
        self.cv2 = nn.ModuleList(branch(c, boxes, 4 * BINS) for c in channels)
        self.cv3 = nn.ModuleList(branch(c, scores, classes) for c in channels)

    def forward(self, levels):
        return [f(x) for f, x in zip(self.cv2, levels)], [f(x) for f, x in zip(self.cv3, levels)]


class Network(nn.Module):
    def __init__(self, scale, classes):
        super().__init__()
        width, depth, most = SCALES[scale]
        a, b, c, d, e = (-(-int(min(base, most) * width) // 8) * 8 for base in (64, 128, 256, 512, 1024))
        three, six = max(round(3 * depth), 1), max(round(6 * depth), 1)
        self.classes = classes
        self.model = nn.ModuleDict({
            "0": Conv(3, a, 3, 2), "1": Conv(a, b, 3, 2), "2": C2f(b, b, three, True),
            "3": Conv(b, c, 3, 2), "4": C2f(c, c, six, True),
            "5": Conv(c, d, 3, 2), "6": C2f(d, d, six, True),
            "7": Conv(d, e, 3, 2), "8": C2f(e, e, three, True), "9": SPPF(e, e),
            "12": C2f(e + d, d, three, False), "15": C2f(d + c, c, three, False),
            "16": Conv(c, c, 3, 2), "18": C2f(c + d, d, three, False),
            "19": Conv(d, d, 3, 2), "21": C2f(d + e, e, three, False),
            "22": Detect(classes, (c, d, e))})

    def forward(self, x):
        """[B,3,S,S] in 0..1 -> logits per level: boxes [B,64,h,w], classes [B,classes,h,w]."""
        m = self.model
        p3 = m["4"](m["3"](m["2"](m["1"](m["0"](x)))))
        p4 = m["6"](m["5"](p3))
        p5 = m["9"](m["8"](m["7"](p4)))
        n4 = m["12"](torch.cat([upsample(p5), p4], 1))
        n3 = m["15"](torch.cat([upsample(n4), p3], 1))
        o4 = m["18"](torch.cat([m["16"](n3), n4], 1))
        o5 = m["21"](torch.cat([m["19"](o4), p5], 1))
        return m["22"]([n3, o4, o5])


def flatten(levels):
    """Levels [B,c,h,w] -> [B,anchors,c] in the order P3, P4, P5, row by row."""
    return torch.cat([x.flatten(2) for x in levels], 2).transpose(1, 2)


def anchors(size, dtype):
    """Centres in cells [anchors,2] and strides [anchors,1]."""
    centres, strides = [], []
    for s in STRIDES:
        y, x = torch.meshgrid(*[torch.arange(size // s, dtype=dtype) + 0.5] * 2, indexing="ij")
        centres.append(torch.stack([x, y], -1).reshape(-1, 2))
        strides.append(torch.full((len(centres[-1]), 1), s, dtype=dtype))
    return torch.cat(centres), torch.cat(strides)


def boxes_in_cells(logits, centres):
    """logits [...,anchors,64] -> corners [...,anchors,4], in cells."""
    bins = logits.unflatten(-1, (4, BINS)).softmax(-1)
    distance = bins @ torch.arange(BINS, dtype=logits.dtype)
    return torch.cat([centres - distance[..., :2], centres + distance[..., 2:]], -1)


def decode(boxes, classes, size):
    """Corners in input pixels [B,anchors,4] and scores [B,anchors,classes]."""
    logits = flatten(boxes)
    centres, strides = anchors(size, logits.dtype)
    return boxes_in_cells(logits, centres) * strides, flatten(classes).sigmoid()


def fill(module, case):
    """Weights from the names alone, so that the C side has the same."""
    with torch.no_grad():
        for name, t in module.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                t.copy_(torch.from_numpy(seeded.parameter("%s/%s" % (case, name), tuple(t.shape))))


def make(scale, classes, case, dtype):
    """A network whose boxes are some cells wide: bins 0 to 3 of every side are raised by 3."""
    network = Network(scale, classes).to(dtype)
    fill(network, case)
    with torch.no_grad():
        for level in range(3):
            network.model["22"].cv2[level][2].bias.view(4, BINS)[:, :4] += 3
    return network


def images(case, n, size, dtype):
    planes = [seeded.pixels("%s/image%d" % (case, i), size * size * 3).reshape(size, size, 3) for i in range(n)]
    return torch.stack([torch.from_numpy(p).permute(2, 0, 1) for p in planes]).to(dtype) / 255

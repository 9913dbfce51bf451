"""Writes n.txt, s.txt and m.txt beside it: name, type and shape of every entry of the model's state_dict with 3 classes, in
order. Restated from the layer table of docs/detector.md, without the program's own; tests/golden/test_peer.py holds
the lists against the reference's."""
import os
import sys

CLASSES = 3
#         widths of layers 0, 1, 3, 5, 7; bottlenecks of the short and the long C2f
SCALES = {"n": ((16, 32, 64, 128, 256), 1, 2), "s": ((32, 64, 128, 256, 512), 1, 2), "m": ((48, 96, 192, 384, 576), 2, 4)}


def conv(name, c_in, c_out, k):
    yield name + ".conv.weight", "F32", (c_out, c_in, k, k)
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield "%s.bn.%s" % (name, part), "F32", (c_out,)
    yield name + ".bn.num_batches_tracked", "I64", ()


def c2f(name, c_in, c_out, n):
    c = c_out // 2
    yield from conv(name + ".cv1", c_in, c_out, 1)
    yield from conv(name + ".cv2", (2 + n) * c, c_out, 1)
    for i in range(n):
        yield from conv("%s.m.%d.cv1" % (name, i), c, c, 3)
        yield from conv("%s.m.%d.cv2" % (name, i), c, c, 3)


def branch(name, levels, hidden, outputs):
    for level, c in enumerate(levels):
        yield from conv("%s.%d.0" % (name, level), c, hidden, 3)
        yield from conv("%s.%d.1" % (name, level), hidden, hidden, 3)
        yield "%s.%d.2.weight" % (name, level), "F32", (outputs, hidden, 1, 1)
        yield "%s.%d.2.bias" % (name, level), "F32", (outputs,)


def state_dict(scale):
    (c1, c2, c3, c4, c5), short, long = SCALES[scale]
    yield from conv("model.0", 3, c1, 3)
    yield from conv("model.1", c1, c2, 3)
    yield from c2f("model.2", c2, c2, short)
    yield from conv("model.3", c2, c3, 3)
    yield from c2f("model.4", c3, c3, long)
    yield from conv("model.5", c3, c4, 3)
    yield from c2f("model.6", c4, c4, long)
    yield from conv("model.7", c4, c5, 3)
    yield from c2f("model.8", c5, c5, short)
    yield from conv("model.9.cv1", c5, c5 // 2, 1)
    yield from conv("model.9.cv2", c5 * 2, c5, 1)
    yield from c2f("model.12", c5 + c4, c4, short)
    yield from c2f("model.15", c4 + c3, c3, short)
    yield from conv("model.16", c3, c3, 3)
    yield from c2f("model.18", c3 + c4, c4, short)
    yield from conv("model.19", c4, c4, 3)
    yield from c2f("model.21", c4 + c5, c5, short)
    yield from branch("model.22.cv2", (c3, c4, c5), max(16, c3 // 4, 64), 64)
    yield from branch("model.22.cv3", (c3, c4, c5), max(c3, min(CLASSES, 100)), CLASSES)
    yield "model.22.dfl.conv.weight", "F32", (1, 16, 1, 1)


def main():
    for scale in SCALES:
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), scale + ".txt"), "w", encoding="ascii") as f:
            for name, kind, shape in state_dict(scale):
                f.write(" ".join([name, kind, *map(str, shape)]) + "\n")


if __name__ == "__main__":
    sys.exit(main())

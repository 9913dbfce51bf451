"""Golden files: safetensors that retrain's own reader opens. A float64 is stored as a row of float32 and a row of what is
missing from it, which keeps 48 bits; so every tensor is [2, n]."""
import json
import struct
import sys

import numpy as np

PROBES, WHOLE = 4, 32  # as in seeded.py


class Vectors:
    def __init__(self, meta):
        self.meta, self.tensors = meta, {}

    def put(self, name, values):
        values = np.asarray(values, np.float64).reshape(-1)
        if name in self.tensors or not values.size or not np.isfinite(values).all():
            raise ValueError("%s: stored twice, empty or not finite" % name)
        near = values.astype(np.float32)
        self.tensors[name] = np.stack([near, (values - near).astype(np.float32)])

    def write(self, path):
        header, at = {"__metadata__": self.meta}, 0
        for name, rows in self.tensors.items():
            header[name] = {"dtype": "F32", "shape": list(rows.shape), "data_offsets": [at, at + rows.nbytes]}
            at += rows.nbytes
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(path, "wb") as f:
            f.write(struct.pack("<Q", len(text)) + text)
            for rows in self.tensors.values():
                f.write(rows.astype("<f4").tobytes())


def read(path):
    """Name -> float64 values, and the metadata."""
    with open(path, "rb") as f:
        length, = struct.unpack("<Q", f.read(8))
        header, data = json.loads(f.read(length)), f.read()
    meta = header.pop("__metadata__")
    values = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values[name] = np.frombuffer(data[begin:end], "<f4").reshape(2, -1).astype(np.float64).sum(0)
    return values, meta


def difference(got, want):
    """Largest difference of two stored tensors, each value's as a fraction of the tensor's largest, a digest's sums as one of its
    norm, as golden.c has it; what is not finite counts as infinite. A digest is known by its first values: norm and largest."""
    if got.shape != want.shape:
        return float("inf")
    scale = np.full(want.shape, np.abs(want).max())
    picks = want[2 + PROBES:]
    if want.size == WHOLE and want[0] >= want[1] >= np.abs(picks).max():
        scale[:], scale[0], scale[2:2 + PROBES] = want[1], want[0], want[0]
    apart = np.abs(got - want)
    if not np.isfinite(apart).all() or (apart[scale == 0] > 0).any():
        return float("inf")
    return float((apart[scale > 0] / scale[scale > 0]).max(initial=0))


def group_of(name):
    """"training/n/64/grad/model.0.conv.weight" belongs to "training/n grad"."""
    kind = [part for part in name.split("/") if part in ("loss", "norm", "grad", "running", "data", "ema", "targets")]
    return " ".join(["/".join(name.split("/")[:2]), *kind[-1:]])


def main():
    """vectors.py A.safetensors B.safetensors: how far A is from B, by group."""
    a, b = read(sys.argv[1])[0], read(sys.argv[2])[0]
    worst = {}
    for name in b:
        group = group_of(name)
        worst[group] = max(worst.get(group, (0, "")), (difference(a[name], b[name]) if name in a else float("inf"), name))
    for group, (apart, name) in worst.items():
        print("%-24s %.2e  %s" % (group, apart, name))


if __name__ == "__main__":
    main()

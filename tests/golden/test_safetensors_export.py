"""model.safetensors holds every entry of the reference's state_dict: the lists of tests/golden/safetensors, by name, type and
shape, in order; its bytes lie as the format and its readers want them. Needs no package."""
import json
import os
import struct
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e"), os.path.join(HERE, "onnx")]
import engine  # noqa: E402
import tap  # noqa: E402

NAMES = ["it's", 'b "q"', "çé\\x"]
ENTRIES = {"n": 355, "s": 355, "m": 475}
SIZES = {"F32": 4, "I64": 8}
VAL = os.path.join(ROOT, "dataset", "images", "val")
PHOTO = os.path.join(VAL, sorted(os.listdir(VAL))[0])


def read(path):
    """(metadata, header without it, data, length of the header)"""
    with open(path, "rb") as f:
        length, = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(length))
        return header.pop("__metadata__"), header, f.read(), length


def expected(scale):
    with open(os.path.join(HERE, "safetensors", scale + ".txt"), encoding="ascii") as f:
        rows = [line.split() for line in f]
    return [(row[0], row[1], [int(d) for d in row[2:]]) for row in rows]


def check_layout(title, header, data, length):
    tap.equal(length % 8, 0, title + "the header is padded to 8 bytes")
    at, defects = 0, []
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        n = SIZES[entry["dtype"]]
        for d in entry["shape"]:
            n *= d
        if begin != at or end - begin != n:
            defects.append("%s: %d to %d, wanted %d to %d" % (name, begin, end, at, at + n))
        if begin % SIZES[entry["dtype"]]:
            defects.append("%s: byte %d is no multiple of its element" % (name, begin))
        at = end
    tap.ok(not defects and at == len(data), title + "no holes, every tensor on a multiple of its element's size", "\n".join(defects))


def values(entry, data):
    begin, end = entry["data_offsets"]
    return list(struct.unpack("<%d%s" % ((end - begin) // SIZES[entry["dtype"]], "q" if entry["dtype"] == "I64" else "f"), data[begin:end]))


def check_model(scale, folder):
    title = scale + ": "
    meta, header, data, length = read(os.path.join(folder, "model.safetensors"))
    want = expected(scale)
    tap.equal(len(want), ENTRIES[scale], title + "the list has all entries")
    got = [(name, entry["dtype"], entry["shape"]) for name, entry in header.items()]
    tap.ok(got == want, title + "names, types, shapes and order of all %d entries" % len(want),
           "\n".join("got %r, wanted %r" % pair for pair in zip(got, want) if pair[0] != pair[1]))
    check_layout(title, header, data, length)
    tap.equal(values(header["model.22.dfl.conv.weight"], data), [float(i) for i in range(16)], title + "the bins are 0 to 15")
    counts = [values(e, data) for name, e in header.items() if name.endswith("num_batches_tracked")]
    tap.ok(len(counts) > 50 and all(c == [0] for c in counts), title + "the batch counters are 0")
    tap.equal({k: meta.get(k) for k in ("format", "task", "scale", "nc", "stride", "imgsz")},
              {"format": "pt", "task": "detect", "scale": "yolov8" + scale, "nc": "3", "stride": "32", "imgsz": "64"}, title + "metadata")
    tap.equal(json.loads(meta["names"]), NAMES, title + "class names are a JSON list")
    done = tap.run("predict", os.path.join(folder, "model.safetensors"), PHOTO)
    tap.ok(done.returncode == 0 and json.loads(done.stdout)["width"] > 0, title + "retrain reads it back", done.stderr)


def check_old_file(folder):
    """Files from before the counters and bins were written are read as ever."""
    path, old = os.path.join(folder, "model.safetensors"), os.path.join(folder, "old.safetensors")
    meta, header, data, _ = read(path)
    kept, at, parts = {"__metadata__": {k: v for k, v in meta.items() if k != "nc"}}, 0, []
    for name, entry in header.items():
        if name.endswith("num_batches_tracked") or name == "model.22.dfl.conv.weight":
            continue
        begin, end = entry["data_offsets"]
        parts.append(data[begin:end])
        kept[name] = dict(entry, data_offsets=[at, at + end - begin])
        at += end - begin
    text = json.dumps(kept).encode()
    with open(old, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(parts))
    one, other = (tap.run("predict", p, PHOTO, "--confidence", "0.1") for p in (path, old))
    tap.ok(one.returncode == 0 and json.loads(one.stdout)["detections"] and one.stdout == other.stdout,
           "a file without counters and bins gives the same boxes", one.stderr + other.stderr)


def test_models():
    if not engine.build():
        return
    for scale in ENTRIES:
        with tempfile.TemporaryDirectory(prefix="retrain-safetensors-") as folder:
            engine.write_model(folder, scale, 64, 5, NAMES)
            check_model(scale, folder)
            if scale == "n":
                check_old_file(folder)


tap.main(test_models)

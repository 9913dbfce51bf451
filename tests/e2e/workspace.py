"""A workspace with a small part of the sample dataset, and the program running in it."""
import hashlib
import os
import shutil
import struct
import subprocess
import tempfile
import zlib

import leaks
import tap

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SMALL = ["--image-size", "64", "--epochs", "3", "--batch-size", "8"]


def make_workspace(n_train=24, n_val=8):
    work = tempfile.mkdtemp(prefix="retrain-train-")
    source = os.path.join(ROOT, "dataset")
    for part, n in (("train", n_train), ("val", n_val)):
        for kind in ("images", "labels"):
            os.makedirs(os.path.join(work, "dataset", kind, part))
        for name in sorted(os.listdir(os.path.join(source, "images", part)))[:n]:
            stem = os.path.splitext(name)[0]
            shutil.copy(os.path.join(source, "images", part, name), os.path.join(work, "dataset", "images", part))
            label = os.path.join(source, "labels", part, stem + ".txt")
            if os.path.exists(label):
                shutil.copy(label, os.path.join(work, "dataset", "labels", part))
    shutil.copy(os.path.join(source, "data.yaml"), os.path.join(work, "dataset"))
    return work


def start(work, *args, **more):
    """The program in the background, in a session of its own; `more` adds to a small clean environment."""
    env = {name: os.environ[name] for name in ("PATH", "HOME", "ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}
    env.update(more)
    leaks.learn(env)
    return subprocess.Popen([tap.RETRAIN_BIN, *args], cwd=work, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, errors="backslashreplace", start_new_session=True)


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def png(path, w=64, h=48, shade=100):
    """A grey PNG, brighter to the right and to the bottom."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes((shade + x + y) % 256 for x in range(w) for _ in range(3)) for y in range(h))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0))
                + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

"""PyTorch's .pt files: what torch.save writes is read back to the bit, and the engine answers from checkpoints of the
reference implementation what that answers itself.

Needs a Python with torch, and ultralytics for the second part (other_python.py). Skips without."""
import copy
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "e2e"), os.path.join(HERE, "onnx")]
import other_python  # noqa: E402

other_python.need("PyTorch's files", "numpy", "torch")
import numpy as np  # noqa: E402
import torch  # noqa: E402
import engine  # noqa: E402
import network  # noqa: E402
import tap  # noqa: E402

CONVERT = os.path.join("build", "release", "tests", "golden", "torch", "convert")
SIZE, ANCHORS = 320, 40 * 40 + 20 * 20 + 10 * 10
BOX_PX, SCORE = 1e-3, 1e-5  # as in test_peer.py: the same two networks
NAMES = ["finger", "it's", "çé"]


def build():
    done = subprocess.run(["make", "--no-print-directory", "-s", CONVERT], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    return tap.ok(done.returncode == 0, "the reader builds", done.stdout) and engine.build()


def random_tensors(folder, scale="n"):
    """A detector whose answers vary, as {name: array}."""
    engine.write_model(folder, scale, SIZE, 5, NAMES)
    return network.read_safetensors(os.path.join(folder, "model.safetensors"))[0]


def converted(path, folder):
    """The tensors that retrain reads from the file, or what it says."""
    done = subprocess.run([os.path.join(ROOT, CONVERT), path, folder], stderr=subprocess.PIPE, text=True, check=False)
    return done.stderr or network.read_safetensors(os.path.join(folder, "model.safetensors"))[0]


def check_same(got, want, name):
    if isinstance(got, str):
        return tap.ok(False, name, got)
    differ = [k for k in want if k not in got or got[k].shape != want[k].shape or not (got[k] == want[k]).all()]
    return tap.ok(not differ and len(got) == len(want), name, "differ: %s; %d and %d tensors" % (differ[:5], len(got), len(want)))


def test_state_dicts():
    with tempfile.TemporaryDirectory(prefix="retrain-torch-") as folder:
        want = random_tensors(folder)
        state = {k: torch.from_numpy(v.copy()) for k, v in want.items()}
        path, out = os.path.join(folder, "a.pt"), os.path.join(folder, "out")
        facts = {"names": NAMES, "train_args": {"imgsz": SIZE}}
        torch.save({"state_dict": state, **facts}, path)
        check_same(converted(path, out), want, "a state_dict in float32")
        torch.save({"state_dict": state, **facts}, path, pickle_protocol=5)
        check_same(converted(path, out), want, "pickle protocol 5")
        torch.save({"model": {k: v.double() for k, v in state.items()}, **facts}, path)
        check_same(converted(path, out), want, "float64")
        for kind in (torch.float16, torch.bfloat16):
            short = {k: v.to(kind) for k, v in state.items()}
            torch.save({"state_dict": short, **facts}, path)
            check_same(converted(path, out), {k: v.float().numpy() for k, v in short.items()}, str(kind))
        last = {k: v.contiguous(memory_format=torch.channels_last) if v.dim() == 4 else v for k, v in state.items()}
        torch.save({"state_dict": last, **facts}, path)
        check_same(converted(path, out), want, "channels-last strides")
        torch.save(state, path)
        tap.contains(str(converted(path, out)), "class names", "a bare state_dict is no whole model, and that is said")
        torch.save({"state_dict": state, **facts}, path, _use_new_zipfile_serialization=False)
        tap.contains(str(converted(path, out)), "save it again", "the format before 1.6 is named, with what to do")


# ---- the reference implementation

def forms(model):
    """As a finished run leaves its file, and as a running one does, in both precisions."""
    half, whole = copy.deepcopy(model).half(), copy.deepcopy(model).float()
    args = {"imgsz": SIZE, "epochs": 3}
    yield "finished, half", {"epoch": -1, "best_fitness": None, "model": half, "ema": None, "optimizer": None, "train_args": args}
    yield "finished, float", {"epoch": -1, "best_fitness": None, "model": whole, "ema": None, "optimizer": None, "train_args": args}
    optimizer = torch.optim.AdamW(whole.parameters())
    yield "running", {"epoch": 1, "model": None, "ema": half, "updates": 7, "optimizer": optimizer.state_dict(), "train_args": args}
    yield "running, with both", {"epoch": 1, "model": copy.deepcopy(half).apply(spoil), "ema": whole, "updates": 7, "train_args": args}


def spoil(module):
    for p in module.parameters(recurse=False):
        p.data.zero_()


def test_reference_checkpoints():
    with tempfile.TemporaryDirectory(prefix="retrain-torch-") as folder:
        os.environ.update(YOLO_OFFLINE="1", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false", YOLO_CONFIG_DIR=folder)
        try:
            from ultralytics.nn.tasks import DetectionModel
        except ImportError as missing:
            return tap.skip("checkpoints of the reference implementation", str(missing))
        image = np.random.default_rng(3).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        for scale in "n", "s":
            tensors = random_tensors(folder, scale)
            model = DetectionModel("yolov8%s.yaml" % scale, ch=3, nc=len(NAMES), verbose=False)
            model.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in tensors.items()}, strict=True)
            model.names, model.args = dict(enumerate(NAMES)), {"imgsz": SIZE}
            for form, checkpoint in forms(model.eval()):
                path = os.path.join(folder, "best.pt")
                torch.save(checkpoint, path)
                compare("%s, %s" % (scale, form), path, checkpoint["ema"] or checkpoint["model"], image)
            torch.save({"model": model}, path)
            compare_export("%s, as the reference's ONNX" % scale, path, model, image)
    return None


def compare_export(title, path, model, image):
    from ultralytics import YOLO
    try:
        exported = YOLO(path).export(format="onnx", imgsz=SIZE, simplify=False, opset=13, verbose=False)
    except Exception as missing:  # pylint: disable=broad-except
        return tap.skip(title, "its exporter does not work here: %s" % missing)
    return compare(title, exported, model, image)


def compare(title, path, model, image):
    got = engine.raw_output(path, image, ANCHORS)
    with torch.no_grad():
        want = copy.deepcopy(model).float().eval()(torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)))
    want = (want[0] if isinstance(want, (tuple, list)) else want)[0].numpy()
    tap.ok(np.ptp(want[4:]) > 0.05, title + ": the answers vary, so that comparing them means something", np.ptp(want[4:]))
    box, score = np.abs(got[:4] - want[:4]).max(), np.abs(got[4:] - want[4:]).max()
    tap.ok(box <= BOX_PX and score <= SCORE, "%s: all anchors within %.1e px and %.1e of the reference" % (title, box, score),
           "allowed: %g px and %g" % (BOX_PX, SCORE))


if not build():
    tap.done()
tap.main(test_state_dicts, test_reference_checkpoints)

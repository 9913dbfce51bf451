"""PyTorch's .pt files: what torch.save writes is read back to the bit, and checkpoints of the reference implementation
predict on a photo what it predicts itself. Needs torch; the second part also ultralytics; skips what is missing."""
import copy
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e"), os.path.join(ROOT, "tests", "golden", "onnx")]
import tap  # noqa: E402

try:
    import numpy as np
    import torch
    import network
except ImportError as missing:
    tap.skip("PyTorch's files", str(missing))
    tap.done()

BIN = os.path.join(ROOT, "build", "release", "tests", "golden")
WRITER, CONVERT = os.path.join(BIN, "onnx", "write_model"), os.path.join(BIN, "torch", "convert")
BOX_PX, SCORE = 1e-3, 1e-4
NAMES = ["finger", "it's", "çé"]


def build():
    done = subprocess.run(["make", "--no-print-directory", "-s", os.path.relpath(WRITER, ROOT), os.path.relpath(CONVERT, ROOT)], cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return tap.ok(done.returncode == 0, "the tools build", done.stdout)


def random_tensors(folder, scale="n"):
    """A detector whose answers vary, as {name: array}."""
    subprocess.run([WRITER, scale, "320", "5", folder, *NAMES], check=True)
    return network.read_safetensors(os.path.join(folder, "model.safetensors"))[0]


def converted(path, folder):
    """The tensors that retrain reads from the file, or what it says."""
    done = subprocess.run([CONVERT, path, folder], stderr=subprocess.PIPE, text=True, check=False)
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
        facts = {"names": NAMES, "train_args": {"imgsz": 320}}
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
    args = {"imgsz": 320, "epochs": 3}
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
        os.environ.update(YOLO_OFFLINE="true", YOLO_CONFIG_DIR=folder)
        try:
            import cv2
            import photo
            from ultralytics.nn.tasks import DetectionModel
        except ImportError as missing:
            return tap.skip("checkpoints of the reference implementation", str(missing))
        source = os.path.join(ROOT, "dataset", "images", "val")
        image = cv2.imread(os.path.join(source, sorted(os.listdir(source))[0]))
        png = os.path.join(folder, "photo.png")  # decoded once, by one library
        cv2.imwrite(png, image)
        for scale in "n", "s":
            model = DetectionModel("yolov8%s.yaml" % scale, ch=3, nc=len(NAMES), verbose=False)
            tensors = random_tensors(folder, scale)
            strange = [k for k in model.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in tensors.items()}, strict=False).missing_keys
                       if not k.endswith(("num_batches_tracked", "dfl.conv.weight"))]
            tap.equal(strange, [], "%s: the reference takes our tensors" % scale)
            model.names, model.args = dict(enumerate(NAMES)), {"imgsz": 320}
            for form, checkpoint in forms(model.eval()):
                path = os.path.join(folder, "best.pt")
                torch.save(checkpoint, path)
                compare(photo, "%s, %s: " % (scale, form), path, checkpoint["ema"] or checkpoint["model"], png, image)
    return None


def compare(photo, title, path, model, png, image):
    letterbox = photo.Letterbox(image[:, :, ::-1], 320)
    with torch.no_grad():
        output = copy.deepcopy(model).float().eval()(torch.from_numpy(letterbox.input))
    output = (output[0] if isinstance(output, (tuple, list)) else output)[0].numpy()
    scores = np.sort(output[4:].max(0))[::-1]
    gaps = scores[30:200] - scores[31:201]  # between two scores that are not too close to tell
    at = 30 + int(np.argmax(gaps))
    min_score = float(scores[at] + scores[at + 1]) / 2
    done = tap.run("predict", "--min-score", "%.9f" % min_score, path, png)
    if not tap.ok(done.returncode == 0, title + "retrain predict answers", done.stderr[-2000:]):
        return
    found = json.loads(done.stdout)["detections"]
    kept, _ = photo.suppress(output, min_score)
    boxes = letterbox.to_photo(photo.corners(output))
    want = [(NAMES[c], output[4 + c][a], boxes[a]) for a, c in kept]
    tap.ok(len(want) >= 10, title + "enough boxes to compare", len(want))
    if not tap.equal([d["class"] for d in found], [w[0] for w in want], title + "the same boxes in the same order"):
        return
    box = max(np.abs(np.array(d["box"]) - w[2]).max() for d, w in zip(found, want))
    score = max(abs(d["score"] - w[1]) for d, w in zip(found, want))
    tap.ok(box <= BOX_PX and score <= SCORE, title + "%d boxes, %.1e px and scores %.1e from the reference" % (len(want), box, score),
           "allowed: %g px and %g" % (BOX_PX, SCORE))


if not build():
    tap.done()
tap.main(test_state_dicts, test_reference_checkpoints)

"""The published files in the reference's own hands: model.safetensors loads strictly into its network of the same scale and
answers what the engine answers; its loader reads the metadata of model.onnx and finds our boxes.

Needs a Python with ultralytics, torch and safetensors: python3, or the one that RETRAIN_TEST_PYTHON names. Skips without."""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e"), os.path.join(HERE, "onnx")]
import engine  # noqa: E402
import tap  # noqa: E402

NEEDED = ("ultralytics", "torch", "safetensors", "cv2")


def has_peer(python):
    probe = "import importlib.util as u, sys; sys.exit(any(u.find_spec(m) is None for m in %r))" % (NEEDED,)
    try:
        return subprocess.run([python, "-c", probe], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


if not has_peer(sys.executable):
    other = next((p for p in (os.environ.get("RETRAIN_TEST_PYTHON"), "python3") if p and has_peer(p)), None)
    if other:
        os.execvp(other, [other, *sys.argv])
    tap.skip("the published files in the reference implementation", "no Python with %s; RETRAIN_TEST_PYTHON names one" % ", ".join(NEEDED))
    tap.done()

CONFIG = tempfile.TemporaryDirectory(prefix="retrain-peer-")  # its settings file goes there
os.environ.update(YOLO_OFFLINE="1", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false", YOLO_CONFIG_DIR=CONFIG.name)
import cv2  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import ultralytics  # noqa: E402
import photo  # noqa: E402

SIZE, ANCHORS = 320, 40 * 40 + 20 * 20 + 10 * 10
NAMES = ["it's", 'b "q"', "çé 猫"]
VAL = os.path.join(ROOT, "dataset", "images", "val")
# Two float networks, each rounding in its own order. Coordinates up to 600 have steps of 6e-5 px; n, s and m were seen to
# differ by 2e-4 px and 9e-7. Both bounds are far below 1e-4 of the input's side and of a score.
BOX_PX, SCORE = 1e-3, 1e-5


def documented_lines():
    """The Python that docs/models.md tells people to use."""
    with open(os.path.join(ROOT, "docs", "models.md"), encoding="utf-8") as f:
        return re.search(r"```python\n(.*?)```", f.read(), re.S).group(1)


def load_as_documented(folder):
    back, names = os.getcwd(), {}
    os.chdir(folder)
    try:
        exec(compile(documented_lines(), "docs/models.md", "exec"), names)  # pylint: disable=exec-used
    finally:
        os.chdir(back)
    return names["model"]


def listed(scale):
    with open(os.path.join(HERE, "safetensors", scale + ".txt"), encoding="ascii") as f:
        return [line.split() for line in f]


def check_close(got, want, name):
    box, score = np.abs(got[:4] - want[:4]).max(), np.abs(got[4:] - want[4:]).max()
    tap.ok(box <= BOX_PX and score <= SCORE, "%s: boxes %.1e px, scores %.1e" % (name, box, score),
           "allowed: %g px and %g" % (BOX_PX, SCORE))


def check_state_dict(title, scale, model):
    kinds = {torch.float32: "F32", torch.int64: "I64"}
    got = [[name, kinds[t.dtype], *map(str, t.shape)] for name, t in model.state_dict().items()]
    tap.equal(got, listed(scale), title + "its state_dict is the list of tests/golden/safetensors")


def check_output(title, folder, model, box_of):
    with torch.no_grad():
        answer = model.eval()(torch.from_numpy(box_of.input))
    want = (answer[0] if isinstance(answer, (tuple, list)) else answer)[0].numpy()
    ours = engine.raw_output(os.path.join(folder, "model.safetensors"), box_of.px, ANCHORS)
    spread = ours[4:].max() - ours[4:].min()
    tap.ok(spread > 0.05 and ours[:4].std() > 1, title + "the answers vary, so that comparing them means something", spread)
    check_close(ours, want, title + "the engine and the reference on a photo of the sample dataset")


def test_safetensors():
    if not engine.build():
        return
    picture = cv2.imread(os.path.join(VAL, sorted(os.listdir(VAL))[0]))
    box_of = photo.Letterbox(picture[:, :, ::-1], SIZE)
    for scale in "nsm":
        with tempfile.TemporaryDirectory(prefix="retrain-peer-") as folder:
            title = "%s in ultralytics %s: " % (scale, ultralytics.__version__)
            engine.write_model(folder, scale, SIZE, 11, NAMES)
            model = load_as_documented(folder)  # raises when a name or a shape is not as expected
            tap.equal(model.names, dict(enumerate(NAMES)), title + "loads strictly by the documented lines; class names")
            check_state_dict(title, scale, model)
            check_output(title, folder, model, box_of)


tap.main(test_safetensors)

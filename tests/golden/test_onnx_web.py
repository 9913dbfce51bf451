"""model.onnx in ONNX Runtime Web, under node: random models of every scale, one image and, with a dynamic batch, several,
must answer what the engine answers. Needs node and the package of tools/test-node.sh, and skips without them."""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e"), os.path.join(HERE, "onnx")]
import engine  # noqa: E402
import tap  # noqa: E402

MODULES = os.path.join(ROOT, "build", "node")
SIZE, CLASSES, IMAGES = 160, 3, 3
ANCHORS = engine.anchors(SIZE)
BOX_PX, SCORE = 1e-3, 1e-5  # as in test_peer.py


def run_web(model, pictures, folder):
    """[(4+classes) * anchors floats] of each picture, and what node says."""
    paths = [os.path.join(folder, "images.rgb"), os.path.join(folder, "out.f32")]
    with open(paths[0], "wb") as f:
        f.write(b"".join(pictures))
    done = subprocess.run(["node", os.path.join(HERE, "onnx", "web.js"), MODULES, model, paths[0], str(SIZE), paths[1]],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])
    values = engine.read_floats(paths[1])
    step = len(values) // len(pictures)
    return [values[i:i + step] for i in range(0, len(values), step)], json.loads(done.stdout)


def check_close(got, want, name):
    """Lists of answers, flat. A NaN on either side fails."""
    cut = 4 * ANCHORS
    box, score = 0.0, 0.0
    is_close = len(got) == len(want) and all(len(g) == len(w) == (4 + CLASSES) * ANCHORS for g, w in zip(got, want))
    for g, w in zip(got, want):
        for a, (x, y) in enumerate(zip(g, w)):
            d = abs(x - y)
            is_close = is_close and d <= (BOX_PX if a < cut else SCORE)
            box, score = max(box, d if a < cut else 0), max(score, d if a >= cut else 0)
    tap.ok(is_close, "%s: boxes %.1e px, scores %.1e" % (name, box, score), "allowed: %g px and %g" % (BOX_PX, SCORE))


def test_web():
    if not engine.build():
        return
    pictures = [random.Random(i).randbytes(SIZE * SIZE * 3) for i in range(IMAGES)]
    for scale in "nsm":
        with tempfile.TemporaryDirectory(prefix="retrain-web-") as folder:
            engine.write_model(folder, scale, SIZE, 11, ["finger", "thumb", "marker"])
            want = [engine.raw_floats(os.path.join(folder, "model.safetensors"), p) for p in pictures]
            one, said = run_web(os.path.join(folder, "model.onnx"), pictures[:1], folder)
            title = "%s in ONNX Runtime Web %s, node %s: " % (scale, said["version"], said["node"])
            tap.equal((said["inputs"], said["outputs"], said["shape"]), (["images"], ["output0"], [1, 4 + CLASSES, ANCHORS]),
                      title + "names and shape")
            check_close(one, want[:1], title + "one image")
            many, said = run_web(os.path.join(folder, "dynamic.onnx"), pictures, folder)
            tap.equal(said["shape"], [IMAGES, 4 + CLASSES, ANCHORS], title + "shape of a batch")
            check_close(many, want, title + "a batch of %d" % IMAGES)
            tap.ok(max(want[0][4 * ANCHORS:]) - min(want[0][4 * ANCHORS:]) > 0.05 and want[0] != want[1],
                   title + "the answers vary, so that comparing them means something")


if not shutil.which("node") or not os.path.exists(os.path.join(MODULES, "package.txt")):
    tap.skip("model.onnx in ONNX Runtime Web", "no node, or no build/node: tools/test-node.sh brings it")
    tap.done()
tap.main(test_web)

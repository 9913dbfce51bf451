"""The files that are published, as others read them: the ONNX checker, ONNX Runtime, OpenCV and a NumPy network of our own
must agree on random models of every scale, and on photographs with what `retrain predict` says.

Needs the packages of tools/test-venv.sh and skips without them."""
import ast
import json
import os
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e"), os.path.join(ROOT, "tests", "golden", "onnx"),
                os.path.join(ROOT, "tests", "golden")]
import other_python  # noqa: E402

other_python.need("the exported model in other programs", "cv2", "numpy", "onnx", "onnxruntime")
import cv2  # noqa: E402
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime  # noqa: E402
import engine  # noqa: E402
import network  # noqa: E402
import photo  # noqa: E402
import tap  # noqa: E402

C2K = os.path.join(ROOT, "..", "shared", "data", "c2k")
RACCOON = os.path.join(ROOT, "..", "shared", "data", "raccoon", "images")
REPEATS = {"n": (1, 2, 2, 1, 1, 1, 1, 1), "s": (1, 2, 2, 1, 1, 1, 1, 1), "m": (2, 4, 4, 2, 2, 2, 2, 2)}
NAMES = ["it's", 'b "q"', "çé\\x", "}, 'x': {"]
# Controls, blanks, marks that are not seen, code points that nobody uses, quotes, and texts that look like the syntax.
ODD = [chr(c) for c in (1, 9, 10, 13, 0x1f, 0x7f, 0x85, 0xa0, 0xad, 0x300, 0x378, 0x5d0, 0x600, 0x61c, 0x200b, 0x2028, 0x2065, 0x3000,
                        0xe000, 0xfeff, 0xfff9, 0xffff, 0x110bd, 0x1f600, 0xe0001, 0xf0000, 0x10ffff)]
ODD += ["'", '"', "'\"", "\\", "\\n", "\\'", "", " ", "{}", "0: 'a'", "猫 🐱"]
ODD += ["class %d" % i for i in range(len(ODD), 80)]
MODELS = [("n", 320, NAMES), ("n", 64, ODD), ("s", 96, NAMES[:2]), ("m", 64, NAMES[:1])]
BOX_PX, SCORE = 1e-3, 1e-4


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # on a busy machine that waits for nothing
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run_ort(path, image):
    return session(path).run(None, {"images": image})[0][0]


def run_opencv_batch(path, images):
    net = cv2.dnn.readNetFromONNX(path)
    net.setInput(images)
    return net.forward().reshape(len(images), -1, engine.anchors(images.shape[2]))


def run_opencv(path, image):
    return run_opencv_batch(path, image)[0]


def close(name, got, want):
    box, score = np.abs(got[:4] - want[:4]).max(), np.abs(got[4:] - want[4:]).max()
    return tap.ok(box <= BOX_PX and score <= SCORE, "%s: boxes %.1e px, scores %.1e" % (name, box, score),
                  "allowed: %g px and %g" % (BOX_PX, SCORE))


def check_numbers(title, folder, scale, size):
    path = os.path.join(folder, "model.onnx")
    tensors, _ = network.read_safetensors(os.path.join(folder, "model.safetensors"))
    layers = (2, 4, 6, 8, 12, 15, 18, 21)
    image = np.random.default_rng(7).random((1, 3, size, size), dtype=np.float32)
    want = network.Network(tensors, dict(zip(layers, REPEATS[scale])))(image[0])
    tap.equal(want.shape, (4 + len(tensors["model.22.cv3.0.2.bias"]), engine.anchors(size)), title + "shape of the answer")
    spread = want[4:].max() - want[4:].min()
    tap.ok(spread > 0.05 and want[:4].std() > 1, title + "the answers vary, so that comparing them means something", spread)
    close(title + "ONNX Runtime and NumPy", run_ort(path, image), want)
    close(title + "OpenCV %s and NumPy" % cv2.__version__, run_opencv(path, image), want)


def shape_of(value):
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


def check_shapes(title, model, size, names, batch):
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    shapes = {v.name: shape_of(v) for v in inferred.graph.value_info}
    tap.equal([(v.name, shape_of(v)) for v in [*model.graph.input, *model.graph.output]],
              [("images", [batch, 3, size, size]), ("output0", [batch, 4 + len(names), engine.anchors(size)])], title + "input and output")
    # The symbol of a dynamic batch is lost at Resize, whose inference multiplies it; the other dimensions stay numbers.
    fixed = slice(1, None) if batch != 1 else slice(None)
    unknown = [n.output[0] for n in model.graph.node[:-1]
               if not shapes.get(n.output[0]) or not all(isinstance(d, int) and d > 0 for d in shapes[n.output[0]][fixed])]
    tap.equal(unknown, [], title + "every value's shape is known and fixed")


def check_structure(title, path, scale, size, names):
    model = onnx.load(path)
    check_shapes(title, model, size, names, 1)
    tap.equal((model.ir_version, [(o.domain, o.version) for o in model.opset_import], model.producer_name), (8, [("", 13)], "retrain"),
              title + "IR, opset, producer")

    count = {}
    for node in model.graph.node:
        count[node.op_type] = count.get(node.op_type, 0) + 1
    adds = sum(REPEATS[scale][:4]) + 2  # shortcuts of the backbone, and two in the decoding
    convs = 64 if scale != "m" else 84
    want = {"Conv": convs, "Sigmoid": convs - 6, "Mul": convs - 6, "Split": 8, "MaxPool": 3, "Resize": 2, "Softmax": 1, "Transpose": 1,
            "Add": adds, "Sub": 1, "Slice": 2, "Reshape": 8, "Concat": 17}
    tap.equal(count, want, title + "census of nodes")

    by_name = {n.name: n for n in model.graph.node}
    tap.equal(len(by_name), len(model.graph.node), title + "node names are unique")
    cut = ["/model.22/cv%d.%d/cv%d.%d.2/Conv" % (c, l, c, l) for c in (2, 3) for l in range(3)]
    known = ["/model.0/conv/Conv", "/model.0/act/Sigmoid", "/model.0/act/Mul", "/model.2/m.0/cv1/conv/Conv", "/model.2/m.0/Add",
             "/model.2/Split", "/model.2/Concat", "/model.9/m/MaxPool", "/model.9/m_1/MaxPool", "/model.9/m_2/MaxPool",
             "/model.9/cv2/conv/Conv", "/model.10/Resize", "/model.11/Concat", "/model.22/cv2.0/cv2.0.0/conv/Conv",
             "/model.22/dfl/conv/Conv", "/model.22/Sigmoid"]
    tap.equal([n for n in cut + known if n not in by_name], [], title + "nodes have the names that tools cut the graph by")
    tap.equal([by_name[n].output[0] for n in cut if n in by_name], [n + "_output_0" for n in cut], title + "and so have their values")
    tensors = {t.name: list(t.dims) for t in model.graph.initializer}
    tap.ok("model.2.m.0.cv1.conv.weight" in tensors and "model.2.m.0.cv1.conv.bias" in tensors and tensors["model.22.dfl.conv.weight"] ==
           [1, 16, 1, 1], title + "initialisers have the state_dict's names")
    used = {i for n in model.graph.node for i in n.input}
    tap.equal(sorted(set(tensors) - used), [], title + "no initialiser is unused")
    tap.equal([i for n in model.graph.node if n.op_type in ("Sub", "Add", "Mul") for i in n.input[:1] if i in tensors], [],
              title + "no constant is a first operand (OpenCV 4.6)")


def check_dynamic(title, folder, size, names):
    """The same network for any number of images: nothing but the first dimension differs, and it answers as the static one
    does for each image by itself."""
    static, dynamic = (onnx.load(os.path.join(folder, f)) for f in ("model.onnx", "dynamic.onnx"))
    check_shapes(title, dynamic, size, names, "batch")
    shapes = {t.name for t in dynamic.graph.initializer if t.data_type == onnx.TensorProto.INT64}
    tap.ok(list(static.graph.node) == list(dynamic.graph.node) and static.metadata_props == dynamic.metadata_props,
           title + "the nodes and the metadata of the static file")
    tap.ok([t for t in static.graph.initializer if t.name not in shapes] == [t for t in dynamic.graph.initializer if t.name not in shapes],
           title + "the weights of the static file")
    images = np.random.default_rng(8).random((5, 3, size, size), dtype=np.float32)
    alone = session(os.path.join(folder, "model.onnx"))
    want = np.concatenate([alone.run(None, {"images": images[i:i + 1]})[0] for i in range(5)])
    run = session(os.path.join(folder, "dynamic.onnx")).run
    for n in (1, 2, 5):
        for name, got in (("ONNX Runtime", run(None, {"images": images[:n]})[0]),
                          ("OpenCV " + cv2.__version__, run_opencv_batch(os.path.join(folder, "dynamic.onnx"), images[:n]))):
            if tap.equal(got.shape, want[:n].shape, title + "%s, batch %d: shape" % (name, n)):
                close(title + "%s, batch %d" % (name, n), got.swapaxes(0, 1), want[:n].swapaxes(0, 1))


def check_metadata(title, folder, size, names):
    model = onnx.load(os.path.join(folder, "model.onnx"))
    meta = {e.key: e.value for e in model.metadata_props}
    tap.equal(len(meta), len(model.metadata_props), title + "metadata keys are unique")
    tap.equal(ast.literal_eval(meta["names"]), dict(enumerate(names)), title + "names read back as Python")
    if names is not ODD:  # which of the rarest marks repr escapes depends on Python's version
        tap.equal(meta["names"], repr(dict(enumerate(names))), title + "names are Python's own repr")
    tap.equal((ast.literal_eval(meta["imgsz"]), int(meta["stride"]), meta["task"], int(meta["batch"])), ([size, size], 32, "detect", 1),
              title + "imgsz, stride, task, batch")
    args = {"batch": 1, "half": False, "dynamic": False, "simplify": True, "opset": 13, "nms": False}
    tap.equal((ast.literal_eval(meta["args"]), meta["channels"], meta["author"], meta["version"]),
              (args, "3", "retrain", meta["retrain.version"]), title + "args, channels, author, version")
    tap.ok(all(meta[key] for key in ("description", "license", "docs")), title + "description, license, docs")
    _, other = network.read_safetensors(os.path.join(folder, "model.safetensors"))
    for key in ("retrain.version", "retrain.dataset"):
        tap.ok(meta.get(key) and meta[key] == other.get(key), title + key + " in both files", (meta.get(key), other.get(key)))
    tap.ok("date" not in meta, title + "an empty date is left out")


def test_random_models():
    if not engine.build():
        return
    for scale, size, names in MODELS:
        with tempfile.TemporaryDirectory(prefix="retrain-onnx-") as folder:
            title = "%s at %d px, %d classes: " % (scale, size, len(names))
            engine.write_model(folder, scale, size, 5, names)
            check_structure(title, os.path.join(folder, "model.onnx"), scale, size, names)
            check_metadata(title, folder, size, names)
            check_numbers(title, folder, scale, size)
            check_dynamic(title + "dynamic batch: ", folder, size, names)
            again = os.path.join(folder, "again")
            engine.write_model(again, scale, size, 5, names)
            same = all(open(os.path.join(folder, f), "rb").read() == open(os.path.join(again, f), "rb").read()
                       for f in ("model.onnx", "dynamic.onnx", "model.safetensors"))
            tap.ok(same, title + "the same model gives the same bytes")


# ---- photographs

def make_photos(folder):
    """Ten photos as PNG: the real ones where they are at hand, else the sample dataset's. Decoded once, by one library,
    because JPEG decoders differ in the last bit."""
    if os.path.isdir(C2K) and os.path.isdir(RACCOON):
        photos = [os.path.join(C2K, f) for f in sorted(os.listdir(C2K)) if f.endswith(".jpg")][:5]
        photos += [os.path.join(RACCOON, f) for f in sorted(os.listdir(RACCOON))][:5]
    else:
        val = os.path.join(ROOT, "dataset", "images", "val")
        photos = [os.path.join(val, f) for f in sorted(os.listdir(val))][:10]
    pngs = [os.path.join(folder, "%02d.png" % i) for i in range(len(photos))]
    for path, png in zip(photos, pngs):
        cv2.imwrite(png, cv2.imread(path))
    return pngs


def make_model(folder):
    """A folder with model.onnx and model.safetensors: RETRAIN_TEST_MODEL's, else random weights. What is compared is
    arithmetic, for which random weights are as good as trained ones, and faster to have."""
    given = os.environ.get("RETRAIN_TEST_MODEL")
    if not given:
        engine.write_model(folder, "n", 320, 11, ["finger", "thumb", "marker"])
    return given or folder


def compare_photo(path, answer, runtimes, size, min_score, tally):
    box_of = photo.Letterbox(cv2.imread(path)[:, :, ::-1], size)
    ours = [(d["class_id"], d["score"], d["box"]) for d in answer["detections"]]
    for name, run in runtimes.items():
        output = run(box_of.input)
        kept, is_close = photo.suppress(output, min_score)
        boxes = box_of.to_photo(photo.corners(output))
        count = tally.setdefault(name, {"boxes": 0, "box": 0.0, "score": 0.0, "same": 0, "close": 0, "different": []})
        if len(kept) == len(ours):
            pairs = list(zip(ours, kept))
        else:
            pairs = []
        fits = bool(pairs) or len(ours) == len(kept)
        for (cls, score, box), (a, c) in pairs:
            box_error, score_error = np.abs(boxes[a] - box).max(), abs(output[4 + c][a] - score)
            if cls != c or box_error > 1 or score_error > 0.01:
                fits = False  # another order or another choice, not a rounding
                break
            count["boxes"] += 1
            count["box"], count["score"] = max(count["box"], box_error), max(count["score"], score_error)
        count["same" if fits else "close" if is_close else "different"] += 1 if fits or is_close else [os.path.basename(path)]


def test_photographs():
    min_score = 0.25
    with tempfile.TemporaryDirectory(prefix="retrain-photos-") as folder:
        photos, model = make_photos(folder), make_model(folder)
        done = tap.run("predict", "--confidence", min_score, os.path.join(model, "model.safetensors"), *photos, cwd=folder)
        if not tap.ok(done.returncode == 0, "retrain predict answers", done.stderr[-2000:]):
            return
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        tap.equal(len(answers), len(photos), "one answer per photo")
        path = os.path.join(model, "model.onnx")
        ort = session(path)
        size = ort.get_inputs()[0].shape[2]
        runtimes = {"ONNX Runtime": lambda image: ort.run(None, {"images": image})[0][0],
                    "OpenCV": lambda image: run_opencv(path, image)}
        tally = {}
        for image, answer in zip(photos, answers):
            compare_photo(image, answer, runtimes, size, min_score, tally)
        for name, t in tally.items():
            tap.diag("%s: %d photos alike, %d with a choice too close to call, %d boxes" % (name, t["same"], t["close"], t["boxes"]))
            tap.ok(t["boxes"] >= 20, "%s: enough boxes to compare" % name, t["boxes"])
            tap.ok(not t["different"] and t["same"] >= 5, "%s keeps the boxes that retrain predict keeps" % name, t)
            tap.ok(t["box"] <= BOX_PX and t["score"] <= SCORE,
                   "%s on %d photos: boxes %.1e px, scores %.1e from retrain predict" % (name, len(photos), t["box"], t["score"]), t)


tap.main(test_random_models, test_photographs)

"""ONNX files as weights: a model that went out as ONNX, with BatchNorm folded, comes back as the same function; files with
their BatchNorm come back to the bit. Needs numpy, and onnx for the second part (tools/test-venv.sh brings them)."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "e2e"), os.path.join(HERE, "onnx")]
import other_python  # noqa: E402

other_python.need("ONNX files as weights", "numpy", "onnx")
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import engine  # noqa: E402
import network  # noqa: E402
import tap  # noqa: E402

CONVERT = os.path.join("build", "release", "tests", "golden", "torch", "convert")
SIZE, ANCHORS = 320, 40 * 40 + 20 * 20 + 10 * 10
SHARE = 1e-5  # of the input's side for boxes, of 1 for scores: rounding of folded weights, 2^-24 each, over 23 layers
NAMES = ["finger", "it's", 'b "q"', "çé\\x"]


def build():
    done = subprocess.run(["make", "--no-print-directory", "-s", CONVERT], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    return tap.ok(done.returncode == 0, "the reader builds", done.stdout) and engine.build()


def converted(path, folder):
    done = subprocess.run([os.path.join(ROOT, CONVERT), path, folder], stderr=subprocess.PIPE, text=True, check=False)
    return done.stderr or network.read_safetensors(os.path.join(folder, "model.safetensors"))


def test_folded():
    image = np.random.default_rng(3).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    for scale in "n", "s", "m":
        with tempfile.TemporaryDirectory(prefix="retrain-onnx-") as folder:
            engine.write_model(folder, scale, SIZE, 5, NAMES)
            out, back = (engine.raw_output(os.path.join(folder, f), image, ANCHORS) for f in ("model.safetensors", "model.onnx"))
            tap.ok(np.ptp(out[4:]) > 0.05, scale + ": the answers vary, so that comparing them means something", np.ptp(out[4:]))
            box, score = np.abs(out[:4] - back[:4]).max() / SIZE, np.abs(out[4:] - back[4:]).max()
            tap.ok(box <= SHARE and score <= SHARE, "%s: the same function: boxes within %.1e of the side, scores %.1e" % (scale, box, score))
            tensors, about = converted(os.path.join(folder, "model.onnx"), os.path.join(folder, "out"))
            _, want = network.read_safetensors(os.path.join(folder, "model.safetensors"))
            tap.equal((about["names"], about["imgsz"], about["scale"]), (want["names"], want["imgsz"], want["scale"]),
                      scale + ": names, size and scale come along")
            variance = {float(v) for k, t in tensors.items() if k.endswith("running_var") for v in t}
            tap.equal(variance, {float(np.float32(1 - 1e-3))}, scale + ": BatchNorm passes through")


def whole_file(tensors, kind, how):
    """A model file of nothing but initialisers."""
    made = []
    for name, value in tensors.items():
        kind_here = kind if value.dtype == np.float32 else onnx.TensorProto.INT64
        if how == "raw":
            dtype = onnx.helper.tensor_dtype_to_np_dtype(kind_here)
            made.append(onnx.helper.make_tensor(name, kind_here, value.shape, value.astype(dtype).tobytes(), raw=True))
        else:
            made.append(onnx.helper.make_tensor(name, kind_here, value.shape, value.ravel().tolist()))
    graph = onnx.helper.make_graph([], "weights", [], [], initializer=made)
    model = onnx.helper.make_model(graph)
    onnx.helper.set_model_props(model, {"names": repr(dict(enumerate(NAMES))), "imgsz": "[320, 320]"})
    return model


def test_unfolded():
    with tempfile.TemporaryDirectory(prefix="retrain-onnx-") as folder:
        engine.write_model(folder, "n", SIZE, 5, NAMES)
        want, _ = network.read_safetensors(os.path.join(folder, "model.safetensors"))
        short = {k: v.astype(np.float16).astype(np.float32) if v.dtype == np.float32 else v for k, v in want.items()}
        for title, kind, how, expected in (("floats as bytes", onnx.TensorProto.FLOAT, "raw", want), ("floats as numbers", onnx.TensorProto.FLOAT, "list", want),
                                           ("doubles", onnx.TensorProto.DOUBLE, "list", want), ("halves", onnx.TensorProto.FLOAT16, "raw", short)):
            path = os.path.join(folder, "unfolded.onnx")
            onnx.save(whole_file(want, kind, how), path)
            got = converted(path, os.path.join(folder, "out"))
            if tap.ok(not isinstance(got, str), title + ": BatchNorm's own tensors are read", got):
                differ = [k for k in expected if not np.array_equal(got[0][k], expected[k])]
                tap.equal(differ, [], title + ": to the bit")
        model = whole_file(want, onnx.TensorProto.FLOAT, "raw")
        onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
        tap.contains(str(converted(path, os.path.join(folder, "out"))), "save the model as one file", "weights in another file are refused, with what to do")


if not build():
    tap.done()
tap.main(test_folded, test_unfolded)

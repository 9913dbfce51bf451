"""The program's side of the model-format tests: models with random weights, and what the engine answers itself."""
import array
import os
import subprocess
import tempfile

import tap

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
TOOLS = os.path.join("build", "release", "tests", "golden", "onnx")


def build():
    """Builds the two drivers; a test point."""
    made = subprocess.run(["make", "--no-print-directory", "-s", TOOLS + "/write_model", TOOLS + "/raw_output"], cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return tap.ok(made.returncode == 0, "the drivers build", made.stdout)


def write_model(folder, scale, size, seed, names):
    """model.onnx, dynamic.onnx and model.safetensors in the folder."""
    subprocess.run([os.path.join(ROOT, TOOLS, "write_model"), scale, str(size), str(seed), folder, *names], check=True)


def anchors(size):
    return sum((size // stride) ** 2 for stride in (8, 16, 32))


def read_floats(path):
    values = array.array("f")
    with open(path, "rb") as f:
        values.frombytes(f.read())
    return values


def raw_floats(model, picture):
    """picture: size*size*3 bytes RGB of the model's size -> the engine's output0, flat: [4+classes][anchors] floats."""
    with tempfile.TemporaryDirectory(prefix="retrain-raw-") as folder:
        paths = [os.path.join(folder, "image.rgb"), os.path.join(folder, "out.f32")]
        with open(paths[0], "wb") as f:
            f.write(picture)
        subprocess.run([os.path.join(ROOT, TOOLS, "raw_output"), model, *paths], check=True)
        return read_floats(paths[1])


def raw_output(model, image, n_anchors):
    """image [S,S,3] uint8 -> [4+classes,anchors], for those who have NumPy."""
    import numpy as np
    return np.array(raw_floats(model, np.ascontiguousarray(image).tobytes())).reshape(-1, n_anchors)

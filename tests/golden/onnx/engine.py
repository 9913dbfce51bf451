"""The program's side of the model-format tests: models with random weights, and what the engine answers itself."""
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
    """model.onnx and model.safetensors in the folder."""
    subprocess.run([os.path.join(ROOT, TOOLS, "write_model"), scale, str(size), str(seed), folder, *names], check=True)


def raw_output(model, image, anchors):
    """image [S,S,3] uint8 -> [4+classes,anchors], from model.safetensors."""
    import numpy as np  # not every user of this file has it
    with tempfile.TemporaryDirectory(prefix="retrain-raw-") as folder:
        paths = [os.path.join(folder, "image.rgb"), os.path.join(folder, "out.f32")]
        np.ascontiguousarray(image).tofile(paths[0])
        subprocess.run([os.path.join(ROOT, TOOLS, "raw_output"), model, *paths], check=True)
        return np.fromfile(paths[1], "<f4").reshape(-1, anchors)

#!/usr/bin/env python3
"""Writes the golden vectors: what PyTorch computes, in float64, of blocks, networks, loss and recipe as reference/ states them.

    generate.py [--float32] [--only NAME] [FOLDER]     FOLDER: default vectors/ beside this file

--float32 lets PyTorch compute in single precision instead: reference/vectors.py then tells how far it is from the float64
vectors, which is the yardstick for our own single precision. Needs torch and numpy."""
import argparse
import json
import os
import platform
import sys

import numpy as np
import torch
from torch import nn

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from reference import loss, network, recipe, seeded  # noqa: E402
from reference.vectors import Vectors  # noqa: E402

DTYPE = torch.float64
SAFE = 1e-3  # least relative gap between what the assigner takes and leaves, so that rounding cannot change its choice


def put_digest(out, name, tensor):
    out.put(name, seeded.digest(name, tensor.detach().double().numpy()))


# ---- blocks --------------------------------------------------------------------------------------------------------------


class UpsampleConcat(nn.Module):
    """Half the size, doubled again, beside its own input, as the neck does."""

    def __init__(self, c):
        super().__init__()
        self.down, self.mix = network.Conv(c, c, 3, 2), network.Conv(2 * c, c)

    def forward(self, x):
        return self.mix(torch.cat([network.upsample(self.down(x)), x], 1))


class Framed(nn.Module):
    """A Conv before the block, so that the block's gradient is seen through it, and a 1x1 convolution with bias after it."""

    def __init__(self, c, block, outputs):
        super().__init__()
        self.first, self.block, self.last = network.Conv(c, c), block, nn.Conv2d(outputs, outputs, 1)

    def forward(self, x):
        return self.last(self.block(self.first(x)))


# name, input channels, output channels, height, width, block: the same list stands in test_golden_blocks.c
BLOCKS = [
    ("conv3", 16, 32, 9, 7, lambda: network.Conv(16, 32, 3)),
    ("conv3_stride2", 16, 32, 9, 7, lambda: network.Conv(16, 32, 3, 2)),
    ("conv1", 48, 16, 6, 5, lambda: network.Conv(48, 16)),
    ("wide", 64, 96, 12, 12, lambda: network.Conv(64, 96, 3)),
    ("c2f_shortcut", 32, 32, 8, 8, lambda: network.C2f(32, 32, 2, True)),
    ("c2f_plain", 48, 32, 8, 6, lambda: network.C2f(48, 32, 1, False)),
    ("sppf", 32, 48, 9, 8, lambda: network.SPPF(32, 48)),
    ("upsample_concat", 16, 16, 8, 6, lambda: UpsampleConcat(16)),
    ("head", 32, 48, 7, 5, lambda: nn.Sequential(network.Conv(32, 64, 3), network.Conv(64, 48, 3))),
]
BLOCK_BATCH = 3


def block_case(out, name, c, outputs, h, w, make):
    case = "blocks/%s" % name
    module = Framed(c, make(), outputs).to(DTYPE)
    network.fill(module, case)
    x = torch.from_numpy(seeded.unit(case + "/input", BLOCK_BATCH * c * h * w)).reshape(BLOCK_BATCH, c, h, w).to(DTYPE)
    with torch.no_grad():
        put_digest(out, case + "/inference", module.eval()(x))
    y = module.train()(x)
    put_digest(out, case + "/training", y)
    cotangent = torch.from_numpy(seeded.unit(case + "/cotangent", y.numel())).reshape(y.shape).to(DTYPE)
    y.backward(cotangent)
    put_model(out, case, module)


def put_model(out, case, module):
    for name, p in module.named_parameters():
        put_digest(out, "%s/grad/%s" % (case, name), p.grad)
    for name, t in module.named_buffers():
        if "running" in name:
            put_digest(out, "%s/running/%s" % (case, name), t)


# ---- labels --------------------------------------------------------------------------------------------------------------


def random_labels(rng, n, classes):
    """Fractions with ten bits, so that float32 and float64 see the same corners."""
    size = rng.integers(100, 700, (n, 2)) // 2 * 2
    centre = size // 2 + (rng.random((n, 2)) * (1024 - size)).astype(int)
    return np.concatenate([rng.integers(0, classes, (n, 1)).astype(float), centre / 1024, size / 1024], 1)


def put_labels(out, case, labels):
    rows = [[i, *row] for i, image in enumerate(labels) for row in image]
    if rows:
        out.put(case + "/labels", rows)


def safe_loss(case, outputs, size, draw):
    """The first labels that draw(generator) gives whose assignment is SAFE, and their loss."""
    for seed in range(50):
        labels = draw(np.random.default_rng(seed))
        total, parts, assignments = loss.detection_loss(*outputs, labels, size)
        if min(a.margin for a in assignments) >= SAFE:
            return labels, total, parts, assignments
    raise SystemExit("%s: with all labels a choice of the assigner hangs on less than %g" % (case, SAFE))


# ---- whole networks ------------------------------------------------------------------------------------------------------

INFERENCE = [("n", 80), ("s", 3), ("m", 1)]
SIZES = (64, 96, 160)
TRAINING = [("n", 3, 64, 4), ("n", 80, 96, 3), ("s", 3, 64, 3), ("m", 2, 64, 2)]  # scale, classes, size, images


def put_outputs(out, case, boxes, classes):
    for level in range(3):
        put_digest(out, "%s/box%d" % (case, level), boxes[level])
        put_digest(out, "%s/cls%d" % (case, level), classes[level])


def inference_cases(out):
    for scale, classes in INFERENCE:
        model = network.make(scale, classes, "inference/%s" % scale, DTYPE).eval()
        for size in SIZES:
            case = "inference/%s/%d" % (scale, size)
            with torch.no_grad():
                outputs = model(network.images(case, 1, size, DTYPE))
                corners, scores = network.decode(*outputs, size)
            put_outputs(out, case, *outputs)
            put_digest(out, case + "/corners", corners)
            put_digest(out, case + "/scores", scores.transpose(1, 2))


def put_loss(out, case, total, parts, assignments):
    learning = sum(int((a.score > 0).sum()) for a in assignments)
    out.put(case + "/loss", [float(parts[k].detach()) for k in ("box", "cls", "dfl")] + [float(total.detach()), learning])


def training_case(out, scale, classes, size, n):
    case = "training/%s/%d" % (scale, size)
    draw = lambda rng: [random_labels(rng, g, classes) for g in (3, 1, 0, 4)[:n]]
    model = network.make(scale, classes, case, DTYPE).train()
    outputs = model(network.images(case, n, size, DTYPE))
    labels, total, parts, assignments = safe_loss(case, outputs, size, draw)
    total.backward()
    put_labels(out, case, labels)
    put_outputs(out, case, *outputs)
    put_loss(out, case, total, parts, assignments)
    put_model(out, case, model)


# ---- loss ----------------------------------------------------------------------------------------------------------------


def loss_labels():
    """Case -> size, classes, how to draw labels per image. All fractions have few bits."""
    one = [[1, 0.5, 0.5, 0.5, 0.375]]
    nested = [[0, 0.5, 0.5, 0.75, 0.75], [1, 0.5, 0.5, 0.5, 0.5], [2, 0.53125, 0.5, 0.25, 0.25], [0, 0.4375, 0.5, 0.625, 0.5]]
    twins = [[2, 0.375, 0.5, 0.5, 0.25], [2, 0.375, 0.5, 0.5, 0.25], [0, 0.375, 0.5, 0.5, 0.25]]
    edges = [[0, 0.375, 0.375, 0.625, 0.625],  # its sides run through the centres of stride 8's cells: they are outside
             [1, 0.9375, 0.9375, 0.125, 0.125], [2, 0.5, 0.03125, 1, 0.0625]]
    small = [[0, 0.5, 0.5, 0.0078125, 0.0078125],  # between the centres: learns nothing
             [1, 0.25, 0.75, 0.1875, 0.21875], [3, 0.75, 0.25, 0.25, 0.125]]
    whole = [[4, 0.5, 0.5, 1, 1], [0, 0.25, 0.5, 0.5, 1]]  # sides farther than 15 cells
    return {
        "none": (64, 3, lambda rng: [[], []]),
        "plain": (64, 3, lambda rng: [one, [], nested, twins, edges]),
        "crowd": (96, 3, lambda rng: [random_labels(rng, 24, 3), one, random_labels(rng, 9, 3)]),
        "large": (160, 5, lambda rng: [whole, small, random_labels(rng, 12, 5)]),
    }


def loss_logits(case, what, shape):
    """Boxes: every side has a bin 0..8 that stands out by 5. Classes: -5 to 3."""
    levels = []
    for level, stride in enumerate(network.STRIDES):
        cells = (size_of(shape, stride)) ** 2
        images = []
        for i in range(shape[0]):
            name = "%s/%s%d/%d" % (case, what, level, i)
            if what == "box":
                u = np.float32(2) * seeded.unit(name, 64 * cells).reshape(4, 16, cells)
                peak = (seeded.bits(name + "#peak", 4 * cells) % np.uint64(9)).astype(int).reshape(4, 1, cells)
                u = u + np.float32(5) * (np.arange(16).reshape(1, 16, 1) == peak)
            else:
                u = np.float32(4) * seeded.unit(name, shape[1] * cells) - np.float32(1)
            images.append(torch.from_numpy(u.astype(np.float32)).reshape(-1, size_of(shape, stride), size_of(shape, stride)))
        levels.append(torch.stack(images).to(DTYPE).requires_grad_())
    return levels


def size_of(shape, stride):
    return shape[2] // stride


def loss_case(out, name, size, classes, draw):
    case = "loss/%s" % name
    shape = (len(draw(np.random.default_rng(0))), classes, size)
    boxes, scores = loss_logits(case, "box", shape), loss_logits(case, "cls", shape)
    labels, total, parts, assignments = safe_loss(case, (boxes, scores), size, draw)
    total.backward()
    put_labels(out, case, labels)
    put_loss(out, case, total, parts, assignments)
    for level in range(3):
        put_digest(out, "%s/dbox%d" % (case, level), boxes[level].grad)
        put_digest(out, "%s/dcls%d" % (case, level), scores[level].grad)
    rows = [[i, int(a.index[j]), int(a.classes[j]), float(a.score[j]), *map(float, a.boxes[j])]
            for i, a in enumerate(assignments) for j in range(len(a.index))]
    if rows:
        out.put(case + "/targets", rows)
        gradient = network.flatten([b.grad for b in boxes])
        out.put(case + "/target_grads", torch.stack([gradient[r[0], r[1]] for r in rows]).double().numpy())


# ---- recipe --------------------------------------------------------------------------------------------------------------

SCHEDULES = {
    "adamw": recipe.Schedule(epochs=4, batches_per_epoch=5, batch_size=32, nominal_batch=64, lr=0.002, final_fraction=0.01,
                             momentum=0.9, warmup_iterations=8, warmup_bias_lr=0.0, warmup_momentum=0.9),
    "sgd": recipe.Schedule(epochs=4, batches_per_epoch=5, batch_size=32, nominal_batch=64, lr=0.01, final_fraction=0.01,
                           momentum=0.937, warmup_iterations=8, warmup_bias_lr=0.1, warmup_momentum=0.8),
}
WEIGHT_DECAY = 0.0005
ITERATIONS = 20


def optimizer_case(out, kind):
    """Given gradients, of which some are cut to norm 10; steps over one and over two batches."""
    case = "optimizer/%s" % kind
    module = network.Conv(3, 8, 3).to(DTYPE)
    network.fill(module, case)
    trainer = recipe.Trainer(module, kind, SCHEDULES[kind], WEIGHT_DECAY)
    for iteration in range(ITERATIONS):
        for name, p in module.named_parameters():
            u = seeded.unit("%s/%d/%s" % (case, iteration, name), p.numel()) * np.float32(iteration % 4 * 0.5 + 0.0625)
            g = torch.from_numpy(u).reshape(p.shape).to(DTYPE)
            p.grad = g if p.grad is None else p.grad + g
        norm = trainer.after_backward(iteration)
        out.put("%s/%d/schedule" % (case, iteration), trainer.schedule.at(iteration))
        if norm is None:
            continue
        out.put("%s/%d/norm" % (case, iteration), [norm])
        for name, t in module.state_dict().items():
            if t.is_floating_point():
                put_digest(out, "%s/%d/data/%s" % (case, iteration, name), t)
                put_digest(out, "%s/%d/ema/%s" % (case, iteration, name), trainer.ema.state_dict()[name])


STEPS = 10
STEPS_KEPT = (1, STEPS)
# At the full rates two roundings of one run part within ten steps (the first ones of AdamW go by the gradient's sign).
STEPS_CHANGES = {"adamw": {"nominal_batch": 32, "lr": 0.0002}, "sgd": {"nominal_batch": 32, "lr": 0.002, "warmup_bias_lr": 0.02}}


def steps_case(out, kind):
    """A network trained for ten batches, from the second batch of the schedule on (the first has learning rate 0)."""
    case, size, classes = "steps/%s" % kind, 64, 3
    schedule = recipe.Schedule(**{**SCHEDULES[kind].__dict__, **STEPS_CHANGES[kind]})
    model = network.make("n", classes, case, DTYPE).train()
    trainer = recipe.Trainer(model, kind, schedule, WEIGHT_DECAY)
    trainer.last_step = 0
    for step in range(1, STEPS + 1):
        at = "%s/%d" % (case, step)
        outputs = model(network.images(at, 3, size, DTYPE))
        labels, total, parts, assignments = safe_loss(
            at, outputs, size, lambda rng: [random_labels(rng, g, classes) for g in (2, 1, 0)])
        total.backward()
        put_labels(out, at, labels)
        put_loss(out, at, total, parts, assignments)
        out.put(at + "/norm", [trainer.after_backward(step)])
        if step in STEPS_KEPT:
            for name, t in model.state_dict().items():
                if t.is_floating_point():
                    put_digest(out, "%s/data/%s" % (at, name), t)
                    put_digest(out, "%s/ema/%s" % (at, name), trainer.ema.state_dict()[name])


# ---- files ---------------------------------------------------------------------------------------------------------------


def blocks_file(out):
    for block in BLOCKS:
        block_case(out, *block)


def network_file(out):
    inference_cases(out)
    for case in TRAINING:
        training_case(out, *case)


def loss_file(out):
    for name, case in loss_labels().items():
        loss_case(out, name, *case)


def optimizer_file(out):
    for kind in SCHEDULES:
        optimizer_case(out, kind)


def steps_file(out):
    for kind in SCHEDULES:
        steps_case(out, kind)


FILES = {"blocks": blocks_file, "network": network_file, "loss": loss_file, "optimizer": optimizer_file, "steps": steps_file}


def versions():
    return {"torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version(),
            "precision": str(DTYPE).replace("torch.", "")}


def write_all(folder, names):
    os.makedirs(folder, exist_ok=True)
    for name in names:
        out = Vectors(versions())
        FILES[name](out)
        out.write(os.path.join(folder, name + ".safetensors"))
    with open(os.path.join(folder, "versions.json"), "w", encoding="utf-8") as f:
        f.write(json.dumps(versions(), indent=2) + "\n")


def main():
    global DTYPE
    parser = argparse.ArgumentParser()
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--only", choices=FILES, help="one file instead of all")
    parser.add_argument("folder", nargs="?", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "vectors"))
    arguments = parser.parse_args()
    if arguments.float32:
        DTYPE = torch.float32
    write_all(arguments.folder, [arguments.only] if arguments.only else list(FILES))


if __name__ == "__main__":
    main()

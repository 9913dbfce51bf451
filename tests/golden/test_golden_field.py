"""Is the reference that the golden vectors come from the field's YOLOv8? The same weights, images and labels through it and
through ultralytics: decoded outputs, the three losses and every parameter's gradient, in double precision.

Needs torch and ultralytics and skips without them. Boxes have sides of 16 pixels or more: for smaller ones ultralytics 8.4 looks for
anchors in a larger box, retrain does not (docs/detector.md)."""
import os
import sys
import types

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [FOLDER, os.path.join(FOLDER, "..", "e2e")]
os.environ.setdefault("YOLO_OFFLINE", "1")
import other_python  # noqa: E402

other_python.need("the reference against ultralytics", "torch", "ultralytics")
import torch  # noqa: E402
import ultralytics  # noqa: E402
from ultralytics.nn.tasks import DetectionModel  # noqa: E402
import generate  # noqa: E402
import tap  # noqa: E402
from reference import loss, network  # noqa: E402

ALLOWED = 1e-11  # two orders of the same sums in double: 1e-14 and what BatchNorm over few values makes of it
LABELS = [[[0, 0.5, 0.5, 0.5, 0.625], [1, 0.25, 0.375, 0.375, 0.25], [1, 0.4375, 0.5, 0.25, 0.375]], [[0, 0.625, 0.5, 0.5, 0.75]],
          [], [[1, 0.75, 0.75, 0.25, 0.25], [0, 0.3125, 0.3125, 0.5, 0.5]]]


def apart(got, want):
    return float((got - want).abs().max() / want.abs().max())


def near(got, want, name):
    difference = apart(got, want)
    tap.ok(difference <= ALLOWED, "%s: %.1e apart" % (name, difference), "allowed is %g" % ALLOWED)


def models(scale, case):
    ours = network.make(scale, 2, case, torch.float64)
    theirs = DetectionModel("yolov8%s.yaml" % scale, nc=2, verbose=False).double()
    answer = theirs.load_state_dict(ours.state_dict(), strict=False)
    tap.equal((answer.missing_keys, answer.unexpected_keys), (["model.22.dfl.conv.weight"], []), scale + ": names and shapes")
    theirs.args = types.SimpleNamespace(**loss.GAINS)
    return ours, theirs


def check(scale):
    case, size, n = "field/" + scale, 64, len(LABELS)
    ours, theirs = models(scale, case)
    x = network.images(case, n, size, torch.float64)
    with torch.no_grad():
        corners, scores = network.decode(*ours.eval()(x), size)
        answer = theirs.eval()(x)[0]
    centre, side = (corners[..., :2] + corners[..., 2:]) / 2, corners[..., 2:] - corners[..., :2]
    near(torch.cat([centre, side], -1).transpose(1, 2), answer[:, :4], scale + ": boxes")
    near(scores.transpose(1, 2), answer[:, 4:], scale + ": scores")

    total, parts, assignments = loss.detection_loss(*ours.train()(x), LABELS, size)
    tap.ok(min(a.margin for a in assignments) > generate.SAFE, scale + ": no choice of the assigner hangs on rounding")
    total.backward()
    rows = torch.tensor([[i, *row] for i, image in enumerate(LABELS) for row in image])
    their_total, _ = theirs.train().loss({"img": x, "batch_idx": rows[:, 0], "cls": rows[:, 1:2], "bboxes": rows[:, 2:]})
    their_total.sum().backward()
    near(n * torch.stack([parts[k] for k in ("box", "cls", "dfl")]).detach(), their_total.detach(), scale + ": losses")
    want = dict(theirs.named_parameters())
    worst, name = max((apart(p.grad, want[name].grad), name) for name, p in ours.named_parameters())
    tap.ok(worst <= ALLOWED, "%s: %d gradients, at most %.1e apart" % (scale, len(list(ours.parameters())), worst), name)


def test_field():
    torch.set_default_dtype(torch.float64)
    tap.diag("ultralytics %s, torch %s" % (ultralytics.__version__, torch.__version__))
    for scale in ("n", "m"):  # s has the layers of n
        check(scale)


tap.main(test_field)

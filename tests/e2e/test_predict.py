"""`predict` and `eval` as a user calls them: folders, patterns, lists, thresholds, drawn copies, and what one bad file does. The model
is a few seconds old and knows nothing, so scores are tiny; what is found is compared between calls, not with the truth."""
import json
import os
import shutil
import tempfile

import tap
from workspace import SMALL, digest, make_workspace, png

KEYS = ["image", "width", "height", "detections"]


def predict(work, *args, stdin=None):
    """The exit code, the answers, and what was said."""
    r = tap.run("predict", "model", *args, cwd=work, stdin=stdin)
    return r.returncode, [json.loads(line) for line in r.stdout.splitlines()], r.stderr


def names(answers):
    return [a["image"] for a in answers]


def errors(log):
    return [line for line in log.splitlines() if "error" in line]


def make_photos():
    work = make_workspace(8, 4)
    r = tap.run("train", "--output", "model", *SMALL, cwd=work, timeout=300)
    tap.equal(r.returncode, 0, "a small training ends well")
    photos, source = os.path.join(work, "photos"), os.path.join(work, "dataset/images/val")
    os.makedirs(os.path.join(photos, "deep"))
    for i, name in enumerate(sorted(os.listdir(source))):
        shutil.copy(os.path.join(source, name), os.path.join(photos, "deep" if i > 1 else "", "%d.jpg" % i))
    png(os.path.join(photos, "1.png"), 120, 80)
    return work


def test_what_is_looked_at():
    code, answers, log = predict(WORK, "photos")
    tap.equal(code, 0, "a folder is looked at")
    tap.equal(names(answers), ["photos/0.jpg", "photos/1.jpg", "photos/1.png", "photos/deep/2.jpg", "photos/deep/3.jpg"], "to its bottom, sorted")
    tap.ok(all(list(a) == KEYS for a in answers), "each line has the documented keys", answers[:1])
    tap.contains(log, "5 images", "a line for people tells how many")
    tap.equal(names(predict(WORK, "photos/*.{jpg,png}")[1]), ["photos/0.jpg", "photos/1.jpg", "photos/1.png"], "a pattern that no shell expanded")
    tap.equal(names(predict(WORK, "photos/1.png", "photos/deep", "photos/1.png")[1]), ["photos/1.png", "photos/deep/2.jpg", "photos/deep/3.jpg"],
              "several arguments keep their order, a repeated one counts once")
    code, answers, _ = predict(WORK, "-", stdin="photos/0.jpg\n\n%s/photos/1.jpg\r\nphotos/deep" % WORK)
    tap.equal((code, names(answers)), (0, ["photos/0.jpg", "%s/photos/1.jpg" % WORK, "photos/deep/2.jpg", "photos/deep/3.jpg"]), "a list on standard input")


def test_bad_files():
    folder = os.path.join(WORK, "bad")
    os.makedirs(folder)
    shutil.copy(os.path.join(WORK, "photos/0.jpg"), os.path.join(folder, "a.jpg"))
    with open(os.path.join(folder, "b.jpg"), "w", encoding="utf-8") as f:
        f.write("not an image\n")
    with open(os.path.join(WORK, "photos/1.jpg"), "rb") as f, open(os.path.join(folder, "c.jpg"), "wb") as g:
        g.write(f.read()[:2000])
    shutil.copy(os.path.join(WORK, "photos/1.png"), os.path.join(folder, "d.png"))
    code, answers, log = predict(WORK, "bad", "gone.jpg", "x*.png")
    tap.equal((code, names(answers)), (3, ["bad/a.jpg", "bad/d.png"]), "bad files leave the others their answers and exit 3")
    said = errors(log)
    tap.equal(len(said), 5, "one line each, and one for all")
    for part in ("b.jpg: is not a JPEG", "c.jpg", "gone.jpg: no such file", "x*.png: no file matches", "4 of 6"):
        tap.ok(sum(part in line for line in said) == 1, "which says %r" % part, log)
    for model, words in (("gone", "there is no such file"), ("photos", "no model.safetensors"), ("photos/0.jpg", "safetensors")):
        r = tap.run("predict", model, "photos", cwd=WORK)
        tap.ok(r.returncode in (2, 3) and r.stdout == "" and len(errors(r.stderr)) == 1 and words in r.stderr, "a MODEL that is none: %s" % model, r.stderr)


def test_thresholds():
    def found(*args):
        return [d for a in predict(WORK, "photos", *args)[1] for d in a["detections"]]
    low = found("--confidence", "0", "--iou", "1", "--max-detections", "30000")
    scores = sorted((d["score"] for d in low), reverse=True)
    tap.ok(len(low) > 100 and scores[0] > scores[-1], "an untrained model says something everywhere", len(low))
    middle = scores[len(scores) // 2]
    high = found("--confidence", middle, "--iou", "1", "--max-detections", "30000")
    tap.equal(sorted((d["score"] for d in high), reverse=True), [s for s in scores if s > middle], "--confidence leaves out what is at or below it")
    kept = found("--confidence", "0", "--iou", "0.3", "--max-detections", "30000")
    tap.ok(0 < len(kept) < len(low) and all(d in low for d in kept), "--iou drops what overlaps more", (len(kept), len(low)))
    few = predict(WORK, "photos", "--confidence", "0", "--max-detections", "2")[1]
    many = predict(WORK, "photos", "--confidence", "0")[1]
    tap.ok(all(len(a["detections"]) == 2 and a["detections"] == b["detections"][:2] for a, b in zip(few, many)), "--max-detections keeps the best")
    tap.ok(all(0 <= d["box"][0] <= d["box"][2] <= a["width"] and 0 <= d["box"][1] <= d["box"][3] <= a["height"] and 0 <= d["score"] <= 1
               for a in many for d in a["detections"]), "boxes lie inside their images")
    for option, value in (("--confidence", "1.5"), ("--iou", "-1"), ("--max-detections", "0"), ("--confidence", "nan")):
        r = tap.run("predict", "model", "photos", option, value, cwd=WORK)
        tap.ok(r.returncode == 2 and option in r.stderr and r.stdout == "", "%s %s is refused" % (option, value), r.stderr)


def tree(folder):
    return sorted(os.path.relpath(os.path.join(d, f), folder) for d, _, files in os.walk(folder) for f in files)


def test_drawn_copies():
    before = {name: digest(os.path.join(WORK, "photos", name)) for name in tree(os.path.join(WORK, "photos"))}
    args = ("photos", "--annotate", "drawn", "--confidence", "0", "--max-detections", "5")
    code, answers, _ = predict(WORK, *args)
    tap.equal((code, tree(os.path.join(WORK, "drawn"))), (0, ["0.jpg", "1.jpg", "1.png", "deep/2.jpg", "deep/3.jpg"]), "copies have the paths of their originals")
    tap.equal([a["annotated"] for a in answers], ["drawn/" + name for name in tree(os.path.join(WORK, "drawn"))], "and each answer names its own")
    with open(os.path.join(WORK, "drawn/1.png"), "rb") as f:
        tap.equal(f.read(24)[16:], (120).to_bytes(4, "big") + (80).to_bytes(4, "big"), "a copy has the size of its original")
    copies = {name: digest(os.path.join(WORK, "drawn", name)) for name in tree(os.path.join(WORK, "drawn"))}
    tap.ok(all(copies[name] != before[name] for name in before), "something was drawn on each")
    r = tap.run("predict", "model", *args, cwd=WORK)
    tap.ok(r.returncode == 2 and r.stdout == "" and "is there already and 4 more" in r.stderr, "copies of an earlier call are not written over", r.stderr)
    tap.equal(predict(WORK, *args, "--force")[0], 0, "unless --force")
    for again in ((), ("--force",)):
        code, answers, log = predict(WORK, "photos", "--annotate", "photos", *again)
        tap.ok(code == 2 and not answers and "annotate" in log, "originals are not written over %s" % " ".join(again), log)
    for i in range(2):
        code, answers, log = predict(WORK, "photos", "--annotate", "photos/drawn", "--force")
        tap.equal((code, len(answers)), (0, 5), "copies inside the folder are not looked at, call %d" % (i + 1))
    shutil.rmtree(os.path.join(WORK, "photos/drawn"))
    tap.equal({name: digest(os.path.join(WORK, "photos", name)) for name in tree(os.path.join(WORK, "photos"))}, before, "the photos are as they were")


def test_models_of_a_store():
    r = tap.run("run", *SMALL, cwd=WORK, timeout=300)
    tap.equal(r.returncode, 0, "a version is published")
    with open(os.path.join(WORK, "models/latest.json"), encoding="utf-8") as f:
        version = json.load(f)["version"]
    wanted = tap.run("predict", "model", "photos", "--confidence", "0", cwd=WORK).stdout
    for what in ("latest", version, "models/versions/%s" % version, "models/versions/%s/model.safetensors" % version):
        r = tap.run("predict", what, "photos", "--confidence", "0", cwd=WORK)
        tap.ok(r.returncode == 0 and r.stdout == wanted, "MODEL may be %s" % what.replace(version, "VERSION"), r.stderr)
    r = tap.run("predict", "aaaaaaaaaaaa-bbbbbbbb", "photos", cwd=WORK)
    tap.ok(r.returncode == 4 and "is not published" in r.stderr, "a version that is not there is said so", r.stderr)


def label_what_the_model_says():
    """A dataset in which the model is right: its surest box on each held-back photo is that photo's only label."""
    source, folder = os.path.join(WORK, "dataset"), os.path.join(WORK, "agreed")
    shutil.copytree(source, folder)
    code, answers, _ = predict(WORK, "dataset/images/val", "--confidence", "0", "--max-detections", "1")
    for a in answers:
        d, w, h = a["detections"][0], a["width"], a["height"]
        x1, y1, x2, y2 = d["box"]
        stem = os.path.splitext(os.path.basename(a["image"]))[0]
        with open(os.path.join(folder, "labels/val", stem + ".txt"), "w", encoding="utf-8") as f:
            f.write("%d %.6f %.6f %.6f %.6f\n" % (d["class_id"], (x1 + x2) / 2 / w, (y1 + y2) / 2 / h, (x2 - x1) / w, (y2 - y1) / h))
    return len(answers)


def test_eval():
    def measured(*args):
        r = tap.run("eval", "model", "--dataset", "agreed", "--log-format", "json", *args, cwd=WORK)
        return json.loads(r.stdout) if r.returncode == 0 else r.stderr
    n = label_what_the_model_says()
    square, rect = measured("--square", "--confidence", "0"), measured("--confidence", "0")
    tap.equal((square["input"], rect["input"], square["rule"], square["images"]), ("square", "rectangular", "strict", n), "eval says how it measured")
    for rule, m in (("classic", square["classic"]), ("coco", square["coco"])):  # the strict one minds that boxes reach beyond the photo
        tap.ok(0.05 < m["map50"] <= 1 and 0 < m["map50_95"] <= m["map50"], "the boxes of predict are found again on squares, by the %s rule" % rule, m)
        seen = [c for c in m["per_class"] if c["boxes"]]
        tap.ok(abs(sum(c["map50"] for c in seen) / len(seen) - m["map50"]) < 1e-9 and sum(c["boxes"] for c in seen) == n, "its mean is that of the classes with labels", m)
    nothing = measured("--square", "--confidence", "1")
    tap.equal((nothing["coco"]["map50"], nothing["coco"]["recall"]), (0, 0), "--confidence leaves out what is at or below it")
    few = measured("--square", "--confidence", "0", "--max-detections", "1")
    tap.ok(few["coco"]["precision"] > square["coco"]["precision"], "--max-detections keeps the surest", (few["coco"], square["coco"]))
    r = tap.run("eval", "model", "--dataset", "agreed", "--output-json", "eval.json", cwd=WORK)
    tap.equal(r.returncode, 0, "without options it takes the usual thresholds")
    with open(os.path.join(WORK, "eval.json"), encoding="utf-8") as f:
        tap.equal(json.load(f), measured(), "--output-json writes what --log-format json prints")
    train = measured("--part", "train")
    tap.ok(train["part"] == "train" and train["images"] == len(os.listdir(os.path.join(WORK, "agreed/images/train"))), "--part names another part", train)
    r = tap.run("eval", "model", "--dataset", "agreed", "--part", "test", cwd=WORK)
    tap.ok(r.returncode == 3 and "no image in the part test" in r.stderr and r.stdout == "", "which must have images", r.stderr)
    r = tap.run("eval", "model", "--dataset", "agreed", cwd=WORK)
    for words in ("%d images of part val, rectangular input, confidence > 0.001, IoU 0.7" % n, "strict rule", "classic", "COCO"):
        tap.contains(r.stdout, words, "and says so: %s" % words)


WORK = tempfile.gettempdir()
try:
    WORK = make_photos()
    tap.main(test_what_is_looked_at, test_bad_files, test_thresholds, test_drawn_copies, test_eval, test_models_of_a_store)
finally:
    if WORK != tempfile.gettempdir():
        shutil.rmtree(WORK, ignore_errors=True)

"""The commands on small datasets and directory stores: version, plan, check, skip, pull, list, rollback; outputs and exit codes.
No training happens here."""
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

import tap
from workspace import png

OUTPUTS = ["status", "version", "dataset-checksum", "map50", "map50-95", "model-key", "model-url", "model-sha256", "report"]
FOLDERS = []


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text)


def read(path):
    with open(path, encoding="utf-8", newline="") as f:
        return f.read()


def project(n=24):
    """A workspace with a sound YOLO dataset of n images and two classes."""
    root = tempfile.mkdtemp(prefix="retrain-cli-")
    FOLDERS.append(root)
    data = os.path.join(root, "dataset")
    write(os.path.join(data, "data.yaml"), "path: .\ntrain: images\nnames: [cat, dog]\n")
    os.makedirs(os.path.join(data, "images"))
    for i in range(n):
        png(os.path.join(data, "images", "p%02d.png" % i), shade=i)
        write(os.path.join(data, "labels", "p%02d.txt" % i), "%d 0.5 0.5 0.25 0.5\n" % (i % 2))
    return root


def manifest_by_tools(data):
    command = r"find . -type f -not -path '*/.*' -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum"
    return subprocess.run(command, shell=True, cwd=data, capture_output=True, text=True, check=True).stdout


def publish_computed(root, version, map50=0.8, created="2026-01-01T00:00:00Z", store="models", latest=True, recipe=None):
    """A published version as design and documentation describe it; the model is any bytes."""
    folder = os.path.join(root, store, "versions", version)
    artifacts = []
    for name in ("model.onnx", "model.safetensors"):
        write(os.path.join(folder, name), name + version)
        body = (name + version).encode()
        artifacts.append({"name": name, "key": "versions/%s/%s" % (version, name), "sha256": hashlib.sha256(body).hexdigest(),
                          "size": len(body)})
    manifest = {"schema": 1, "version": version, "created_at": created,
                "dataset": {"checksum": version[:12] + "0" * 52, "files": 1, "images": 2, "boxes": 3, "classes": ["cat", "dog"], "train": 1, "val": 1},
                "recipe": recipe or {}, "recipe_checksum": version[13:] + "0" * 56,
                "metrics": {"map50": map50, "map50_95": 0.5, "precision": 0.7, "recall": 0.6,
                            "per_class": [{"name": "cat", "map50": map50, "map50_95": 0.5, "boxes": 3}]},
                "training": {"epochs": 1, "seconds": 1.5, "images_per_second": 2.5, "jobs": 1, "threads": 1, "cpu": "x", "kernels": "ref", "engine": 1},
                "artifacts": artifacts,
                "source": {"host": "local", "repository": "", "commit": "", "ref": "", "run_url": ""}, "parent": None}
    write(os.path.join(folder, "manifest.json"), json.dumps(manifest, indent=2) + "\n")
    if latest:
        write(os.path.join(root, store, "latest.json"),
              json.dumps({**manifest, "manifest": "versions/%s/manifest.json" % version}, indent=2) + "\n")
    return manifest


def tree(root):
    return sorted((os.path.relpath(os.path.join(d, f), root)) for d, _, files in os.walk(root) for f in files)


def version_of(root, *options):
    r = tap.run("version", *options, cwd=root)
    tap.ok(r.returncode == 0 and re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]{8}\n", r.stdout), "version prints one version", r.stdout + r.stderr)
    return r.stdout.strip()


def test_version():
    root = project()
    data = os.path.join(root, "dataset")
    write(os.path.join(data, ".cache", "x"), "hidden")
    wanted = manifest_by_tools(data)
    r = tap.run("version", "--manifest", cwd=root)
    tap.equal(r.stdout, wanted, "the manifest is what sha256sum prints")
    checksum = hashlib.sha256(wanted.encode()).hexdigest()
    version = version_of(root)
    tap.equal(version[:12], checksum[:12], "the version begins with the dataset's checksum")
    tap.ok(not os.path.exists(os.path.join(root, "models")), "version writes nothing to the store")
    tap.equal(version_of(root, "--threads", "1", "--time-budget", "1h", "--store", "file://other", "--min-map50", "0.9"), version,
              "options outside the recipe leave the version alone")
    tap.ok(version_of(root, "--epochs", "7") != version and version_of(root, "--augment", "mosaic=0") != version,
           "options of the recipe change it")
    write(os.path.join(root, "retrain.yml"), "epochs: 7.0\n")
    tap.ok(tap.run("version", cwd=root).returncode == 2, "epochs: 7.0 is not a whole number")
    write(os.path.join(root, "retrain.yml"), "epochs: 100\nimage-size: 0320\n")
    tap.equal(version_of(root), version, "other spellings of the same values are the same recipe")
    write(os.path.join(root, "w.safetensors"), "weights")
    one = version_of(root, "--initial-weights", "w.safetensors")
    os.rename(os.path.join(root, "w.safetensors"), os.path.join(root, "v.safetensors"))
    tap.ok(one != version and one == version_of(root, "--initial-weights", "v.safetensors"), "initial weights count by content, not by name")
    write(os.path.join(root, "elsewhere", "t"), "")
    os.symlink(data, os.path.join(root, "link"))
    tap.equal(version_of(root, "--dataset", "link")[:12], version[:12], "the dataset folder may be a link")


def test_recipe():
    """docs/version.md, done by hand for the defaults and for some other values."""
    root = project(4)
    recipe = {"augment.close-mosaic": "10", "augment.degrees": "0", "augment.fliplr": "0.5", "augment.flipud": "0", "augment.hsv-h": "0.015",
              "augment.hsv-s": "0.7", "augment.hsv-v": "0.4", "augment.mosaic": "1", "augment.scale": "0.5", "augment.shear": "0",
              "augment.translate": "0.1", "batch-size": "16", "convolution": "auto", "dataset-format": "auto", "epochs": "100", "final-lr-fraction": "0.01",
              "image-size": "320", "initial-weights": "none", "learning-rate": "auto", "model": "n", "momentum": "0.937", "optimizer": "auto",
              "patience": "0", "recipe": "small-data", "seed": "0", "smoke": "false", "val-fraction": "0.2", "warmup-epochs": "3", "weight-decay": "0.0005"}
    got = version_of(root)
    for engine in range(1, 100):  # whatever its number is in this release
        text = "".join("%s=%s\n" % kv for kv in sorted({**recipe, "engine": str(engine)}.items()))
        if hashlib.sha256(text.encode()).hexdigest()[:8] == got[13:]:
            break
    else:
        tap.ok(False, "the recipe of the defaults is the documented text")
        return
    tap.ok(True, "the recipe of the defaults is the documented text")
    recipe.update({"engine": str(engine), "learning-rate": "1e-05", "epochs": "100000", "augment.mosaic": "0.25"})
    text = "".join("%s=%s\n" % kv for kv in sorted(recipe.items()))
    got = version_of(root, "--learning-rate", "0.00001", "--epochs", "100000", "--augment", "mosaic=.25")
    tap.equal(got[13:], hashlib.sha256(text.encode()).hexdigest()[:8], "and so is one with other values")


def test_skip():
    root = project()
    version = version_of(root)
    manifest = publish_computed(root, version, map50=0.8125)
    before = tree(os.path.join(root, "models"))
    out, summary = os.path.join(root, "o"), os.path.join(root, "s")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": root, "GITHUB_OUTPUT": out, "GITHUB_STEP_SUMMARY": summary}
    began = time.monotonic()
    r = tap.run("--output-json", "r.json", cwd=root, env=env)
    took = time.monotonic() - began
    tap.ok(r.returncode == 0 and "skipped" in r.stderr and version in r.stderr, "a published version is skipped and named", r.stderr)
    tap.ok(took < 1.0, "the skip takes less than a second", "%.2f s" % took)
    tap.equal(tree(os.path.join(root, "models")), before, "the skip leaves the store alone")
    got = json.loads(read(os.path.join(root, "r.json")))
    model = manifest["artifacts"][0]
    tap.equal({k: got[k] for k in OUTPUTS if k not in ("dataset-checksum", "model-url", "report")},
              {"status": "skipped", "version": version, "map50": 0.8125, "map50-95": 0.5, "model-key": model["key"],
               "model-sha256": model["sha256"]}, "all outputs are set on the skip")
    tap.ok(got["model-url"].endswith(model["key"]) and got["report"] and len(got["dataset-checksum"]) == 64, "with address and report")
    text = read(out)
    tap.ok("\n\n" not in text and all(("%s<<" % x) in text for x in OUTPUTS) and "skipped" in text, "GITHUB_OUTPUT has them too", text)
    tap.ok(version in read(summary) and read(summary) == read(os.path.join(root, "retrain-report/summary.md")),
           "the summary is the report's")
    shutil.rmtree(os.path.join(root, "retrain-report"))
    r = tap.run(cwd=root, env={"GITLAB_CI": "true", "CI_PROJECT_DIR": root})
    dotenv = read(os.path.join(root, "retrain.env"))
    tap.ok("RETRAIN_STATUS=skipped\n" in dotenv and "RETRAIN_MODEL_KEY=%s\n" % model["key"] in dotenv, "retrain.env has them too", dotenv)

    # a run that died between the manifest and the pointer is finished by the next; a rollback is left alone
    pointer = os.path.join(root, "models/latest.json")
    old = publish_computed(root, "aaaaaaaaaaaa-bbbbbbbb", created="2025-01-01T00:00:00Z")
    tap.ok(tap.run(cwd=root).returncode == 0 and json.loads(read(pointer))["version"] == old["version"], "a skip leaves a rollback alone")
    marker = os.path.join(root, "models/checkpoints", version, "publishing")
    write(marker, "being published\n")
    tap.ok(tap.run(cwd=root).returncode == 0 and json.loads(read(pointer))["version"] == version and not os.path.exists(marker),
           "a skip finishes what a killed publisher left undone")

    # what is not whole is not published
    os.remove(os.path.join(root, "models/versions", version, "model.onnx"))
    r = tap.run("plan", cwd=root)
    tap.ok(r.returncode == 0 and "run would train" in r.stdout and "model.onnx" in r.stdout, "a version without its file is not skipped", r.stdout + r.stderr)


def test_plan():
    root = project()
    before = tree(root)
    r = tap.run("plan", cwd=root)
    version = version_of(root)
    tap.ok(r.returncode == 0 and "run would train: %s is not in file://" % version in r.stdout, "plan says train and why", r.stdout + r.stderr)
    tap.equal(tree(root), before, "plan writes nothing")
    computed = {"auto": ("Winograd", "direct"), "direct": ("direct",)}
    for choice, wanted in computed.items():
        lines = tap.run("plan", "--plan-kernels", "--convolution", choice, cwd=root).stdout.splitlines()
        table = [line for line in lines if line.startswith("model.")]
        tap.ok(len(table) == 63 and {"Winograd" if "Winograd" in line else "direct" for line in table} == set(wanted),
               "plan --plan-kernels lists every convolution, convolution %s" % choice, "\n".join(lines))
    publish_computed(root, version)
    r = tap.run("plan", cwd=root)
    tap.ok("run would skip" in r.stdout, "plan says skip", r.stdout + r.stderr)
    r = tap.run("plan", "--force", cwd=root)
    tap.ok("run would train" in r.stdout and "force" in r.stdout, "plan says train when forced", r.stdout + r.stderr)
    r = tap.run("plan", "--output-json", "p.json", cwd=root)
    tap.equal(json.loads(read(os.path.join(root, "p.json")))["status"], "planned", "its status is planned")


def test_latest_as_initial_weights():
    root = project()
    scratch = version_of(root)
    options = ("--initial-weights", "latest")
    tap.equal(version_of(root, *options), scratch, "`latest` of an empty store is training from scratch")
    parent = publish_computed(root, "aaaaaaaaaaaa-bbbbbbbb", recipe={"initial-weights": "none"})
    tuned = version_of(root, *options)
    tap.ok(tuned != scratch, "the latest model's weights enter the version")
    publish_computed(root, tuned, recipe={"initial-weights": parent["artifacts"][1]["sha256"]}, created="2026-02-01T00:00:00Z")
    tap.equal(version_of(root, *options), tuned, "once published, the same dataset and recipe are that version")
    tap.ok("skipped" in tap.run(*options, cwd=root).stderr, "and are skipped")
    r = tap.run("version", "--initial-weights", "cccccccccccc-dddddddd", cwd=root)
    tap.ok(r.returncode == 2 and "is not published" in r.stderr, "a version that is not there is an error", r.stderr)
    r = tap.run("version", "--initial-weights", "nothing.pt", cwd=root)
    tap.ok(r.returncode == 2 and "neither none, latest, a version" in r.stderr, "so is a file that is not there", r.stderr)


def test_check():
    root = project()
    r = tap.run("check", cwd=root)
    tap.ok(r.returncode == 0 and re.search(r"12 +50\.0% +12  cat\n", r.stdout), "check prints the class balance", r.stdout + r.stderr)
    tap.ok("writable" in r.stderr and ("atomic" in r.stderr or "best effort" in r.stderr), "and what the store can do", r.stderr)
    data = os.path.join(root, "dataset")
    write(os.path.join(data, "labels/p03.txt"), "7 0.5 0.5 0.2 0.2\n")
    write(os.path.join(data, "labels/p04.txt"), "0 0.5 0.5 0.2\n0 a b c d\n")
    with open(os.path.join(data, "images/p05.png"), "r+b") as f:
        f.truncate(200)
    r = tap.run("check", "--output-json", "c.json", cwd=root)
    tap.equal(r.returncode, 3, "defects of the dataset are exit 3")
    for place in ("dataset/labels/p03.txt:1", "dataset/labels/p04.txt:1", "dataset/labels/p04.txt:2", "dataset/images/p05.png"):
        tap.contains(r.stderr, place, "check names " + place)
    tap.equal(json.loads(read(os.path.join(root, "c.json")))["status"], "failed", "its status is failed")
    r = tap.run("check", cwd=root, env={"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": root})
    tap.contains(r.stderr, "::error file=dataset/labels/p03.txt,line=1::", "on GitHub a defect is an annotation at its line")
    r = tap.run(cwd=root)
    tap.ok(r.returncode == 3 and not os.path.exists(os.path.join(root, "models/latest.json")), "run refuses to train on it", r.stderr)


def test_dataset_errors():
    for name, spoil, words in [
        ("none", lambda d: shutil.rmtree(d), "dataset"),
        ("empty", lambda d: (shutil.rmtree(d), os.makedirs(d)), "no files"),
        ("link", lambda d: os.symlink("images/p00.png", os.path.join(d, "l.png")), "link"),
        ("LFS pointer", lambda d: write(os.path.join(d, "images/p00.png"),
                                        "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 12345\n" % ("0" * 64)), "LFS"),
        ("newline", lambda d: write(os.path.join(d, "images/a\n::error::b.png"), "x"), "newline"),
    ]:
        root = project(4)
        spoil(os.path.join(root, "dataset"))
        r = tap.run("--output-json", "r.json", cwd=root)
        tap.ok(r.returncode == 3 and words.lower() in r.stderr.lower(), "%s: exit 3 and a message" % name, "%d %s" % (r.returncode, r.stderr))
        tap.ok(not re.search(r"^\s*::", r.stderr, re.M), "%s: no line begins a command" % name, r.stderr)
        tap.equal(json.loads(read(os.path.join(root, "r.json")))["status"], "failed", "%s: status failed" % name)
        tap.ok(os.path.exists(os.path.join(root, "retrain-report/summary.md")), "%s: there is a summary" % name)


def test_hostile_names():
    root = project()
    data = os.path.join(root, "dataset")
    evil = "::set-output name=status::published"
    write(os.path.join(data, "data.yaml"), "path: .\ntrain: images\nnames: ['%s', '<img src=x> | `b` @me']\n" % evil)
    os.rename(os.path.join(data, "images/p00.png"), os.path.join(data, "images/##[error]x.png"))
    for env in ({}, {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": root}):
        r = tap.run("check", cwd=root, env=env)
        lines = re.split(r"[\r\n]", r.stdout + "\n" + r.stderr)
        tap.ok(not any(x.lstrip().startswith("::set-output") or "##[" in x for x in lines), "names cannot command the runner on %s" % (env and "GitHub" or "a terminal"),
               r.stdout + r.stderr)


def test_store_errors():
    root = project()
    write(os.path.join(root, "file"), "x")
    r = tap.run("--store", "file://file/models", "--output-json", "r.json", cwd=root)
    tap.ok(r.returncode == 4 and len([x for x in r.stderr.split("\n") if "error" in x]) == 1, "a store that cannot be is one line, exit 4", r.stderr)
    tap.equal(json.loads(read(os.path.join(root, "r.json")))["status"], "failed", "its status is failed")
    r = tap.run("--store", "s3://bucket/x", "--endpoint-url", "http://127.0.0.1:9", cwd=root,
                env={"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIsecret", "AWS_REGION": "us-east-1"}, timeout=300)
    tap.ok(r.returncode == 4 and "127.0.0.1" in r.stderr, "a refused connection is exit 4", r.stderr)
    tap.ok("wJalrXUtnFEMIsecret" not in r.stderr + r.stdout, "no secret is told")


def test_fork():
    root = project(24)
    event = {"pull_request": {"head": {"repo": {"full_name": "x/r"}}, "base": {"repo": {"full_name": "o/r"}}}}
    write(os.path.join(root, "event.json"), json.dumps(event))
    env = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": root, "GITHUB_EVENT_NAME": "pull_request",
           "GITHUB_EVENT_PATH": os.path.join(root, "event.json"), "GITHUB_OUTPUT": os.path.join(root, "o")}
    r = tap.run("--store", "s3://bucket/x", "--endpoint-url", "http://127.0.0.1:9", cwd=root, env=env)
    tap.ok(r.returncode == 0 and "fork" in r.stderr and "skipped" in read(os.path.join(root, "o")),
           "a fork's pull request checks the dataset and says so", r.stderr)


def test_budget():
    """The budget counts from the job's start where the host tells it, and ends before the host's own limit."""
    small = ("--image-size", "32", "--epochs", "2", "--batch-size", "4", "--output-json", "r.json")
    now = time.time()
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 3590))
    for name, env, options in [
        ("GitLab's job limit", {"GITLAB_CI": "true", "CI_JOB_STARTED_AT": started, "CI_JOB_TIMEOUT": "3600"}, ()),
        ("GitLab's job start", {"GITLAB_CI": "true", "CI_JOB_STARTED_AT": started}, ("--time-budget", "59m")),
        ("GitHub's job start", {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_PATH": "EVENT"}, ("--time-budget", "59m")),
        ("its own budget", {}, ("--time-budget", "1s", "--epochs", "100000")),
    ]:
        root = project()
        env = {k: v.replace("EVENT", os.path.join(root, "workflow/event.json")) for k, v in env.items()}
        write(os.path.join(root, "workflow/event.json"), "{}")
        os.utime(os.path.join(root, "workflow"), (now - 3590, now - 3590))
        env.update({"CI_PROJECT_DIR": root, "GITHUB_WORKSPACE": root})
        r = tap.run(*small, *options, cwd=root, env=env)
        got = json.loads(read(os.path.join(root, "r.json")))
        tap.ok(r.returncode == 0 and got["status"] == "checkpointed", "%s ends the run with a checkpoint" % name, r.stderr)
        tap.ok(os.path.exists(os.path.join(root, "models/checkpoints", got["version"], "checkpoint.json"))
               and not os.path.exists(os.path.join(root, "models/latest.json")), "%s: in the store, nothing published" % name)
    old = {"GITLAB_CI": "true", "CI_PROJECT_DIR": root, "CI_JOB_STARTED_AT": "2020-01-01T00:00:00Z"}
    r = tap.run(*small, "--smoke", cwd=root, env=old)
    tap.ok(r.returncode == 0 and "5h 30m of 5h 30m" in r.stderr, "a start years ago is not believed", r.stderr)


def test_pull_list_rollback():
    root = project(4)
    r = tap.run("pull", "--output", "out", cwd=root)
    tap.ok(r.returncode == 4 and "nothing is published" in r.stderr, "pull from an empty store", r.stderr)
    old = publish_computed(root, "aaaaaaaaaaaa-bbbbbbbb", created="2026-01-01T00:00:00Z")
    new = publish_computed(root, "cccccccccccc-dddddddd", created="2026-02-01T00:00:00Z", map50=0.9)
    r = tap.run("pull", "--output", "out", cwd=root)
    out = os.path.join(root, "out")
    tap.ok(r.returncode == 0 and read(os.path.join(out, "model.onnx")) == "model.onnx" + new["version"], "pull fetches the latest", r.stderr)
    tap.equal(json.loads(read(os.path.join(out, "manifest.json")))["version"], new["version"], "with its manifest")
    stamp = os.stat(os.path.join(out, "model.onnx")).st_mtime_ns
    r = tap.run("pull", "--output", "out", cwd=root)
    tap.ok(r.returncode == 0 and "nothing was fetched" in r.stderr and os.stat(os.path.join(out, "model.onnx")).st_mtime_ns == stamp,
           "a current folder is left alone", r.stderr)
    r = tap.run("pull", "--output", "out", "--version", old["version"], cwd=root)
    tap.ok(r.returncode == 0 and read(os.path.join(out, "model.onnx")) == "model.onnx" + old["version"], "pull --version fetches that one", r.stderr)
    r = tap.run("list", cwd=root)
    rows = r.stdout.strip().split("\n")
    tap.ok(len(rows) == 3 and new["version"] in rows[1] and rows[1].startswith("*") and old["version"] in rows[2], "list, newest first", r.stdout + r.stderr)
    ends = [[m.end() + 2 for m in re.finditer(r"\S+(?: \S+)*", row[2:])][2:7] for row in r.stdout.splitlines()]
    tap.ok(rows[0].split()[0] == "version" and len(ends[0]) == 5 and ends[0] == ends[1] == ends[2] and "0.9000" in rows[1],
           "in columns that line up", "%s\n%s" % (ends, r.stdout))
    r = tap.run("list", "--output-json", "list.json", cwd=root)
    got = json.loads(read(os.path.join(root, "list.json")))
    tap.equal((got["latest"], got["versions"]), (new["version"], [new, old]), "list --output-json: what is latest, and all manifests")
    path = os.path.join(root, "models/versions", new["version"], "manifest.json")
    write(path, json.dumps({**new, "source": {**new["source"], "commit": "##[error]::error::x\n::error::y"}}))
    r = tap.run("list", cwd=root)
    tap.ok("##[" not in r.stdout and "\n::" not in r.stdout and "::error::y" in r.stdout, "text of the store cannot command the runner", r.stdout)
    r = tap.run("list", "--log-format", "json", cwd=root)
    tap.ok("##[" not in r.stdout and json.loads(r.stdout.split("\n")[0])["source"]["commit"].startswith("##[error]"),
           "nor in JSON, which reads back the same", r.stdout)
    write(path, json.dumps(new))
    write(os.path.join(root, "models/versions", new["version"], "model.safetensors"), "x" * len("model.safetensors" + new["version"]))
    r = tap.run("pull", "--output", "bad", cwd=root)
    tap.ok(r.returncode == 4 and not os.path.exists(os.path.join(root, "bad/manifest.json"))
           and not os.path.exists(os.path.join(root, "bad/model.safetensors")), "bytes that do not match are refused", r.stderr)
    r = tap.run("rollback", "--delete", cwd=root)
    tap.ok(r.returncode == 0 and json.loads(read(os.path.join(root, "models/latest.json")))["version"] == old["version"]
           and not os.path.exists(os.path.join(root, "models/versions", new["version"], "manifest.json")),
           "rollback --delete points back and removes the bad one", r.stderr)
    r = tap.run("rollback", cwd=root)
    tap.ok(r.returncode == 2 and "no good version was published before" in r.stderr, "there is an end to going back", r.stderr)
    evil = publish_computed(root, "eeeeeeeeeeee-ffffffff", created="2026-03-01T00:00:00Z")
    evil["artifacts"][0]["name"] = "../../escaped"
    write(os.path.join(root, "models/latest.json"), json.dumps(evil))
    r = tap.run("pull", "--output", "a/b/c", cwd=root)
    tap.ok(r.returncode == 4 and not os.path.exists(os.path.join(root, "a/escaped")), "a name that leaves the folder is refused", r.stderr)


try:
    tap.main(test_version, test_recipe, test_skip, test_plan, test_latest_as_initial_weights, test_check, test_dataset_errors, test_hostile_names,
             test_store_errors, test_fork, test_budget, test_pull_list_rollback)
finally:
    for folder in FOLDERS:
        shutil.rmtree(folder, ignore_errors=True)

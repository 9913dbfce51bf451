#!/usr/bin/env python3
"""What people see at each end of a run, as a whole: the log's last line, the outputs, the summary, as GitHub's and GitLab's
runners get them. tests/golden/summaries/ has each; what differs from run to run (versions, times, scores) has a name there.

    RETRAIN_SUMMARIES=FOLDER tests/e2e/test_summary.py     writes what came out into FOLDER, for people who change a text
"""
import difflib
import os
import re
import shutil
import signal

import leaks
import tap
from workspace import ROOT, make_workspace, start

GOLDEN = os.path.join(ROOT, "tests", "golden", "summaries")
OPTIONS = ["--image-size", "64", "--batch-size", "8"]
ENDLESS = ["--epochs", "5000", *OPTIONS]
ROWS = [
    (r"\b[0-9a-f]{64}\b", "SHA256"),
    (r"`[0-9a-f]{12}`", "`SUM`"),
    (r"\b\d+\.\d{1,2}s\b|\b\d+m \d\ds\b|\b\d+h \d\dm\b|\b\d+\.\d s\b", "TIME"),
    (r"\b\d+\.\d (k|M)B\b|\b\d+ B\b", "SIZE"),
    (r"\d+\.\d images/s", "SPEED"),
    (r"\b[01]\.\d{3,4}\b", "SCORE"),
    (r"(\u25b2 \+|\u25bc \u2212|\u00b1)SCORE", "CHANGE"),
    (r"\(best: \d+\)", "(best: N)"),
    (r"\| Machine \| .*", "| Machine | MACHINE |"),
    (r"\b\d+ of 5000", "N of 5000"),
    (r"about \d+ more", "about N more"),
    (r" \(about N more jobs\)", ""),
]
# How far it gets depends on the machine: perhaps to no measured epoch.
HOW_FAR = re.compile(r"^\| (mAP50|mAP50-95|Precision|Recall|Compared with|Training time) \|.*\n| \(best: N\)|, about N more", re.M)

versions = {}
work = None


def same_each_time(text):
    """What differs from run to run gets a name; the same version the same name."""
    def version(m):
        return versions.setdefault(m.group(0), "VERSION%d" % (len(versions) + 1))
    text = re.sub(r"\b[0-9a-f]{12}-[0-9a-f]{8}\b", version, text.replace(work, "WORK").replace(work.replace("_", "\\_"), "WORK"))
    for pattern, name in ROWS:
        text = re.sub(pattern, name, text)
    return text


def outputs_of(text):
    """GITHUB_OUTPUT by the runner's rules, or a dotenv file."""
    found, lines = [], iter(text.splitlines())
    for line in lines:
        name, heredoc, delimiter = line.partition("<<")
        if not heredoc:
            found.append(line)
            continue
        value = []
        for row in lines:
            if row == delimiter:
                break
            value.append(row)
        found.append("%s=%s" % (name, " ".join(value)))
    return "\n".join(found)


def take(path):
    """The file's text; the file is gone."""
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    os.remove(path)
    return text


def github():
    return {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": work, "GITHUB_STEP_SUMMARY": work + "/summary", "GITHUB_OUTPUT": work + "/set",
            "GITHUB_SHA": "0123456789abcdef0123456789abcdef01234567", "GITHUB_REF": "refs/heads/main"}


def compare(name, code, log, outputs, summary):
    last = [line for line in log.splitlines() if line.strip()][-1]
    got = same_each_time("exit %d\n%s\n\n%s\n\n%s" % (code, last, outputs_of(outputs), summary)).rstrip("\n") + "\n"
    if name.startswith("checkpointed"):
        got = HOW_FAR.sub("", got)
    if os.environ.get("RETRAIN_SUMMARIES"):
        with open(os.path.join(os.environ["RETRAIN_SUMMARIES"], name + ".md"), "w", encoding="utf-8") as f:
            f.write(got)
    path = os.path.join(GOLDEN, name + ".md")
    want = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            want = f.read()
    tap.ok(got == want, name + ": last line, outputs and summary", "\n".join(difflib.unified_diff(
        want.splitlines(), got.splitlines(), "tests/golden/summaries/%s.md" % name, "what came out", lineterm="")))


def check(name, *args):
    r = tap.run(*args, cwd=work, env=github(), timeout=300)
    compare(name, r.returncode, r.stdout if args[0] == "plan" else r.stderr, take(work + "/set"), take(work + "/summary"))


def check_stopped(name, *args):
    p = start(work, *args, **github())
    log = ""
    for line in p.stdout:
        log += line
        if "epoch 1/" in line:
            p.send_signal(signal.SIGTERM)
            break
    log += p.communicate(timeout=60)[0]
    leaks.saw(log)
    compare(name, p.returncode, log, take(work + "/set"), take(work + "/summary"))


def check_gitlab(name, *args):
    env = {"GITLAB_CI": "true", "CI_PROJECT_DIR": work, "CI_COMMIT_SHA": "0" * 40, "CI_PROJECT_PATH": "group/project"}
    r = tap.run(*args, cwd=work, env=env, timeout=300)
    compare(name, r.returncode, r.stderr, take(work + "/retrain.env"), take(work + "/retrain-report/summary.md"))


def test_run():
    first = ["run", "--epochs", "3", *OPTIONS]
    check("published", *first)
    check("skipped", *first)
    check("published-again", "run", "--epochs", "4", *OPTIONS)
    check_gitlab("skipped-gitlab", *first)
    check("rejected", "run", "--epochs", "2", "--min-map50", "0.99", *OPTIONS)
    check("checkpointed", "run", *ENDLESS, "--time-budget", "4s", "--seed", "1")
    check_stopped("checkpointed-by-signal", "run", *ENDLESS, "--seed", "2")


def test_smoke():
    check("smoke", "run", "--smoke", "true", *OPTIONS)
    check("smoke-failed", "run", "--smoke", "true", *OPTIONS, "--image-size", "640", "--time-budget", "1s")


def test_other_commands():
    check("plan", "plan", "--epochs", "7", *OPTIONS)
    check("checked", "check", *OPTIONS)
    check("pulled", "pull", "--output", "got")
    check("pulled-current", "pull", "--output", "got")
    check("rolled-back", "rollback")


def test_failures():
    check("failed-option", "run", "--image-size", "65")
    check("failed-store", "run", *OPTIONS, "--store", "file://dataset.txt/models")
    label = os.path.join(work, "dataset/labels/train", sorted(os.listdir(os.path.join(work, "dataset/labels/train")))[0])
    with open(label, "a", encoding="utf-8") as f:
        f.write("99 0.5 0.5 0.1 0.1\n")
    check("failed-dataset", "run", *OPTIONS)
    check_gitlab("failed-dataset-gitlab", "run", *OPTIONS)


if not os.path.isdir(os.path.join(ROOT, "dataset", "images", "train")):
    tap.skip("summaries", "the sample dataset is not here")
    tap.done()
work = make_workspace(24, 8)
with open(os.path.join(work, "dataset.txt"), "w", encoding="utf-8"):
    pass  # a file where a store's folder would be
try:
    tap.main(test_run, test_smoke, test_other_commands, test_failures)
finally:
    shutil.rmtree(work)

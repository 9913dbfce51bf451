#!/usr/bin/env python3
"""Which model applications get, as it moves: publish, rollback to the previous good one, a push that reverts the dataset,
history.jsonl; in a folder and, where radosgw is installed, in a bucket and a versioned bucket."""
import json
import os
import shutil
import tempfile
import time

import leaks
import radosgw
import s3_server
import store_tool
import tap
from workspace import make_workspace

folders = []  # to remove
FAST = ["--image-size", "32", "--epochs", "1", "--batch-size", "4", "--threads", "1"]


class Project:
    def __init__(self, env, read):
        self.work, self.env, self.read = make_workspace(4, 2), env, read
        folders.append(self.work)
        self.published_at = 0
        self.yaml = os.path.join(self.work, "dataset", "data.yaml")
        with open(self.yaml, encoding="utf-8") as f:
            self.first_state = f.read()

    def push(self, state):
        """The dataset in its n-th state."""
        with open(self.yaml, "w", encoding="utf-8") as f:
            f.write(self.first_state + "# %d\n" % state)

    def __call__(self, *args, **env):
        r = tap.run(*args, "--output-json", "out.json", cwd=self.work, env={**self.env, **env}, timeout=300)
        with open(os.path.join(self.work, "out.json"), encoding="utf-8") as f:
            self.out = json.load(f)
        return r

    def publish(self, *args):
        """Not in the second of the one before: created_at has whole seconds, and of two versions of one second the name decides
        which is the later."""
        while int(time.time()) <= self.published_at:
            time.sleep(0.05)
        r = self("run", *FAST, *args)
        self.published_at = int(time.time())
        if self.out["status"] != "published":
            raise RuntimeError(r.stderr)
        return self.out["version"]

    def latest(self):
        return json.loads(self.read("latest.json"))["version"]

    def moves(self):
        return [(m["from"], m["to"], m["why"]) for m in map(json.loads, self.read("history.jsonl").splitlines())]


def lifecycle(name, p):
    a = p.publish()
    p.push(2)
    b = p.publish()
    p.push(3)
    c = p.publish()
    r = p("rollback")
    tap.equal((r.returncode, p.out["status"], p.out["version"], p.latest()), (0, "published", b, b),
              name + ": rollback goes to what was latest before") or tap.diag(r.stderr)
    tap.ok(p.out["model-url"].endswith(p.out["model-key"]) and b in p.out["model-key"] and p.out["dataset-checksum"],
           name + ": outputs are set", p.out)
    r = p("run", *FAST)
    tap.equal((r.returncode, p.out["status"], p.latest()), (0, "skipped", b), name + ": a run on the bad one's data leaves it there")
    tap.contains(r.stderr, "`retrain rollback %s` makes this one the latest" % c, name + ": and says how to get it back")
    r = p("rollback", "--on-revert", *FAST)
    tap.equal((r.returncode, p.out["status"], p.latest()), (0, "skipped", b), name + ": on-revert does not go to a bad version")
    tap.contains(r.stderr, "was rolled back from on 20", name + ": and says why")
    p.push(4)
    d = p.publish()
    p("rollback")
    tap.equal(p.latest(), b, name + ": rollback leaves out versions that were rolled back from")
    r = p("rollback", d)
    tap.equal(p.latest(), d, name + ": a named version is taken")

    with open(p.yaml, "w", encoding="utf-8") as f:
        f.write(p.first_state)
    r = p("rollback", "--on-revert", *FAST)
    tap.equal((r.returncode, p.out["status"], p.out["version"], p.latest()), (0, "published", a, a),
              name + ": a push that reverts the data goes back at once") or tap.diag(r.stderr)
    r = p("rollback", "--on-revert", *FAST)
    tap.equal((r.returncode, p.out["status"], p.out["version"], p.latest()), (0, "skipped", a, a), name + ": and then has nothing to do")
    p.push(4)
    tap.contains(p("plan", *FAST, "--on-revert", "true").stdout, "would point latest.json at " + d, name + ": plan says what run with on-revert would do")
    r = p("run", *FAST, "--on-revert", "true")
    tap.equal((r.returncode, p.out["status"], p.latest()), (0, "published", d), name + ": run with on-revert does the same")
    tap.ok("epoch 1/" not in r.stderr, name + ": without training")
    p.push(5)
    r = p("rollback", "--on-revert", *FAST)
    tap.equal((r.returncode, p.out["status"], p.latest()), (0, "skipped", d), name + ": a new state is left to run")

    tap.equal(p.moves(), [(None, a, "publish"), (a, b, "publish"), (b, c, "publish"), (c, b, "rollback"), (b, d, "publish"),
                          (d, b, "rollback"), (b, d, "restore"), (d, a, "revert"), (a, d, "revert")], name + ": history.jsonl says it all")
    tap.equal(store_tool.history_defects(p.read("history.jsonl"), d), [], name + ": without a gap")
    r = p("rollback", "--delete")
    tap.equal((r.returncode, p.latest()), (0, a), name + ": the last good one before") or tap.diag(r.stderr)
    r = p("list")
    tap.ok(d not in r.stdout and c in r.stdout, name + ": --delete removes the bad version, and that one only", r.stdout)
    tap.equal((p.out["latest"], len(p.out["versions"]), len(p.out["history"])), (a, 3, 10), name + ": list tells versions and moves as JSON")
    tap.contains(r.stderr, "%s to %s (rollback, local)" % (d, a), name + ": and the last moves")


def folder_project():
    work = tempfile.mkdtemp(prefix="retrain-store-")
    folders.append(work)

    def read(key):
        with open(os.path.join(work, key), "rb") as f:
            return f.read()
    p = Project({"RETRAIN_STORE": "file://" + work}, read)
    p.store = work
    return p


def test_folder():
    p = folder_project()
    lifecycle("folder", p)
    os.remove(os.path.join(p.store, "history.jsonl"))
    version = p.publish("--seed", "1")
    before = json.loads(p.read("versions/%s/manifest.json" % version))["created_at"]
    r = p("rollback")
    tap.ok(r.returncode == 0 and json.loads(p.read("latest.json"))["created_at"] <= before and p.latest() != version,
           "without a history the time of publication decides", r.stderr)
    with open(os.path.join(p.store, "history.jsonl"), "w", encoding="utf-8") as f:
        f.write("{")
    r = p("rollback", version)
    tap.equal((r.returncode, p.latest()), (0, version), "a damaged history stops nothing")


def test_latest_weights():
    """With initial-weights latest today's version depends on what is latest; a revert is recognised all the same."""
    p = folder_project()
    a = p.publish("--initial-weights", "latest")
    p.push(2)
    b = p.publish("--initial-weights", "latest")
    with open(p.yaml, "w", encoding="utf-8") as f:
        f.write(p.first_state)
    r = p("run", *FAST, "--initial-weights", "latest", "--on-revert", "true")
    tap.equal((r.returncode, p.out["status"], p.latest()), (0, "published", a), "a revert with initial-weights latest") or tap.diag(r.stderr)
    p.push(2)
    r = p("rollback", "--on-revert", *FAST, "--initial-weights", "latest")
    tap.equal((p.out["status"], p.latest()), ("published", b), "and back") or tap.diag(r.stderr)


def test_pull_request():
    p = folder_project()
    p.publish()
    p.push(2)
    b = p.publish()
    with open(p.yaml, "w", encoding="utf-8") as f:
        f.write(p.first_state)
    for env in ({"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request", "GITHUB_WORKSPACE": p.work},
                {"GITLAB_CI": "true", "CI_MERGE_REQUEST_IID": "7", "CI_PROJECT_DIR": p.work}):
        r = p("rollback", "--on-revert", *FAST, **env)
        tap.equal((r.returncode, p.out["status"], p.latest()), (0, "skipped", b), "%s: a pull request moves nothing" % list(env)[0])
        tap.contains(r.stderr + r.stdout, "a pull request is no state of the branch yet", "and it says so")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_WORKSPACE": p.work, "GITHUB_SHA": "ab" * 20,
           "GITHUB_SERVER_URL": "https://github.example", "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "17",
           "GITHUB_STEP_SUMMARY": os.path.join(p.work, "summary"), "GITHUB_OUTPUT": os.path.join(p.work, "set")}
    p("rollback", "--on-revert", *FAST, **env)
    last = json.loads(p.read("history.jsonl").splitlines()[-1])
    tap.equal(last["by"], "github https://github.example/o/r/actions/runs/17 commit abababababab", "history.jsonl says who moved it")
    with open(os.path.join(p.work, "summary"), encoding="utf-8") as f:
        tap.contains(f.read(), "the dataset is back at an earlier state", "the job's summary tells what happened")


def test_wrong():
    p = folder_project()
    tap.equal(p("rollback").returncode, 4, "rollback in an empty store")
    a = p.publish()
    r = p("rollback")
    tap.equal(r.returncode, 2, "rollback without a version before")
    tap.contains(r.stderr, "no good version was published before " + a, "says so")
    r = p("rollback", "--on-revert", a)
    tap.equal(r.returncode, 2, "--on-revert takes no version")
    tap.equal(p("rollback", "0123456789ab-01234567").returncode, 2, "a version that is not published")
    tap.equal(p.latest(), a, "nothing moved")


def test_buckets():
    scratch = tempfile.mkdtemp(prefix="retrain-rollback-")
    server, admin = s3_server.begin(radosgw, scratch, "rollback in a bucket", "models", "versioned")
    if not server:
        return
    try:
        for bucket in ("models", "versioned"):
            env = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key,
                   "AWS_EC2_METADATA_DISABLED": "true", "RETRAIN_ENDPOINT_URL": server.endpoint, "RETRAIN_STORE": "s3://%s/team/x" % bucket}
            p = Project(env, lambda key, b=bucket: admin.ok("GET", "/%s/team/x/%s" % (b, key))[1])
            lifecycle(bucket, p)
            p.push(6)
            r = p("run", *FAST, "--min-map50", "1")
            version = p.out["version"]
            keys = [k for k in admin.keys(bucket, "team/x/") if version in k]
            tap.ok(r.returncode == 5 and any(k.endswith("rejected/%s/manifest.json" % version) for k in keys)
                   and not any("checkpoints/" in k or "versions/" in k for k in keys), bucket + ": a refused model is kept", r.stderr)
            r = p("run", *FAST)
            keys = [k for k in admin.keys(bucket, "team/x/") if "rejected/" in k]
            tap.equal((r.returncode, p.out["status"], p.out["version"], "epoch 1/" in r.stderr, keys), (0, "published", version, False, []),
                      bucket + ": and published later, without training") or tap.diag(r.stderr)
    finally:
        server.stop()
        shutil.rmtree(scratch, ignore_errors=True)


try:
    tap.main(test_folder, test_latest_weights, test_pull_request, test_wrong, test_buckets)
finally:
    for folder in folders:
        leaks.remove(folder)

#!/usr/bin/env python3
"""The promise of docs/lifecycle.md on the clock: a training that does not fit into one job, in containers as a runner starts
them, each with a fresh workspace, against a real S3 server. The second job gets SIGTERM in the middle.

    clock.py IMAGE DATASET [--budget 10m] [--cpus 0.7] [--checkpoint-every 2m] [--term-after 420] [--reference FILE] [retrain's options ...]

Says for each job how long it took, from where to where it trained and what was trained twice; at the end whether the model
was published once and is byte for byte FILE, or else the model of `retrain train` with the same options, which it then runs.
Needs a Docker engine (tools/docker-engine.sh start) and radosgw.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
import radosgw  # noqa: E402
import s3client  # noqa: E402
from workspace import digest  # noqa: E402

MOST_JOBS = 8
STORE = "s3://models/clock"
CHECKPOINT = re.compile(r"checkpointed after (\d+) of (\d+) epochs")
RESUMED = re.compile(r"resumed from the checkpoint at epoch (\d+), batch (\d+) of (\d+)")


class Job:
    """One job in a container and a workspace of its own, as GitHub's runner starts it."""

    def __init__(self, n, o, server):
        self.folder = tempfile.mkdtemp(prefix="retrain-clock-")
        for name in ("workspace", "workflow", "file_commands"):
            os.makedirs(os.path.join(self.folder, name))
        for name in ("out", "summary"):
            open(os.path.join(self.folder, "file_commands", name), "w", encoding="utf-8").close()
        with open(os.path.join(self.folder, "workflow", "event.json"), "w", encoding="utf-8") as f:
            f.write("{}")
        shutil.copytree(o.dataset, os.path.join(self.folder, "workspace", "dataset"))
        self.name = "retrain-clock-%d-%d" % (os.getpid(), n)
        env = {"GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_WORKSPACE": "/github/workspace", "HOME": "/github",
               "GITHUB_EVENT_PATH": "/github/workflow/event.json", "GITHUB_EVENT_NAME": "push", "GITHUB_REPOSITORY": "octo/cats",
               "GITHUB_OUTPUT": "/github/file_commands/out", "GITHUB_STEP_SUMMARY": "/github/file_commands/summary",
               "GITHUB_RUN_ID": str(n), "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REF": "refs/heads/main",
               "AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key,
               "AWS_EC2_METADATA_DISABLED": "true", "INPUT_STORE": STORE, "INPUT_ENDPOINT-URL": server.endpoint,
               "INPUT_TIME-BUDGET": o.budget, "INPUT_CHECKPOINT-EVERY": o.checkpoint_every}
        mounts = [w for name in ("workspace", "workflow", "file_commands")
                  for w in ("-v", "%s:/github/%s" % (os.path.join(self.folder, name), name))]
        self.command = ["docker", "run", "--name", self.name, "--rm", "--network", "host", *(["--cpus", o.cpus] if o.cpus else []), "--workdir",
                        "/github/workspace", *[w for k, v in env.items() for w in ("-e", "%s=%s" % (k, v))], *mounts, o.image,
                        *o.options]

    def run(self, term_after):
        """Its log; SIGTERM after so many seconds when that is not 0."""
        began = time.monotonic()
        with open(os.path.join(self.folder, "log"), "w+", encoding="utf-8", errors="backslashreplace") as log:
            p = subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT)
            try:
                p.wait(term_after or 4000)
            except subprocess.TimeoutExpired:
                at = time.monotonic()
                subprocess.run(["docker", "kill", "--signal", "TERM", self.name], check=True, stdout=subprocess.DEVNULL)
                p.wait(60)
                print("    SIGTERM: over %.1f s later" % (time.monotonic() - at))
            log.seek(0)
            text = log.read()
        self.seconds, self.code = time.monotonic() - began, p.returncode
        with open(os.path.join(self.folder, "file_commands", "summary"), encoding="utf-8") as f:
            self.summary = f.read()
        shutil.rmtree(self.folder)
        return text


def position(listed):
    return listed["batches"] if listed else 0


def listed_checkpoint(admin):
    keys = [k for k in admin.keys("models", "clock/checkpoints/") if k.endswith("/checkpoint.json")]
    return json.loads(admin.ok("GET", "/models/" + keys[0])[1]) if keys else None


def chain(o, server, admin):
    for n in range(1, MOST_JOBS + 1):
        job = Job(n, o, server)
        before = position(listed_checkpoint(admin))
        log = job.run(o.term_after if n == 2 else 0)
        after = position(listed_checkpoint(admin))
        print("job %d: %.0f s, exit %d, batches %d to %s" % (n, job.seconds, job.code, before, after or "the end"))
        for line in log.splitlines():
            if re.search(r"forecast|resumed|checkpointed|published|error|warning|time:", line):
                print("    " + line)
        resumed = RESUMED.search(log)
        if before and not resumed:
            print("    FAILED: it did not go on from the checkpoint\n" + log)
            return False
        sys.stdout.flush()
        if admin.keys("models", "clock/latest.json"):
            print("\n".join("    | " + line for line in job.summary.splitlines()[:30]))
            return True
        if job.code not in (0, 143):
            print(log)
            return False
    print("FAILED: not published after %d jobs" % MOST_JOBS)
    return False


def main():
    p = argparse.ArgumentParser()
    p.add_argument("image")
    p.add_argument("dataset")
    p.add_argument("--budget", default="10m")
    p.add_argument("--cpus", default="", help="as docker's: a slower machine")
    p.add_argument("--checkpoint-every", default="2m")
    p.add_argument("--term-after", type=float, default=420)
    p.add_argument("--reference", default="")
    o, o.options = p.parse_known_args()
    if not os.environ.get("DOCKER_HOST") and os.path.exists("/run/retrain-docker.sock"):
        os.environ["DOCKER_HOST"] = "unix:///run/retrain-docker.sock"
    server = radosgw.start()
    admin = s3client.S3(server.endpoint, server.access_key, server.secret_key)
    admin.ok("PUT", "/models")
    ok = chain(o, server, admin)
    if ok:
        manifest = json.loads(admin.ok("GET", "/models/clock/latest.json")[1])
        key = next(a for a in manifest["artifacts"] if a["name"] == "model.safetensors")
        versions = [k for k in admin.keys("models", "clock/versions/") if k.endswith("/manifest.json")]
        left = admin.keys("models", "clock/checkpoints/")
        training = manifest["training"]
        print("published %d time(s) in %d jobs, %.0f s of training; left in checkpoints/: %s"
              % (len(versions), training["jobs"], training["seconds"], left))
        if o.reference:
            want = digest(o.reference)
        else:
            work = tempfile.mkdtemp(prefix="retrain-clock-")
            shutil.copytree(o.dataset, os.path.join(work, "dataset"))
            subprocess.run([os.path.join(ROOT, "build/retrain"), "train", "--output", "whole", *o.options], cwd=work, check=True)
            want = digest(os.path.join(work, "whole", "model.safetensors"))
        ok = len(versions) == 1 and not left and want == key["sha256"]
        print("model.safetensors %s (mAP50-95 %.4f)" % (key["sha256"], manifest["metrics"]["map50_95"]))
        print("model.safetensors %s the uninterrupted training's" % ("is byte for byte" if want == key["sha256"] else "IS NOT"))
    server.stop()
    sys.exit(0 if ok else 1)


main()

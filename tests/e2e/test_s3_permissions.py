#!/usr/bin/env python3
"""The policies of docs/stores.md are enough, and each action in them is needed: without it the one error line names it, or,
for what only tidies up, all goes well all the same."""
import copy
import hashlib
import json
import os
import re
import tempfile

import radosgw
import s3_server
import tap
from store_tool import Driver, message

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KEY, SECRET = "PUBLISHERKEY00000001", "publishersecret0000000000000000000000001"
DISPENSABLE = ("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
scratch = tempfile.mkdtemp(prefix="retrain-permissions-")
server = admin = None


def policy(name, bucket):
    with open(os.path.join(ROOT, "docs", "stores.md"), encoding="utf-8") as f:
        text = re.search(r"```json %s\n(.*?)```" % name, f.read(), re.S).group(1)
    parsed = json.loads(text.replace("BUCKET", bucket).replace("PREFIX", "team/app"))
    for statement in parsed["Statement"]:
        statement["Principal"] = {"AWS": [server.principal("publisher", KEY)]}
    return parsed


def allow(bucket, parsed):
    admin.ok("PUT", "/" + bucket, {"policy": ""}, json.dumps(parsed).encode())


def without(parsed, action):
    left = copy.deepcopy(parsed)
    for statement in left["Statement"]:
        statement["Action"] = [a for a in statement["Action"] if a != action]
    left["Statement"] = [s for s in left["Statement"] if s["Action"]]
    return left


def file(name, data):
    full = os.path.join(scratch, name)
    with open(full, "wb") as f:
        f.write(data)
    return full


def driver(bucket, prefix="team/app"):
    return Driver("s3://%s/%s" % (bucket, prefix), DRIVER_ENDPOINT=server.endpoint, AWS_ACCESS_KEY_ID=KEY,
                  AWS_SECRET_ACCESS_KEY=SECRET, RETRAIN_PART_SIZE="1MiB")


def all_that_a_run_does(d):
    model, report = file("m", b"weights" * 1000000), file("r", b"report")  # 7 MB: in parts
    return d("probe", "find", "v1", "publish", "v1", 1000, model, report, "publish", "v2", 2000, model, report, "versions",
             "prune", 1, "latest")


def test_publish():
    admin.ok("PUT", "/whole")
    whole = policy("publish", "whole")
    allow("whole", whole)
    run = all_that_a_run_does(driver("whole"))
    tap.ok(run[0] == 0 and run[1].startswith("atomic\nabsent") and run[1].endswith("\nv2\nv1\n1\nv2\n"), "the policy is enough", run)
    run = driver("whole", "other")("put", "k", "v")
    tap.ok(run[0] == 4 and "s3:PutObject" in run[2], "and gives nothing beside the prefix", run)
    for i, action in enumerate(a for s in whole["Statement"] for a in s["Action"]):
        bucket = "less%d" % i
        admin.ok("PUT", "/" + bucket)
        allow(bucket, without(policy("publish", bucket), action))
        if action == "s3:GetObject":  # here one may read what one has written, so it is another's that is looked at
            admin.ok("PUT", "/%s/team/app/versions/v1/manifest.json" % bucket, body=b"{}")
        run = all_that_a_run_does(driver(bucket))
        if action in DISPENSABLE:
            tap.ok(run[0] == 0, "without %s it works too" % action, run)
        else:
            lines = message(run[2])
            tap.ok(run[0] == 4 and len(lines) == 1 and action in lines[0], "without %s: one line that names it" % action, run)
            tap.equal([k for k in admin.keys(bucket) if k.endswith(".onnx")], [], "before anything large was written")


def test_pull():
    allow("whole", policy("pull", "whole"))
    target = os.path.join(scratch, "pulled")
    run = driver("whole")("latest", "get-file", "versions/v2/model.onnx", target, hashlib.sha256(b"weights" * 1000000).hexdigest())
    tap.ok(run[:2] == (0, "v2\n") and os.path.getsize(target) == 7000000, "the policy for pulling is enough", run)
    run = driver("whole")("put", "k", "v")
    tap.ok(run[0] == 4 and "s3:PutObject" in run[2], "and writes nothing", run)


def main():
    global server, admin
    with s3_server.running(radosgw, scratch, "permissions") as (server, admin):
        server.add_user("publisher", KEY, SECRET)
        tap.main(test_publish, test_pull)


main()

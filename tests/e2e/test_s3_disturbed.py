#!/usr/bin/env python3
"""Publishing before a real server, disturbed at its requests in turn: the answer is lost, or the server fails after it has
done the work. (Killed at its requests: tests/fault/test_s3_kills.py.)"""
import hashlib
import json
import os
import tempfile

import fault_proxy
import radosgw
import s3_server
import tap
from fault_proxy import lost_answer, status
from store_tool import Driver

scratch = tempfile.mkdtemp(prefix="retrain-disturbed-")
server = proxy = admin = None
MANY = 200  # more requests than a publication has
STRIDE = int(os.environ.get("RETRAIN_FAULT_STRIDE", "4"))


def file(name, data):
    full = os.path.join(scratch, name)
    with open(full, "wb") as f:
        f.write(data)
    return full


def driver(bucket):
    return Driver("s3://%s/pub" % bucket, DRIVER_ENDPOINT=proxy.endpoint, AWS_ACCESS_KEY_ID=server.access_key,
                  AWS_SECRET_ACCESS_KEY=server.secret_key)


def is_whole(bucket, version):
    """Whether another client sees the version, and all that its manifest says."""
    code, _, body = admin.request("GET", "/%s/pub/versions/%s/manifest.json" % (bucket, version))
    if code != 200:
        return False
    for a in json.loads(body)["artifacts"]:
        code, _, body = admin.request("GET", "/%s/pub/%s" % (bucket, a["key"]))
        if code != 200 or hashlib.sha256(body).hexdigest() != a["sha256"]:
            return False
    return True


def test_faults():
    """Every fourth request in turn (RETRAIN_FAULT_STRIDE=1: every one) loses its answer, or is answered with 500 after the
    server has done it; in a versioned bucket, where this server ignores conditions, too."""
    for bucket in ("models", "versioned"):
        for name, fault in (("lost answer", lost_answer), ("500 after the work", status(500, "InternalError", after=True))):
            d, bad, n, tried = driver(bucket), [], 0, 0
            while n < MANY and (not tried or len(proxy.requests) > n):
                version = "v%d-%s" % (n, name.split()[0])
                proxy.play(*[None] * n, fault)
                run = d("publish", version, 1000, file("m", b"weights of " + version.encode()), file("r", b"report"), "find", version)
                if run[0] != 0 or not run[1].startswith("published") or not is_whole(bucket, version):
                    bad.append((version, run, proxy.lines()))
                n, tried = n + STRIDE, tried + 1
            tap.ok(not bad and tried > 3 and n < MANY, "%s: %s at %d requests of a publication: published all the same, and we say "
                                                       "so" % (bucket, name, tried), bad)


def main():
    global server, proxy, admin
    with s3_server.running(radosgw, scratch, "disturbed publishing", "models", "versioned") as (server, admin):
        proxy = fault_proxy.Proxy(server.port)
        tap.main(test_faults)


main()

#!/usr/bin/env python3
"""Publishing, disturbed at each of its requests in turn, before a real server: the client is killed, the answer is lost,
the server fails after it has done the work. Visible is nothing or a whole version, and the next run converges."""
import hashlib
import json
import os
import shutil
import tempfile

import fault_proxy
import radosgw
import s3client
import store_tool
import tap
from fault_proxy import kill, lost_answer, status
from store_tool import Driver

scratch = tempfile.mkdtemp(prefix="retrain-disturbed-")
server = proxy = admin = None
MANY = 60  # more requests than a publish has


def file(name, data):
    full = os.path.join(scratch, name)
    with open(full, "wb") as f:
        f.write(data)
    return full


def driver(prefix):
    return Driver("s3://models/" + prefix, DRIVER_ENDPOINT=proxy.endpoint, AWS_ACCESS_KEY_ID=server.access_key,
                  AWS_SECRET_ACCESS_KEY=server.secret_key)


def is_whole(prefix, version):
    """Whether another client sees the version; raises if what it sees is not whole, or latest.json names nothing."""
    code, _, body = admin.request("GET", "/models/%s/latest.json" % prefix)
    if code == 200 and json.loads(body)["version"] != version:
        admin.ok("HEAD", "/models/%s/versions/%s/manifest.json" % (prefix, json.loads(body)["version"]))
    code, _, body = admin.request("GET", "/models/%s/versions/%s/manifest.json" % (prefix, version))
    if code != 200:
        return False
    for a in json.loads(body)["artifacts"]:
        code, _, body = admin.request("GET", "/models/%s/%s" % (prefix, a["key"]))
        if code != 200 or hashlib.sha256(body).hexdigest() != a["sha256"]:
            raise RuntimeError("%s of %s is not what its manifest says" % (a["name"], version))
    return True


def publish(version):
    return ("publish", version, 1000, file("m", b"weights of " + version.encode()), file("r", b"report"))


def test_killed_at_every_request():
    """Before each request of a publish, and after each that writes; the last of them is found by going too far."""
    d, bad, n, is_over = driver("killed"), [], 0, False
    proxy.play()
    tap.equal(d(*publish("whole"))[0], 0, "an undisturbed publish")
    while not is_over and n < MANY:
        for after in (False, True):
            version, holder = "v%d%s" % (n, "a" if after else "b"), {}
            proxy.play(*[None] * n, kill(lambda: holder["p"].pid, after))
            holder["p"] = d.start(*publish(version))
            code = d.finish(holder["p"])[0]
            is_over = code == 0
            if is_over:
                break
            is_read = proxy.requests[-1].method in ("GET", "HEAD")
            try:
                there = is_whole("killed", version)
            except RuntimeError as e:
                there = str(e)
            proxy.play()
            again = d(*publish(version), "latest")
            if code != -9 or there not in (True, False) or again[0] != 0 or not is_whole("killed", version):
                bad.append((version, code, there, again))
            if is_read:
                break  # it is the same before and after
        n += 1
    tap.ok(not bad and 6 < n < MANY, "killed at each of its %d requests: nothing or a whole version, and the next run "
                                     "converges" % (n - 1), bad)
    tap.equal(admin.keys("models", "killed/checkpoints/"), [], "no marker is left")


def test_faults_at_every_request():
    """A lost answer, or a 500 after the work was done, at each request of a publish."""
    d, bad, n = driver("each"), [], 0
    while n < MANY and (n == 0 or len(proxy.requests) > n):
        fault = status(500, "InternalError", after=True) if n % 2 else lost_answer
        version = "v%d" % n
        proxy.play(*[None] * n, fault)
        run = d(*publish(version), "find", version)
        if run[0] != 0 or not run[1].startswith("published") or not is_whole("each", version):
            bad.append((version, run, proxy.lines()))
        n += 1
    tap.ok(not bad and 6 < n < MANY, "at each of %d requests: published all the same, and we say so" % n, bad)


def main():
    global server, proxy, admin
    if not store_tool.ready():
        tap.skip("disturbed publishing", "the store driver is not built")
        tap.done()
    server = radosgw.start(scratch)
    if not server:
        tap.skip("disturbed publishing", "radosgw is not installed (apt-get install radosgw ceph-mon ceph-osd ceph-common)")
        tap.done()
    try:
        admin = s3client.S3(server.endpoint, server.access_key, server.secret_key)
        admin.ok("PUT", "/models")
        proxy = fault_proxy.Proxy(server.port)
        tap.main(test_killed_at_every_request, test_faults_at_every_request)
    finally:
        server.stop()
        shutil.rmtree(scratch, ignore_errors=True)


main()

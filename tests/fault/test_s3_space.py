"""Removing versions from real buckets: versioned ones keep what was removed until their lifecycle takes it, object lock and
policies are respected, a removal that was interrupted is finished later, and readers, rollbacks and publishers meanwhile."""
import json
import os
import sys
import tempfile

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(FOLDER, "..", "e2e")]
import radosgw  # noqa: E402
import s3_server  # noqa: E402
import store_tool  # noqa: E402
import tap  # noqa: E402

scratch = tempfile.mkdtemp(prefix="retrain-space-")
server = admin = None
RETENTION = (b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>"
             b"<Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>")


def write(name, data):
    path = os.path.join(scratch, name)
    with open(path, "wb") as f:
        f.write(data)
    return path


def driver(url, key=None, secret=None):
    return store_tool.Driver(url, DRIVER_ENDPOINT=server.endpoint, DRIVER_DEBUG="", DRIVER_STALE="2",
                             AWS_ACCESS_KEY_ID=key or server.access_key, AWS_SECRET_ACCESS_KEY=secret or server.secret_key)


def publish(d, n):
    model, report = write("model", b"weights"), write("report", b"report")
    args = []
    for i in range(1, n + 1):
        args += ["publish", "v%d" % i, 1000 * i, model, report]
    code, out, err = d(*args)
    if code or out.count("published") != n:
        raise RuntimeError(out + err)


def n_versions(bucket, prefix):
    body = admin.ok("GET", "/" + bucket, {"versions": "", "prefix": prefix})[1]
    return body.count(b"<Version>"), body.count(b"<DeleteMarker>")


def test_versioned():
    d = driver("s3://versioned/p")
    publish(d, 4)
    tap.equal(d("point", "v1", "prune", 1, "versions", "latest")[1], "2\nv4\nv1\nv1\n",
              "versioned: all but the newest and the one that latest.json names")
    tap.equal(n_versions("versioned", "p/versions/v2/"), (3, 3), "versioned: the bucket keeps what was removed, behind markers")
    tap.equal(d("find", "v2")[1], "absent \n", "versioned: a manifest with a delete marker is absent")
    model, report = write("model", b"other weights"), write("report", b"report")
    tap.equal(d("publish", "v2", 9000, model, report, "find", "v2", "latest")[1],
              "published 1970-01-01T02:30:00Z\npublished \nv2\n", "versioned: and may be published again")


def test_object_lock():
    status, _, body = admin.request("PUT", "/locked", headers={"x-amz-bucket-object-lock-enabled": "true"})
    if status != 200:
        tap.skip("object lock", "the server has none: %d %s" % (status, body[:200]))
        return
    admin.ok("PUT", "/locked", {"object-lock": ""}, RETENTION)
    d = driver("s3://locked/p")
    publish(d, 3)
    code, out, err = d("prune", 1, "versions", "latest")
    tap.ok(code == 0 and out == "2\nv3\nv3\n", "object lock: versions go behind delete markers", out + err)
    tap.equal(n_versions("locked", "p/versions/v1/"), (3, 3), "object lock: and every byte is still there")


def test_policy():
    """One version may not be touched: the others go, the error names the key and the permission, nothing is broken."""
    d = driver("s3://policy/p")
    publish(d, 4)
    key, secret = "PRUNERKEY0000000001", "prunersecret0000000000000000000000000001"
    server.add_user("pruner", key, secret)
    user = {"AWS": ["arn:aws:iam:::user/pruner"]}
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": user, "Action": ["s3:*"], "Resource": ["arn:aws:s3:::policy", "arn:aws:s3:::policy/*"]},
        {"Effect": "Deny", "Principal": user, "Action": ["s3:DeleteObject"],
         "Resource": ["arn:aws:s3:::policy/p/versions/v2/*"]}]}
    admin.ok("PUT", "/policy", {"policy": ""}, json.dumps(policy).encode())
    limited = driver("s3://policy/p", key, secret)
    code, _, err = limited("prune", 1)
    lines = store_tool.message(err)
    tap.ok(code == 4 and len(lines) == 1 and "versions/v2/manifest.json" in lines[0] and "s3:DeleteObject" in lines[0],
           "policy: one line names the key and the permission", "%d %s" % (code, err))
    tap.equal(d("versions", "find", "v2", "latest")[1], "v4\nv2\npublished \nv4\n", "policy: the others are gone, it is whole")


def test_interrupted():
    """Killed after the manifest went: the rest goes with the next pruning, whatever it keeps."""
    d = driver("s3://models/p")
    publish(d, 3)
    admin.ok("DELETE", "/models/p/versions/v1/manifest.json")
    tap.equal(d("find", "v1", "versions")[1], "absent \nv3\nv2\n", "interrupted: the version does not exist")
    tap.equal(d("prune", 0, "list", "versions/v1/", "versions")[1], "0\nv3\nv2\n", "interrupted: its objects go later")


def test_at_once():
    """Rollbacks to what others prune: latest.json always names what is there."""
    for bucket in ("models", "versioned"):
        d = driver("s3://%s/meet" % bucket)
        for i in range(3):
            publish(d, 3)
            running = [d.start("prune", 1), d.start("point", "v2"), d.start("prune", 1), d.start("point", "v1")]
            results = [d.finish(p) for p in running]
            code, out, err = d("latest")
            latest = out.strip()
            found = d("find", latest)[1]
            allowed = all(r[0] == 0 or (r[0] == 2 and "is not published" in r[2]) for r in results)
            tap.ok(code == 0 and found == "published \n" and allowed,
                   "%s: prune and rollback at once, %d: latest.json names %s, which is there" % (bucket, i, latest),
                   "%s %s %s %s" % (out, err, found, results))
            publish(d, 0)
            d("publish", "w%d" % i, 9000 + i, write("model", b"weights"), write("report", b"report"))
            d("prune", 1)


def main():
    global server, admin
    with s3_server.running(radosgw, scratch, "space", "models", "versioned", "policy") as (server, admin):
        tap.main(test_versioned, test_object_lock, test_policy, test_interrupted, test_at_once)


main()

"""The S3 store against a real server that verifies signatures: operations, the publish protocol, publishers at once,
kills, and what it says when something is wrong. The same for every server: test_s3_store.py and test_s3_versitygw.py call
main() with theirs."""
import hashlib
import json
import os
import random
import signal
import tempfile
import time

import s3_server
import tap
from radosgw import free_port
from store_tool import Driver, message

scratch = tempfile.mkdtemp(prefix="retrain-s3-")
server = None
admin = None


def path(name, data=None):
    full = os.path.join(scratch, name)
    if data is not None:
        with open(full, "wb") as f:
            f.write(data)
    return full


def driver(url="s3://models/team/detector", **env):
    base = {"DRIVER_ENDPOINT": server.endpoint, "AWS_ACCESS_KEY_ID": server.access_key,
            "AWS_SECRET_ACCESS_KEY": server.secret_key}
    return Driver(url, **{**base, **env})


def test_objects():
    d = driver()
    tap.equal(d("get", "a/b.json")[:2], (0, "absent\n"), "a missing object is absent")
    tap.equal(d("put", "a/b.json", "one")[:2], (0, "written\n"), "put")
    code, out, _ = d("get", "a/b.json")
    tap.ok(code == 0 and out.startswith("present ") and out.endswith("\none\n"), "get reads it back", out)
    etag = out.split()[1]
    tap.equal(d("put-new", "a/b.json", "two")[:2], (0, "refused\n"), "if-absent refuses over an object")
    tap.equal(d("put-new", "a/c.json", "two")[:2], (0, "written\n"), "if-absent writes where nothing is")
    tap.equal(d("put-match", "a/b.json", "two", '"%s"' % ("0" * 32))[:2], (0, "refused\n"), "if-match refuses another etag")
    tap.equal(d("put-match", "a/b.json", "three", etag)[:2], (0, "written\n"), "if-match takes the etag as the server gave it")
    tap.equal(d("put-match", "a/zzz", "three", etag)[:2], (0, "refused\n"), "if-match refuses over nothing")
    tap.equal(d("stat", "a/b.json")[:2], (0, "present 5\n"), "stat")
    tap.equal(d("stat", "a/zzz")[:2], (0, "absent\n"), "stat of nothing")
    _, headers, body = admin.request("GET", "/models/team/detector/a/b.json")
    tap.equal((body, headers["Content-Type"]), (b"three", "text/plain"), "another client reads the same")
    tap.equal(d("delete", "a/b.json", "delete", "a/b.json", "get", "a/b.json")[:2], (0, "absent\n"), "delete, twice")
    tap.equal(d("probe")[:2], (0, "atomic\n"), "an unversioned bucket is atomic")
    tap.equal(admin.keys("models", "team/detector/probe/"), [], "the probe is removed")
    v = driver("s3://versioned/cond")
    etag = v("put", "a", "one", "get", "a")[1].split()[2]
    tap.equal(v("put-match", "a", "two", etag, "put-new", "b", "x", "put-match", "a", "three", etag, "put-new", "b", "y")[1].split(),
              ["written", "written", "refused", "refused"], "versioned bucket: conditions hold")
    want = "atomic\n" if server.versioned_is_atomic else "best effort\n"
    tap.equal(v("probe")[:2], (0, want), "versioned bucket: " + want.strip())


def test_files():
    d = driver()
    for size in (0, 1, 65535, 65536, 1048577, 5 << 20, 12345678):
        data = random.Random(size).randbytes(size)
        sha = hashlib.sha256(data).hexdigest()
        source, target = path("source", data), path("target")
        code, out, err = d("put-file", "f/%d" % size, source, "stat", "f/%d" % size, "digest", "f/%d" % size, "get-file",
                           "f/%d" % size, target, sha)
        with open(target, "rb") as f:
            same = f.read() == data
        tap.ok(code == 0 and same and out == "present %d\n%s\n" % (size, sha), "%d bytes there and back" % size, err)
    tap.equal(d("put-new-file", "f/1", path("source"))[:2], (0, "refused\n"), "an object that is there is left alone")
    code, _, err = d("get-file", "f/1", path("target"), "0" * 64)
    tap.ok(code == 4 and "SHA-256 differs" in err, "other bytes than expected are refused", err)
    with open(path("target"), "rb") as f:
        tap.equal(len(f.read()), 12345678, "and the file before is untouched")
    admin.ok("PUT", "/models/team/detector/f/foreign", body=b"not ours")
    tap.equal(d("digest", "f/foreign")[1], hashlib.sha256(b"not ours").hexdigest() + "\n", "digest of a foreign object")
    left = [n for n in os.listdir(scratch) if n.startswith(".")]
    tap.equal(left, [], "no temporary is left")


def test_in_parts():
    data = random.Random(9).randbytes(22 << 20)
    source, target, sha = path("large", data), path("target"), hashlib.sha256(data).hexdigest()
    d = driver(RETRAIN_PART_SIZE="5MiB")
    code, out, err = d("put-file", "f/large", source, "stat", "f/large", "get-file", "f/large", target, sha)
    tap.ok((code, out) == (0, "present %d\n" % len(data)) and "in 5 parts" in err, "22 MiB in parts, there and back", (out, err))
    tap.equal(admin.keys("models", "team/detector/uploads/"), [], "nothing remembers the upload")


def test_server():
    """What we rely on the server for, and what it does not mind."""
    code, _, body = admin.request("PUT", "/models/bad", body=b"other", headers={"x-amz-content-sha256": "0" * 64})
    tap.ok(code == 400 and admin.request("GET", "/models/bad")[0] == 404, "other bytes than were signed are refused", (code, body))
    run = driver(DRIVER_REGION="eu-central-1")("put", "region", "v", "stat", "region")
    tap.equal(run[:2], (0, "written\npresent 1\n"), "another region than the server's") or tap.diag(run[2])


def test_changed_files():
    """A file that is not any more what it was when its hash was taken."""
    d = driver()
    before = path("before", random.Random(3).randbytes(300000))
    for name, data in (("other bytes", random.Random(4).randbytes(300000)), ("shorter", b"x" * 299999), ("empty", b"")):
        code, out, err = d("put-stale-file", "changed/f", path("now", data), before)
        tap.ok(code == 4 and len(message(err)) == 1 and "now changed while it was being uploaded" in err,
               name + ": a changed file is refused", err)
    tap.equal(admin.keys("models", "team/detector/changed/"), [], "nothing of it is visible")
    tap.equal(d("put-stale-file", "changed/f", before, before)[:2], (0, "written\n"), "an unchanged one is taken")


def test_listing():
    many = "many +=%25&/\u00e9"  # the server's continuation token is a key: all of this comes back in a query
    d = driver("s3://models/" + many)
    for i in range(1101):
        admin.ok("PUT", "/models/%s/k/%04d" % (many, i), body=b"")
    admin.ok("PUT", "/models/%s/k/not ours+&<" % many, body=b"")
    admin.ok("PUT", "/models/%sother/k/1" % many, body=b"")
    code, out, err = d("list", "k/")
    tap.ok(code == 0 and out.split() == ["k/%04d" % i for i in range(1101)], "1101 keys over two pages, sorted, ours only",
           err + out[-300:])
    tap.equal(d("list", "nothing/")[:2], (0, ""), "an empty listing")


def test_odd_prefixes():
    empty = path("empty", b"")
    for prefix in ("a b", "plus+plus", "e=q&u", "100%", "caf\u00e9/\u6f22", "til~de", "star*'()!", "x" * 300, "..a", "a..", ".../x",
                   ".hidden", "%2F", "%2e%2e/%", "a%20b", "a;b,c:d@e$f", "[0]{1}|^`\"<>\\?#", "\u6f22 +=%" * 57):
        d = driver("s3://models/" + prefix)
        if max(len(part.encode()) for part in prefix.split("/")) > server.longest_name:
            tap.ok(*(lambda r: (r[0], "a prefix that is too long for this server", r[1]))(one_line(d("put", "k", "v"), 4, "shorter prefix")))
            continue
        code, out, err = d("put", "k", "v", "get", "k", "put", "empty", "", "put-file", "file", empty, "stat", "file", "list", "")
        tap.ok(code == 0 and out.endswith("\nv\nwritten\npresent 0\nempty\nfile\nk\n"), "prefix " + ascii(prefix)[:40], out + err)
        found = [admin.request("GET", "/models/%s/%s" % (prefix, key))[::2] for key in ("k", "empty", "file")]
        tap.equal(found, [(200, b"v"), (200, b""), (200, b"")], "and another client finds it all there")
    for prefix in ("..", "a/../b", "./a", "a//b", "a/.", "tab\there"):
        code, _, err = driver("s3://models/" + prefix)("list", "")
        tap.ok(code == 2 and len(message(err)) == 1, "prefix %s is refused" % ascii(prefix), err)
    vhost = driver("s3://models/v", DRIVER_ENDPOINT=server.endpoint.replace("127.0.0.1", "localhost"), DRIVER_STYLE="virtual")
    code, out, err = vhost("put", "k", "v", "get", "k")
    tap.ok(code == 0 and "\nv\n" in out, "virtual-host style", err)


def published(bucket, prefix):
    """Checks that everything visible is whole; returns the versions."""
    versions = []
    for key in admin.keys(bucket, prefix + "/versions/"):
        if key.endswith("/manifest.json") and key.count("/") == prefix.count("/") + 3:
            manifest = json.loads(admin.ok("GET", "/%s/%s" % (bucket, key))[1])
            for a in manifest["artifacts"]:
                body = admin.ok("GET", "/%s/%s/%s" % (bucket, prefix, a["key"]))[1]
                if len(body) != a["size"] or hashlib.sha256(body).hexdigest() != a["sha256"]:
                    raise RuntimeError("%s of %s is not what its manifest says" % (a["name"], key))
            versions.append(manifest["version"])
    return versions


def test_publishing():
    for bucket in ("models", "versioned"):
        d = driver("s3://%s/pub" % bucket)
        model, report = path("m", b"weights"), path("r", b"report")
        tap.equal(d("publish", "v1", 1000, model, report)[:2], (0, "published 1970-01-01T00:16:40Z\n"), bucket + ": publish")
        tap.equal(d("find", "v1", "latest")[1], "published \nv1\n", bucket + ": it is found, and the latest")
        tap.equal(d("publish", "v1", 2000, path("m2", b"other"), report)[1], "already 1970-01-01T00:16:40Z\n",
                  bucket + ": a version is immutable")
        keys = admin.keys(bucket, "pub/")
        tap.equal(keys, ["pub/history.jsonl", "pub/latest.json", "pub/versions/v1/manifest.json", "pub/versions/v1/model.onnx",
                         "pub/versions/v1/report.html"], bucket + ": nothing else is there")
        latest = json.loads(admin.ok("GET", "/%s/pub/latest.json" % bucket)[1])
        manifest = json.loads(admin.ok("GET", "/%s/pub/versions/v1/manifest.json" % bucket)[1])
        tap.equal(latest, {**manifest, "manifest": "versions/v1/manifest.json"}, bucket + ": latest.json is the manifest and its key")

        d("publish", "v0", 500, model, report)
        tap.equal(d("latest")[1], "v1\n", bucket + ": the pointer does not move back")
        d("publish", "v2", 3000, model, report)
        tap.equal(d("latest", "point", "v0", "latest", "versions")[1], "v2\nv0\nv2\nv1\nv0\n", bucket + ": rollback and list")

        admin.ok("DELETE", "/%s/pub/versions/v1/model.onnx" % bucket)
        tap.contains(d("find", "v1")[1], "incomplete versions/v1/model.onnx is missing", bucket + ": a missing artifact is told")
        tap.equal(d("publish", "v1", 4000, model, report, "find", "v1", "latest")[1],
                  "published 1970-01-01T01:06:40Z\npublished \nv1\n", bucket + ": and published again")
        admin.ok("PUT", "/%s/pub/versions/v1/manifest.json" % bucket, body=b'{"schema": 1, "ver')
        tap.contains(d("find", "v1")[1], "incomplete manifest.json is damaged", bucket + ": a damaged manifest is told")
        d("publish", "v1", 5000, model, report)
        admin.ok("DELETE", "/%s/pub/versions/v1/manifest.json" % bucket)
        tap.equal(d("find", "v1", "publish", "v1", 6000, model, report)[1].split(), ["absent", "published", "1970-01-01T01:40:00Z"],
                  bucket + ": a manifest that was deleted, or left a delete marker, is absent")
        tap.equal(sorted(published(bucket, "pub")), ["v0", "v1", "v2"], bucket + ": all whole")
        code, _, err = d("remove", "v1")
        tap.ok(code == 2 and "roll back" in err, bucket + ": the latest is not removed", err)
        tap.equal(d("remove", "v2", "prune", 1, "versions")[1], "1\nv1\n", bucket + ": remove and prune")


def test_publishers_at_once():
    model = path("m", b"weights")
    for bucket in ("models", "versioned"):
        d = driver("s3://%s/race" % bucket)
        runs = []
        for i in range(6):
            report = path("r%d" % i, b"report %d" % i)
            runs.append(d.start("publish", "same", 1000, model, report, "publish", "own%d" % i, 2000 + i, model, report))
        results = [d.finish(p) for p in runs]
        tap.ok(all(r[0] == 0 for r in results), bucket + ": six publishers at once all end well", results)
        winners = sum(r[1].startswith("published") for r in results)
        if bucket == "models":
            tap.equal(winners, 1, bucket + ": one of them published the version")
        tap.equal(sorted(published(bucket, "race")), ["own%d" % i for i in range(6)] + ["same"], bucket + ": all whole")
        tap.equal(d("latest")[1], "own5\n", bucket + ": the pointer is on the newest")
        tap.equal(admin.keys(bucket, "race/checkpoints/"), [], bucket + ": no marker is left")


def test_kills():
    d = driver("s3://models/kill")
    model, report = path("big", random.Random(1).randbytes(3 << 20)), path("r", b"report")
    start = time.monotonic()
    d("publish", "warm", 1, model, report)
    whole = time.monotonic() - start
    dice = random.Random(7)
    for i in range(10):
        version = "v%02d" % i
        p = d.start("publish", version, 1000 + i, model, report)
        time.sleep(dice.random() * whole)
        p.send_signal(signal.SIGKILL)
        d.finish(p)
        state = d("find", version)[1].split()[0]
        try:
            whole_now = version in published("models", "kill")
            why = "state %s" % state
        except RuntimeError as e:
            whole_now, why = None, str(e)
        tap.ok(whole_now is not None and state == ("published" if whole_now else "absent"),
               "kill %d leaves nothing or a whole version" % i, why)
        code, _, err = d("publish", version, 1000 + i, model, report)
        tap.ok(code == 0 and d("latest")[1] == version + "\n", "and the next run converges", err)
    tap.equal(admin.keys("models", "kill/checkpoints/"), [], "no marker is left")


def one_line(run, code, *parts):
    """The exit code, exactly one error line, and what it must say."""
    rc, out, err = run
    lines = message(err)
    return rc == code and len(lines) == 1 and all(p in lines[0] for p in parts), "%d %s%s" % (rc, out, err)


def test_what_goes_wrong():
    d = driver()
    wrong = d.with_env(AWS_SECRET_ACCESS_KEY="wrong/secret+key0000000000000000000001")
    tap.ok(*(lambda r: (r[0], "wrong secret: one line, exit 4, names the store and the cure", r[1]))(
        one_line(wrong("probe"), 4, "s3://models/team/detector", "403", "request", "check")))
    unknown = d.with_env(AWS_ACCESS_KEY_ID="NOSUCHKEY00000000001")
    tap.ok(*(lambda r: (r[0], "unknown access key", r[1]))(one_line(unknown("probe"), 4, "403")))
    missing = driver("s3://no-such-bucket/x")
    tap.ok(*(lambda r: (r[0], "missing bucket", r[1]))(
        one_line(missing("get", "latest.json"), 4, "no-such-bucket", "NoSuchBucket", "create it")))
    tap.ok(*(lambda r: (r[0], "missing bucket, on writing", r[1]))(one_line(missing("probe"), 4, "NoSuchBucket", "write permission")))
    refused = driver(DRIVER_ENDPOINT="http://127.0.0.1:%d" % free_port())
    start = time.monotonic()
    tap.ok(*(lambda r: (r[0], "refused connection", r[1]))(one_line(refused("probe"), 4, "cannot connect", "endpoint-url")))
    tap.ok(time.monotonic() - start < 10, "refused connection ends soon")
    anonymous = d.with_env(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    tap.ok(*(lambda r: (r[0], "no credentials", r[1]))(one_line(anonymous("get", "latest.json"), 4, "no credentials were found")))
    everybody = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"],
                 "Resource": ["arn:aws:s3:::models/public/*"]}]}
    admin.ok("PUT", "/models", {"policy": ""}, json.dumps(everybody).encode())
    admin.ok("PUT", "/models/public/hello", body=b"all")
    public = driver("s3://models/public", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    tap.ok(public("get", "hello")[1].endswith("\nall\n"), "a public object reads without credentials")
    admin.ok("DELETE", "/models", {"policy": ""})
    half = d.with_env(AWS_SECRET_ACCESS_KEY="")
    tap.ok(*(lambda r: (r[0], "half a pair of keys is a configuration error", r[1]))(
        one_line(half("probe"), 2, "AWS_SECRET_ACCESS_KEY is not")))
    plain = driver(DRIVER_ENDPOINT="http://192.0.2.1:80")
    tap.ok(*(lambda r: (r[0], "plain http to elsewhere is refused", r[1]))(one_line(plain("probe"), 2, "RETRAIN_ALLOW_HTTP")))


def test_permissions():
    """A user who may read and write objects but not list: absence is unknown then."""
    key, secret = "READWRITEKEY00000001", "readwritesecret00000000000000000000000001"
    server.add_user("writer", key, secret)
    admin.ok("PUT", "/limited")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": [server.principal("writer", key)]},
              "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::limited/*"]}]}
    admin.ok("PUT", "/limited", {"policy": ""}, json.dumps(policy).encode())
    d = driver("s3://limited/x", AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret)
    tap.equal(d("put", "k", "v")[:2], (0, "written\n"), "may write")
    if server.hides_absence:
        tap.ok(*(lambda r: (r[0], "a manifest that may or may not exist is unknown, and s3:ListBucket is named", r[1]))(
            one_line(d("find", "v1"), 4, "s3:ListBucket", "unknown", "versions/v1/manifest.json")))
    else:
        tap.equal(d("find", "v1")[:2], (0, "absent \n"), "absence is told to all who may read")
    tap.ok(*(lambda r: (r[0], "a denied delete names s3:DeleteObject", r[1]))(one_line(d("delete", "k"), 4, "s3:DeleteObject")))
    tap.ok(*(lambda r: (r[0], "a denied listing names s3:ListBucket", r[1]))(one_line(d("list", ""), 4, "s3:ListBucket")))
    reader = driver("s3://models/x", AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret)
    tap.ok(*(lambda r: (r[0], "a denied write names s3:PutObject", r[1]))(one_line(reader("probe"), 4, "s3:PutObject")))


def main(kind):
    global server, admin
    with s3_server.running(kind, scratch, "s3 store", "models", "versioned") as (server, admin):
        tap.main(test_objects, test_files, test_in_parts, test_server, test_listing, test_odd_prefixes, test_publishing,
                 test_publishers_at_once, test_kills, test_what_goes_wrong, test_permissions)

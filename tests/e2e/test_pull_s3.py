"""`pull` from real S3 servers (radosgw, and versitygw where it is installed): with keys, without any, and by the bucket's plain web address; counted by a proxy in front."""
import hashlib
import json
import os
import shutil
import tempfile

import fault_proxy
import radosgw
import s3_server
import store_tool
import tap
import versitygw

BUCKET, PREFIX = "shared", "team/detector"
MODELS = {"v1": b"model one " * 40000, "v2": b"model two " * 40000}
server = proxy = admin = folder = None
scratch = tempfile.mkdtemp(prefix="retrain-pull-s3-")


def publish(version, seconds):
    paths = [os.path.join(scratch, n) for n in ("model", "report")]
    for path, data in zip(paths, (MODELS[version], b"<html>")):
        with open(path, "wb") as f:
            f.write(data)
    driver = store_tool.Driver("s3://%s/%s" % (BUCKET, PREFIX), DRIVER_ENDPOINT=server.endpoint,
                               AWS_ACCESS_KEY_ID=server.access_key, AWS_SECRET_ACCESS_KEY=server.secret_key)
    tap.equal(driver("publish", version, seconds, *paths)[0], 0, "%s is published" % version)


def pull(*options, has_keys=True, output="model.onnx", store="s3://%s/%s" % (BUCKET, PREFIX)):
    env = {"AWS_EC2_METADATA_DISABLED": "true", "RETRAIN_ENDPOINT_URL": proxy.endpoint}
    if has_keys:
        env.update(AWS_ACCESS_KEY_ID=server.access_key, AWS_SECRET_ACCESS_KEY=server.secret_key)
    proxy.requests.clear()
    return tap.run("pull", "--store", store, "--output", output, "--output-json", "out.json", *options, cwd=folder, env=env)


def good(name, r, status, n_requests, data=None, output="model.onnx"):
    with open(os.path.join(folder, "out.json"), encoding="utf-8") as f:
        got = json.load(f)["status"]
    fine = r.returncode == 0 and got == status and len(proxy.requests) == n_requests
    if fine and data:
        with open(os.path.join(folder, output), "rb") as f:
            fine = f.read() == data
    return tap.ok(fine, "%s: %s" % (server.name, name), "exit %d, %s, %s\n%s" % (r.returncode, got, [(x.line, x.status) for x in proxy.requests], r.stderr))


def test_keys():
    publish("v1", 1000)
    good("a pull with keys", pull(), "pulled", 2, MODELS["v1"])
    good("nothing changed: exactly one request", pull(), "current", 1, MODELS["v1"])
    tap.equal([x.status for x in proxy.requests], [304], "answered by 304")
    good("--version", pull("--version", "v1", output="one.onnx"), "pulled", 2)
    good("nor has that", pull("--version", "v1", output="one.onnx"), "current", 1)
    publish("v2", 2000)
    proxy.on("GET .*model.onnx", lambda x: x.send(x.forward(), n=100000), n=2)
    good("a new version, over a line that breaks twice", pull(), "pulled", 4, MODELS["v2"])
    asked = [x.header("Range") for x in proxy.requests[1:]]
    tap.equal(asked, ["", "bytes=100000-", "bytes=200000-"], "goes on by range")
    tags = {x.header("If-Range").strip('"') for x in proxy.requests[2:]}
    tap.equal(tags, {hashlib.md5(MODELS["v2"]).hexdigest()}, "of the same object")
    tap.equal([x.status for x in proxy.requests[2:]], [206, 206], "which the server grants")
    proxy.play(*[fault_proxy.status(503, "SlowDown")] * 9)
    good("an outage with --offline-ok", pull("--offline-ok"), "kept", 2, MODELS["v2"])
    proxy.play()


def test_public():
    r = pull(has_keys=False)
    tap.ok(r.returncode == 4 and "403" in r.stderr, "a private bucket without keys", r.stderr)
    web = "%s/%s/%s" % (proxy.endpoint, BUCKET, PREFIX)
    r = pull(has_keys=False, store=web, output="web.onnx")
    tap.ok(r.returncode == 4 and "not public" in r.stderr, "nor by its web address", r.stderr)
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"],
                                                      "Resource": ["arn:aws:s3:::%s/*" % BUCKET]}]}
    admin.ok("PUT", "/" + BUCKET, {"policy": ""}, body=json.dumps(policy).encode())
    good("a public one without keys", pull(has_keys=False), "current", 1, MODELS["v2"])
    good("by its web address", pull(has_keys=False, store=web, output="web.onnx"), "pulled", 2, MODELS["v2"], "web.onnx")
    tap.ok(all(not x.header("Authorization") for x in proxy.requests), "without a signature")
    good("and once", pull(has_keys=False, store=web, output="web.onnx"), "current", 1)
    good("keys that are there are not sent there", pull(store=web, output="web.onnx"), "current", 1)
    tap.ok(all(not x.header("Authorization") for x in proxy.requests), "indeed")


def on(kind):
    """All of it on a fresh server of that kind, into a fresh folder."""
    def test():
        global server, proxy, admin, folder
        server, admin = s3_server.begin(kind, scratch, "pull from a real S3 server", BUCKET)
        if not server:
            return
        folder = tempfile.mkdtemp(dir=scratch)
        try:
            proxy = fault_proxy.Proxy(server.port)
            test_keys()
            test_public()
        finally:
            server.stop()
    return test


try:
    if store_tool.ready():
        tap.main(on(radosgw), on(versitygw))
    tap.skip("pull from a real S3 server", "the store driver is not built")
    tap.done()
finally:
    shutil.rmtree(scratch, ignore_errors=True)

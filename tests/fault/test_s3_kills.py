"""A publication to a bucket, killed at every request: before it is sent, and after, when the server carries it out and
nobody hears the answer. Nothing half visible, and the next run converges. In a versioned bucket too, where radosgw has no
conditional writes. RETRAIN_FAULT_STRIDE=1 tries every request; by default it is every seventh."""
import hashlib
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

PRELOAD = os.path.abspath("build/tests/preload.so")
STRIDE = int(os.environ.get("RETRAIN_FAULT_STRIDE", "7"))
N_MOST = 200
scratch = tempfile.mkdtemp(prefix="retrain-kills-")


def write(name, data):
    path = os.path.join(scratch, name)
    with open(path, "wb") as f:
        f.write(data)
    return path


class Place:
    """One prefix of a bucket."""

    def __init__(self, server, admin, bucket, prefix):
        self.admin, self.bucket, self.prefix = admin, bucket, prefix
        # Short, since nobody else is alive here; but a holder on a busy machine must not lose its lock for it.
        self.driver = store_tool.Driver("s3://%s/%s" % (bucket, prefix), DRIVER_ENDPOINT=server.endpoint, DRIVER_DEBUG="",
                                        DRIVER_STALE="6", AWS_ACCESS_KEY_ID=server.access_key,
                                        AWS_SECRET_ACCESS_KEY=server.secret_key)

    def read(self, key):
        status, _, body = self.admin.request("GET", "/%s/%s/%s" % (self.bucket, self.prefix, key))
        return body if status == 200 else None

    def keys(self):
        return [k[len(self.prefix) + 1:] for k in self.admin.keys(self.bucket, self.prefix + "/")]

    def defects(self):
        found = []
        for key in self.keys():
            if not key.endswith("manifest.json") and key != "latest.json":
                continue
            manifest = json.loads(self.read(key))
            for a in manifest["artifacts"]:
                body = self.read(a["key"])
                if body is None or hashlib.sha256(body).hexdigest() != a["sha256"]:
                    found.append("%s: %s is missing or has other bytes" % (key, a["key"]))
            if key == "latest.json" and self.read(manifest["manifest"]) is None:
                found.append("latest.json names %s, which is not there" % manifest["version"])
        return found


def sweep(server, admin, bucket, what):
    model, report = write("model", b"weights" * 1000), write("report", b"report")
    wrong, tried, n = [], 0, 1
    while n < N_MOST and len(wrong) < 3:
        place = Place(server, admin, bucket, "%s-%d" % (what or "unsent", n))
        code, _, err = place.driver("publish", "v1", 1000, model, report)
        killed = place.driver.with_env(LD_PRELOAD=PRELOAD, FAULT_REQUEST=str(n), FAULT_DO=what)
        code, _, err = killed("publish", "v2", 2000, model, report)
        if code == 0:
            break
        tried += 1
        where = "n=%d %s" % (n, " ".join(line for line in err.splitlines() if line.startswith("fault:")))
        if code != -9:
            wrong.append("%s: exit %d: %s" % (where, code, err))
        wrong += ["%s: %s" % (where, d) for d in place.defects()]
        code, out, err = place.driver("publish", "v2", 2000, model, write("other", b"another report"), "find", "v2", "latest")
        if code or not out.endswith("published \nv2\n"):
            wrong.append("%s: then %d %s%s" % (where, code, out, err))
        wrong += ["%s: then %s" % (where, d) for d in place.defects() + store_tool.history_defects(place.read("history.jsonl"), "v2")]
        # Without conditional writes claims stay for a week; a killed probe leaves its few bytes.
        left = [k for k in place.keys() if k.startswith("checkpoints/") and not (bucket == "versioned" and "/uploading-" in k)]
        if left:
            wrong.append("%s: then left %s" % (where, left))
        n += STRIDE
    tap.ok(not wrong and tried > 2, "%s: killed at %d requests, %s" % (bucket, tried, what or "unsent"), "\n".join(wrong))


def sweep_refused(server, admin):
    """The same for keeping a refused model: with all its files or not at all, and nothing published moves."""
    model, report = write("model", b"weights" * 1000), write("report", b"report")
    wrong, tried, n = [], 0, 1
    while n < N_MOST and len(wrong) < 3:
        place = Place(server, admin, "models", "refused-%d" % n)
        place.driver("publish", "v1", 1000, model, report)
        killed = place.driver.with_env(LD_PRELOAD=PRELOAD, FAULT_REQUEST=str(n), FAULT_DO="sent")
        if killed("reject", "v2", model, report)[0] == 0:
            break
        tried += 1
        got = place.driver("reject", "v2", model, report, "rejected", "versions", "latest")
        if got[0] or got[1] != "v2\nv1\nv1\n" or place.defects():
            wrong.append("n=%d: then %s %s" % (n, got, place.defects()))
        n += 2
    tap.ok(not wrong and tried > 2, "a refused model: killed at %d requests" % tried, "\n".join(wrong))


def main():
    if not os.path.exists(PRELOAD):
        tap.skip("kills at requests", "build/tests/preload.so is not built")
        tap.done()
    with s3_server.running(radosgw, scratch, "kills at requests", "models", "versioned") as (server, admin):
        tap.main(*(lambda b=b, w=w: sweep(server, admin, b, w) for b in ("models", "versioned") for w in (None, "sent")),
                 lambda: sweep_refused(server, admin))


main()

"""Eight processes publish the same version and eight publish different ones, at once, in one store, while a reader looks at
latest.json all the time: one winner a round, everything visible is whole, the pointer never goes back.

A directory, a bucket, and a versioned bucket (where radosgw has no conditional writes). RETRAIN_RACE_ROUNDS=200 for the
long version; by default it is a few rounds."""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(FOLDER, "..", "e2e")]
import radosgw  # noqa: E402
import s3_server  # noqa: E402
import s3client  # noqa: E402
import store_tool  # noqa: E402
import tap  # noqa: E402

N_SAME, N_OWN = 8, 8
ROUNDS = int(os.environ.get("RETRAIN_RACE_ROUNDS", "0"))
SECONDS = float(os.environ.get("RETRAIN_RACE_SECONDS", "inf"))  # no round is begun after that
STORES = os.environ.get("RETRAIN_RACE_STORES", "directory models versioned").split()

scratch = tempfile.mkdtemp(prefix="retrain-race-")


class Folder:
    def __init__(self, folder):
        self.folder = folder
        self.driver = store_tool.Driver("file://" + folder)

    def read(self, key):
        try:
            with open(os.path.join(self.folder, key), "rb") as f:
                return f.read()
        except FileNotFoundError:
            return None

    def keys(self):
        return sorted(os.path.relpath(os.path.join(top, name), self.folder) for top, _, names in os.walk(self.folder)
                      for name in names)


class Bucket:
    def __init__(self, server, bucket):
        self.bucket = bucket
        self.client = s3client.S3(server.endpoint, server.access_key, server.secret_key)
        self.driver = store_tool.Driver("s3://%s/race" % bucket, DRIVER_ENDPOINT=server.endpoint,
                                        AWS_ACCESS_KEY_ID=server.access_key, AWS_SECRET_ACCESS_KEY=server.secret_key)

    def read(self, key):
        status, _, body = self.client.request("GET", "/%s/race/%s" % (self.bucket, key))
        if status not in (200, 404):
            raise RuntimeError("GET %s: %d" % (key, status))
        return body if status == 200 else None

    def keys(self):
        return [k[len("race/"):] for k in self.client.keys(self.bucket, "race/")]


def check_whole(store, manifest, where):
    for a in manifest["artifacts"]:
        body = store.read(a["key"])
        if body is None or len(body) != a["size"] or hashlib.sha256(body).hexdigest() != a["sha256"]:
            raise RuntimeError("%s: %s of %s is not what the manifest says" % (where, a["key"], manifest["version"]))


class Reader(threading.Thread):
    """Polls latest.json; `wrong` has what it should not have seen."""

    def __init__(self, store):
        super().__init__(daemon=True)
        self.store, self.wrong, self.n_read, self.n_seen, self.is_over = store, [], 0, 0, False

    def run(self):
        last, before = None, ("", "")
        while not self.is_over and len(self.wrong) < 10:
            try:
                text = self.store.read("latest.json")
                self.n_read += 1
                if text == last:
                    continue
                if text is None:
                    raise RuntimeError("latest.json is gone")
                latest = json.loads(text)
                order = (latest["created_at"], latest["version"])
                if order < before:
                    raise RuntimeError("back from %s to %s" % (before, order))
                manifest = json.loads(self.store.read(latest["manifest"]))
                if {**manifest, "manifest": latest["manifest"]} != latest:
                    raise RuntimeError("latest.json is not the manifest of %s" % latest["version"])
                check_whole(self.store, manifest, "latest")
                last, before = text, order
                self.n_seen += 1
            except Exception as e:  # pylint: disable=broad-except
                self.wrong.append(repr(e))


def write(name, data):
    path = os.path.join(scratch, name)
    with open(path, "wb") as f:
        f.write(data)
    return path


def race(name, store, rounds):
    model = write("model", b"weights" * 500)
    reports = [write("report%d" % i, b"report of process %d" % i) for i in range(N_SAME + N_OWN)]
    runs = []
    for i in range(N_SAME + N_OWN):
        err = open(os.path.join(scratch, "err%d" % i), "w+b")
        runs.append((subprocess.Popen([store_tool.DRIVER, store.driver.url, "publish-lines"], env=store.driver.env, text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err), err))
    reader, wrong, start, wanted = None, [], time.monotonic(), rounds
    for n in range(wanted):
        if time.monotonic() - start > SECONDS:
            break
        versions = ["same-%04d" % n] * N_SAME + ["own-%04d-%d" % (n, i) for i in range(N_OWN)]
        for i, (p, _) in enumerate(runs):
            # The later process of a round is the older version in every other round.
            seconds = 1000 * n + (i if n % 2 else 99 - i)
            p.stdin.write("%s %d %s %s\n" % (versions[i], seconds, model, reports[i if n % 3 else 0]))
            p.stdin.flush()
        rounds = n
        answers = [p.stdout.readline().split() for p, _ in runs]
        if not all(answers):
            break
        if not reader:
            reader = Reader(store)
            reader.start()
        words = [a[0] for a in answers]
        if words[:N_SAME].count("published") != 1 or words[N_SAME:] != ["published"] * N_OWN:
            wrong.append("round %d: %s" % (n, words))
        if len({a[1] for a in answers[:N_SAME]}) != 1:
            wrong.append("round %d: not one winner for all: %s" % (n, answers[:N_SAME]))
        newest = max((a[1], v) for a, v in zip(answers, versions))
        latest = json.loads(store.read("latest.json"))
        if (latest["created_at"], latest["version"]) != newest:
            wrong.append("round %d: latest is %s, not %s" % (n, latest["version"], newest))
        rounds = n + 1
        for version in sorted(set(versions)):
            check_whole(store, json.loads(store.read("versions/%s/manifest.json" % version)), "round %d" % n)
    if reader:
        reader.is_over = True
        reader.join(60)
    for p, _ in runs:
        p.stdin.close()
    codes = [p.wait(60) for p, _ in runs]
    errors = []
    for _, err in runs:
        err.seek(0)
        errors += [line for line in err.read().decode(errors="replace").splitlines() if "error" in line]
    tap.ok(codes == [0] * len(runs), "%s: every process ends well" % name, errors[:5])
    tap.ok(not wrong and (rounds == wanted or time.monotonic() - start > SECONDS), "%s: one winner a round in %d rounds, %.1f s a round" %
           (name, rounds, (time.monotonic() - start) / rounds), "\n".join(wrong[:10]))
    tap.ok(reader and not reader.wrong and reader.n_seen, "%s: latest.json read %d times, %d different ones: whole, complete, "
           "forward" % (name, reader.n_read if reader else 0, reader.n_seen if reader else 0), reader and reader.wrong)
    # What is left: a manifest and its two artifacts for each version, latest.json and its history, nothing else.
    # Without conditional writes the beaten publishers' artifacts stay until somebody prunes, and the latest version's then too.
    code, _, err = store.driver("prune", 0)
    tap.ok(code == 0, "%s: tidying up" % name, err)
    latest = json.loads(store.read("latest.json"))
    named = [latest["manifest"], *(a["key"] for a in latest["artifacts"])]
    keys = [k for k in store.keys() if k in named or not k.startswith("versions/%s/" % latest["version"])]
    manifests = [k for k in keys if k.endswith("/manifest.json")]
    other = [k for k in keys if not k.startswith("versions/")]
    tap.equal((len(manifests), len(keys) - len(other), other), (rounds * 9, rounds * 27, ["history.jsonl", "latest.json"]),
              "%s: nothing else is left" % name)
    found = store_tool.history_defects(store.read("history.jsonl"), latest["version"])
    tap.equal(found, [], "%s: history.jsonl says how latest.json moved, without a gap" % name)


def main():
    if not store_tool.ready():
        tap.skip("race", "the store driver is not built")
        tap.done()
    server = None
    try:
        tests = []
        if "directory" in STORES:
            tests.append(lambda: race("directory", Folder(os.path.join(scratch, "store")), ROUNDS or 6))
        buckets = [b for b in ("models", "versioned") if b in STORES]
        if buckets:
            server, _ = s3_server.begin(radosgw, scratch, "race on S3", *buckets)
        for bucket in buckets if server else []:
            tests.append(lambda b=bucket: race("bucket " + b, Bucket(server, b), ROUNDS or 2))
        tap.main(*tests)
    finally:
        if server:
            server.stop()
        shutil.rmtree(scratch, ignore_errors=True)


main()

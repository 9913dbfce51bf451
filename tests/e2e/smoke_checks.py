"""`smoke: true`: the whole pipeline in a throw-away folder of the real store. What was there stays as it is, nothing is left
on success, failure or a signal, what SIGKILL leaves goes with a later smoke run, and what is wrong is said: the dataset, the
permission, the disk. The same for every store: test_smoke.py, test_smoke_radosgw.py and test_smoke_versitygw.py call these
with theirs."""
import concurrent.futures
import datetime
import email.utils
import hashlib
import json
import os
import re
import shutil
import signal
import tempfile
import time

import fault_proxy
import leaks
import s3_server
import s3client
import tap
from workspace import ROOT, make_workspace, start

OPTIONS = ["--image-size", "64", "--batch-size", "8"]
SMOKE = ["run", "--smoke", "true", *OPTIONS, "--output-json", "out.json"]
TRAIN = ["run", "--epochs", "2", *OPTIONS, "--output-json", "out.json"]
PRELOAD = os.path.abspath("build/tests/preload.so")
NEVER = "Thu, 01 Jan 1970 00:00:00 GMT"


class Folder:
    """A store as the tests see it: how to reach it, and what is in it."""
    name = "folder"
    # What is being written when a writer is killed: nobody sees it, and the first run that publishes a day later removes it.
    temporary = re.compile(r"smoke/\.(tmp-|.*\.new$)")

    def __init__(self, base):
        self.folder = os.path.join(base, "store")

    def env(self):
        return {"RETRAIN_STORE": "file://" + self.folder}

    def make_older(self, seconds):
        """What killed smoke runs have left."""
        folder, then = os.path.join(self.folder, "smoke"), time.time() - seconds
        for name in os.listdir(folder):
            os.utime(os.path.join(folder, name), (then, then))

    def content(self):
        """key -> digest; what is hidden counts too, and so do empty folders."""
        found = {}
        for top, folders, names in os.walk(self.folder):
            for name in names:
                if self.temporary.match(os.path.relpath(os.path.join(top, name), self.folder)):
                    continue
                with open(os.path.join(top, name), "rb") as f:
                    found[os.path.relpath(os.path.join(top, name), self.folder)] = hashlib.sha256(f.read()).hexdigest()
            if not folders and not names and top != self.folder:
                found[os.path.relpath(top, self.folder)] = "empty folder"
        return found


class Bucket:
    def __init__(self, server, admin):
        self.server, self.admin, self.name = server, admin, server.name
        self.endpoint, self.proxy = server.endpoint, None

    def env(self):
        return {"AWS_ACCESS_KEY_ID": self.server.access_key, "AWS_SECRET_ACCESS_KEY": self.server.secret_key,
                "AWS_EC2_METADATA_DISABLED": "true", "RETRAIN_ENDPOINT_URL": self.endpoint,
                "RETRAIN_STORE": "s3://models/team/detector"}

    def make_older(self, seconds):
        """By a proxy that says so: a server's clock cannot be set."""
        def older(x):
            reply = x.forward()
            then = email.utils.parsedate_to_datetime(fault_proxy.lookup(reply.headers, "Last-Modified", NEVER))
            reply.set("Last-Modified", email.utils.format_datetime(then - datetime.timedelta(seconds=seconds), usegmt=True))
            x.send(reply)
        self.proxy = self.proxy or fault_proxy.Proxy(self.server.port)
        self.proxy.on(r"^HEAD .*/smoke/\w+\.began", older, n=None)
        self.endpoint = self.proxy.endpoint

    def content(self):
        found = {}
        for key in self.admin.keys("models", ""):
            found[key.replace("team/detector/", "", 1)] = hashlib.sha256(self.admin.ok("GET", "/models/" + key)[1]).hexdigest()
        return found


def run(store, work, *args, **more):
    return tap.run(*args, cwd=work, env={**store.env(), **more}, timeout=300)


def outputs(work):
    with open(os.path.join(work, "out.json"), encoding="utf-8") as f:
        return json.load(f)


def of_smoke(store):
    return sorted(k for k in store.content() if k.startswith("smoke"))


def rest(work):
    folder = os.path.join(work, ".retrain")
    return os.listdir(folder) if os.path.isdir(folder) else []


def check_passes(store):
    """Beside a published version; and in a report of the job."""
    work = make_workspace(24, 10)
    r = run(store, work, *TRAIN)
    tap.equal((r.returncode, outputs(work)["status"]), (0, "published"), store.name + ": a version is published") or tap.diag(r.stderr)
    before = store.content()
    r = run(store, work, *SMOKE, GITHUB_ACTIONS="true", GITHUB_WORKSPACE=work, GITHUB_STEP_SUMMARY=work + "/summary",
            GITHUB_OUTPUT=work + "/set")
    out = outputs(work)
    tap.equal((r.returncode, out["status"], out["error"]), (0, "planned", None), store.name + ": a smoke run passes") or tap.diag(r.stderr)
    for step in ("the dataset is sound", "one epoch is trained", "the model is exported", "published to the throw-away folder",
                 "fetched back, checksums verified", "the fetched model.onnx runs",
                 "the fetched model.safetensors runs"):
        tap.contains(r.stderr, "smoke: " + step, "%s: it says: %s" % (store.name, step))
    tap.contains(r.stderr, "decoded 16 training and 8 validation images", store.name + ": on 16 and 8 images")
    tap.equal(store.content(), before, store.name + ": the store is what it was, to the byte")
    tap.equal(rest(work), [], store.name + ": and so is the disk")
    tap.ok(out["version"] and not out["model-url"], store.name + ": no model is promised", out)
    leaks.remove(work)


def check_beside_others(store):
    """Two smoke runs and a real one at once."""
    works = [make_workspace(16, 4) for _ in range(3)]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(run, store, w, *a) for w, a in zip(works, (SMOKE, SMOKE, TRAIN + ["--seed", "3"]))]
        ended = [job.result() for job in jobs]
    tap.equal([(r.returncode, outputs(w)["status"]) for r, w in zip(ended, works)],
              [(0, "planned"), (0, "planned"), (0, "published")], store.name + ": two smoke runs and a real one at once") \
        or [tap.diag(r.stderr) for r in ended]
    tap.equal(of_smoke(store), [], store.name + ": nothing of the two is left")
    for w in works:
        leaks.remove(w)


def stop_at(store, work, line, number, **more):
    p = start(work, *SMOKE, **store.env(), **more)
    log = ""
    for text in p.stdout:
        log += text
        if line in text:
            p.send_signal(number)
            break
    at = time.monotonic()
    log += p.communicate(timeout=60)[0]
    leaks.saw(log)
    return p.returncode, time.monotonic() - at, log


def check_stops(store):
    work = make_workspace(16, 4)
    before = store.content()
    for line, number, code in (("publishing is", signal.SIGTERM, 143), ("model is exported", signal.SIGINT, 130),
                               ("published to the", signal.SIGTERM, 143)):
        got, seconds, log = stop_at(store, work, line, number)
        tap.ok((got, outputs(work)["status"]) == (code, "failed") and seconds < 7,
               "%s: a signal at '%s' ends it with %d within 7 s" % (store.name, line, code), "%s after %.1f s\n%s" % (got, seconds, log))
        tap.equal(store.content(), before, store.name + ": and nothing is left in the store")
        tap.equal(rest(work), [], store.name + ": nor on the disk")
    leaks.remove(work)


def check_failures(store):
    work = make_workspace(40, 10)
    before = store.content()
    image = sorted(os.listdir(os.path.join(work, "dataset/images/train")))[1]
    label = os.path.join(work, "dataset/labels/train", os.path.splitext(image)[0] + ".txt")
    with open(label, "a", encoding="utf-8") as f:
        f.write("99 0.5 0.5 0.1 0.1\n")
    r = run(store, work, *SMOKE)
    tap.ok((r.returncode, outputs(work)["status"]) == (3, "failed") and os.path.basename(label) in outputs(work)["error"],
           store.name + ": a wrong label fails it by name", r.stderr)
    os.remove(label)
    r = run(store, work, *SMOKE, "--time-budget", "1s", "--image-size", "640")
    tap.ok((r.returncode, outputs(work)["status"]) == (2, "failed") and "raise time-budget" in r.stderr, store.name + ": too little time", r.stderr)
    with open(os.path.join(work, "dataset/images/train", image), "r+b") as f:
        f.truncate(600)  # the header is sound, so only decoding finds it
    r = run(store, work, *SMOKE)
    tap.ok((r.returncode, outputs(work)["status"]) == (3, "failed") and image in outputs(work)["error"],
           store.name + ": a photo that breaks off fails it by name, in the subset or not", r.stderr)
    tap.equal(store.content(), before, store.name + ": and nothing is left in the store")
    leaks.remove(work)


def check_disk(store):
    """A disk that is full from the n-th call on: one error, and nothing of it stays once there is room again."""
    if not os.path.exists(PRELOAD):
        tap.skip(store.name + ": a full disk", "build/tests/preload.so is not built (make test builds it)")
        return
    work = make_workspace(16, 4)
    before, wrong, n, n_tried = store.content(), [], 1, 0
    while n < 2000 and len(wrong) < 3:
        r = run(store, work, *SMOKE, LD_PRELOAD=PRELOAD, FAULT_AT=str(n), FAULT_DO="ENOSPC", FAULT_FOREVER="1", FAULT_BELOW=store.folder,
                FAULT_CALLS="open,write,fsync,mkdir,link,rename")
        if "fault:" not in r.stderr:
            break
        errors = [line for line in r.stderr.splitlines() if "error:" in line]
        if r.returncode != 4 or len(errors) != 1 or "No space left" not in errors[0] or outputs(work)["status"] != "failed":
            wrong.append("n=%d: exit %d, %s" % (n, r.returncode, errors))
        if store.content() != before:
            wrong.append("n=%d: left %s" % (n, sorted(set(store.content()) - set(before))))
        n, n_tried = n + 41, n_tried + 1
    tap.ok(not wrong and n_tried >= 3, "%s: a full disk, from %d moments on: one error that says so, and nothing left" % (store.name, n_tried),
           "\n".join(wrong))
    leaks.remove(work)


def kill_at(store, work, line, **more):
    p = start(work, *SMOKE, **store.env(), **more)
    for text in p.stdout:
        leaks.saw(text)
        if line in text:
            break
    os.killpg(p.pid, signal.SIGKILL)
    leaks.saw(p.communicate(timeout=60)[0])


def check_kills(store):
    """Last: from here on the store says that its leftovers are old."""
    work = make_workspace(16, 4)
    before = store.content()
    for line in ("the dataset is sound", "publishing is", "epoch 1/1", "model is exported", "published to the", "fetched back"):
        kill_at(store, work, line)
    left = of_smoke(store)
    n = sum(name.endswith(".began") for name in left)
    tap.ok(n >= 4 and any("/versions/" in name for name in left), "%s: %d of 6 killed smoke runs leave something" % (store.name, n), left)
    r = run(store, work, *SMOKE)
    tap.equal((r.returncode, of_smoke(store)), (0, left), store.name + ": young leftovers may be of a run that goes on: they stay") \
        or tap.diag(r.stderr)
    store.make_older(7200)
    r = run(store, work, *SMOKE)
    tap.ok(r.returncode == 0 and "removed what %d killed smoke runs had left" % n in r.stderr, store.name + ": old ones are removed", r.stderr)
    tap.equal(store.content(), before, store.name + ": and the store is what it was")
    leaks.remove(work)


def policy(store, key, lacks=()):
    """The one of docs/stores.md for the user `reader`, without some actions."""
    with open(os.path.join(ROOT, "docs", "stores.md"), encoding="utf-8") as f:
        text = re.search(r"```json smoke\n(.*?)```", f.read(), re.S).group(1)
    parsed = json.loads(text.replace("BUCKET", "models").replace("PREFIX", "team/detector"))
    for statement in parsed["Statement"]:
        statement["Principal"] = {"AWS": [store.server.principal("reader", key)]}
        statement["Action"] = [a for a in statement["Action"] if a not in lacks]
    parsed["Statement"] = [s for s in parsed["Statement"] if s["Action"]]
    return json.dumps(parsed).encode()


def check_permissions(store):
    """A pull request's role: to write below smoke/ is enough, and what it lacks is named."""
    key, secret = "READERKEY00000000001", "readersecret000000000000000000000000000001"
    store.server.add_user("reader", key, secret)
    keys = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    work = make_workspace(16, 4)
    before = store.content()
    for lacks in ("s3:ListBucket", "s3:PutObject", "s3:DeleteObject"):
        removes = ("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload") if lacks == "s3:PutObject" else (lacks,)
        store.admin.ok("PUT", "/models", {"policy": ""}, policy(store, key, removes))
        r = run(store, work, *SMOKE, **keys)
        errors = [line for line in r.stderr.splitlines() if "error:" in line]
        tap.ok((r.returncode, outputs(work)["status"], len(errors)) == (4, "failed", 1) and lacks in errors[0],
               "%s: a role without %s: the one error names it" % (store.name, lacks), r.stderr)
    store.admin.ok("PUT", "/models", {"policy": ""}, policy(store, key))
    # What it could not delete is its own: nobody else may, not even read it.
    reader = s3client.S3(store.server.endpoint, key, secret)
    for left in store.admin.keys("models", "team/detector/smoke"):
        reader.ok("DELETE", "/models/" + left)
    r = run(store, work, *SMOKE, **keys)
    tap.equal((r.returncode, outputs(work)["status"]), (0, "planned"), store.name + ": the role of docs/stores.md passes") or tap.diag(r.stderr)
    status, _, _ = reader.request("PUT", "/models/team/detector/latest.json", body=b"x")
    tap.equal(status, 403, store.name + ": and may write nothing else")
    tap.equal(store.content(), before, store.name + ": and nothing else is left")
    leaks.remove(work)


def check_parts(store):
    """Parts that went up are no objects, no listing shows them, and they are paid for."""
    def unfinished():
        return re.findall(r"<Key>(.*?)</Key>", store.admin.ok("GET", "/models", {"uploads": ""})[1].decode())
    work = make_workspace(16, 4)
    parts = {"RETRAIN_PART_SIZE": "2MiB"}
    got, _, log = stop_at(store, work, "MB in 6 parts", signal.SIGTERM, **parts)
    tap.ok(got == 143 and unfinished() == [], store.name + ": stopped in an upload of parts, it takes them back", (got, unfinished(), log))
    kill_at(store, work, "MB in 6 parts", **parts)
    left = unfinished()
    tap.ok(len(left) == 1 and "/smoke/" in left[0], store.name + ": killed there, they stay", left)
    store.make_older(7200)
    r = run(store, work, *SMOKE, **parts)
    tap.equal((r.returncode, unfinished(), of_smoke(store)), (0, [], []), store.name + ": until a later smoke run") or tap.diag(r.stderr)
    leaks.remove(work)


def check_all(store):
    common = [check_passes, check_beside_others, check_stops]
    own = [check_failures, check_disk] if isinstance(store, Folder) else [check_permissions]
    last = [check_parts] if isinstance(store, Bucket) and store.server.part_least <= 2 << 20 else []
    for check in [*common, *own, check_kills, *last]:
        check(store)


def with_folder():
    base = tempfile.mkdtemp(prefix="retrain-smoke-")
    check_all(Folder(base))
    shutil.rmtree(base)


def with_server(kind):
    base = tempfile.mkdtemp(prefix="retrain-smoke-")
    server, admin = s3_server.begin(kind, base, "smoke runs on " + kind.__name__, "models")
    if not server:
        return
    try:
        check_all(Bucket(server, admin))
    finally:
        server.stop()
        shutil.rmtree(base, ignore_errors=True)


def main(test):
    if not os.path.isdir(os.path.join(ROOT, "dataset", "images", "train")):
        tap.skip("smoke runs", "the sample dataset is not here")
        tap.done()
    tap.main(test)

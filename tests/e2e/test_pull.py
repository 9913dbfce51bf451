"""`pull` as an application uses it, against a loopback web server that counts and misbehaves: one request when nothing
changed, a broken download goes on, wrong bytes never arrive, and the model in use is always a whole one."""
import hashlib
import json
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time

import tap
import web_server
from web_server import cut, flipped, ignores_ranges, redirect, replaced, slow, stalled, status

ONE, TWO = "aaaaaaaaaaaa-00000001", "bbbbbbbbbbbb-00000002"
LATER = "2026-02-01T00:00:00Z"
SECRET = "pullsecret/+=00000000000000000000000001"
ENV = {"AWS_ACCESS_KEY_ID": "AKIAPULL", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_EC2_METADATA_DISABLED": "true",
       "RETRAIN_STALL_TIMEOUT": "2s"}
FOLDERS, said = [], []


class Site:
    """A web server with version ONE published, and an application's folder."""

    def __init__(self, **more):
        self.web = web_server.Server()
        self.files = self.web.publish("/p", ONE, **more)
        self.folder = tempfile.mkdtemp(prefix="retrain-pull-")
        FOLDERS.append(self.folder)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def arguments(self, *options, output="model.onnx"):
        return ["pull", "--store", self.web.url + "/p", "--output", output, "--output-json", self.path("out.json"), *options]

    def pull(self, *options, output="model.onnx", env=None):
        self.web.requests = []
        r = tap.run(*self.arguments(*options, output=output), cwd=self.folder, env={**ENV, **(env or {})})
        said.append(r.stdout + r.stderr)
        return r

    def start(self, *options, **more):
        env = {**{k: os.environ[k] for k in ("PATH", "ASAN_OPTIONS") if k in os.environ}, **ENV}
        return subprocess.Popen([tap.RETRAIN_BIN, *self.arguments(*options, **more)], cwd=self.folder, env=env,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def status(self):
        with open(self.path("out.json"), encoding="utf-8") as f:
            return json.load(f)["status"]

    def read(self, *names):
        with open(self.path(*names), "rb") as f:
            return f.read()

    def remains(self, output="model.onnx"):
        """What is in the hidden folder beside state.json."""
        work = self.path(".%s.pull" % output) if os.path.isfile(self.path(output)) else self.path(output, ".pull")
        return sorted(n for n in os.listdir(work) if n != "state.json") if os.path.isdir(work) else []


def errors(r):
    return [line for line in r.stderr.splitlines() if "error: " in line]


def good(name, r, site, status, n_requests=None, data=None):
    """Exit 0, that status, so many requests, these bytes in model.onnx."""
    fine = r.returncode == 0 and site.status() == status
    fine = fine and (n_requests is None or len(site.web.requests) == n_requests)
    fine = fine and (data is None or site.read("model.onnx") == data)
    return tap.ok(fine, name, "exit %d, %s, %s\n%s" % (r.returncode, site.status(), site.web.lines(), r.stderr))


def bad(name, r, code, *parts):
    lines = errors(r)
    return tap.ok(r.returncode == code and len(lines) == 1 and all(p in lines[0] for p in parts), name,
                  "exit %d\n%s" % (r.returncode, r.stderr))


def test_one_request():
    site = Site()
    model = site.files["model.onnx"]
    good("a file: latest.json and that artifact", site.pull(), site, "pulled", 2, model)
    tap.equal(sorted(os.listdir(site.folder)), [".model.onnx.pull", "model.onnx", "out.json"], "and nothing else is written")
    stamp = os.stat(site.path("model.onnx")).st_mtime_ns
    r = site.pull()
    good("nothing changed: exactly one request", r, site, "current", 1, model)
    tap.equal([x.status for x in site.web.requests], [304], "answered by 304")
    tap.ok("nothing was fetched" in r.stderr and os.stat(site.path("model.onnx")).st_mtime_ns == stamp, "it is said", r.stderr)
    os.utime(site.path("model.onnx"))
    good("touched, not altered: one request", site.pull(), site, "current", 1, model)
    for name, spoil in (("altered in place", lambda p: open(p, "r+b").write(b"X")), ("cut short", lambda p: os.truncate(p, 10)),
                        ("removed", os.remove)):
        spoil(site.path("model.onnx"))
        good(name + ": fetched again", site.pull(), site, "pulled", 2, model)
        tap.equal([x.status for x in site.web.requests], [304, 200], name + ": by one conditional request and the file")
    with open(site.path(".model.onnx.pull", "state.json"), "w", encoding="ascii") as f:
        f.write('{"schema": 1, "st')
    good("a damaged state.json counts as none", site.pull(), site, "current", 1, model)
    good("and is made good", site.pull(), site, "current", 1)
    tap.equal(site.web.requests[0].status, 304, "with its etag")
    new = site.web.publish("/p", TWO, LATER)["model.onnx"]
    os.chmod(site.path("model.onnx"), 0o640)
    good("a new version is fetched", site.pull(), site, "pulled", 2, new)
    tap.equal(oct(os.stat(site.path("model.onnx")).st_mode & 0o777), "0o640", "and has the mode of the old")
    good("once", site.pull(), site, "current", 1, new)
    tap.ok(all("Authorization" not in x.headers and "amz" not in str(x.headers) for x in site.web.requests), "no credentials are sent")
    tap.equal(site.remains(), [], "nothing remains in the hidden folder")


def test_outputs():
    site = Site(formats=("model.onnx", "model.safetensors", "metrics.csv"))
    good("a folder gets all", site.pull(output="all"), site, "pulled", 4)
    tap.ok(all(site.read("all", n) == d for n, d in site.files.items()), "each as published")
    tap.equal(json.loads(site.read("all", "manifest.json"))["version"], ONE, "with the manifest")
    good("one request for a folder too", site.pull(output="all"), site, "current", 1)
    os.remove(site.path("all", "model.safetensors"))
    good("one file was removed: that one is fetched", site.pull(output="all"), site, "pulled", 2)
    files = site.web.publish("/p", TWO, LATER)
    good("the next version", site.pull(output="all"), site, "pulled", 3)
    tap.equal(sorted(os.listdir(site.path("all"))), [".pull", "manifest.json", *sorted(files)], "what it no longer has is gone")
    good("--version", site.pull("--version", ONE, output="old.onnx"), site, "pulled", 2)
    tap.equal(site.read("old.onnx"), site.files["model.onnx"], "is that version's")
    good("and conditional too", site.pull("--version", ONE, output="old.onnx"), site, "current", 1)
    tap.equal(site.web.requests[0].status, 304, "by its manifest")
    good("the latest into the same file", site.pull(output="old.onnx"), site, "pulled", 2)
    good(".safetensors", site.pull(output="sub/weights.safetensors"), site, "pulled", 2)
    tap.equal(site.read("sub/weights.safetensors"), files["model.safetensors"], "gets the weights")
    with open(site.path("served.bin"), "wb") as f:
        f.write(b"old")
    os.symlink("served.bin", site.path("link"))
    with open(site.path("served.bin"), "rb") as in_use:
        good("a file that is there, through a link", site.pull(output="link"), site, "pulled", 2)
        tap.ok(os.path.islink(site.path("link")) and site.read("served.bin") == files["model.onnx"], "the link stays")
        tap.equal(in_use.read(), b"old", "who has the old file open keeps it")
    os.mkdir(site.path("folder.onnx"))
    good("a folder that looks like a file", site.pull(output="folder.onnx"), site, "pulled", 3)
    os.mkfifo(site.path("fifo"))
    bad("neither file nor folder", site.pull(output="fifo"), 2, "neither a file nor a folder")
    site.web.publish("/p", ONE, LATER, formats=("model.safetensors",))
    bad("a format that was not published", site.pull(output="m.onnx"), 4, "no model.onnx")


def test_broken_downloads():
    site = Site(size=3 << 20)
    model = site.files["model.onnx"]
    site.web.on("onnx", cut(1 << 20), n=2)
    good("cut twice in mid-body: goes on", site.pull(), site, "pulled", 4, model)
    asked = [x.header("Range") for x in site.web.requests[1:]]
    tap.ok(asked[0] == "" and all(re.fullmatch(r"bytes=\d+-", a) for a in asked[1:]), "by range", asked)
    tap.equal({x.header("If-Range") for x in site.web.requests[2:]}, {web_server.etag_of(model)}, "of the same object")
    sent = sum(x.n_sent for x in site.web.requests[1:])
    tap.ok(sent < len(model) * 1.1, "nothing is sent twice", sent)

    for signal_, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143)):
        site = Site(size=3 << 20)
        model = site.files["model.onnx"]
        site.web.on("onnx", slow(20))
        p = site.start()
        part = site.path(".model.onnx.pull", ".%s.part" % hashlib.sha256(model).hexdigest()[:24])
        until = time.monotonic() + 60
        while time.monotonic() < until and not (os.path.exists(part) and os.path.getsize(part) > 1 << 19):
            time.sleep(0.02)
        p.send_signal(signal_)
        tap.equal(p.wait(timeout=30), code, "%s in mid-download" % signal_.name)
        had = os.path.getsize(part)
        good("the next pull goes on from there", site.pull(), site, "pulled", 2, model)
        tap.equal(site.web.requests[1].header("Range"), "bytes=%d-" % had, "after %d bytes" % had)
        tap.equal(site.remains(), [], "nothing remains")

    for name, fault in (("ignores ranges", ignores_ranges), ("refuses ranges", status(416)),
                        ("answers another range", lambda h, d: h.reply(206, d[5:], [("Content-Range", "bytes 5-%d/%d" % (len(d) - 1, len(d)))]))):
        site = Site()
        site.web.on("onnx", cut(100000))
        site.web.on("onnx", fault)
        good("a server that " + name, site.pull(), site, "pulled", None, site.files["model.onnx"])

    site = Site()
    new = web_server.bytes_of("x", "y", 200000)
    site.web.on("onnx", replaced(100000, new))
    bad("another object in its place meanwhile: refused", site.pull(), 4, "SHA-256 differs")
    tap.ok(not os.path.exists(site.path("model.onnx")), "and no file")


def test_wrong_bytes():
    site = Site()
    old = site.files["model.onnx"]
    site.pull()
    new = site.web.publish("/p", TWO, LATER)["model.onnx"]
    site.web.on("onnx", flipped, n=None)
    bad("wrong bytes for ever: refused", site.pull(), 4, "SHA-256 differs", "model.onnx")
    tap.equal(len(site.web.requests), 4, "after one more try and a look whether latest.json has moved on")
    tap.equal((site.read("model.onnx"), site.remains()), (old, []), "the old model stays, nothing else does")
    site.web.quiet()
    site.web.on("onnx", flipped)
    good("wrong bytes once", site.pull(), site, "pulled", 3, new)

    site.web.publish("/p", ONE, "2026-03-01T00:00:00Z")
    manifest = json.loads(site.web.objects["/p/latest.json"])

    def pruned(h, data):
        site.web.unpublish("/p", ONE)
        site.web.publish("/p", TWO, "2026-04-01T00:00:00Z", size=1000)
        h.reply(404, b"gone")
    site.web.on("onnx", pruned)
    good("a version that is pruned while we fetch it: the newer one", site.pull(), site, "pulled", 4,
         site.web.objects["/p/versions/%s/model.onnx" % TWO])
    manifest["artifacts"][0]["key"] = "versions/%s/../../x" % ONE
    site.web.objects["/p/latest.json"] = json.dumps(manifest).encode()
    bad("a key that leaves its version is refused", site.pull(), 4, "latest.json")
    for name, text in (("a web page", b"<html>please log in</html>"), ("an empty reply", b""), ("a list", b"[]")):
        site.web.objects["/p/latest.json"] = text
        bad("latest.json is %s: refused" % name, site.pull("--offline-ok"), 4, "not what retrain writes")


def test_answers():
    site = Site()
    for code, words in ((403, "not public"), (404, "nothing is published"), (410, "nothing is published"), (400, "HTTP 400")):
        site.web.quiet()
        site.web.on("latest", status(code), n=None)
        bad("%d is final" % code, site.pull(), 4, words)
        tap.equal(len(site.web.requests), 1, "%d: one request" % code)
    site.web.quiet()
    for code in (500, 503, 429):
        site.web.on("latest", status(code))
    site.web.on("onnx", status(502))
    good("500, 503, 429, 502, then well", site.pull(), site, "pulled", 6, site.files["model.onnx"])
    for command in (["list"], ["rollback"], ["run"], ["plan"], ["check"]):
        r = tap.run(*command, "--store", site.web.url + "/p", cwd=site.folder, env=ENV)
        bad(command[0] + " refuses a web address", r, 2, "cannot be listed" if command == ["list"] else "read only")
    bad("no encryption beyond loopback", tap.run("pull", "--store", "http://198.51.100.1/p", "--output", "x", cwd=site.folder), 2, "https")
    bad("--output is needed", tap.run("pull", "--store", site.web.url, cwd=site.folder), 2, "--output")


def test_redirects():
    site, other = Site(), web_server.Server()
    other.objects.update(site.web.objects)
    model = site.files["model.onnx"]
    site.web.on("onnx", redirect(other.url + "/p/versions/%s/model.onnx" % ONE, 307))
    good("a redirect to another server", site.pull(), site, "pulled", 2, model)
    tap.ok(len(other.requests) == 1 and "Authorization" not in other.requests[0].headers, "is followed, without credentials")
    site.web.objects["/p/elsewhere.json"] = site.web.objects["/p/latest.json"]
    for name, to in (("a relative one", "elsewhere.json"), ("an absolute path", "/p/latest.json"), ("without a scheme", site.web.url[5:] + "/p/latest.json")):
        site.web.quiet()
        site.web.on("latest", redirect(to, 301))
        good(name, site.pull(), site, "current", 2)
    for name, to, words in (("in circles", "/p/latest.json", "more than 5"), ("to a file", "file:///etc/passwd", "leads nowhere"),
                            ("without a place", "", "leads nowhere"), ("to a metadata service", "http://169.254.169.254/latest.json", "not encrypted")):
        site.web.quiet()
        site.web.on("latest", redirect(to), n=None)
        r = site.pull()
        bad("a redirect %s: refused" % name, r, 4, words)
        tap.ok(len(site.web.requests) <= 6, "after a few requests", site.web.lines())
    other.close()


def certificate(folder):
    path = os.path.join(folder, "server.pem")
    made = shutil.which("openssl") and subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-keyout", path + ".key", "-out", path], capture_output=True, check=False).returncode == 0
    if not made:
        return None
    with open(path, "ab") as out, open(path + ".key", "rb") as key:
        out.write(key.read())
    return path


def test_tls():
    site = Site()
    pem = certificate(site.folder)
    if not pem:
        tap.skip("pull over TLS", "openssl makes no certificate")
        return
    plain, site.web = site.web, web_server.Server(certificate=pem)
    site.web.objects.update(plain.objects)
    r = site.pull()
    tap.ok(r.returncode == 4 and "TLS verification failed" in r.stderr and not site.web.requests, "an unknown authority is refused", r.stderr)
    env = {"AWS_CA_BUNDLE": pem}
    good("https with an authority of one's own", site.pull(env=env), site, "pulled", 2, site.files["model.onnx"])
    plain.quiet()
    site.web.on("latest", redirect(plain.url + "/p/latest.json"))
    bad("a redirect from https to http is not followed", site.pull(env=env), 4, "without encryption")
    tap.equal(plain.requests, [], "not one request goes there")
    plain.close()


def test_offline():
    site = Site()
    model = site.files["model.onnx"]
    site.pull()
    site.web.on("", status(503), n=None)
    start = time.monotonic()
    r = site.pull("--offline-ok")
    good("503 for ever, --offline-ok: the model that is there", r, site, "kept", 2, model)
    tap.ok(time.monotonic() - start < 10 and "warning" in r.stderr and ONE in r.stderr, "soon, with a warning", r.stderr)
    site.web.quiet()
    site.web.on("", status(503, [("Retry-After", "55")]), n=None)
    start = time.monotonic()
    good("one that wants us back in a minute", site.pull("--offline-ok"), site, "kept", 1, model)
    tap.ok(time.monotonic() - start < 20, "is not waited for", time.monotonic() - start)
    site.web.quiet()
    site.web.on("", stalled(30), n=None)
    start = time.monotonic()
    good("a server that never answers", site.pull("--offline-ok", env={"RETRAIN_STALL_TIMEOUT": "1s"}), site, "kept", None, model)
    tap.ok(time.monotonic() - start < 20, "is left soon", time.monotonic() - start)
    site.web.quiet()
    new = site.web.publish("/p", TWO, LATER)["model.onnx"]
    site.web.on("onnx", cut(50000), n=2)
    good("the network goes in mid-download", site.pull("--offline-ok"), site, "kept", 3, model)
    good("and comes back: the download goes on", site.pull("--offline-ok"), site, "pulled", 2, new)
    tap.ok(site.web.requests[1].header("Range").startswith("bytes=10000"), "by range", site.web.requests[1].headers)
    site.web.on("latest", status(403))
    bad("access denied is no outage", site.pull("--offline-ok"), 4, "403")
    site.web.close()
    good("nobody listens", site.pull("--offline-ok"), site, "kept", 0, new)
    r = site.pull()
    bad("without --offline-ok that is exit 4", r, 4, "cannot connect")
    tap.equal((site.status(), site.read("model.onnx")), ("failed", new), "and the file stays")
    bad("another version than the one that is there", site.pull("--offline-ok", "--version", ONE), 4, "cannot connect")
    with open(site.path("model.onnx"), "r+b") as f:
        f.write(b"XXXX")
    bad("an altered file is not kept", site.pull("--offline-ok"), 4, "cannot connect")
    os.remove(site.path("model.onnx"))
    bad("nor is one that is not there", site.pull("--offline-ok"), 4, "cannot connect")


def test_two_at_once():
    site = Site(size=1 << 20)
    site.web.on("onnx", slow(1.5), n=None)
    both = [site.start(), site.start()]
    tap.equal([p.wait(timeout=60) for p in both], [0, 0], "two pulls into one file at once")
    tap.equal((site.read("model.onnx"), site.remains()), (site.files["model.onnx"], []), "it is whole, nothing remains")
    site.web.quiet()
    site.web.on(r"(onnx|tensors)$", slow(0.6), n=None)
    old = site.start("--version", ONE, output="all")
    files = site.web.publish("/p", TWO, LATER, size=1 << 20)
    new = site.start(output="all")
    tap.equal([p.wait(timeout=60) for p in (old, new)], [0, 0], "two versions into one folder at once")
    got = {n: site.read("all", n) for n in files}
    tap.ok(all(got[n] in (files[n], site.files[n]) for n in files), "each file is a whole one")
    good("the next pull settles it", site.pull(output="all"), site, "current" if got == files else "pulled")
    tap.ok(all(site.read("all", n) == files[n] for n in files), "with all of one version")


def test_kills():
    site = Site(size=1 << 18)
    latest = {ONE: site.web.objects["/p/latest.json"]}
    versions = {ONE: site.files["model.onnx"], TWO: site.web.publish("/p", TWO, LATER, size=1 << 18)["model.onnx"]}
    latest[TWO] = site.web.objects["/p/latest.json"]
    started = time.monotonic()
    site.pull()
    whole = time.monotonic() - started
    rng, seen, n_bad = random.Random(3), set(), 0
    for i in range(30):
        site.web.objects["/p/latest.json"] = latest[(ONE, TWO)[i % 2]]
        p = site.start()
        try:
            p.wait(timeout=rng.uniform(0, 1.2) * whole)
        except subprocess.TimeoutExpired:
            p.kill()
        seen.add(p.wait())
        n_bad += site.read("model.onnx") not in versions.values()
    tap.equal(n_bad, 0, "killed at 30 moments: the output is always a whole old or new model (exits %s)" % sorted(seen))
    is_there = site.read("model.onnx") == versions[TWO]
    good("and the next pull is right", site.pull(), site, "current" if is_there else "pulled", None, versions[TWO])
    tap.equal(site.remains(), [], "nothing remains")


def mounted(folder, options):
    return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], capture_output=True, check=False).returncode == 0


def test_disk():
    site = Site(size=2 << 20)
    os.mkdir(site.path("disk"))
    if os.geteuid() or not shutil.which("mount") or not mounted(site.path("disk"), "size=3m"):
        tap.skip("a full disk and a folder that is read only", "no tmpfs can be mounted here")
        return
    try:
        good("onto a small disk", site.pull(output="disk/model.onnx"), site, "pulled")
        site.web.publish("/p", TWO, LATER, size=2 << 20)
        bad("a full disk: one line", site.pull(output="disk/model.onnx"), 1, "No space left on device", "model.onnx")
        tap.equal(site.read("disk/model.onnx"), site.files["model.onnx"], "the old model stays")
        tap.equal(os.listdir(site.path("disk/.model.onnx.pull")), ["state.json"], "and the disk is not left full")
        bad("nor is that an outage", site.pull("--offline-ok", output="disk/model.onnx"), 1, "No space left on device")
        site.web.publish("/p", ONE, size=2 << 20)
        site.pull(output="disk/model.onnx")
        subprocess.run(["mount", "-o", "remount,ro", site.path("disk")], check=True)
        good("current on a disk that is read only: fine", site.pull(output="disk/model.onnx"), site, "current", 1)
        site.web.publish("/p", TWO, LATER, size=1 << 20)
        bad("a new version there: one line", site.pull(output="disk/model.onnx"), 1, "Read-only file system")
    finally:
        subprocess.run(["umount", site.path("disk")], check=False)


def test_folder_store():
    site = Site()
    for path, data in site.web.objects.items():
        os.makedirs(os.path.dirname(site.path("store" + path)), exist_ok=True)
        with open(site.path("store" + path), "wb") as f:
            f.write(data)
    pull = lambda: tap.run("pull", "--store", "file://store/p", "--output", "f.onnx", "--output-json", "out.json", cwd=site.folder, env=ENV)
    tap.equal((pull().returncode, site.status(), site.read("f.onnx")), (0, "pulled", site.files["model.onnx"]), "from a folder")
    tap.equal((pull().returncode, site.status()), (0, "current"), "and once")
    with open(site.path("store/p/versions", ONE, "model.onnx"), "r+b") as f:
        f.write(b"X")
    os.remove(site.path("f.onnx"))
    bad("other bytes in the folder are refused", pull(), 4, "SHA-256 differs")
    tap.ok(stat.S_ISDIR(os.stat(site.path(".f.onnx.pull")).st_mode) and not os.path.exists(site.path("f.onnx")), "no file then")


def test_no_secrets():
    text = "".join(said)
    tap.ok(SECRET not in text and "AKIAPULL" not in text, "no secret in %d bytes of output" % len(text))


try:
    tap.main(test_one_request, test_outputs, test_broken_downloads, test_wrong_bytes, test_answers, test_redirects, test_tls,
             test_offline, test_two_at_once, test_kills, test_disk, test_folder_store, test_no_secrets)
finally:
    for folder in FOLDERS:
        shutil.rmtree(folder, ignore_errors=True)

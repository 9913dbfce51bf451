"""examples/pull.py and examples/pull.c, which need nothing of retrain's: the same promises as `pull`, in a few lines."""
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

import tap
import web_server
from web_server import cut, flipped, status
from workspace import ROOT

ONE, TWO = "aaaaaaaaaaaa-00000001", "bbbbbbbbbbbb-00000002"
scratch = tempfile.mkdtemp(prefix="retrain-examples-")


def compiled():
    cc, flags = shutil.which(os.environ.get("CC", "cc")), None
    if cc and shutil.which("pkg-config"):
        r = subprocess.run(["pkg-config", "--cflags", "--libs", "libcurl", "jansson", "libcrypto"], capture_output=True, text=True, check=False)
        flags = shlex.split(r.stdout) if r.returncode == 0 else None
    if flags is None:
        return None
    program = os.path.join(scratch, "pull")
    subprocess.run([cc, "-Wall", "-Wextra", "-Werror", "-O1", "-o", program, os.path.join(ROOT, "examples", "pull.c"), *flags], check=True)
    return program


def check(name, command):
    web = web_server.Server()
    model = web.publish("/p", ONE)["model.onnx"]
    folder = tempfile.mkdtemp(dir=scratch)
    path = os.path.join(folder, "model.onnx")

    def pull():
        web.requests = []
        return subprocess.run([*command, web.url + "/p", path], capture_output=True, text=True, timeout=120, check=False)

    def now(what, r, data, n_requests, is_good=True):
        with open(path, "rb") as f:
            right = f.read() == data
        tap.ok(right and (r.returncode == 0) == is_good and len(web.requests) == n_requests, "%s: %s" % (name, what),
               "%d %s %s" % (r.returncode, r.stderr, web.lines()))

    now("fetches the model", pull(), model, 2)
    now("nothing changed: exactly one request", pull(), model, 1)
    tap.equal(web.requests[0].status, 304, name + ": answered by 304")
    new = web.publish("/p", TWO, "2026-02-01T00:00:00Z")["model.onnx"]
    with open(path, "rb") as in_use:
        for what, fault in (("wrong bytes", flipped), ("a truncated answer", cut(1000)), ("404", status(404)), ("500", status(500))):
            web.on("onnx", fault)
            r = pull()
            now(what + ": the old model stays", r, model, 2, is_good=False)
        web.on("latest", status(503))
        now("no latest.json: the same", pull(), model, 1, is_good=False)
        now("the new version", pull(), new, 2)
        tap.ok(in_use.read() == model, name + ": who has the old one open keeps it")
    os.remove(path)
    now("a model that was removed", pull(), new, 2)
    tap.equal(sorted(os.listdir(folder)), ["model.onnx", "model.onnx.etag"], name + ": nothing else remains")
    web.close()


def test_python():
    check("pull.py", [sys.executable, os.path.join(ROOT, "examples", "pull.py")])
    with open(os.path.join(ROOT, "examples", "pull.py"), encoding="utf-8") as f:
        tap.ok(len(f.readlines()) <= 30, "pull.py: in 30 lines")


def test_c():
    program = compiled()
    if program:
        check("pull.c", [program])
    else:
        tap.skip("pull.c", "no C compiler, or the headers of libcurl, jansson or OpenSSL are missing")


try:
    tap.main(test_python, test_c)
finally:
    shutil.rmtree(scratch, ignore_errors=True)

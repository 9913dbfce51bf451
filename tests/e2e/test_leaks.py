#!/usr/bin/env python3
"""What becomes of secrets when a process crashes in the middle of a request; and that the search for secrets, which
leaks.py makes after every test, finds them."""
import base64
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.parse

import fault_proxy
import leaks
import store_tool
import tap

SECRET = "crashsecret/with+odd=chars00000000000001"
TOKEN = "crashtoken+/000000000000000000000000001"
scratch = tempfile.mkdtemp(prefix="retrain-leaks-")


def crash(folder, ready, *command, **env):
    """SIGABRT when ready() is true. Whether the kernel wrote a core, and the files that are left."""
    os.makedirs(folder)
    unlimited = lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
    p = subprocess.Popen(command, cwd=folder, env={"PATH": os.environ["PATH"], **env}, preexec_fn=unlimited,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    end = time.monotonic() + 60
    while not ready() and time.monotonic() < end:
        time.sleep(0.02)
    p.send_signal(signal.SIGABRT)
    leaks.saw(p.stdout.read())
    _, status, _ = os.wait4(p.pid, 0)
    p.returncode = status  # it is reaped
    return os.WIFSIGNALED(status) and os.WCOREDUMP(status), os.listdir(folder)


def test_crash():
    dumped, _ = crash(os.path.join(scratch, "control"), lambda: True, "sleep", "60")
    if not dumped:
        return tap.skip("no core file", "this machine writes none in any case (limit or core_pattern)")
    nowhere = fault_proxy.Proxy(1)
    nowhere.play(*[fault_proxy.stalled(60)] * 9)
    body = os.path.join(scratch, "body")
    with open(body, "wb") as f:
        f.write(b"x" * 100000)
    dumped, left = crash(os.path.join(scratch, "driver"), lambda: nowhere.requests, store_tool.DRIVER, "s3://models/x", "put-file",
                         "k", body, DRIVER_ENDPOINT=nowhere.endpoint, AWS_ACCESS_KEY_ID="CRASHKEY000000000001",
                         AWS_SECRET_ACCESS_KEY=SECRET, AWS_SESSION_TOKEN=TOKEN)
    tap.ok(len(nowhere.requests) == 1, "it was aborted in the middle of a request", nowhere.lines())
    tap.ok(not dumped and not left, "a crash with credentials in memory leaves no core file", left)
    nowhere.close()
    return None


def test_search():
    """Forms of a secret that must be found, and what must not."""
    for name, text, is_leak in (
            ("as it is", SECRET, True), ("its first half", "key=" + SECRET[:20] + "...", True),
            ("in an address", urllib.parse.quote(SECRET, safe=""), True),
            ("in base64", base64.b64encode(SECRET.encode()).decode(), True),
            ("asked to be masked", "::add-mask::" + SECRET, False), ("the first word of it", SECRET[:11], False),
            ("asked to be masked, and then printed", "::add-mask::%s\n%s" % (SECRET, SECRET), True)):
        tap.equal(leaks.find(b"...\n" + text.encode() + b"\n...", set(leaks.needles())), is_leak, name)
    folder = os.path.join(scratch, "files")
    for sub, names in (("", ("core", ".hidden")), ("server", (".server", "log"))):
        os.makedirs(os.path.join(folder, sub), exist_ok=True)
        for name in names:
            with open(os.path.join(folder, sub, name), "w", encoding="ascii") as f:
                f.write(SECRET)
    leaks.own(os.path.join(folder, ".hidden"))
    tap.equal([os.path.basename(f) for f in leaks.files(folder)], ["core"], "own files and those of a server are left out")
    shutil.rmtree(folder)


def main():
    leaks.add(SECRET, TOKEN)
    if not store_tool.ready():
        tap.skip("leaks", "the store driver is not built")
        tap.done()
    try:
        tap.main(test_crash, test_search)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


main()

"""Memory is reckoned before training: close to the real peak, compared with what the machine and its control group have, and a request
that is too large is refused with the batch size that would fit."""
import os
import re
import shutil
import subprocess
import uuid

import tap
from workspace import ROOT, make_workspace

MB = 1e6


def reckoned(log):
    """Bytes of 'training takes about 155 MB'."""
    number, unit = re.search(r"training takes about ([\d.]+) ([MG])B", log).groups()
    return float(number) * {"M": 1e6, "G": 1e9}[unit]


def peak(work, *args, prepare=None):
    """Exit code, log and largest resident memory of one run of the program."""
    with open(os.path.join(work, "log"), "w+", encoding="utf-8") as log:
        p = subprocess.Popen([tap.RETRAIN_BIN, *args], cwd=work, stdout=subprocess.DEVNULL, stderr=log, preexec_fn=prepare)
        _, status, usage = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        return p.returncode, log.read(), usage.ru_maxrss * 1024


def test_reckoning():
    work = make_workspace(32, 8)
    for size, batch in ((64, 16), (160, 4), (160, 16)):
        args = ("--image-size", str(size), "--batch-size", str(batch))
        code, log, before = peak(work, "plan", *args)  # what the program has when it reckons
        tap.equal(code, 0, "plan at %d px, batch %d, ends well" % (size, batch))
        # the checkpoint that SIGTERM or the budget asks for is part of the peak
        code, _, most = peak(work, "train", "--output", "out", "--epochs", "100000", "--time-budget", "4s", *args)
        wanted, got = reckoned(log), most - before
        tap.ok(code == 0 and abs(wanted - got) <= 0.15 * got, "%d px, batch %d: reckoned %.0f MB, took %.0f MB, within 15%%" % (size, batch, wanted / MB, got / MB),
               log)
    shutil.rmtree(work)


def refusal(r):
    """(named batch size or 0, the line) of a refusal; None when it was none."""
    lines = [line for line in r.stderr.splitlines() if "error:" in line]
    if r.returncode != 2 or len(lines) != 1 or "of memory" not in lines[0]:
        return None
    fits = re.search(r"batch-size (\d+) would fit", lines[0])
    return (int(fits.group(1)) if fits else 0), lines[0]


def test_refusal():
    """No machine has the petabyte that this asks for."""
    work = make_workspace(4, 4)
    greedy = ["--image-size", "1600", "--model", "m", "--batch-size", "1024"]
    for command in ("run", "plan", "check", "train"):
        r = tap.run(command, *greedy, *(["--output", "out"] if command == "train" else []), cwd=work)
        told = refusal(r)
        tap.ok(told and "batch-size 1024 at image-size 1600 with model m needs about" in told[1], "%s refuses with exit 2" % command, r.stderr)
        tap.ok("epoch 1" not in r.stderr and not os.path.exists(os.path.join(work, "models/latest.json")), "%s: nothing was trained" % command)
    fits = told[0] if told else 0
    if fits:
        r = tap.run("plan", *greedy[:-1], str(max(1, fits * 9 // 10)), cwd=work)
        tap.equal(r.returncode, 0, "a little below the batch size that it named is accepted")
    shutil.rmtree(work)


def make_group():
    """A control group with a memory limit of its own, or why there is none. Version 1 and 2 differ in names only."""
    with open("/proc/self/cgroup", encoding="utf-8") as f:
        mine = dict((controllers, path) for _, controllers, path in (line.strip().split(":", 2) for line in f))
    is_v1 = "memory" in mine
    base, limit = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes") if is_v1 else ("/sys/fs/cgroup", "memory.max")
    path = os.path.join(base + mine.get("memory" if is_v1 else "", "/"), "retrain-test-%s" % uuid.uuid4().hex[:8])
    try:
        os.mkdir(path)
    except OSError as e:
        return None, "no control group can be made here: %s" % e
    if not os.path.exists(os.path.join(path, limit)):
        os.rmdir(path)
        return None, "the memory controller is not handed down"
    return path, limit


def test_control_group():
    path, limit = make_group()
    if not path:
        tap.skip("a control group bounds training", limit)
        return
    work = make_workspace(16, 4)

    def join():
        with open(os.path.join(path, "cgroup.procs"), "w", encoding="utf-8") as f:
            f.write("0")

    def in_group(*args):
        code, log, most = peak(work, *args, prepare=join)
        return subprocess.CompletedProcess(args, code, "", log), most

    try:
        greedy = ("train", "--output", "out", "--image-size", "160", "--epochs", "1", "--batch-size")
        _, log, before = peak(work, "plan", "--image-size", "160", "--batch-size", "6")
        bound = int(before + reckoned(log))
        with open(os.path.join(path, limit), "w", encoding="utf-8") as f:
            f.write(str(bound))
        r, _ = in_group(*greedy, "64")
        told = refusal(r)
        tap.ok(told and "the control group (the container's limit) has" in told[1] and 1 <= told[0] <= 12, "a batch that its limit cannot hold is refused", r.stderr)
        fits = told[0] if told else 1
        r, most = in_group(*greedy, str(fits))
        most -= before  # the program's own pages were charged to whoever read them first
        tap.ok(r.returncode == 0 and most <= bound, "the batch size that it named (%d) trains below the limit: %.0f of %.0f MB" % (fits, most / MB, bound / MB), r.stderr)
        with open(os.path.join(path, limit), "w", encoding="utf-8") as f:
            f.write(str(int(before + 50e6)))
        r, _ = in_group(*greedy, "64")
        tap.ok(refusal(r) and "not even batch-size 1 fits" in r.stderr, "and where none fits it says what else to lower", r.stderr)
    finally:
        os.rmdir(path)
        shutil.rmtree(work)


if not os.path.isdir(os.path.join(ROOT, "dataset", "images", "train")):
    tap.skip("memory", "the sample dataset is not here")
    tap.done()
tap.main(test_reckoning, test_refusal, test_control_group)

#!/usr/bin/env python3
"""A training that is ended at twenty random moments, by SIGKILL, SIGTERM and SIGINT, and goes on each time, on the same machine or
on another one that has only the store: the model has the bytes of an uninterrupted training."""
import glob
import os
import random
import shutil
import signal
import subprocess

import resume_checks
import tap
from resume_checks import OPTIONS, forget_machine, published, run, whole
from workspace import make_workspace, start

KILLS = 20


def test_twenty_kills():
    work = make_workspace(32, 8)
    want, seconds = whole(work)
    rng, n, n_stopped, n_models, ends = random.Random(20), 0, 0, 0, []
    while n < KILLS:
        if n % 2:
            forget_machine(work)
        p = start(work, "run", *OPTIONS)
        how = rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        try:
            p.communicate(timeout=rng.uniform(0.1, max(0.3 * seconds, 1.5)))
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, how)
            out = p.communicate()[0]
            n += 1
            n_stopped += how != signal.SIGKILL
            ends.append(p.returncode)
            if how != signal.SIGKILL and p.returncode not in (130, 143, 0):
                tap.ok(False, "a signal ends a run with its own code", "%s\n%s" % (p.returncode, out))
            continue
        tap.equal(published(work)[0], want, "a training of several interrupted jobs has the same bytes")
        n_models += 1
        shutil.rmtree(os.path.join(work, "models"))
    forget_machine(work)
    r = run(work)
    if not tap.equal(r.returncode, 0, "after %d kills (%d by SIGTERM or SIGINT) the next run ends it" % (n, n_stopped)):
        tap.diag(r.stderr)
    got, manifest = published(work)
    tap.equal(got, want, "with the bytes of the uninterrupted training")
    tap.ok(manifest["training"]["jobs"] > 1 or n_models, "in %d jobs" % manifest["training"]["jobs"], ends)
    tap.ok(not glob.glob(os.path.join(work, "models/checkpoints/*/*")), "no checkpoint and no lease is left")
    shutil.rmtree(work)


resume_checks.main(test_twenty_kills)

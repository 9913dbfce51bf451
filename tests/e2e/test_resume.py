#!/usr/bin/env python3
"""Which checkpoint a training goes on from: with the newest one damaged, with both, with a foreign one, with the workspace ahead of
the store and behind it. Whatever happens, the model has the bytes of an uninterrupted training."""
import glob
import json
import os
import re
import shutil

import resume_checks
import tap
from resume_checks import OPTIONS, forget_machine, published, run, two_generations, whole
from workspace import digest, make_workspace


def flip(path):
    with open(path, "r+b") as f:
        f.seek(os.path.getsize(path) // 2)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 1]))


def check(work, want, words, name):
    r = run(work)
    ok = r.returncode == 0 and published(work)[0] == want and all(w in r.stderr for w in words)
    tap.ok(ok, name, "%s\n%s" % (words, r.stderr))


def test_damaged():
    work = make_workspace(32, 8)
    want, _ = whole(work)

    _, listed, here = two_generations(work)
    tap.ok("previous" in listed and listed["file"] != listed["previous"]["file"], "the store keeps two generations", listed)
    flip(os.path.join(here, "checkpoint.bin"))
    shutil.rmtree(os.path.join(work, "models"))
    check(work, want, ["SHA-256 does not match", "going on from the checkpoint before it", "resumed"],
          "the newest one in the workspace is damaged: the one before it is used")

    folder, listed, _ = two_generations(work)
    forget_machine(work)
    flip(os.path.join(folder, listed["file"]))
    check(work, want, ["cannot be used", "trying the one before it", "resumed"],
          "the newest one in the store is damaged: the one before it is used")

    folder, listed, _ = two_generations(work)
    forget_machine(work)
    os.truncate(os.path.join(folder, listed["file"]), 1000)
    os.remove(os.path.join(folder, listed["previous"]["file"]))
    check(work, want, ["cannot be used"], "both are useless: training starts anew")

    folder, listed, _ = two_generations(work)
    forget_machine(work)
    with open(os.path.join(folder, "checkpoint.json"), "w", encoding="utf-8") as f:
        f.write('{"schema": 1, "file": "../../latest.json", "sha256": "00"')
    check(work, want, ["checkpoint.json", "damaged"], "a damaged list: training starts anew")

    folder, listed, _ = two_generations(work)
    forget_machine(work)
    r = tap.run("run", *OPTIONS, "--seed", "5", "--time-budget", "1s", "--store", "file://other", cwd=work, timeout=100)
    other = glob.glob(os.path.join(work, "other/checkpoints/*/*.bin"))
    tap.equal((r.returncode, len(other)), (0, 1), "a checkpoint of another recipe")
    listed.pop("previous")
    listed.update(sha256=digest(other[0]), size=os.path.getsize(other[0]))
    shutil.copy(other[0], os.path.join(folder, listed["file"]))
    with open(os.path.join(folder, "checkpoint.json"), "w", encoding="utf-8") as f:
        json.dump(listed, f)
    shutil.rmtree(os.path.join(work, ".retrain"))
    check(work, want, ["is a checkpoint of version"], "which is refused under this version's name")
    shutil.rmtree(work)


def test_newest_wins():
    """The workspace may be ahead of the store, when the last upload failed, and behind it, when another machine went on."""
    work = make_workspace(32, 8)
    want, _ = whole(work)
    folder, listed, here = two_generations(work)
    older = os.path.join(here, "checkpoint.previous.bin")
    shutil.copy(older, os.path.join(here, "checkpoint.bin"))
    os.remove(older)
    check(work, want, ["resumed"], "the store is ahead of the workspace")

    folder, listed, here = two_generations(work)
    previous = listed["previous"]
    with open(os.path.join(folder, "checkpoint.json"), "w", encoding="utf-8") as f:
        json.dump(dict(previous, schema=1), f)
    os.remove(os.path.join(folder, listed["file"]))
    r = run(work)
    at = re.search(r"resumed from the checkpoint at epoch (\d+), batch (\d+) of (\d+)", r.stderr)
    done = (int(at[1]) - 1) * int(at[3]) + int(at[2]) if at else 0
    tap.ok(r.returncode == 0 and published(work)[0] == want and done >= listed["batches"], "the workspace is ahead of the store",
           "%s, %s\n%s" % (done, listed, r.stderr))
    shutil.rmtree(work)


resume_checks.main(test_damaged, test_newest_wins)

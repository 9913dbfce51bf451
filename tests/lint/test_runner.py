"""tests/run is the judge of every other test, so it must be seen to fail."""
import os
import stat
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
import tap  # noqa: E402

# name, shell script, exit status of the runner, its last line
CASES = [
    ("all pass", "echo 1..2; echo ok 1 - a; echo ok 2 - b", 0, "2 passed, 0 failed, 0 skipped"),
    ("one fails", "echo 1..2; echo ok 1; echo not ok 2 - b; exit 1", 1, "1 passed, 1 failed, 0 skipped"),
    ("failure without an exit status", "echo 1..1; echo not ok 1 - b", 1, "0 passed, 2 failed, 0 skipped"),
    ("exit status without a failure", "echo 1..1; echo ok 1; exit 3", 1, "1 passed, 1 failed, 0 skipped"),
    ("crash", "echo 1..2; echo ok 1; kill -SEGV $$", 1, "1 passed, 1 failed, 0 skipped"),
    ("no plan", "echo ok 1", 1, "1 passed, 1 failed, 0 skipped"),
    ("silence", "exit 0", 1, "0 passed, 1 failed, 0 skipped"),
    ("fewer points than planned", "echo 1..3; echo ok 1", 1, "1 passed, 1 failed, 0 skipped"),
    ("too slow", "echo 1..1; echo ok 1; sleep 30", 1, "1 passed, 1 failed, 0 skipped"),
    ("skip", "echo 1..2; echo ok 1; echo 'ok 2 - b # SKIP no server'", 0, "1 passed, 0 failed, 1 skipped"),
    ("skip as cmocka 1.1.5 says it", "echo 1..2; echo ok 1; echo 'not ok 2 # SKIP b'", 0, "1 passed, 0 failed, 1 skipped"),
    ("only skips", "echo 1..1; echo 'ok 1 - a # SKIP no server'", 1, "0 passed, 0 failed, 1 skipped"),
    ("a whole program skipped", "echo '1..0 # SKIP no server'", 1, "0 passed, 0 failed, 1 skipped"),
]


def judge(*programs):
    return subprocess.run([sys.executable, "tests/run", "-t", "2", *programs], cwd=ROOT, capture_output=True, text=True,
                          check=False)


def main():
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, script, status, last) in enumerate(CASES):
            path = os.path.join(folder, "case%d" % number)
            with open(path, "w", encoding="utf-8") as f:
                f.write("#!/bin/sh\n" + script + "\n")
            os.chmod(path, stat.S_IRWXU)
            result = judge(path)
            lines = result.stdout.splitlines() or [""]
            tap.equal((result.returncode, lines[-1]), (status, last), name)
            if "server" in script:
                tap.contains(result.stdout, "no server", name + ": the reason is shown")
        result = judge()
        tap.equal((result.returncode, result.stdout.splitlines()[-1]), (1, "0 passed, 0 failed, 0 skipped"), "no test at all")
        tap.equal(judge(os.path.join(folder, "absent")).returncode, 1, "a program that is not there")
    tap.done()


main()

"""TAP for the Python tests: ok(), skip(), done(); run() starts the program under test."""
import os
import subprocess
import sys
import traceback

import leaks

RETRAIN_BIN = os.path.abspath(os.environ.get("RETRAIN_BIN", "build/retrain"))

_n_points = 0
_n_failed = 0


def diag(text):
    """A comment in the output, shown when the program fails."""
    for line in str(text).splitlines():
        print("# " + line)
    sys.stdout.flush()


def ok(condition, name, why=""):
    """One test point; `why` is printed when it fails. Returns the condition's truth."""
    global _n_points, _n_failed
    _n_points += 1
    print("%sok %d - %s" % ("" if condition else "not ", _n_points, name.replace("#", "")))
    if not condition:
        _n_failed += 1
        diag(why)
    sys.stdout.flush()
    return bool(condition)


def equal(got, want, name):
    return ok(got == want, name, "got:  %r\nwant: %r" % (got, want))


def contains(text, part, name):
    return ok(part in text, name, "not found: %r\nin: %s" % (part, text))


def skip(name, why):
    """One point that cannot run here, with the reason."""
    global _n_points
    _n_points += 1
    print("ok %d - %s # SKIP %s" % (_n_points, name.replace("#", ""), why))
    sys.stdout.flush()


def done():
    """The plan, after the search for secrets; exits 1 if a point failed or none ran. Call it last."""
    found = leaks.check()
    if found:
        ok(*found)
    print("1..%d" % _n_points)
    sys.stdout.flush()
    sys.exit(1 if _n_failed or not _n_points else 0)


def main(*tests):
    """Runs the functions in turn; an exception is a failed point with its trace, and the others still run."""
    for test in tests:
        try:
            test()
        except Exception:  # pylint: disable=broad-except
            ok(False, "%s ran to its end" % test.__name__, traceback.format_exc())
    done()


def run(*args, cwd=None, env=None, timeout=120, stdin=None):
    """Runs the program; returns subprocess.CompletedProcess with text in stdout and stderr.
    `env` adds to a small clean environment (PATH, HOME, TMPDIR, LC_ALL); the host's own does not leak in."""
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LC_ALL") if name in os.environ}
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
        if name in os.environ:
            clean[name] = os.environ[name]
    clean.update(env or {})
    leaks.learn(clean)
    result = subprocess.run([RETRAIN_BIN, *map(str, args)], cwd=cwd, env=clean, timeout=timeout, input=stdin, text=True,
                          errors="backslashreplace", stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    leaks.saw(result.stdout + result.stderr)
    return result

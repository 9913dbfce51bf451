"""Tests that compare with other programs need a Python that has them. need() goes on in the first of these that does: the one of
tools/test-venv.sh, with its pinned versions; the one that RETRAIN_TEST_PYTHON names; the one at work; python3. It skips where none
does."""
import os
import subprocess
import sys

import tap

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHOSEN = "RETRAIN_TEST_PYTHON_CHOSEN"


def has(python, modules):
    probe = "import importlib.util as u, sys; sys.exit(any(u.find_spec(m) is None for m in %r))" % (modules,)
    try:
        return subprocess.run([python, "-c", probe], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


def need(what, *modules):
    if os.environ.pop(CHOSEN, None):
        return
    venv = os.path.join(ROOT, "build", "venv", "bin", "python")
    for python in (venv, os.environ.get("RETRAIN_TEST_PYTHON"), sys.executable, "python3"):
        if python and has(python, modules):
            if os.path.abspath(python) == sys.executable:
                return
            os.environ[CHOSEN] = "1"
            os.execvp(python, [python, *sys.argv])
    tap.skip(what, "no Python with %s; tools/test-venv.sh makes one without torch, RETRAIN_TEST_PYTHON names another" % ", ".join(modules))
    tap.done()

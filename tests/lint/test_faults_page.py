#!/usr/bin/env python3
"""docs/faults.md says which test plays which fault: the tests are there, and no row is without."""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
import tap  # noqa: E402


def text_of(name):
    """The test file of that name, wherever below tests/ it is; None when there is none."""
    found = glob.glob(os.path.join(ROOT, "tests", "*", name))
    if not found:
        return None
    with open(found[0], encoding="utf-8") as f:
        return f.read()


def test_rows():
    with open(os.path.join(ROOT, "docs", "faults.md"), encoding="utf-8") as f:
        rows = [line.split("|")[1:-1] for line in f if line.startswith("| ")][2:]
    tap.ok(len(rows) > 25, "the table has its rows", len(rows))
    wrong = []
    for failure, _, tests in rows:
        names, text = re.findall(r"`([^`]+)`", tests), None
        for name in names:
            name, _, function = name.rpartition(": ") if ": " in name else (name, "", "") if "." in name else ("", "", name)
            text = text_of(name) if name else text
            if text is None or (function and "def %s(" % function not in text):
                wrong.append("%s: %s %s" % (failure.strip(), name, function))
        if not names:
            wrong.append("%s: no test" % failure.strip())
    tap.equal(wrong, [], "each row's tests exist")


tap.main(test_rows)

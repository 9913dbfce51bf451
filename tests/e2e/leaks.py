"""No secret in anything that the program says or writes. Every Python test that starts the program takes part, because
tap.py, store_tool.py and workspace.py report here:

    leaks.learn(environment)   values of variables that are secrets by their name
    leaks.add(value)           any other
    leaks.saw(text)            what the program printed
    leaks.remove(folder)       searches a folder before it goes
    leaks.check()              by tap.done(): all that was printed, and every file below this test's TMPDIR

tests/run gives each test a TMPDIR of its own. Files that hold secrets because the test wrote them are named with own();
the data of a server that the test started is below a folder that holds a file ".server"."""
import base64
import os
import re
import shutil
import urllib.parse

NAMES = re.compile(r"SECRET|TOKEN$|PASSWORD|_JWT$|AUTHORIZATION")
LEAST = 12  # shorter ones would be found by chance; of longer ones their first bytes count, so that a cut one is found too
MASK = b"::add-mask::"  # how GitHub is asked to hide a value: the one line that must hold it

_secrets, _own, _printed, _n_printed = set(), set(), [], 0
_found, _n_files = [], 0


def add(*values):
    _secrets.update(v for v in values if v and len(v) >= LEAST)


def learn(environment):
    add(*(v for k, v in environment.items() if NAMES.search(k) and not k.endswith("_FILE") and not os.path.exists(v)))
    for name in environment:
        if name.lower().endswith("_proxy"):
            add(urllib.parse.urlsplit(environment[name]).password)


def own(path):
    """A file of the test's own, with a secret in it on purpose."""
    _own.add(os.path.realpath(path))
    return path


def saw(text):
    global _n_printed
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    _n_printed += len(data)
    _printed.append(data)


def needles():
    for secret in _secrets:
        for form in (secret[:max(LEAST, len(secret) // 2)], urllib.parse.quote(secret, safe=""),
                     base64.b64encode(secret.encode()).decode().rstrip("=")[:-1]):
            yield form.encode()


def find(data, wanted):
    if MASK in data:
        data = b"\n".join(line for line in data.split(b"\n") if MASK not in line)
    return any(n in data for n in wanted)


def files(folder):
    for path, folders, names in os.walk(folder):
        if ".server" in names:
            folders.clear()
            continue
        for name in names:
            full = os.path.join(path, name)
            if os.path.realpath(full) not in _own and os.path.isfile(full) and not os.path.islink(full):
                yield full


def search(folder):
    global _n_files
    wanted = set(needles())
    for full in files(folder):
        _n_files += 1
        try:
            with open(full, "rb") as f:
                if find(f.read(), wanted):
                    _found.append(full)
        except OSError:
            pass  # gone meanwhile


def remove(folder):
    search(folder)
    shutil.rmtree(folder, ignore_errors=True)


def check():
    """None when the test had no secrets, else (is all well, what was searched, what was found)."""
    if not _secrets:
        return None
    if "RETRAIN_TEST_TMPDIR" in os.environ:
        search(os.environ["RETRAIN_TEST_TMPDIR"])
    wanted = set(needles())
    said = [text for text in _printed if find(text, wanted) or b"Signature=" in text]
    return (not _found and not said,
            "none of %d secrets in %d bytes of output and %d files" % (len(_secrets), _n_printed, _n_files),
            "%s\n%s" % (_found, "\n".join(text.decode("utf-8", "replace")[:3000] for text in said[:3])))

"""What the house rules say and a script can see: layers, headers, wrappers, banned calls, sizes."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
import tap  # noqa: E402

# Low to high. A file may include its own module and any module of a lower row: never up, never sideways.
LAYERS = [
    ["core"],
    ["image", "nn", "cloud", "host"],
    ["dataset", "store", "config"],
    ["detector"],
    ["export"],
    ["train"],
    ["report"],
    ["pipeline"],
    ["command"],
    ["action"],
]
RANK = {module: rank for rank, row in enumerate(LAYERS) for module in row}

# One third-party library, one wrapper file. (stb's three headers are three libraries.)
WRAPPERS = {
    r"curl/": ["src/cloud/http.c"],
    r"openssl/": ["src/core/hash.c"],
    r"yaml\.h": ["src/core/yaml.c"],
    r"expat\.h": ["src/core/xml.c"],
    r"jansson\.h": ["src/core/json.c"],
    r"(stb/)?stb_image\.h": ["src/image/decode.c"],
    r"(stb/)?stb_image_write\.h": ["src/image/decode.c"],
    r"cblas\.h|dlfcn\.h": ["src/nn/kernels/blas.c"],
}

# Call -> why it is banned.
BANNED = {
    "strcpy": "no bound", "strcat": "no bound", "sprintf": "no bound", "vsprintf": "no bound", "gets": "no bound",
    "strtok": "hidden state", "atoi": "no error", "atol": "no error", "atof": "no error", "localtime": "hidden state",
    "gmtime": "hidden state", "ctime": "hidden state", "rand": "not reproducible, see core/rng.h",
    "srand": "not reproducible, see core/rng.h", "drand48": "not reproducible, see core/rng.h", "alloca": "no bound",
    "system": "no shell", "popen": "no shell", "setlocale": "numbers must keep their point", "tmpnam": "a race",
}
ALLOCATORS = ["malloc", "calloc", "realloc", "free", "strdup", "strndup", "aligned_alloc", "posix_memalign", "asprintf"]

FILE_LINES, FUNCTION_LINES = 500, 100
COLUMNS, COLUMNS_MOST = 120, 160  # what we aim at; what fails


def sources():
    found = []
    for folder in ("action", "include", "src"):
        for path, _, names in os.walk(os.path.join(ROOT, folder)):
            found += [os.path.relpath(os.path.join(path, n), ROOT) for n in names if n.endswith((".c", ".h"))]
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def blank(match):
    return "".join(c if c == "\n" else " " for c in match.group(0))


TOKENS = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_of(text):
    """The text with comments and literals blanked; lines stay where they are."""
    return TOKENS.sub(blank, text)


def includes_of(text):
    """(line number, name, is it <system>) of each #include."""
    for number, line in enumerate(text.splitlines(), 1):
        m = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if m:
            yield number, m.group(2), m.group(1) == "<"


def module_of(path):
    parts = path.split("/")
    return "action" if parts[0] == "action" else parts[1]


def report(defects, name):
    tap.ok(not defects, name, "\n".join(defects))


def check_layers(files):
    defects = []
    for path in files:
        mine = module_of(path)
        if mine not in RANK:
            defects.append("%s: module \"%s\" has no layer; name it in tests/lint/test_lint.py" % (path, mine))
            continue
        for line, name, _ in includes_of(read(path)):
            other = name.split("/")[0] if "/" in name else mine
            if other in RANK and other != mine and RANK[other] >= RANK[mine]:
                way = "up" if RANK[other] > RANK[mine] else "sideways"
                defects.append("%s:%d: %s includes %s: that points %s" % (path, line, mine, name, way))
    report(defects, "no include points up or sideways")


def check_privacy(files):
    """src/<m>/x.h is private to m: other modules see include/<m>/ only."""
    defects = []
    for path in files:
        mine = module_of(path)
        for line, name, is_system in includes_of(read(path)):
            other = name.split("/")[0]
            if is_system or other not in RANK or other == mine:
                continue
            if not os.path.exists(os.path.join(ROOT, "include", name)):
                defects.append("%s:%d: %s is private to %s, or missing" % (path, line, name, other))
    report(defects, "private headers stay in their module")


def check_wrappers(files):
    defects = []
    for path in files:
        for line, name, _ in includes_of(read(path)):
            for pattern, allowed in WRAPPERS.items():
                if re.fullmatch(pattern + (".*" if pattern.endswith("/") else ""), name) and path not in allowed:
                    defects.append("%s:%d: <%s> belongs into %s" % (path, line, name, allowed[0]))
    report(defects, "one third-party library, one wrapper file")


def check_banned(files):
    defects = []
    call = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(list(BANNED) + ALLOCATORS))
    for path in files:
        for number, line in enumerate(code_of(read(path)).splitlines(), 1):
            for m in call.finditer(line):
                name = m.group(1)
                if name in BANNED:
                    defects.append("%s:%d: %s: %s" % (path, number, name, BANNED[name]))
                elif not path.startswith("src/core/"):
                    defects.append("%s:%d: %s: memory comes from core/arena.h" % (path, number, name))
    report(defects, "no banned call; memory only from core")


def check_flags():
    defects = []
    for path in ["Makefile"] + glob.glob(os.path.join(ROOT, "Dockerfile*")):
        for number, line in enumerate(read(path).splitlines(), 1):
            if re.search(r"-ffast-math|-Ofast|-ffinite-math", line) and not line.lstrip().startswith("#"):
                defects.append("%s:%d: fast-math deletes the checks for NaN" % (path, number))
    report(defects, "nothing is compiled with fast-math")


def check_headers(files):
    """Each header compiles as the only include of a file, and is guarded (unless it says who alone includes it)."""
    headers = [p for p in files if p.endswith(".h")]
    guard = re.compile(r"#ifndef \w+_H\n#define|#pragma once|Included by \S+ only")
    report(["%s: no include guard" % p for p in headers if not guard.search(read(p))], "every header is guarded")
    cc = shutil.which(os.environ.get("CC", "cc"))
    if not cc:
        tap.skip("every header compiles alone", "no C compiler")
        return
    defects = []
    with tempfile.TemporaryDirectory() as folder:
        unit = os.path.join(folder, "alone.c")
        for path in headers:
            with open(unit, "w", encoding="utf-8") as f:
                f.write('#include "%s"\nint alone;\n' % os.path.join(ROOT, path))
            flags = ["-std=c17", "-D_GNU_SOURCE", "-Wall", "-Werror", "-fsyntax-only", "-Iinclude", "-Isrc", "-Iaction"]
            if path.startswith("src/nn/kernels/") and os.uname().machine == "x86_64":
                flags += ["-mavx2", "-mfma", "-mf16c", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"]
            result = subprocess.run([cc, *flags, "-Wno-unused-function", "-Wno-unused-const-variable", unit], cwd=ROOT,
                                    capture_output=True, text=True, check=False)
            if result.returncode != 0:
                lines = [x for x in result.stderr.splitlines() if "error:" in x] or [result.stderr]
                defects.append("%s: %s" % (path, lines[0]))
    report(defects, "every header compiles alone (%d headers)" % len(headers))


def functions_of(path):
    """(lines, place) of each function, by the house's braces: both stand alone in the first column."""
    lines, start = code_of(read(path)).splitlines(), None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{":
            start = number
        elif line.startswith("}") and start:
            at = start - 1
            while at > 0 and "(" not in lines[at - 1]:
                at -= 1
            name = re.search(r"(\w+)\s*\(", lines[at - 1]) if at else None
            yield number - start + 1, "%s:%d %s" % (path, start, name.group(1) if name else "?")
            start = None


def check_sizes(files):
    sizes = sorted(((len(read(p).splitlines()), p) for p in files), reverse=True)
    functions = sorted((f for p in files for f in functions_of(p)), reverse=True)
    tap.diag("the ten longest files:")
    for n, path in sizes[:10]:
        tap.diag("  %5d %s" % (n, path))
    tap.diag("the ten longest functions:")
    for n, place in functions[:10]:
        tap.diag("  %5d %s" % (n, place))
    report(["%s: %d lines; it is two ideas" % (p, n) for n, p in sizes if n > FILE_LINES],
           "no file is longer than %d lines" % FILE_LINES)
    report(["%s: %d lines" % (p, n) for n, p in functions if n > FUNCTION_LINES],
           "no function is longer than %d lines" % FUNCTION_LINES)
    tap.ok(functions, "functions were found at all")


def check_text(files):
    defects, n_long = [], 0
    for path in files:
        for number, line in enumerate(read(path).split("\n"), 1):
            n_long += len(line) > COLUMNS
            if len(line) > COLUMNS_MOST:
                defects.append("%s:%d: %d columns" % (path, number, len(line)))
            if "\t" in line or line != line.rstrip():
                defects.append("%s:%d: a tab, or blanks at the end" % (path, number))
    tap.diag("%d lines are longer than %d columns" % (n_long, COLUMNS))
    report(defects, "no line is longer than %d columns or holds tabs" % COLUMNS_MOST)


def check_maps():
    modules = sorted(os.path.basename(os.path.dirname(p)) for p in glob.glob(os.path.join(ROOT, "src", "*", "")))
    report(["src/%s/README.md is missing" % m for m in modules
            if not os.path.exists(os.path.join(ROOT, "src", m, "README.md"))], "every module has its README.md")


def check_of_checks():
    """The checks above must be able to fail."""
    text = '#include "pipeline/run.h"\nint f(void)\n{\n    /* strcpy( */ return atoi("rand(");\n}\n'
    tap.equal([n for _, n, _ in includes_of(text)], ["pipeline/run.h"], "an include is seen")
    code = code_of(text)
    tap.ok("atoi(" in code and "strcpy" not in code and "rand" not in code, "calls are seen, comments and text are not",
           code)
    tap.ok(RANK["core"] < RANK["nn"] < RANK["pipeline"], "layers are ordered")


def main():
    os.chdir(ROOT)
    files = sources()
    tap.ok(len(files) > 10, "sources were found")
    check_layers(files)
    check_privacy(files)
    check_wrappers(files)
    check_banned(files)
    check_flags()
    check_headers(files)
    check_text(files)
    check_maps()
    check_sizes(files)
    check_of_checks()
    tap.done()


main()

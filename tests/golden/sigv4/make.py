#!/usr/bin/env python3
"""Makes aws-c-auth.json from a checkout of https://github.com/awslabs/aws-c-auth (Apache-2.0):

    tests/golden/sigv4/make.py path/to/aws-c-auth > tests/golden/sigv4/aws-c-auth.json

One object per case of tests/aws-signing-test-suite/v4, with the expected canonical request, string to sign and
signature of the header form, byte for byte. Left out: cases that want the path normalised (S3 never does) where that
changes it, and the folded header line, which HTTP has given up.
"""
import json
import pathlib
import subprocess
import sys

LEFT_OUT = {"get-header-value-multiline"}
root = pathlib.Path(sys.argv[1])
commit = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
cases = []
for folder in sorted((root / "tests/aws-signing-test-suite/v4").iterdir()):
    if folder.name in LEFT_OUT or not folder.is_dir():
        continue
    context = json.loads((folder / "context.json").read_text())
    read = lambda name: (folder / name).read_text(encoding="utf-8")
    canonical = read("header-canonical-request.txt")
    head, _, body = read("request.txt").partition("\n\n")
    lines = head.split("\n")
    method, _, rest = lines[0].partition(" ")
    target = rest.rpartition(" ")[0]
    path, _, query = target.partition("?")
    if context.get("normalize") and any(s in path for s in ("//", "/./", "/..")):
        continue
    cases.append({
        "name": folder.name, "method": method, "path": path, "query": query,
        "headers": [line.split(":", 1) for line in lines[1:] if line], "body": body,
        "timestamp": context["timestamp"], "region": context["region"], "service": context["service"],
        "sign_body": context.get("sign_body", False),
        "access_key": context["credentials"]["access_key_id"],
        "secret_key": context["credentials"]["secret_access_key"],
        "token": "" if context.get("omit_session_token") else context["credentials"].get("token", ""),
        "canonical_request": canonical,
        "string_to_sign": read("header-string-to-sign.txt"), "signature": read("header-signature.txt"),
    })
json.dump({"source": "https://github.com/awslabs/aws-c-auth tests/aws-signing-test-suite/v4 (Apache-2.0)",
           "commit": commit, "cases": cases}, sys.stdout, indent=1, ensure_ascii=False)
print()

#!/usr/bin/env python3
"""The newest model that retrain published, with the standard library: pull.py https://host/prefix model.onnx"""
import hashlib
import json
import os
import sys
import urllib.error
import urllib.request

base, path = sys.argv[1].rstrip("/"), sys.argv[2]
etag_path = path + ".etag"  # of latest.json: with it, one small request says that nothing changed
request = urllib.request.Request(base + "/latest.json")
if os.path.exists(path) and os.path.exists(etag_path):
    request.add_header("If-None-Match", open(etag_path, encoding="ascii").read())
try:
    with urllib.request.urlopen(request, timeout=30) as reply:
        latest, etag = json.load(reply), reply.headers.get("ETag", "")
except urllib.error.HTTPError as answer:
    sys.exit(0 if answer.code == 304 else "%s: %s" % (request.full_url, answer))
model = next(a for a in latest["artifacts"] if a["name"] == "model.onnx")
with urllib.request.urlopen(base + "/" + model["key"], timeout=30) as reply:
    data = reply.read()
if hashlib.sha256(data).hexdigest() != model["sha256"]:
    sys.exit("model.onnx arrived damaged; what was there before stays")
for name, content in ((path, data), (etag_path, etag.encode("ascii"))):
    with open("%s.%d" % (name, os.getpid()), "wb") as f:
        f.write(content)
        f.flush()
        os.fsync(f.fileno())
    os.replace(f.name, name)  # who reads meanwhile sees the old file or the new one, never a part

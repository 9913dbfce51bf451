#!/usr/bin/env python3
"""Sessions that end in mid-run, against a real server: radosgw checks the identity tokens, hands out sessions of four
seconds and refuses what comes after them. What STS and the issuer hand out
is searched for in everything at the end (leaks.py)."""
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

import fault_proxy
import leaks
import oidc
import radosgw
import s3_server
import store_tool
import tap
from store_tool import Driver, message
from workspace import ROOT, SMALL, make_workspace, start

SESSION_S = 4
server = issuer = admin = role = scratch = None


def noted(x):
    """Passes on; what STS hands out is a secret from now on."""
    reply = x.forward()
    leaks.add(*(s.decode() for s in re.findall(rb"<(?:SecretAccessKey|SessionToken)>([^<]+)<", reply.body)))
    x.send(reply)


def late(x):
    """Signed in time, but there too late."""
    time.sleep(SESSION_S + 0.7)
    noted(x)


def make_proxy():
    proxy = fault_proxy.Proxy(server.port)
    proxy.on("^POST /$", noted, n=None)
    return proxy


def driver(proxy, seconds=SESSION_S, **env):
    env = {"DRIVER_ENDPOINT": proxy.endpoint, "DRIVER_ROLE": role, "DRIVER_ROLE_SECONDS": str(seconds), "HOME": scratch, **env}
    return Driver("s3://models/sessions", **env)


def artifacts():
    paths = []
    for name, n in (("model.onnx", 40000), ("report.html", 3000)):
        paths.append(os.path.join(scratch, name))
        with open(paths[-1], "wb") as f:
            f.write(b"x" * n)
    return paths


def test_expiry_at_every_step():
    """The k-th request of a publish arrives after its session's end, for every k, all at once."""
    model, report = artifacts()

    def publish(k):
        proxy = make_proxy()
        proxy.play(*[noted] * k, late)
        proxy.on("^POST /$", noted, n=None)
        code, out, err = driver(proxy, **issuer.github_env())("publish", "v%d" % k, 1700000000 + k, model, report)
        n = len(proxy.lines())
        proxy.close()
        return k, code, out, err, n

    n = publish(99)[4]
    tap.ok(n >= 5, "a publish has %d requests" % n)
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        runs = list(pool.map(publish, range(n + 1)))
    bad = [r for r in runs if r[1] != 0 or "published" not in r[2]]
    tap.equal(bad, [], "whichever of %d requests comes after the session's end, the version is published" % (n + 1))
    proxy = make_proxy()
    out = driver(proxy, 900, **issuer.github_env())(*[w for k in range(n + 1) for w in ("find", "v%d" % k)])[1]
    tap.equal(out, "published \n" * (n + 1), "and whole")
    proxy.close()


def many(cases):
    """(name, driver, arguments, check of (code, out, err)) all at once: they sleep most of the time."""
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        runs = list(pool.map(lambda c: c[1](*c[2]), cases))
    for (name, _, _, good), run in zip(cases, runs):
        tap.ok(good(*run), name, run)


def config(name, text):
    path = leaks.own(os.path.join(scratch, name))
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def test_sources_renew():
    """Each source of temporary keys is asked again before they end."""
    proxy = make_proxy()
    steps = ["put", "a", "1", "sleep", SESSION_S + 1, "get", "a", "sleep", SESSION_S + 1, "stat", "a"]
    good = lambda code, out, err: code == 0 and "present 1" in out
    token = config("token.jwt", issuer.token())
    keys = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}
    profiles = config("config", """[default]
region = us-east-1
[profile base]
aws_access_key_id = %s
aws_secret_access_key = %s
[profile ci]
role_arn = %s
source_profile = base
role_session_name = from-profile
duration_seconds = %d
endpoint_url = %s
[profile token]
role_arn = %s
web_identity_token_file = %s
duration_seconds = %d
endpoint_url = %s
""" % (server.access_key, server.secret_key, role, SESSION_S, proxy.endpoint, role, token, SESSION_S, proxy.endpoint))
    of_profile = {"DRIVER_ENDPOINT": None, "DRIVER_ROLE": None, "AWS_CONFIG_FILE": profiles}
    d = driver(proxy)
    before = issuer.n_asked
    many([
        ("GitHub's identity", d.with_env(**issuer.github_env()), steps, good),
        ("an identity token in the environment, as GitLab's", d.with_env(RETRAIN_ID_TOKEN=issuer.token()), steps, good),
        ("an identity token in a file", d.with_env(AWS_WEB_IDENTITY_TOKEN_FILE=token), steps, good),
        ("role-to-assume with keys: AssumeRole", d.with_env(**keys), steps, good),
        ("a profile with source_profile, and its endpoint_url", d.with_env(**of_profile, AWS_PROFILE="ci"), steps, good),
        ("a profile with web_identity_token_file", d.with_env(**of_profile, AWS_PROFILE="token"), steps, good),
    ])
    tap.ok(issuer.n_asked - before >= 3, "GitHub was asked for a new token each time", issuer.n_asked - before)
    proxy.close()


def test_issuer_is_down():
    """One failed renewal while the old keys last is a warning; they go on, and the next try succeeds."""
    proxy = make_proxy()
    other = oidc.start()
    there = other.register(admin, "down")
    p = driver(proxy, 16, DRIVER_ROLE=there, **other.github_env()).start("put", "a", "1", "sleep", 12.5, "get", "a", "sleep", 5, "stat", "a")
    while not other.n_asked:
        time.sleep(0.05)
    time.sleep(1)
    other.is_down = True
    while other.n_asked < 2:
        time.sleep(0.05)
    other.is_down = False
    code, out, err = driver(proxy).finish(p)
    tap.ok(code == 0 and "present 1" in out, "an issuer that is down for a while does no harm", err)
    tap.ok("cannot be renewed yet" in err and "503" in err, "and is said", err)
    other.is_down = True
    before = time.monotonic()
    code, _, err = driver(proxy, 2, DRIVER_ROLE=there, **other.github_env())("get", "a")
    tap.ok(code == 4 and len(message(err)) == 1 and "asking GitHub for an identity token" in err and "503" in err,
           "down for good: one line, bounded", err)
    tap.ok(time.monotonic() - before < 60, "in %.0f seconds" % (time.monotonic() - before))
    other.stop()
    proxy.close()


def test_refused():
    """What was refused is said in terms of what can be changed, and never with the token."""
    proxy = make_proxy()
    policy = '"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%s:aud":"%s"'
    host = issuer.url.partition("//")[2]
    d = driver(proxy)
    github = issuer.github_env()
    line = lambda *words: lambda code, out, err: code == 4 and len(message(err)) == 1 and all(w in err for w in words)
    many([
        ("another audience", d.with_env(RETRAIN_ID_TOKEN=issuer.token(audience="other")), ["get", "a"],
         line("403", "sub " + oidc.SUBJECT, "aud other", "repository team/parts", policy % (host, "other"), '%s:sub":"%s"' % (host, oidc.SUBJECT))),
        ("a role that is not there", d.with_env(DRIVER_ROLE="arn:aws:iam:::role/none", **github), ["get", "a"], line("role/none", "STS")),
        ("a token that is over, by name", d.with_env(RETRAIN_ID_TOKEN=issuer.token(seconds=-60)), ["get", "a"],
         line("RETRAIN_ID_TOKEN expired at", "timeout:")),
        ("GitHub's request token that is over", d.with_env(**{**github, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": issuer.token(seconds=-60)}),
         ["get", "a"], line("401", "ended at", "6 hours")),
        ("wrong keys for AssumeRole", d.with_env(AWS_ACCESS_KEY_ID=server.access_key, AWS_SECRET_ACCESS_KEY="wrongsecret/+0001"), ["get", "a"],
         line("AssumeRole", "the keys of the environment", "403")),
    ])
    tap.equal(len([x for x in proxy.lines() if x != "POST /"]), 0, "the store saw none of it")
    proxy.close()


def test_training_outlasts_session():
    proxy = make_proxy()
    work = make_workspace(24, 8)
    before, began = issuer.n_asked, time.monotonic()
    p = start(work, "run", *SMALL, "--epochs", "4", "--output-json", "out.json", AWS_EC2_METADATA_DISABLED="true",
              RETRAIN_ENDPOINT_URL=proxy.endpoint, RETRAIN_STORE="s3://models/long", RETRAIN_ROLE_TO_ASSUME=role,
              RETRAIN_ROLE_DURATION="%ds" % SESSION_S, **issuer.github_env())
    out = p.communicate(timeout=300)[0]
    leaks.saw(out)
    with open(os.path.join(work, "out.json"), encoding="utf-8") as f:
        tap.equal((p.returncode, json.load(f)["status"]), (0, "published"), "a whole run, longer than its sessions, publishes") or tap.diag(out)
    n, seconds = issuer.n_asked - before, time.monotonic() - began
    tap.ok(n > 1 or seconds < 2 * SESSION_S, "with %d sessions in %.0f seconds" % (n, seconds))
    for name in ("report.html", "summary.md"):
        with open(os.path.join(work, "retrain-report", name), encoding="utf-8") as f:
            leaks.saw(f.read())
    shutil.rmtree(work)
    proxy.close()


def test_fork():
    """A fork's pull request: no identity; green when the version is there for everybody, and when it cannot be known."""
    work = make_workspace(8, 4)
    keys = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}
    env = {"RETRAIN_ENDPOINT_URL": server.endpoint, "RETRAIN_STORE": "s3://models/open", "AWS_EC2_METADATA_DISABLED": "true"}
    r = tap.run("run", *SMALL, "--epochs", "1", cwd=work, env={**env, **keys}, timeout=300)
    tap.equal(r.returncode, 0, "published by its owner") or tap.diag(r.stderr)
    with open(os.path.join(work, "event.json"), "w", encoding="utf-8") as f:
        json.dump({"pull_request": {"head": {"repo": {"full_name": "x/r"}}, "base": {"repo": {"full_name": "o/r"}}}}, f)
    fork = {**env, "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": work, "GITHUB_EVENT_NAME": "pull_request", "RETRAIN_ROLE_TO_ASSUME": role,
            "GITHUB_EVENT_PATH": os.path.join(work, "event.json"), "GITHUB_OUTPUT": os.path.join(work, "outputs")}

    def pull_request(name, *words):
        r = tap.run("run", *SMALL, "--epochs", "1", "--output-json", "out.json", cwd=work, env=fork, timeout=120)
        with open(os.path.join(work, "out.json"), encoding="utf-8") as f:
            out = json.load(f)
        tap.ok(r.returncode == 0 and out["status"] == "skipped" and "no credentials and no identity" in r.stderr and
               all(w in r.stderr for w in words), name, r.stderr)
        return out

    pull_request("a store that only its owner reads: the dataset is checked, green", "only the dataset is checked")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"],
                                                      "Resource": ["arn:aws:s3:::models/*", "arn:aws:s3:::models"]}]}
    admin.ok("PUT", "/models", {"policy": ""}, json.dumps(policy).encode())
    out = pull_request("a store that everybody reads: the version is found, green", "is published in")
    tap.ok(out["model-key"].endswith("model.onnx"), "and its model is the output", out)
    r = tap.run("plan", *SMALL, "--epochs", "1", cwd=work, env=fork, timeout=120)
    tap.ok(r.returncode == 0 and "would skip" in r.stdout, "plan says the same", r.stdout + r.stderr)
    admin.ok("DELETE", "/models", {"policy": ""})
    shutil.rmtree(work)


def test_no_core_file():
    """A crash leaves nothing behind, though the shell allows it."""
    folder = os.path.join(scratch, "crash")
    os.mkdir(folder)
    p = subprocess.Popen(["sh", "-c", "ulimit -c unlimited 2>/dev/null; exec \"$@\"", "sh", store_tool.DRIVER, "s3://models/sessions", "put", "c", "1",
                          "sleep", "100"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         env={**driver(make_proxy()).env, **issuer.github_env(), "ASAN_OPTIONS": "disable_coredump=0:handle_segv=0"})
    tap.equal(p.stdout.readline(), "written\n", "a process that holds a session")
    with open("/proc/%d/limits" % p.pid, encoding="ascii") as f:
        limit = [line.split()[4] for line in f if line.startswith("Max core")][0]
    p.send_signal(11)
    leaks.saw("".join(p.communicate(timeout=60)))
    tap.ok(p.returncode == -11 and limit in ("0", "1"), "may leave no core file (limit %s)" % limit, p.returncode)
    tap.equal(os.listdir(folder), [], "and leaves none")


def main():
    global server, issuer, admin, role, scratch
    issuer = oidc.start()
    if not issuer:
        tap.skip("sessions", "openssl is not installed")
        tap.done()
    scratch = tempfile.mkdtemp(prefix="retrain-sessions-")
    try:
        with s3_server.running(radosgw, scratch, "sessions", "models") as (server, admin):
            role = issuer.register(admin, "ci")
            tests = [test_expiry_at_every_step, test_sources_renew, test_issuer_is_down, test_refused, test_no_core_file]
            if os.path.isdir(os.path.join(ROOT, "dataset", "images", "train")):
                tests += [test_training_outlasts_session, test_fork]
            tap.main(*tests)
    finally:
        issuer.stop()


main()

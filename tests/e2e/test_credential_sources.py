#!/usr/bin/env python3
"""Credentials of the machine and of other programs: container endpoint (ECS, EKS), instance metadata, credential_process,
each from a small loopback service, renewed before they end. tests/e2e/test_sessions.py has those that need a real STS."""
import datetime
import http.server
import json
import os
import shutil
import socket
import stat
import tempfile
import threading
import time

import leaks
import store_tool
import tap
from store_tool import Driver, message

LIFE_S = 4
scratch = tempfile.mkdtemp(prefix="retrain-sources-")


def fresh_keys(n, token_name="Token", life_s=LIFE_S):
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=life_s)
    keys = {"AccessKeyId": "ASIA%d" % n, "SecretAccessKey": "machinesecret/+%08d" % n, token_name: "machinetoken+/%08d" % n,
            "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ")}
    leaks.add(keys["SecretAccessKey"], keys[token_name])
    return keys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, body=b"", headers=()):
        self.send_response(status)
        for header in headers:
            self.send_header(*header)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def serve(self):
        s = self.server
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        s.requests.append((self.command, self.path, dict(self.headers)))
        {"container": self.container, "instance": self.instance, "store": self.store}[s.kind]()

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = serve

    def container(self):
        want = self.server.authorization()
        if want and self.headers.get("Authorization") != want:
            return self.reply(403, json.dumps({"code": "AccessDenied", "message": "not that token"}).encode())
        self.server.n_keys += 1
        return self.reply(200, json.dumps(fresh_keys(self.server.n_keys)).encode())

    def instance(self):
        s, token = self.server, "metadatatoken%03d" % len(self.server.tokens)
        if self.path == "/latest/api/token":
            if self.command != "PUT" or not self.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "").isdigit():
                return self.reply(400)
            if s.refuses:
                return self.reply(403)
            s.tokens.append(token)
            leaks.add(token)
            return self.reply(200, token.encode())
        if self.headers.get("x-aws-ec2-metadata-token") not in s.tokens:
            return self.reply(401)
        folder = "/latest/meta-data/iam/security-credentials/"
        if self.path == folder:
            return self.reply(200, b"node-role") if s.role else self.reply(404)
        if self.path != folder + "node-role":
            return self.reply(404)
        s.n_keys += 1
        return self.reply(200, json.dumps({"Code": "Success", **fresh_keys(s.n_keys)}).encode())

    def store(self):
        """Takes the newest keys only, and says anonymous to those who bring none."""
        if not self.headers.get("Authorization"):
            return self.reply(403, b"<Error><Code>AccessDenied</Code></Error>")
        self.server.seen.append((self.headers["Authorization"].split("Credential=")[1].split("/")[0],
                                 self.headers.get("x-amz-security-token", "")))
        return self.reply(200, b"", [("ETag", '"1"')])


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, kind, **fields):
        super().__init__(("127.0.0.1", 0), Handler)
        self.kind, self.requests, self.n_keys, self.tokens, self.seen = kind, [], 0, [], []
        self.refuses, self.role, self.authorization = False, True, lambda: ""
        vars(self).update(fields)
        self.url = "http://127.0.0.1:%d" % self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass


def driver(store, **env):
    return Driver("s3://bucket/p", DRIVER_ENDPOINT=store.url, HOME=scratch, **env)


STEPS = ("put", "a", "1", "sleep", LIFE_S + 1, "put", "a", "2")


def write(name, text, mode=0o600):
    path = leaks.own(os.path.join(scratch, name))
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path + ".new", mode)
    os.rename(path + ".new", path)
    return path


def test_container():
    store, plain = Server("store"), Server("container")
    token = write("pod-token", "podtoken-first\n")
    leaks.add("podtoken-first", "podtoken-second")

    def newest():
        with open(token, encoding="ascii") as f:
            return f.read().strip()
    pod = Server("container", authorization=newest)
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": pod.url + "/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token}
    p = driver(store, **env).start(*STEPS)
    while not pod.requests:
        time.sleep(0.05)
    time.sleep(0.5)
    write("pod-token", "podtoken-second\n")  # as the kubelet does
    code, out, err = driver(store).finish(p)
    tap.ok(code == 0 and out == "written\nwritten\n", "EKS pod identity: keys are renewed, its token is read anew", err)
    tap.equal([r[2].get("Authorization") for r in pod.requests], ["podtoken-first", "podtoken-second"], "each time with the token of then")
    tap.equal([s[0] for s in store.seen], ["ASIA1", "ASIA2"], "and the store sees the newest keys")
    tap.equal(store.seen[1][1], "machinetoken+/00000002", "with their token, byte for byte")
    code, _, err = driver(store, AWS_CONTAINER_CREDENTIALS_FULL_URI=plain.url + "/get?x=1")("put", "a", "1")
    tap.ok(code == 0 and plain.requests[0][1] == "/get?x=1" and "Authorization" not in plain.requests[0][2], "ECS: without a token none is sent", err)
    write("pod-token", "podtoken-wrong\n")
    pod.authorization = lambda: "podtoken-second"
    code, _, err = driver(store, **env)("put", "a", "1")
    tap.ok(code == 4 and len(message(err)) == 1 and "not that token" in err and "container" in err, "a refusal in the service's words", err)
    code, _, err = driver(store, **{**env, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": os.path.join(scratch, "none")})("put", "a", "1")
    tap.ok(code == 2 and "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" in err, "a token file that is not there", err)
    code, _, err = driver(store, **{**env, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a\r\nX: y"})("put", "a", "1")
    tap.ok(code == 4 and "line break" in err, "a token cannot smuggle a header", err)


def test_instance():
    store, node = Server("store"), Server("instance")
    env = {"AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": node.url}
    code, out, err = driver(store, **env)(*STEPS)
    tap.ok(code == 0 and out == "written\nwritten\n", "IMDSv2: keys, and keys again before they end", err)
    tap.ok([s[0] for s in store.seen] == ["ASIA1", "ASIA2"] and len(node.tokens) == 2, "with a session token of the service each time", node.requests)
    tap.ok("instance metadata" in err, "named in the log", err)
    config = write("config", "[default]\nec2_metadata_service_endpoint = %s/\n" % node.url)
    code, _, err = driver(store, AWS_EC2_METADATA_DISABLED="", AWS_CONFIG_FILE=config)("put", "a", "1")
    tap.ok(code == 0, "its endpoint from the profile", err)
    n = len(node.requests)
    code, _, err = driver(store, **{**env, "AWS_EC2_METADATA_DISABLED": "TRUE"})("put", "a", "1")
    tap.ok(code == 4 and len(node.requests) == n and "no credentials were found" in err, "switched off, nobody is asked", err)
    node.refuses = True
    code, _, err = driver(store, **env)("put", "a", "1")
    tap.ok(code == 4 and "no credentials were found" in err, "a service that refuses is none", err)
    node.refuses, node.role = False, False
    code, _, err = driver(store, **env)("put", "a", "1")
    tap.ok(code == 4 and "no credentials were found" in err, "nor is one without a role", err)
    named = write("config", "[profile node]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = Ec2InstanceMetadata\n")
    code, _, err = driver(store, **env, AWS_CONFIG_FILE=named, AWS_PROFILE="node")("put", "a", "1")
    tap.ok(code == 4 and "attach an instance profile" in err, "but a profile that asks for it is told why", err)


def test_silence():
    """An address that takes connections and says nothing, as a container sees the service behind a hop limit of 1."""
    store = Server("store")
    with socket.create_server(("127.0.0.1", 0), backlog=8) as silent:
        began = time.monotonic()
        code, _, err = driver(store, AWS_EC2_METADATA_DISABLED="", AWS_EC2_METADATA_SERVICE_ENDPOINT="http://127.0.0.1:%d" % silent.getsockname()[1])("put", "a", "1")
        took = time.monotonic() - began
    tap.ok(code == 4 and "no credentials were found" in err and took < 12, "a silent service costs %.1f seconds, once" % took, err)


PROGRAM = """#!/bin/sh
echo "asked with $*" >> %(folder)s/%(name)s.log
echo "a word of the program" >&2
exec cat %(folder)s/%(name)s.json
"""


def process(name, output, arguments=""):
    """A profile whose credential_process prints `output`."""
    write(name + ".json", output if isinstance(output, str) else json.dumps(output))
    program = write(name + " program", PROGRAM % {"folder": scratch, "name": name}, stat.S_IRWXU)
    return write(name + ".config", "[default]\ncredential_process = \"%s\" %s\n" % (program, arguments))


def test_process():
    store = Server("store")

    def ask(config, *steps):
        return driver(store, AWS_CONFIG_FILE=config)(*(steps or ("put", "a", "1")))
    config = process("good", {"Version": 1, **fresh_keys(1, "SessionToken")}, "--for 'the job' x\\ y")
    p = driver(store, AWS_CONFIG_FILE=config).start(*STEPS)
    log = os.path.join(scratch, "good.log")
    while not os.path.exists(log):
        time.sleep(0.05)
    time.sleep(1)
    write("good.json", json.dumps({"Version": 1, **fresh_keys(2, "SessionToken", 3600)}))
    code, out, err = driver(store).finish(p)
    tap.ok(code == 0 and out == "written\nwritten\n" and [s[0] for s in store.seen] == ["ASIA1", "ASIA2"], "credential_process is run again before its keys end", err)
    tap.ok("a word of the program" in err, "its standard error is heard", err)
    with open(log, encoding="utf-8") as f:
        tap.equal(f.read(), "asked with --for the job x y\n" * 2, "its arguments are split without a shell")
    over = {"Version": 1, **fresh_keys(3, "SessionToken", -60)}
    keys = {"AccessKeyId": "A", "SecretAccessKey": "processsecret001"}
    leaks.add("processsecret001")
    half = '{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "processsecret001'
    for name, output, code, word in (
            ("over", over, 4, "expired at"), ("version", keys, 2, '"Version": 1'), ("half", half, 2, "no JSON"), ("none", {"Version": 1}, 2, "AccessKeyId"),
            ("time", {"Version": 1, **keys, "Expiration": "soon"}, 2, "Expiration")):
        run = ask(process(name, output))
        tap.ok(run[0] == code and len(message(run[2])) == 1 and word in run[2] and "profile default" in run[2], "%s: exit %d and why" % (name, code), run)
    for name, command, word in (("status", "sh -c 'echo \"not logged in\" >&2; exit 7'", "exit status 7"), ("signal", "sh -c 'kill -9 $$'", "signal 9"),
                                ("missing", "/no/such/program", "/no/such/program"), ("shell", "echo x | cat", "sh -c"), ("quote", "echo 'x", "quote")):
        run = ask(write(name + ".config", "[default]\ncredential_process = %s\n" % command))
        tap.ok(run[0] == 2 and len(message(run[2])) == 1 and word in run[2], "%s: %s" % (name, word), run)
    run = ask(write("long.config", "[default]\ncredential_process = sh -c 'while :; do echo xxxxxxxxxxxxxxxx; done'\n"))
    tap.ok(run[0] == 2 and "prints more than" in run[2], "one that prints for ever is ended", run)


def test_static_profiles():
    store = Server("store")
    leaks.add("filesecret/+00001", "filesecret/+00002")
    credentials = write("credentials", "[default]\naws_access_key_id = AKIA1\naws_secret_access_key = filesecret/+00001\n")
    config = write("config", "[default]\nregion = eu-south-1\n[profile other]\nregion = eu-north-1\naws_access_key_id = AKIA2\n"
                             "aws_secret_access_key = filesecret/+00002\nendpoint_url = %s\n[profile dev]\nsso_session = x\n" % store.url)
    d = driver(store, AWS_CONFIG_FILE=config, AWS_SHARED_CREDENTIALS_FILE=credentials)
    code, _, err = d("put", "a", "1")
    tap.ok(code == 0 and store.seen[-1][0] == "AKIA1" and "/eu-south-1/s3/" in store.requests[-1][2]["Authorization"], "keys of one file, region of the other", err)
    code, _, err = d.with_env(AWS_PROFILE="other", DRIVER_ENDPOINT=None)("put", "a", "1")
    tap.ok(code == 0 and store.seen[-1][0] == "AKIA2" and "/eu-north-1/s3/" in store.requests[-1][2]["Authorization"], "a profile of the config file with its endpoint_url", err)
    code, _, err = d.with_env(AWS_REGION="eu-west-1")("put", "a", "1")
    tap.ok(code == 0 and "/eu-west-1/s3/" in store.requests[-1][2]["Authorization"], "AWS_REGION goes before the profile's", err)
    for name, env, word in (("an unknown profile", {"AWS_PROFILE": "nobody"}, "AWS_PROFILE names nobody"), ("a person's login", {"AWS_PROFILE": "dev"}, "export-credentials"),
                            ("a broken file", {"AWS_CONFIG_FILE": write("broken", "[default]\nfilesecret/+00001\n")}, "broken:2:")):
        code, _, err = d.with_env(**env)("put", "a", "1")
        tap.ok(code == 2 and len(message(err)) == 1 and word in err, "%s: exit 2, one line" % name, err)


if not store_tool.ready():
    tap.skip("sources of credentials", "the store driver is not built")
    tap.done()
try:
    tap.main(test_container, test_instance, test_silence, test_process, test_static_profiles)
finally:
    shutil.rmtree(scratch, ignore_errors=True)

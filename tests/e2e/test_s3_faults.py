#!/usr/bin/env python3
"""The S3 store against a server that misbehaves: a small loopback S3 in memory with a list of faults to play first."""
import base64
import datetime
import email.utils
import hashlib
import http.server
import json
import os
import signal
import socket
import tempfile
import threading
import time
import urllib.parse

import leaks
import store_tool
import tap
from store_tool import Driver, message

SECRET = "faultsecret/+=0000000000000000000000000001"
JWT = "header." + base64.urlsafe_b64encode(b'{"exp": 4102444800}').decode().rstrip("=") + ".jwtsignature0001"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, body=b"", headers=(), length=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("x-amz-request-id", "tx-fault-1")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, code, headers=(), more=""):
        self.reply(status, ("<Error><Code>%s</Code>%s</Error>" % (code, more)).encode(), headers)

    def serve(self):
        s = self.server
        n = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(min(n, 65536))
        if n > len(body):
            s.in_body()
            body += self.rfile.read(n - len(body))
        if len(body) < n:
            self.close_connection = True
            return
        path = urllib.parse.unquote(self.path.split("?")[0])
        s.requests.append((time.monotonic(), self.command, self.path, dict(self.headers)))
        fault = s.faults.pop(0) if s.faults else None
        if fault and fault(self, path, body):
            return
        self.normal(path, body)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = serve

    def normal(self, path, body):
        objects = self.server.objects
        if self.command == "PUT":
            if self.headers.get("If-None-Match") == "*" and path in objects:
                return self.error(412, "PreconditionFailed")
            if hashlib.sha256(body).hexdigest() != self.headers.get("x-amz-content-sha256", ""):
                return self.error(400, "XAmzContentSHA256Mismatch")
            objects[path] = body
            return self.reply(200)
        if self.command == "DELETE":
            objects.pop(path, None)
            return self.reply(204)
        if path not in objects:
            return self.error(404, "NoSuchKey")
        self.reply(200, objects[path], [("ETag", '"%s"' % hashlib.md5(objects[path]).hexdigest())])


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects, self.faults, self.requests = {}, [], []
        self.in_body = lambda: None  # called when some of a body has come
        self.url = "http://127.0.0.1:%d" % self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass

    def play(self, *faults):
        self.faults[:], self.requests[:] = faults, []


def status(code, name="", headers=()):
    def fault(handler, path, body):
        handler.error(code, name, headers) if name else handler.reply(code, b"", headers)
        return True
    return fault


def cut_answer(handler, path, body):
    """Does the work, then closes without a word."""
    handler.close_connection = True
    class Nowhere:
        def write(self, data): pass
        def flush(self): pass
    real, handler.wfile = handler.wfile, Nowhere()
    handler.normal(path, body)
    handler.wfile = real
    handler.connection.shutdown(socket.SHUT_RDWR)
    return True


def truncate(handler, path, body):
    data = handler.server.objects[path]
    handler.close_connection = True
    handler.reply(200, data[: len(data) // 2], length=len(data))
    return True


def stall(handler, path, body):
    time.sleep(6)
    handler.close_connection = True
    return True


def error_in_200(handler, path, body):
    handler.reply(200, b"\n\n <Error><Code>InternalError</Code></Error>")
    return True


server = None
scratch = tempfile.mkdtemp(prefix="retrain-faults-")


def driver(**env):
    return Driver("s3://bucket/p", **{"DRIVER_ENDPOINT": server.url, "AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": SECRET,
                                      "RETRAIN_STALL_TIMEOUT": "2s", **env})


def check(name, run, want, n_requests=None):
    code, out, err = run
    good = (code, out) == want if isinstance(want, tuple) else code == 0 and want in out
    if n_requests is not None:
        good = good and len(server.requests) == n_requests
    tap.ok(good, name, "%d %r %s\n%d requests" % (code, out, err, len(server.requests)))


def test_transient():
    d = driver()
    server.play(status(503, "SlowDown"))
    check("503 once", d("put", "a", "1"), (0, "written\n"), 2)
    server.play(status(500), status(502), status(504))
    check("500, 502, 504", d("put", "a", "2"), (0, "written\n"), 4)
    for code, name in ((400, "RequestTimeout"), (400, "BadDigest"), (409, "ConditionalRequestConflict"), (429, "TooMany")):
        server.play(status(code, name))
        check("%d %s" % (code, name), d("put-new", "n-" + name, "1"), (0, "written\n"), 2)
    server.play(error_in_200)
    check("an error inside a 200", d("put", "a", "3"), (0, "written\n"), 2)
    server.play(status(503, "SlowDown", [("Retry-After", "2")]))
    start = time.monotonic()
    check("Retry-After", d("get", "a"), "3", 2)
    tap.ok(1.9 < time.monotonic() - start < 6, "is honoured")
    dates = [r[3]["x-amz-date"] for r in server.requests]
    tap.ok(dates[0] != dates[1], "each attempt is signed anew", dates)


def test_for_ever():
    server.play(*[status(503, "SlowDown")] * 50)
    code, _, err = driver()("get", "a")
    tap.ok(code == 4 and len(message(err)) == 1 and "after 6 tries" in err and "tx-fault-1" in err and "SlowDown" in err,
           "503 for ever: bounded, one line with the request id", err)
    tap.equal(len(server.requests), 6, "six requests")
    waits = [b[0] - a[0] for a, b in zip(server.requests, server.requests[1:])]
    tap.ok(all(w <= 0.5 * 2 ** i + 1 for i, w in enumerate(waits)), "waits grow no faster than they should", waits)


def test_final():
    d = driver()
    for code, name in ((403, "AccessDenied"), (401, "Unauthorized"), (405, "MethodNotAllowed"), (400, "InvalidArgument"),
                       (403, "SignatureDoesNotMatch"), (404, "NoSuchBucket"), (301, ""), (505, "")):
        server.play(status(code, name))
        run = d("get", "a")
        tap.ok(run[0] == 4 and len(server.requests) == 1 and len(message(run[2])) == 1 and str(code) in run[2],
               "%d %s is not retried" % (code, name), run)
    server.play(lambda h, p, b: h.reply(404, b"<html>nginx</html>") or True)
    run = d("get", "a")
    tap.ok(run[0] == 4 and "endpoint-url" in run[2], "a 404 of a web server is no absent object", run)


def test_lost_answer():
    d = driver()
    server.play(cut_answer)
    check("lost answer of a conditional put: ours all the same", d("put-new", "lost", "mine"), (0, "written\n"))
    server.objects["/bucket/p/taken"] = b"theirs"
    server.play(status(503, "SlowDown"))
    check("somebody was first, after a retry", d("put-new", "taken", "mine"), (0, "refused\n"))
    server.play(cut_answer)
    path = os.path.join(scratch, "f")
    with open(path, "wb") as f:
        f.write(os.urandom(300000))
    check("lost answer of a file", d("put-new-file", "lostfile", path), (0, "written\n"))


def test_broken_transfers():
    d = driver()
    data = os.urandom(2 << 20)
    server.objects["/bucket/p/big"] = data
    target = os.path.join(scratch, "target")
    server.play(truncate, truncate)
    check("truncated twice, whole then", d("get-file", "big", target, hashlib.sha256(data).hexdigest()), (0, ""), 3)
    with open(target, "rb") as f:
        tap.ok(f.read() == data, "and right")
    server.play(*[truncate] * 20)
    code, _, err = d("get-file", "big", os.path.join(scratch, "never"), hashlib.sha256(data).hexdigest())
    tap.ok(code == 4 and not os.path.exists(os.path.join(scratch, "never")), "truncated for ever: no file", err)
    part = ".%s.part" % hashlib.sha256(data).hexdigest()[:24]
    tap.equal([n for n in os.listdir(scratch) if n.startswith(".")], [part], "but its beginning, named by the checksum")
    server.play()
    check("which a server that ignores ranges makes good", d("get-file", "big", os.path.join(scratch, "late"), hashlib.sha256(data).hexdigest()), (0, ""), 1)
    tap.ok("bytes=" in server.requests[0][3].get("Range", ""), "although it was asked for one")
    with open(os.path.join(scratch, "late"), "rb") as f:
        tap.ok(f.read() == data, "and right")
    tap.equal([n for n in os.listdir(scratch) if n.startswith(".")], [], "and no temporary is left")
    server.play(stall)
    start = time.monotonic()
    check("a stalled server is left after RETRAIN_STALL_TIMEOUT", d("put", "s", "1"), (0, "written\n"), 2)
    tap.ok(time.monotonic() - start < 6, "in time", time.monotonic() - start)
    server.objects["/bucket/p/huge"] = b"x" * (2 << 20)
    server.play()
    code, _, err = d("get", "huge")
    tap.ok(code == 4 and "longer than" in err and len(server.requests) == 1, "a reply has a ceiling", err)


def test_changing_file():
    """Written to while it is on its way: the rest of the body comes from the other file."""
    path, n = os.path.join(scratch, "changing"), 48 << 20  # more than the sockets hold
    with open(path, "wb") as f:
        f.truncate(n)
    for name, change in (("written to", lambda f: f.write(b"x")), ("cut", lambda f: f.truncate(n - 1))):
        def in_body():
            with open(path, "r+b") as f:
                f.seek(n - 1)
                change(f)
        server.play()
        server.in_body = in_body
        code, out, err = driver(RETRAIN_STALL_TIMEOUT="30s")("put-new-file", "changing", path)
        server.in_body = lambda: None
        tap.ok(code == 4 and len(message(err)) == 1 and "changing changed while it was being uploaded" in err,
               name + " during its upload: refused", err)
        tap.ok("/bucket/p/changing" not in server.objects and not server.requests, "no server ever has the whole body",
               [r[1:3] for r in server.requests])


def test_stop():
    server.play(stall)
    p = driver(RETRAIN_STALL_TIMEOUT="30s").start("get", "a")
    time.sleep(1)
    start = time.monotonic()
    p.send_signal(signal.SIGTERM)
    driver().finish(p)
    tap.ok(time.monotonic() - start < 2.5, "a signal ends a transfer", time.monotonic() - start)


def after_stop(*commands):
    server.play()
    p = driver().start("sleep", 30, *commands)
    time.sleep(0.5)
    p.send_signal(signal.SIGTERM)
    return driver().finish(p)


def test_after_stop():
    run = after_stop("put", "late", "1")
    tap.ok(run[0] == 1 and not server.requests and "stopped" in run[2], "after a stop nothing is sent", run)
    run = after_stop("allow-after-stop", 4, "put", "late", "1")
    tap.ok(run[:2] == (0, "written\n"), "but what was allowed, as the last checkpoint", run)


def test_region_and_redirect():
    d = driver()
    server.objects["/bucket/p/r"] = b"here"
    server.play(lambda h, p, b: h.error(400, "AuthorizationHeaderMalformed", more="<Region>eu-west-3</Region>") or True)
    check("the region that the server tells is taken, once", d("get", "r"), "here", 2)
    tap.ok("/eu-west-3/s3/" in server.requests[1][3]["Authorization"], "and signed for")
    server.play(status(400, "", [("x-amz-bucket-region", "eu-west-2")]))
    check("told in a header only", d("stat", "r"), "present 4", 2)
    server.play(*[lambda h, p, b: h.error(400, "AuthorizationHeaderMalformed", more="<Region>eu-west-3</Region>") or True] * 9)
    tap.equal(d("get", "r")[0], 4, "not for ever")
    tap.equal(len(server.requests), 2, "two requests")
    other = Server()
    server.play(lambda h, p, b: h.reply(307, b"", [("Location", other.url + "/bucket/p/r")]) or True)
    run = d.with_env(AWS_SESSION_TOKEN="tokentokentoken1")("get", "r")
    tap.ok(run[0] == 4 and not other.requests, "a redirect to another host is not followed", run)
    other.shutdown()


def test_clock():
    server.objects["/bucket/p/r"] = b"here"

    def skewed(handler, path, body):
        sent = datetime.datetime.strptime(handler.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=3)
        if abs((now - sent).total_seconds()) < 900:
            return False
        body = b"<Error><Code>RequestTimeTooSkewed</Code></Error>"
        handler.send_response_only(403)
        handler.send_header("Date", email.utils.format_datetime(now, usegmt=True))
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        return True
    server.play(skewed, skewed)
    run = driver()("get", "r")
    check("a wrong clock is corrected by the server's", run, "here", 2)
    tap.ok("behind" in run[2], "and said", run[2])
    server.play(*[lambda h, p, b: h.error(403, "RequestTimeTooSkewed") or True] * 9)
    run = driver()("get", "r")
    tap.ok(run[0] == 4 and len(server.requests) == 1 and "clock" in run[2], "without a difference it is final", run)


def test_no_conditions():
    def refuse(handler, path, body):
        if handler.headers.get("If-None-Match") or handler.headers.get("If-Match"):
            handler.error(501, "NotImplemented")
            return True
        return False
    server.play(*[refuse] * 40)
    check("501: best effort", driver()("put-new", "c1", "1", "put-new", "c1", "2", "probe"),
          (0, "written\nrefused\nbest effort\n"))


leaks.add("sessionsecret00000000", "sessiontoken+/00000000", JWT)


def sts(handler, path, body):
    """GitHub's token endpoint, STS and a store that takes session keys only, in one."""
    s = handler.server
    if path == "/token":
        if handler.headers.get("Authorization") != "Bearer ghrequesttoken01":
            handler.reply(401)
        else:
            s.n_tokens += 1
            handler.reply(200, json.dumps({"value": JWT}).encode())
        return True
    if handler.command == "POST":
        form = dict(urllib.parse.parse_qsl(body.decode()))
        if form.get("WebIdentityToken") != JWT or form.get("RoleArn") != "arn:aws:iam::1:role/ci":
            handler.error(403, "AccessDenied")
            return True
        s.n_sessions += 1
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=s.session_seconds)
        handler.reply(200, ("<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
                            "<AccessKeyId>ASIA%d</AccessKeyId><SecretAccessKey>sessionsecret%08d</SecretAccessKey>"
                            "<SessionToken>sessiontoken+/%08d</SessionToken><Expiration>%s.774617328Z</Expiration>"
                            "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>" %
                            (s.n_sessions, s.n_sessions, s.n_sessions, end.strftime("%Y-%m-%dT%H:%M:%S"))).encode(),
                      [("Date", email.utils.formatdate(usegmt=True))])
        return True
    if handler.headers.get("x-amz-security-token") != "sessiontoken+/%08d" % s.n_sessions:
        handler.error(400, "ExpiredToken")
        return True
    return False


def test_web_identity():
    server.objects["/bucket/p/r"] = b"here"
    github = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "DRIVER_ROLE": "arn:aws:iam::1:role/ci",
              "ACTIONS_ID_TOKEN_REQUEST_URL": server.url + "/token?x=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "ghrequesttoken01"}
    server.n_tokens = server.n_sessions = 0
    server.session_seconds = 3600
    server.play(*[sts] * 99)
    check("GitHub OIDC", driver(**github)("get", "r", "get", "r"), "here", 4)
    tap.ok("audience=sts.amazonaws.com" in server.requests[0][2], "with the audience", server.requests[0][2])
    server.session_seconds = 3
    server.play(*[sts] * 99)
    server.n_tokens = 0
    check("a session that ends meanwhile is renewed, with a new token", driver(**github)("get", "r", "sleep", "4", "get", "r"), "here")
    tap.equal(server.n_tokens, 2, "two tokens")
    gitlab = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "DRIVER_ROLE": "arn:aws:iam::1:role/ci", "RETRAIN_ID_TOKEN": JWT}
    server.session_seconds = 3600
    server.play(*[sts] * 99)
    check("GitLab's id token", driver(**gitlab)("get", "r"), "here", 2)
    server.play(*[sts] * 99)
    run = driver(**{**gitlab, "DRIVER_ROLE": "arn:aws:iam::1:role/other"})("get", "r")
    tap.ok(run[0] == 4 and len(message(run[2])) == 1 and "trust policy" in run[2], "a role that is not ours", run)
    server.play(*[sts] * 99)
    run = driver(**{**github, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "dead0000"})("get", "r")
    tap.ok(run[0] == 4 and "GitHub" in run[2], "a request token that is over", run)


def main():
    global server
    if not store_tool.ready():
        tap.skip("s3 faults", "the store driver is not built")
        tap.done()
    server = Server()
    try:
        tap.main(test_transient, test_for_ever, test_final, test_lost_answer, test_broken_transfers, test_changing_file, test_stop, test_after_stop,
                 test_region_and_redirect, test_clock, test_no_conditions, test_web_identity)
    finally:
        import shutil
        shutil.rmtree(scratch, ignore_errors=True)


main()

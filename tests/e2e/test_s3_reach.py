#!/usr/bin/env python3
"""How a bucket is reached: TLS with an authority of one's own, certificates that must be refused, proxies from the
environment, plain http, anonymous reads. Behind it all is a real server that verifies signatures."""
import base64
import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading

import fault_proxy
import radosgw
import s3_server
import tap
from store_tool import Driver, message

scratch = tempfile.mkdtemp(prefix="retrain-reach-")
server = admin = None
PROXY_PASSWORD = "proxypassword0001"

CA_CONF = """[ca]
default_ca = own
[own]
dir = {folder}
database = $dir/index
serial = $dir/serial
new_certs_dir = $dir
default_md = sha256
policy = any
[any]
commonName = supplied
"""


def openssl(*args):
    subprocess.run(["openssl", *args], cwd=scratch, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def make_authority(name):
    folder = os.path.join(scratch, name)
    os.makedirs(folder)
    with open(os.path.join(folder, "conf"), "w", encoding="ascii") as f:
        f.write(CA_CONF.format(folder=folder))
    with open(os.path.join(folder, "index"), "w", encoding="ascii"):
        pass
    with open(os.path.join(folder, "serial"), "w", encoding="ascii") as f:
        f.write("01")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name, "-days",
            "30", "-keyout", name + ".key", "-out", name + ".pem")


def certificate(authority, name, names, end="20991231235959Z"):
    """An SSL context for a server, with a certificate for these names."""
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name, "-keyout",
            name + ".key", "-out", name + ".csr")
    with open(os.path.join(scratch, name + ".ext"), "w", encoding="ascii") as f:
        f.write("subjectAltName = %s\n" % names)
    openssl("ca", "-batch", "-config", authority + "/conf", "-cert", authority + ".pem", "-keyfile", authority + ".key", "-in",
            name + ".csr", "-out", name + ".pem", "-extfile", name + ".ext", "-startdate", "20200101000000Z", "-enddate", end)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(scratch, name + ".pem"), os.path.join(scratch, name + ".key"))
    return context


def file(name):
    return os.path.join(scratch, name)


def driver(endpoint, url="s3://models/reach", **env):
    return Driver(url, **{"DRIVER_ENDPOINT": endpoint, "AWS_ACCESS_KEY_ID": server.access_key,
                          "AWS_SECRET_ACCESS_KEY": server.secret_key, "AWS_CA_BUNDLE": file("own.pem"), **env})


def fails(name, run, code, *parts):
    lines = message(run[2])
    tap.ok(run[0] == code and len(lines) == 1 and all(p in lines[0] for p in parts), name, run)


def test_tls():
    make_authority("own")
    make_authority("other")
    good = fault_proxy.Proxy(server.port, tls=certificate("own", "good", "DNS:localhost,DNS:models.localhost,IP:127.0.0.1"))
    tap.equal(driver(good.endpoint)("put", "k", "v", "stat", "k")[:2], (0, "written\npresent 1\n"), "TLS, an authority of our own")
    named = good.endpoint.replace("127.0.0.1", "localhost")
    tap.equal(driver(named, DRIVER_STYLE="virtual")("stat", "k")[:2], (0, "present 1\n"), "TLS, bucket in the host name")
    tap.ok("models.localhost" in good.requests[-1].header("Host"), "as the Host header says", good.requests[-1].headers)
    n = len(good.requests)
    fails("the authority is not known", driver(good.endpoint, AWS_CA_BUNDLE="")("stat", "k"), 4, "TLS verification", "AWS_CA_BUNDLE")
    fails("another authority", driver(good.endpoint, AWS_CA_BUNDLE=file("other.pem"))("stat", "k"), 4, "TLS verification",
          "AWS_CA_BUNDLE")
    fails("the authority's file is missing", driver(good.endpoint, AWS_CA_BUNDLE=file("none.pem"))("stat", "k"), 4, "none.pem",
          "AWS_CA_BUNDLE")
    for name, names, end, parts in (
            ("an expired certificate", "DNS:localhost,IP:127.0.0.1", "20210101000000Z", ("expired", "renew")),
            ("a certificate of another host", "DNS:elsewhere.example", "20991231235959Z", ("name that the certificate holds",))):
        bad = fault_proxy.Proxy(server.port, tls=certificate("own", name.split()[-1] + "-bad", names, end))
        fails(name, driver(bad.endpoint)("stat", "k"), 4, "TLS verification", *parts)
        tap.equal(bad.requests, [], name + ": no request was sent")
        bad.close()
    tap.equal(len(good.requests), n, "nor to a server that could not be verified")
    plain = server.endpoint.replace("http://", "https://")
    fails("https to a server of plain http", driver(plain)("stat", "k"), 4, "does not speak TLS")
    good.close()


class ForwardProxy:
    """A proxy as in a company: CONNECT for https, absolute addresses for http; wants a password if told."""

    def __init__(self, password=None):
        self.password, self.seen = password, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, user=""):
        return "http://%s127.0.0.1:%d" % (user, self.port)

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            line, headers, rest = fault_proxy.read_head(client, b"")
            self.seen.append(line)
            wanted = "Basic " + base64.b64encode(("user:%s" % self.password).encode()).decode()
            if self.password and fault_proxy.lookup(headers, "Proxy-Authorization") != wanted:
                client.sendall(b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            method, target, _ = line.split(" ")
            if method == "CONNECT":
                there = socket.create_connection(("127.0.0.1", int(target.rsplit(":", 1)[1])))
                client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                there = socket.create_connection(("127.0.0.1", server.port))
                kept = ["%s: %s" % h for h in headers if not h[0].lower().startswith("proxy-")]
                there.sendall(("\r\n".join(["%s /%s HTTP/1.1" % (method, target.split("/", 3)[3])] + kept) + "\r\n\r\n").encode())
            there.sendall(rest)
            back = threading.Thread(target=self.pump, args=(there, client), daemon=True)
            back.start()
            self.pump(client, there)
            back.join(60)
        except (OSError, fault_proxy.Gone):
            pass
        finally:
            client.close()

    @staticmethod
    def pump(source, target):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def test_proxies():
    tls = fault_proxy.Proxy(server.port, tls=certificate("own", "behind", "DNS:localhost,IP:127.0.0.1"))
    forward, guarded = ForwardProxy(), ForwardProxy(PROXY_PASSWORD)
    admin.ok("PUT", "/models/reach/k", body=b"v")
    for variable in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        forward.seen.clear()
        tap.equal(driver(tls.endpoint, **{variable: forward.url()})("stat", "k")[:2], (0, "present 1\n"), variable + " is used")
        tap.ok(forward.seen and all(line.startswith("CONNECT ") for line in forward.seen), "as a tunnel", forward.seen)
    forward.seen.clear()
    run = driver(tls.endpoint, HTTPS_PROXY=forward.url(), NO_PROXY="example.org,127.0.0.1")("stat", "k")
    tap.ok(run[0] == 0 and not forward.seen, "NO_PROXY goes past it", (run, forward.seen))
    inside = guarded.url("user:%s@" % PROXY_PASSWORD)
    tap.equal(driver(tls.endpoint, HTTPS_PROXY=inside)("stat", "k")[:2], (0, "present 1\n"), "a proxy with a password")
    fails("a wrong password", driver(tls.endpoint, HTTPS_PROXY=guarded.url("user:%swrong@" % PROXY_PASSWORD))("stat", "k"), 4,
          "proxy", "HTTPS_PROXY", "password")
    for what, url in (("that nobody listens at", "http://user:%s@127.0.0.1:%d" % (PROXY_PASSWORD, radosgw.free_port())),
                      ("of a host that is not there", "http://user:%s@proxy.invalid:3128" % PROXY_PASSWORD),
                      ("that is no address", "http://user:%s@127.0.0.1:99999999" % PROXY_PASSWORD)):
        fails("a proxy " + what, driver(tls.endpoint, https_proxy=url)("stat", "k"), 4, "prox", "https_proxy")
    forward.seen.clear()
    run = driver(server.endpoint, http_proxy=forward.url(), ALL_PROXY=forward.url())("stat", "k")
    tap.ok(run[0] == 0 and not forward.seen, "plain http to loopback never goes to a proxy", (run, forward.seen))
    run = driver("http://store.invalid", http_proxy=forward.url(), RETRAIN_ALLOW_HTTP="x,store.invalid")("stat", "k")
    # The server takes the unknown host for a bucket of that name; that it was asked is what counts here.
    tap.ok(run[:2] == (0, "absent\n") and forward.seen, "plain http to a host allowed by name does", (run, forward.seen))
    fails("plain http to any other is refused", driver("http://other.invalid", RETRAIN_ALLOW_HTTP="store.invalid")("stat", "k"), 2,
          "RETRAIN_ALLOW_HTTP")
    fails("and http:// in upper case too", driver("http://STORE.invalid:80", RETRAIN_ALLOW_HTTP="other")("stat", "k"), 2,
          "RETRAIN_ALLOW_HTTP")
    tls.close()


def test_anonymous():
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::public/*"]},
        {"Effect": "Allow", "Principal": "*", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::public"]}]}
    admin.ok("PUT", "/public")
    admin.ok("PUT", "/public", {"policy": ""}, json.dumps(policy).encode())
    model = file("model")
    with open(model, "wb") as f:
        f.write(b"weights")
    ours = driver(server.endpoint, "s3://public/app")
    tap.equal(ours("publish", "v1", 1000, model, model)[0], 0, "published with credentials")
    nobody = driver(server.endpoint, "s3://public/app", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    run = nobody("latest", "find", "v1", "find", "v2", "list", "versions/", "get-file", "versions/v1/model.onnx", file("pulled"),
                 hashlib.sha256(b"weights").hexdigest())
    tap.ok(run[0] == 0 and run[1].startswith("v1\npublished \nabsent \nversions/v1/manifest.json\n"), "anybody reads it", run)
    with open(file("pulled"), "rb") as f:
        tap.equal(f.read(), b"weights", "whole")
    fails("and nobody writes it", nobody("put", "k", "v"), 4, "no credentials were found")


def main():
    global server, admin
    if not shutil.which("openssl"):
        tap.skip("ways to a bucket", "openssl is not installed")
        tap.done()
    with s3_server.running(radosgw, scratch, "ways to a bucket", "models") as (server, admin):
        tap.main(test_tls, test_proxies, test_anonymous)


main()

"""A loopback proxy in front of a real S3 server that plays scripted faults, because a mock that accepts any signature
proves nothing: here the server's own verdict on every request that gets through is real.

    proxy = fault_proxy.Proxy(server.port)           # the client's endpoint is proxy.endpoint
    proxy.play(lost_answer, None, status(503, "SlowDown"))   # one per request; None and all after it: passed on
    proxy.on("PUT .*manifest.json", lost_answer)     # the next request that matches; n=3: the next three; n=None: all
    proxy.requests                                   # what came: .at .line .headers .status (0: no reply)

A fault is a function of an Exchange. Those below are ready; one's own calls x.forward(), x.send(), x.drop(). The Host
header goes through as it was signed; the server verifies it against what it is told, not against where it listens.
"""
import os
import re
import signal
import socket
import struct
import threading
import time

MAX_HEAD = 1 << 16
SOCKET_SECONDS = 60


class Gone(Exception):
    """The other side closed the connection."""


def read_head(sock, buffer):
    while b"\r\n\r\n" not in buffer:
        data = sock.recv(65536)
        if not data or len(buffer) > MAX_HEAD:
            raise Gone()
        buffer += data
    head, _, rest = buffer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    return first, [tuple(part.strip() for part in line.split(":", 1)) for line in lines], rest


def lookup(headers, name, default=""):
    return next((v for k, v in headers if k.lower() == name.lower()), default)


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def head(self):
        lines = ["HTTP/1.1 %d Status" % self.status] + ["%s: %s" % h for h in self.headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def set(self, name, value):
        self.headers = [h for h in self.headers if h[0].lower() != name.lower()] + [(name, value)]


def make_reply(status, code="", headers=(), more="", body=None, request_id="tx-fault-1"):
    if body is None:
        body = ("<Error><Code>%s</Code>%s</Error>" % (code, more)).encode() if code else b""
    return Reply(status, [*headers, ("x-amz-request-id", request_id), ("Content-Length", str(len(body)))], body)


class Exchange:
    """One request of the client, and what is done with it."""

    def __init__(self, proxy, client, line, headers, rest):
        self.proxy, self.client, self.headers, self.rest = proxy, client, headers, rest
        self.at, self.line, self.status, self.is_over = time.monotonic(), line.rsplit(" ", 1)[0], 0, False
        self.method = line.split(" ")[0]
        self.length = int(lookup(headers, "Content-Length", "0"))
        self.n_read = 0
        self.expects = lookup(headers, "Expect").lower() == "100-continue"

    def header(self, name):
        return lookup(self.headers, name)

    def read_body(self, limit=None):
        """The request's body, or its next `limit` bytes."""
        want = self.length - self.n_read if limit is None else min(limit, self.length - self.n_read)
        if self.expects and want:
            self.client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.expects = False
        parts, self.n_read = [], self.n_read + want
        while want:
            data = self.rest[:want] or self.client.recv(min(want, 1 << 16))
            if not data:
                raise Gone()
            self.rest = self.rest[len(data):]
            parts.append(data)
            want -= len(data)
        return b"".join(parts)

    def request_head(self):
        kept = ["%s: %s" % h for h in self.headers if h[0].lower() not in ("expect", "connection")]
        return ("\r\n".join([self.line + " HTTP/1.1", *kept, "Connection: close"]) + "\r\n\r\n").encode("latin-1")

    def forward(self, change_body=None):
        """Passes the request on (with other bytes, if told) and returns the server's Reply."""
        body = self.read_body()
        body = change_body(body) if change_body else body
        with socket.create_connection(self.proxy.upstream, timeout=SOCKET_SECONDS) as server:
            server.sendall(self.request_head() + body)
            status, headers, data = 100, [], b""
            while status == 100:
                line, headers, data = read_head(server, data)
                status = int(line.split(" ")[1])
            data = [data]
            while self.method != "HEAD" and status not in (204, 304):
                data.append(server.recv(1 << 16))
                if not data[-1]:
                    break
        data = b"".join(data)
        if "chunked" in lookup(headers, "Transfer-Encoding"):
            data = unchunk(data)
        headers = [h for h in headers if h[0].lower() not in ("connection", "transfer-encoding")]
        reply = Reply(status, headers, data)
        if self.method != "HEAD":
            reply.set("Content-Length", str(len(data)))
        return reply

    def forward_part(self, n):
        """Passes on the head and n bytes of the body, then breaks off."""
        with socket.create_connection(self.proxy.upstream, timeout=SOCKET_SECONDS) as server:
            server.sendall(self.request_head() + self.read_body(n))

    def send(self, reply, n=None, at_once=None, pause_s=0):
        """Sends the reply; only n bytes of its body (then drop), or in pieces of at_once bytes with pauses."""
        self.status = reply.status
        body = b"" if self.method == "HEAD" else reply.body
        self.client.sendall(reply.head())
        if n is not None:
            self.client.sendall(body[:n])
            self.drop()
        elif at_once:
            for i in range(0, len(body), at_once):
                self.client.sendall(body[i:i + at_once])
                time.sleep(pause_s)
        else:
            self.client.sendall(body)
        if self.n_read < self.length:
            self.is_over = True  # the rest of the body would be taken for a request

    def drop(self, reset=False):
        """Closes the client's connection, with RST if told."""
        self.is_over = True
        if reset:
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self.client.shutdown(socket.SHUT_RDWR)


def unchunk(data):
    out = []
    while data:
        size, _, data = data.partition(b"\r\n")
        n = int(size.split(b";")[0], 16)
        if n == 0:
            break
        out.append(data[:n])
        data = data[n + 2:]
    return b"".join(out)


# ---- faults

def passed(x):
    x.send(x.forward())


def lost_answer(x):
    """The server does the work; the client never hears of it."""
    x.forward()
    x.drop()


def dropped(x):
    """Closed before anything was done."""
    x.read_body()
    x.drop()


def reset_in_head(x):
    x.client.sendall(x.forward().head()[:20])
    time.sleep(0.05)  # let the bytes arrive: a reset throws away what is on its way
    x.drop(reset=True)


def reset_in_body(x):
    reply = x.forward()
    x.client.sendall(reply.head() + reply.body[:len(reply.body) // 2])
    time.sleep(0.05)
    x.drop(reset=True)


def truncated(x):
    reply = x.forward()
    x.send(reply, n=len(reply.body) // 2)


def cut_upload(n):
    """The connection is reset when n bytes of the request's body have come; the server sees as many."""
    def fault(x):
        x.forward_part(n)
        x.drop(reset=True)
    return fault


def stalled(seconds):
    """Accepts, never answers."""
    def fault(x):
        x.read_body()
        x.proxy.closing.wait(seconds)
        x.drop()
    return fault


def dripping(at_once, pause_s):
    return lambda x: x.send(x.forward(), at_once=at_once, pause_s=pause_s)


def flip(data):
    return data[:len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1:] if data else data


def flipped_upload(x):
    x.send(x.forward(flip))


def flipped_download(x):
    reply = x.forward()
    reply.body = flip(reply.body)
    x.send(reply)


def refused(seconds):
    """For some seconds nobody listens; None: until listen() is called."""
    def fault(x):
        x.proxy.deafen()
        x.drop(reset=True)
        if seconds is not None:
            threading.Timer(seconds, x.proxy.listen).start()
    return fault


def status(code, name="", headers=(), more="", after=False, body=None):
    """An answer instead of the server's; after=True: the server did the work before."""
    def fault(x):
        x.forward() if after else x.read_body()
        x.send(make_reply(code, name, headers, more, body))
    return fault


def no_conditions(x):
    """A server without conditional writes."""
    if x.header("If-None-Match") or x.header("If-Match"):
        return status(501, "NotImplemented")(x)
    return passed(x)


def locked_by_default(x):
    """AWS, where objects are locked by default: nothing is put without an MD5 (or a checksum that we do not send) beside the
    signed SHA-256. Real servers check the MD5 that they get; that it is there is checked here."""
    if x.line.startswith("PUT") and not x.header("Content-MD5"):
        text = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Part requests with Object Lock parameters"
        return status(400, "InvalidRequest", more="<Message>%s</Message>" % text)(x)
    return passed(x)


def ignored_conditions(x):
    """A server that takes them for unknown headers."""
    x.headers = [h for h in x.headers if h[0].lower() not in ("if-none-match", "if-match")]
    return passed(x)


def kill(process, after=False):
    """SIGKILL to the client at this request, before or after the server has done it."""
    def fault(x):
        if after:
            x.forward()
        os.kill(process() if callable(process) else process.pid, signal.SIGKILL)
        x.drop()
    return fault


# ---- the proxy

class Proxy:
    def __init__(self, upstream_port, host="127.0.0.1", tls=None):
        """tls: an ssl.SSLContext with the certificate to show."""
        self.tls, self.upstream, self.port = tls, (host, upstream_port), 0
        self.lock, self.closing = threading.Lock(), threading.Event()
        self.script, self.rules, self.requests = [], [], []
        self.listen()
        self.endpoint = "%s://127.0.0.1:%d" % ("https" if tls else "http", self.port)

    def listen(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)  # SO_REUSEADDR is its default
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        while not self.closing.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def play(self, *faults):
        """Forgets what was before: requests, rules and script."""
        with self.lock:
            self.script, self.rules, self.requests = list(faults), [], []

    def on(self, pattern, fault, n=1):
        """The next n requests whose "METHOD /path?query" matches; n=None: all of them."""
        with self.lock:
            self.rules.append([re.compile(pattern), fault, n])

    def choose(self, x):
        with self.lock:
            self.requests.append(x)
            if self.script:
                return self.script.pop(0) or passed
            for rule in self.rules:
                if rule[0].search(x.line) and rule[2] != 0:
                    rule[2] = rule[2] and rule[2] - 1
                    return rule[1]
            return passed

    def lines(self):
        return [x.line for x in self.requests]

    def serve(self, client):
        client.settimeout(SOCKET_SECONDS)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        rest = b""
        try:
            if self.tls:
                client = self.tls.wrap_socket(client, server_side=True)
            while True:
                line, headers, rest = read_head(client, rest)
                x = Exchange(self, client, line, headers, rest)
                self.choose(x)(x)
                if x.is_over:
                    return
                rest = x.rest
        except (Gone, OSError):
            pass
        finally:
            client.close()

    def deafen(self):
        """Nobody listens any more: connections are refused."""
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept()
        self.listener.close()

    def close(self):
        self.closing.set()
        self.deafen()

"""A loopback web server for the tests of downloads: it serves objects from memory with ETags, conditional reads and ranges,
counts what it is asked, and misbehaves when told.

    web = web_server.Server()                        # web.url; web.objects["/p/latest.json"] = b"..."
    web.publish("/p", "aaaaaaaaaaaa-bbbbbbbb", ...)  # a version as docs and design describe it, with latest.json
    web.on(r"/model\\.onnx", cut(1000), n=2)          # the next two requests that match; n=None: all
    web.requests                                     # what came: .line, .headers, .status, .n_sent (bytes of the body)

A fault is a function of the handler and the object's bytes that answers in its own way. A fault that returns False leaves
the answer to the server.
"""
import hashlib
import http.server
import json
import re
import socket
import ssl
import threading
import time

FORMATS = ("model.onnx", "model.safetensors")


class Request:
    def __init__(self, line, headers):
        self.line, self.headers, self.status, self.n_sent = line, headers, 0, 0

    def header(self, name):
        return self.headers.get(name, "")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def start(self, status, headers, length):
        self.request_.status = status
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(length))):
            self.send_header(name, value)
        self.end_headers()

    def body(self, data):
        if self.command != "HEAD":
            self.wfile.write(data)
            self.request_.n_sent += len(data)

    def reply(self, status, data=b"", headers=()):
        self.start(status, headers, len(data))
        self.body(data)

    def drop(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def do_GET(self):
        server, path = self.server, self.path
        data = server.objects.get(path)
        self.request_ = Request("%s %s" % (self.command, path), dict(self.headers))
        with server.lock:
            server.requests.append(self.request_)
            fault = server.next_fault(path)
        try:
            if not fault or fault(self, data) is False:
                self.normal(data)
        except OSError:
            self.close_connection = True

    do_HEAD = do_GET

    def range_of(self, data, etag):
        """(status, headers, bytes) for what the client asks for."""
        m = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not m or self.headers.get("If-Range", etag) != etag:
            return 200, [], data
        first = int(m.group(1))
        if first >= len(data):
            return 416, [("Content-Range", "bytes */%d" % len(data))], b""
        return 206, [("Content-Range", "bytes %d-%d/%d" % (first, len(data) - 1, len(data)))], data[first:]

    def normal(self, data):
        if data is None:
            return self.reply(404, b"<html>not here</html>")
        etag = etag_of(data)
        if self.headers.get("If-None-Match") == etag:
            return self.reply(304, headers=[("ETag", etag)])
        status, headers, data = self.range_of(data, etag)
        return self.reply(status, data, [("ETag", etag), *headers])


def etag_of(data):
    return '"%s"' % hashlib.md5(data).hexdigest()


def bytes_of(name, version, size):
    """Bytes that no other file has, and that do not repeat."""
    return b"".join(hashlib.sha256(("%s %s %d" % (name, version, i)).encode()).digest() for i in range(size // 32 + 1))[:size]


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, certificate=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects, self.faults, self.requests, self.lock = {}, [], [], threading.Lock()
        self.url = "http://127.0.0.1:%d" % self.server_address[1]
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.url = "https://localhost:%d" % self.server_address[1]
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, request, client_address):
        pass

    def on(self, pattern, fault, n=1):
        self.faults.append([re.compile(pattern), fault, n])

    def next_fault(self, path):
        for entry in self.faults:
            if entry[2] != 0 and entry[0].search(path):
                entry[2] = entry[2] and entry[2] - 1
                return entry[1]
        return None

    def quiet(self):
        """Forgets faults and requests."""
        self.faults, self.requests = [], []

    def lines(self):
        return [r.line for r in self.requests]

    def publish(self, prefix, version, created="2026-01-01T00:00:00Z", size=200000, formats=FORMATS, map50=0.9):
        artifacts = []
        for name in formats:
            key, data = "versions/%s/%s" % (version, name), bytes_of(name, version, size)
            self.objects["%s/%s" % (prefix, key)] = data
            artifacts.append({"name": name, "key": key, "sha256": hashlib.sha256(data).hexdigest(), "size": size})
        manifest = {"schema": 1, "version": version, "created_at": created, "dataset": {"images": 2},
                    "metrics": {"map50": map50, "map50_95": 0.5}, "artifacts": artifacts, "source": {"commit": ""}}
        key = "versions/%s/manifest.json" % version
        self.objects["%s/%s" % (prefix, key)] = json.dumps(manifest).encode()
        self.objects[prefix + "/latest.json"] = json.dumps({**manifest, "manifest": key}).encode()
        return {a["name"]: self.objects["%s/%s" % (prefix, a["key"])] for a in artifacts}

    def unpublish(self, prefix, version):
        for path in [p for p in self.objects if p.startswith("%s/versions/%s/" % (prefix, version))]:
            del self.objects[path]

    def close(self):
        self.shutdown()
        self.server_close()


# ---- faults

def status(code, headers=()):
    return lambda h, data: h.reply(code, b"<html>no</html>", headers)


def cut(n):
    """Closes after n bytes of what was asked for."""
    def fault(h, data):
        code, headers, data = h.range_of(data, etag_of(data))
        h.start(code, [("ETag", etag_of(h.server.objects[h.path])), *headers], len(data))
        h.body(data[:n])
        h.drop()
    return fault


def ignores_ranges(h, data):
    h.reply(200, data, [("ETag", etag_of(data))])


def flipped(h, data):
    h.reply(200, data[:-1] + bytes([data[-1] ^ 1]), [("ETag", etag_of(data))])


def slow(seconds, n_pieces=20):
    """The same answer, over so many seconds."""
    def fault(h, data):
        code, headers, data = h.range_of(data, etag_of(data))
        h.start(code, [("ETag", etag_of(h.server.objects[h.path])), *headers], len(data))
        step = len(data) // n_pieces + 1
        for i in range(0, len(data), step):
            h.body(data[i:i + step])
            time.sleep(seconds / n_pieces)
    return fault


def stalled(seconds):
    def fault(h, data):
        time.sleep(seconds)
        h.drop()
    return fault


def redirect(to, code=302):
    return lambda h, data: h.reply(code, b"", [("Location", to)])


def replaced(n, other):
    """Cuts after n bytes, and the object is another one from then on."""
    def fault(h, data):
        cut(n)(h, data)
        h.server.objects[h.path] = other
    return fault

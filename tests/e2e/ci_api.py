"""GitHub's and GitLab's API on loopback, as far as retrain asks it, with whatever answer a test wants.

    api = ci_api.Server()
    api.answers = [(200, {"workflow_run_id": 4711})]     # one for each request, the last one again for all that follow
    api.requests                                         # what was asked: method, path, headers, body
    api.close()

An answer is (status, value[, headers]) where a value that is bytes goes out as it is, or a word: "silence" (nothing comes
until the client gives up), "hang up"."""
import collections
import http.server
import json
import threading
import time

Request = collections.namedtuple("Request", "method path headers body")
DATE = "Sat, 21 Nov 2026 12:00:00 GMT"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def date_time_string(self, timestamp=None):
        return DATE

    def handle_any(self):
        api = self.server.api
        n = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(n).decode() if n else ""
        api.requests.append(Request(self.command, self.path, dict(self.headers), body))
        answer = api.answers.pop(0) if len(api.answers) > 1 else api.answers[0]
        if answer == "silence":
            api.closed.wait(30)
        if isinstance(answer, str):
            self.close_connection = True
            return
        status, value, *headers = answer
        data = value if isinstance(value, bytes) else b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers[0] if headers else {}).items():
            self.send_header(name, text)
        if status != 204:
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if status != 204:
            self.wfile.write(data)

    do_GET = do_POST = handle_any


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.api = self
        self.url = "http://127.0.0.1:%d" % self.server_port
        self.requests = []
        self.answers = [(404, {"message": "Not Found"})]
        self.closed = threading.Event()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # a client that gave up

    def close(self):
        self.closed.set()
        self.shutdown()
        self.server_close()


def ago(seconds):
    """A time so long before the Date of every reply, as GitHub writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.mktime(time.strptime(DATE, "%a, %d %b %Y %H:%M:%S GMT"))
                                                           - time.timezone - seconds))

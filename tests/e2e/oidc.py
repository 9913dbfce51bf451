"""An OIDC issuer on loopback, as GitHub's is for a job: discovery, keys, and the endpoint that hands out identity tokens.

    issuer = oidc.start()                       # None without the openssl program
    issuer.register(s3client, "ci")             # makes it an identity provider of a radosgw, and a role; returns the role's ARN
    issuer.github_env()                         # ACTIONS_ID_TOKEN_REQUEST_URL and _TOKEN
    issuer.token(sub="...", seconds=300)        # one token
    issuer.is_down = True                       # answers 503 from now on
"""
import base64
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.parse

import leaks

REQUEST_TOKEN = "ghrequesttokenofthetest01"
SUBJECT = "repo:team/parts:ref:refs/heads/main"


def encode(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        issuer = self.server.issuer
        url = urllib.parse.urlparse(self.path)
        if url.path == "/token":
            issuer.n_asked += 1
            if issuer.is_down:
                return self.reply(503, {})
            if self.headers.get("Authorization") != "Bearer " + REQUEST_TOKEN:
                return self.reply(401, {"message": "no"})
            return self.reply(200, {"value": issuer.token(audience=urllib.parse.parse_qs(url.query)["audience"][0])})
        if url.path == "/.well-known/openid-configuration":
            return self.reply(200, {"issuer": issuer.url, "jwks_uri": issuer.url + "/certs", "id_token_signing_alg_values_supported": ["RS256"]})
        if url.path == "/certs":
            return self.reply(200, {"keys": [issuer.jwk()]})
        return self.reply(404, {})


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


class Issuer:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="oidc-")
        self.key, certificate = os.path.join(self.folder, "key.pem"), os.path.join(self.folder, "certificate.pem")
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=issuer", "-keyout", self.key,
                     "-out", certificate)
        self.certificate = self.openssl("x509", "-in", certificate, "-outform", "DER")
        modulus = self.openssl("rsa", "-in", self.key, "-noout", "-modulus").decode().strip().partition("=")[2]
        self.modulus = bytes.fromhex(modulus)
        self.is_down, self.n_asked, self.n_tokens = False, 0, 0
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.issuer = self
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def openssl(self, *args, data=None):
        return subprocess.run(["openssl", *args], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True).stdout

    def jwk(self):
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "n": encode(self.modulus), "e": "AQAB",
                "x5c": [base64.b64encode(self.certificate).decode()]}

    def token(self, audience="sts.amazonaws.com", sub=SUBJECT, seconds=300, **claims):
        now = int(time.time())
        claims = {"iss": self.url, "sub": sub, "aud": audience, "iat": now, "nbf": now - 5, "exp": now + seconds,
                  "repository": "team/parts", "ref": "refs/heads/main", "jti": "%d-%d" % (now, self.n_tokens), **claims}
        text = "%s.%s" % (encode(json.dumps({"alg": "RS256", "typ": "JWT", "kid": "1"}).encode()), encode(json.dumps(claims).encode()))
        token = text + "." + encode(self.openssl("dgst", "-sha256", "-sign", self.key, data=text.encode()))
        self.n_tokens += 1
        leaks.add(token, *token.split(".")[1:])
        return token

    def github_env(self):
        return {"ACTIONS_ID_TOKEN_REQUEST_URL": self.url + "/token?api-version=2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": REQUEST_TOKEN}

    def register(self, admin, role):
        def iam(action, **parameters):
            # No blank in it: this radosgw keeps the '+' of a form.
            form = urllib.parse.urlencode({"Action": action, "Version": "2010-05-08", **parameters}, quote_via=urllib.parse.quote)
            return admin.ok("POST", "/", body=form.encode(), headers={"Content-Type": "application/x-www-form-urlencoded"})[1]
        host = self.url.partition("//")[2]
        iam("CreateOpenIDConnectProvider", Url=self.url, **{
            "ClientIDList.member.1": "sts.amazonaws.com",
            "ThumbprintList.member.1": hashlib.sha1(self.certificate).hexdigest().upper()})
        trust = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Federated": ["arn:aws:iam:::oidc-provider/" + host]},
             "Action": ["sts:AssumeRoleWithWebIdentity"],
             "Condition": {"StringEquals": {host + ":app_id": "sts.amazonaws.com"}}},
            {"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/test"]}, "Action": ["sts:AssumeRole"]}]}
        may = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}]}
        tight = lambda value: json.dumps(value, separators=(",", ":"))
        iam("CreateRole", RoleName=role, Path="/", AssumeRolePolicyDocument=tight(trust))
        iam("PutRolePolicy", RoleName=role, PolicyName="all", PolicyDocument=tight(may))
        return "arn:aws:iam:::role/" + role

    def stop(self):
        self.server.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)


def start():
    return Issuer() if shutil.which("openssl") else None

"""A second, independent S3 client (a page of standard library): it prepares buckets and reads what retrain wrote."""
import datetime
import hashlib
import hmac
import http.client
import re
import urllib.parse


class S3:
    def __init__(self, endpoint, access_key, secret_key, region="us-east-1"):
        self.host = endpoint.split("//")[1]
        self.access_key, self.secret_key, self.region = access_key, secret_key, region

    def request(self, method, path, query=None, body=b"", headers=None):
        """path: "/bucket/key", not encoded. Returns (status, headers, body)."""
        quote = lambda s: urllib.parse.quote(s, safe="-._~")
        encoded = urllib.parse.quote(path, safe="/-._~")
        text = "&".join("%s=%s" % (quote(k), quote(v)) for k, v in sorted((query or {}).items()))
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        payload = (headers or {}).get("x-amz-content-sha256") or hashlib.sha256(body).hexdigest()
        signed = {"host": self.host, "x-amz-date": now, "x-amz-content-sha256": payload}
        signed.update({k.lower(): v for k, v in (headers or {}).items()})
        names = ";".join(sorted(signed))
        canonical = "\n".join([method, encoded, text, "".join("%s:%s\n" % (k, signed[k]) for k in sorted(signed)), names,
                               payload])
        scope = "%s/%s/s3/aws4_request" % (now[:8], self.region)
        to_sign = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + self.secret_key).encode()
        for part in (now[:8], self.region, "s3", "aws4_request", to_sign):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signed["authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
            self.access_key, scope, names, key.hex())
        connection = http.client.HTTPConnection(self.host, timeout=30)
        connection.request(method, encoded + ("?" + text if text else ""), body=body, headers=signed)
        reply = connection.getresponse()
        data = reply.read()
        connection.close()
        return reply.status, dict(reply.getheaders()), data

    def ok(self, *args, **kwargs):
        status, headers, body = self.request(*args, **kwargs)
        if status // 100 != 2:
            raise RuntimeError("%s: %d %r" % (args[:2], status, body[:300]))
        return headers, body

    def keys(self, bucket, prefix=""):
        query, keys = {"list-type": "2", "prefix": prefix}, []
        while True:
            _, body = self.ok("GET", "/" + bucket, query)
            text = body.decode()
            keys += [k.replace("&amp;", "&") for k in re.findall(r"<Key>(.*?)</Key>", text)]
            token = re.search(r"<NextContinuationToken>(.*?)</NextContinuationToken>", text)
            if not token:
                return keys
            query["continuation-token"] = token.group(1)

    def keep_versions(self, bucket):
        self.ok("PUT", "/" + bucket, {"versioning": ""},
                b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")

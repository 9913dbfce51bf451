#!/usr/bin/env python3
"""The S3 store when the network fails: a fault proxy before a real server that verifies signatures. After every fault:
the store holds what it should, byte for byte, read by another client; nothing is half visible; the requests are counted
and the time is bounded; an error is one line that names the request and the cure."""
import concurrent.futures
import hashlib
import os
import random
import subprocess
import tempfile
import time

import fault_proxy
import radosgw
import s3_server
import tap
from fault_proxy import (cut_upload, dripping, dropped, flipped_download, flipped_upload, lost_answer,
                         no_conditions, passed, refused, reset_in_body, reset_in_head, stalled, status, truncated)
from store_tool import Driver, message

scratch = tempfile.mkdtemp(prefix="retrain-network-")
server = proxy = admin = None
MANY = 60  # more than any bounded client asks
BIG = random.Random(3).randbytes(3 << 20)


def file(name, data=None):
    full = os.path.join(scratch, name)
    if data is not None:
        with open(full, "wb") as f:
            f.write(data)
    return full


def driver(prefix="net", bucket="models", **env):
    return Driver("s3://%s/%s" % (bucket, prefix), **{
        "DRIVER_ENDPOINT": proxy.endpoint, "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key, "RETRAIN_STALL_TIMEOUT": "2s", **env})


def stored(key):
    code, _, body = admin.request("GET", "/models/net/" + key)
    return body if code == 200 else None


def check(name, run, want_out, want_requests=None):
    """It went well, said `want_out`, and sent this many requests."""
    n = len(proxy.requests)
    good = run[0] == 0 and run[1] == want_out and (want_requests is None or n == want_requests)
    tap.ok(good, name, "exit %d, %d requests: %s\n%s%s" % (*run[:1], n, proxy.lines(), run[1], run[2]))


def check_error(name, run, code, most_requests, *parts, at=None):
    """It failed with this code, one line that holds these parts, and no more requests than that."""
    lines, requests = message(run[2]), (at or proxy).requests
    good = run[0] == code and len(lines) == 1 and all(p in lines[0] for p in parts) and len(requests) <= most_requests
    tap.ok(good, name, "exit %d, %d requests\n%s" % (run[0], len(requests), run[2]))


def at_once(cases):
    """[(fault, env, command...)]: each with a proxy of its own that plays the fault for ever, all at the same time, because
    most of it is waiting. Returns [(proxy, run, seconds)]."""
    def one(case):
        own, start = fault_proxy.Proxy(server.port), time.monotonic()
        own.play(*[case[0]] * MANY)
        run = driver(**{"DRIVER_ENDPOINT": own.endpoint, **case[1]})(*case[2:])
        own.close()
        return own, run, time.monotonic() - start
    with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
        return list(pool.map(one, cases))


def publish(version):
    return ("publish", version, 1000, file("m", b"weights of " + version.encode()), file("r", b"report"))


# Each is played once before a request that then succeeds, on a PUT under a condition and on a GET: what the caller is told
# must be what the store holds, whether or not the server had done the work before the fault.
ONCE = [
    ("lost answer", lost_answer),
    ("closed before anything was done", dropped),
    ("reset in the headers of the answer", reset_in_head),
    ("refused for a while", refused(0.5)),
    ("stalled", stalled(8)),
    ("500", status(500, "InternalError")),
    ("500 after the work was done", status(500, "InternalError", after=True)),
    ("502 of a gateway, without a body", status(502)),
    ("503 SlowDown", status(503, "SlowDown")),
    ("504 after the work was done", status(504, after=True)),
    ("429", status(429, "TooManyRequests")),
    ("400 RequestTimeout", status(400, "RequestTimeout")),
    ("400 BadDigest", status(400, "BadDigest")),
    ("409 ConditionalRequestConflict", status(409, "ConditionalRequestConflict")),
    ("an error in a 200", status(200, body=b"\n\n <Error><Code>InternalError</Code></Error>")),
]


def test_once():
    for i, (name, fault) in enumerate(ONCE):
        key = "once/%d" % i
        proxy.play(None, fault)
        run = driver()("stat", "none", "put-new", key, name)
        tap.ok(run[:2] == (0, "absent\nwritten\n") and stored(key) == name.encode() and len(proxy.requests) <= 6,
               name + ": a PUT is retried, and known for our own", "%s %s %s" % (run, stored(key), proxy.lines()))
        proxy.play(None, fault)
        run = driver()("stat", "none", "get", key)
        tap.ok(run[0] == 0 and run[1].endswith("\n%s\n" % name) and len(proxy.requests) == 3, name + ": a GET is retried", run)


def test_somebody_else():
    """The same faults, but another writer's object is there: it must stay, and we must say so."""
    admin.ok("PUT", "/models/net/theirs", body=b"theirs")
    for name, fault in ONCE:
        proxy.play(None, fault)
        check(name + ": somebody else's object is not taken for ours", driver()("stat", "none", "put-new", "theirs", "mine"),
              "absent\nrefused\n")
    tap.equal(stored("theirs"), b"theirs", "and is untouched")


# Each is played for ever: what the one line must say.
FOR_EVER = [
    ("dropped", dropped, 6, ["the connection failed"]),
    ("lost answers", lost_answer, 6, ["the connection failed"]),
    ("resets", reset_in_head, 6, ["the connection failed"]),
    ("503 for ever", status(503, "SlowDown"), 6, ["503 SlowDown", "request tx-fault-1", "after 6 tries", "try later"]),
    ("500 for ever", status(500, "InternalError"), 6, ["500 InternalError", "request tx-fault-1", "try later"]),
    ("403", status(403, "AccessDenied"), 1, ["403 AccessDenied", "request tx-fault-1", "s3:PutObject"]),
    ("405", status(405, "MethodNotAllowed"), 1, ["405 MethodNotAllowed", "request tx-fault-1", "endpoint-url"]),
    ("413", status(413, "EntityTooLarge"), 1, ["larger than the server takes"]),
    ("507 of a full disk", status(507, "InsufficientStorage"), 1, ["507"]),
    ("301 without a region", status(301, "PermanentRedirect"), 1, ["set region"]),
]


def test_for_ever():
    stall = {"RETRAIN_STALL_TIMEOUT": "1s"}
    runs = at_once([(fault, {}, "put", "ever", "x") for _, fault, _, _ in FOR_EVER] + [(stalled(4), stall, "put", "ever", "x")])
    for (name, _, most, parts), (own, run, seconds) in zip(FOR_EVER + [("stalled", None, 6, ["does not answer"])], runs):
        check_error(name, run, 4, most, "s3://models/net", "ever", *parts, at=own)
        tap.ok(seconds < 60, name + ": ends in bounded time", seconds)
    proxy.play(None, refused(None))
    start = time.monotonic()
    run = driver()("stat", "none", "put", "ever", "x")
    check_error("refused for ever, by a server that was there", run, 4, 2, "cannot connect", "after 6 tries")
    tap.ok(time.monotonic() - start < 60, "ends in bounded time")
    proxy.listen()
    deaf = fault_proxy.Proxy(server.port)
    deaf.close()
    start = time.monotonic()
    check_error("refused", driver(DRIVER_ENDPOINT=deaf.endpoint)("put", "ever", "x"), 4, 0, "cannot connect", "after 3 tries", at=deaf)
    tap.ok(time.monotonic() - start < 20, "refused: ends soon")


def test_retry_after():
    for text, least in (("2", 1.9), ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("-5", 0), ("99999999999999999999", 0)):
        proxy.play(status(503, "SlowDown", [("Retry-After", text)]))
        start = time.monotonic()
        check("Retry-After: %s" % text, driver()("stat", "none"), "absent\n", 2)
        gap = proxy.requests[1].at - proxy.requests[0].at
        tap.ok(least <= gap < 20, "waits %.1f seconds" % gap)
        tap.ok(time.monotonic() - start < 30, "and no longer")


def test_transfers():
    d, sha = driver(), hashlib.sha256(BIG).hexdigest()
    source, target = file("big", BIG), file("target")
    for name, fault, n in (("reset in mid-upload", cut_upload(1 << 20), None), ("a lost answer", lost_answer, None),
                           ("a flipped byte: the server refuses it", flipped_upload, None)):
        proxy.play(fault)
        run = d("put-file", "big", source)
        tap.ok(run[0] == 0 and stored("big") == BIG and len(proxy.requests) <= 4, name + ": uploaded whole in the end", run)
        admin.ok("DELETE", "/models/net/big")
    altered, cut = at_once([(fault, {}, "put-file", "big", source) for fault in (flipped_upload, cut_upload(1 << 20))])
    check_error("a proxy that alters every upload", altered[1], 4, 6, "XAmzContentSHA256Mismatch", "rewrite", at=altered[0])
    check_error("every upload is cut", cut[1], 4, 6, "the connection failed", at=cut[0])
    tap.equal(stored("big"), None, "and no half object is visible")

    admin.ok("PUT", "/models/net/big", body=BIG)
    for name, fault in (("truncated", truncated), ("reset in the body", reset_in_body)):
        proxy.play(fault, fault)
        check(name + " twice, then whole", d("get-file", "big", target, sha), "", 3)
        with open(target, "rb") as f:
            tap.ok(f.read() == BIG, "and right")
        os.unlink(target)
    # Half of what is missing would be progress, and a download goes on as long as there is some.
    nothing = lambda x: x.send(x.forward(), n=0)
    bad = (("truncated", nothing, "the connection failed"), ("reset", reset_in_head, "the connection failed"),
           ("a flipped byte", flipped_download, "SHA-256 differs"))
    runs = at_once([(fault, {}, "get-file", "big", target, sha) for _, fault, _ in bad])
    for (name, _, part), (own, run, _) in zip(bad, runs):
        check_error("downloads, always: " + name, run, 4, 6, part, "big", at=own)
    tap.ok(not os.path.exists(target), "no file then")
    proxy.play(dripping(1 << 18, 0.3))
    check("a slow line is no stalled one", driver(RETRAIN_STALL_TIMEOUT="2s")("get-file", "big", target, sha), "", 1)
    tap.equal([n for n in os.listdir(scratch) if n.startswith(".")], [], "no temporary is left")


def test_regions():
    admin.ok("PUT", "/models/net/r", body=b"here")
    malformed = status(400, "AuthorizationHeaderMalformed", more="<Region>eu-west-3</Region>")
    told = [("x-amz-bucket-region", "eu-west-3")]
    for name, fault in (("400 with the region in the body", malformed), ("301 with it in a header", status(301, "PermanentRedirect", told)),
                        ("307", status(307, "TemporaryRedirect", told)), ("a bodyless 400", status(400, headers=told)),
                        ("a bodyless 301", status(301, headers=told))):
        proxy.play(fault)
        run = driver()("get", "r", "stat", "r")
        tap.ok(run[0] == 0 and run[1].endswith("here\npresent 4\n") and len(proxy.requests) == 3,
               name + ": signed anew for the region, once", run)
        tap.ok(all("/eu-west-3/s3/" in x.header("Authorization") for x in proxy.requests[1:]), "and remembered")
        tap.equal(run[2].count("set region"), 1, "and said once")
        proxy.play(*[fault] * MANY)
        check_error(name + ", for ever", driver()("get", "r"), 4, 2, "region")
    for region in ("auto", "eu-central-1", "garage"):
        proxy.play()
        check("region " + region, driver(DRIVER_REGION=region)("stat", "r"), "present 4\n", 1)
        tap.contains(proxy.requests[0].header("Authorization"), "/%s/s3/aws4_request" % region, "is signed for as it is written")
    other = fault_proxy.Proxy(server.port)
    proxy.play(*[status(307, headers=[("Location", other.endpoint + "/models/net/r")])] * MANY)
    check_error("a redirect to another host", driver(AWS_SESSION_TOKEN="networktoken0001")("get", "r"), 4, 2, "redirect")
    tap.equal(other.requests, [], "is not followed, and no token goes there")
    other.close()


def test_conditions():
    """A server that has them, one that says 501 to them, and one that ignores them (radosgw's versioned buckets do)."""
    for name, bucket, fault in (("501 to conditions", "models", no_conditions), ("conditions are ignored", "versioned", passed)):
        d = driver(bucket=bucket)
        admin.ok("PUT", "/%s/net/c" % bucket, body=b"theirs")
        proxy.play()
        proxy.on("", fault, n=None)
        run = d("probe", "put-new", "c", "mine", "put-new", "c2", "mine", *publish("v1"), "latest", "probe")
        tap.equal((run[0], run[1].splitlines()),
                  (0, ["best effort", "refused", "written", "published 1970-01-01T00:16:40Z", "v1", "best effort"]),
                  name + ": best effort, by looking first") or tap.diag(run[2])
        warnings = [line for line in run[2].splitlines() if "warning" in line]
        tap.ok(len(warnings) == 1 and "best effort" in warnings[0], name + ": with one warning that says so", run[2])
    proxy.play(status(304))
    check("304 to a conditional PUT (old MinIO) is a refusal", driver()("put-new", "c", "mine"), "refused\n")
    proxy.play()
    run = driver()("probe", "probe")
    tap.ok(run[:2] == (0, "atomic\natomic\n") and run[2].count("atomic") == 1 and "warning" not in run[2],
           "a server that has them: atomic, said once", run)


SHIFT = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
static long shift(void) { const char *s = getenv("SHIFT_SECONDS"); return s ? atol(s) : 0; }
time_t time(time_t *out)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (out) *out = t.tv_sec;
    return t.tv_sec;
}
int clock_gettime(clockid_t id, struct timespec *t)
{
    int (*real)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int rc = real(id, t);
    if (id == CLOCK_REALTIME && !rc) t->tv_sec += shift();
    return rc;
}
"""


def test_clock():
    """The server is real, so it is our clock that must be wrong: a preloaded library sets it off."""
    library = file("shift.so")
    if subprocess.run(["cc", "-shared", "-fPIC", "-o", library, "-xc", "-", "-ldl"], input=SHIFT.encode(), check=False).returncode:
        return tap.skip("clock skew", "no C compiler to build the preloaded clock")
    admin.ok("PUT", "/models/net/clock", body=b"tick")
    for seconds in (1200, -1200, 3 * 86400):
        d = driver(LD_PRELOAD=library, SHIFT_SECONDS=str(seconds))
        for command in ("stat", "get"):
            proxy.play()
            run = d(command, "clock", "stat", "clock")
            tap.ok(run[0] == 0 and run[1].endswith("present 4\n") and len(proxy.requests) == 3 and run[2].count("seconds") == 1,
                   "a clock %d s off, %s: corrected once by the server's Date, and said" % (seconds, command),
                   (run, proxy.lines()))
    proxy.play(*[status(403, "RequestTimeTooSkewed")] * MANY)
    check_error("a server that complains without a difference", driver()("get", "clock"), 4, 1, "clock")
    return None


def main():
    global server, proxy, admin
    with s3_server.running(radosgw, scratch, "network faults", "models", "versioned") as (server, admin):
        proxy = fault_proxy.Proxy(server.port)
        tap.main(test_once, test_somebody_else, test_for_ever, test_retry_after, test_transfers, test_regions, test_conditions,
                 test_clock)


main()

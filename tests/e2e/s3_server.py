"""What a test of buckets begins with: a server of its own, a client with all rights, buckets.

    with s3_server.running(radosgw, scratch, "permissions", "models", "versioned") as (server, admin):
        tap.main(...)

ends the program with a counted skip where the server, or the store driver, is missing; the bucket "versioned" keeps versions.
"""
import contextlib
import shutil

import s3client
import store_tool
import tap


def begin(kind, folder, what, *buckets):
    """kind: the module radosgw or versitygw. (server, admin); (None, None) after a skip of the point `what`. The caller stops it."""
    server = kind.start(folder)
    if not server:
        tap.skip(what, "%s is not installed (%s)" % (kind.__name__, kind.INSTALL))
        return None, None
    try:
        admin = s3client.S3(server.endpoint, server.access_key, server.secret_key)
        for bucket in buckets:
            admin.ok("PUT", "/" + bucket)
            if bucket == "versioned":
                admin.keep_versions(bucket)
    except BaseException:
        server.stop()
        raise
    return server, admin


@contextlib.contextmanager
def running(kind, folder, what, *buckets, needs_driver=True):
    """(server, admin); stops the server and removes `folder` in the end."""
    if needs_driver and not store_tool.ready():
        tap.skip(what, "the store driver is not built")
        tap.done()
    server, admin = begin(kind, folder, what, *buckets)
    if not server:
        tap.done()
    try:
        yield server, admin
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)

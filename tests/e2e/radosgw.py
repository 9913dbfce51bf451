"""A real S3 server for tests: Ceph's radosgw with one monitor and one in-memory OSD, all ordinary processes on loopback.

    server = radosgw.start(folder)      # None when the packages are not installed
    server.endpoint, server.access_key, server.secret_key
    server.stop()

As a program it starts one and prints its address and keys until interrupted:  tests/e2e/radosgw.py [FOLDER]
Packages (Debian): radosgw ceph-mon ceph-osd ceph-common. It verifies signatures, so it is an oracle for the signer.
"""
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid

INSTALL = "apt-get install radosgw ceph-mon ceph-osd ceph-common"
PROGRAMS = ("radosgw", "ceph-mon", "ceph-osd", "ceph", "radosgw-admin", "monmaptool")

CONF = """[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{mon_port}/0
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
ms cluster mode = crc
ms service mode = crc
ms client mode = crc
public addr = 127.0.0.1
cluster addr = 127.0.0.1
run dir = {folder}
pid file = {folder}/$name.pid
log file = {folder}/$name.log
admin socket = {folder}/$name.asok
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon warn on pool no redundancy = false
osd crush chooseleaf type = 0
mon max pg per osd = 10000
# These two alone bring the start from 12 seconds to one.
paxos propose interval = 0.02
paxos min wait = 0.01
[mon]
mon data = {folder}/mon
[osd]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd class load list = *
osd class default list = *
[client]
keyring = {folder}/keyring
rgw data = {folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw dns name = localhost
# S3's own least is 5 MiB; this keeps tests of multipart uploads small.
rgw multipart min part size = 1048576
rgw enable gc threads = false
rgw enable lc threads = false
rgw s3 auth use sts = true
rgw sts key = abcdefghijklmnop
rgw sts min session duration = 1
"""


def die_with_parent():
    """For subprocess's preexec_fn: a test that is killed leaves no server (Linux, PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def missing_programs():
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [p for p in PROGRAMS if not shutil.which(p, path=path)]


class Server:
    name = "radosgw"
    longest_name = 1024
    hides_absence = True  # 403 for what is not there, to those who may not list; as AWS
    part_least = 1 << 20  # of CONF
    versioned_is_atomic = False  # it ignores If-None-Match there, and refuses every If-Match

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.conf = os.path.join(folder, "ceph.conf")
        self.endpoint = "http://127.0.0.1:%d" % self.port
        self.access_key = "TESTACCESSKEY0000001"
        self.secret_key = "testsecret/with+odd=chars0000000000000001"
        self.processes = []
        self.env = dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin", CEPH_CONF=self.conf)

    def call(self, *args, timeout=60):
        return subprocess.run([args[0], "-c", self.conf, *args[1:]], env=self.env, timeout=timeout, check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True).stdout

    def spawn(self, *args):
        with open(os.path.join(self.folder, args[0] + ".out"), "ab") as out:
            p = subprocess.Popen([args[0], "-c", self.conf, "-f", *args[1:]], env=self.env, stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=out, start_new_session=True, preexec_fn=die_with_parent)
        self.processes.append(p)
        return p

    def wait(self, what, test, seconds=60):
        end = time.monotonic() + seconds
        while not test():
            dead = [p.args[0] for p in self.processes if p.poll() is not None]
            if dead or time.monotonic() > end:
                raise RuntimeError("%s: %s; see %s" % (what, "ended: %s" % dead if dead else "too slow", self.folder))
            time.sleep(0.05)

    def start(self):
        fsid, mon_port = str(uuid.uuid4()), free_port()
        with open(os.path.join(self.folder, ".server"), "w", encoding="ascii"):
            pass  # these are the server's files: leaks.py does not look for secrets in them
        with open(self.conf, "w", encoding="ascii") as f:
            f.write(CONF.format(fsid=fsid, folder=self.folder, mon_port=mon_port, port=self.port))
        for name in ("mon", "osd", "rgw"):
            os.makedirs(os.path.join(self.folder, name), exist_ok=True)
        monmap = os.path.join(self.folder, "monmap")
        self.call("monmaptool", "--create", "--fsid", fsid, "--addv", "a", "[v2:127.0.0.1:%d]" % mon_port, monmap)
        self.call("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self.spawn("ceph-mon", "-i", "a")
        osd = str(uuid.uuid4())
        self.call("ceph", "--connect-timeout", "30", "osd", "new", osd)
        self.call("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.spawn("ceph-osd", "-i", "0")
        self.wait("osd", lambda: " 1 up" in self.call("ceph", "osd", "stat"))
        self.spawn("radosgw", "-n", "client.rgw")
        self.wait("radosgw", self.answers)
        self.add_user("test", self.access_key, self.secret_key)
        return self

    def add_user(self, uid, access_key, secret_key):
        self.call("radosgw-admin", "-n", "client.rgw", "user", "create", "--uid", uid, "--display-name", uid, "--access-key",
                  access_key, "--secret-key", secret_key, "--caps", "roles=*;oidc-provider=*;user-policy=*")

    @staticmethod
    def principal(uid, access_key):
        """How a bucket policy names a user."""
        return "arn:aws:iam:::user/" + uid

    def answers(self):
        try:
            urllib.request.urlopen(self.endpoint, timeout=2).close()
            return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def stop(self):
        for p in reversed(self.processes):
            if p.poll() is None:
                p.send_signal(signal.SIGKILL)
            p.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def start(folder=None):
    if missing_programs():
        return None
    server = Server(tempfile.mkdtemp(prefix="radosgw-", dir=folder))
    try:
        return server.start()
    except BaseException:
        for p in server.processes:
            p.kill()
        raise


def main():
    server = start(sys.argv[1] if len(sys.argv) > 1 else None)
    if not server:
        sys.exit("not installed: %s (%s)" % (" ".join(missing_programs()), INSTALL))
    try:
        print("export AWS_ENDPOINT_URL_S3=%s AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s" %
              (server.endpoint, server.access_key, server.secret_key), flush=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()


if __name__ == "__main__":
    main()

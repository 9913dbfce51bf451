"""A second real S3 server for tests: versitygw, one Go program that keeps objects as files, with and without versions.

    server = versitygw.start(folder)      # None when it is not installed
    server.endpoint, server.access_key, server.secret_key
    server.stop()

It keeps metadata in extended attributes, so those must be there. (Its --sidecar mode, for file systems without, is not
tested: in a versioned bucket of release 1.8.0 what was deleted stays deleted whatever is written, and conditions race.)
It is found as $VERSITYGW, build/versitygw/versitygw (tools/versitygw.sh puts it there) or on the PATH. It verifies
signatures, and has conditional writes in versioned buckets too, which radosgw lacks.
"""
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from radosgw import die_with_parent, free_port

INSTALL = "tools/versitygw.sh; it needs extended attributes"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def program():
    built = os.path.join(ROOT, "build", "versitygw", "versitygw")
    return os.environ.get("VERSITYGW") or (built if os.path.exists(built) else shutil.which("versitygw"))


class Server:
    name = "versitygw"
    longest_name = 255  # of a file
    hides_absence = False  # 404 for what is not there, to those who may not list, too
    part_least = 5 << 20
    versioned_is_atomic = True

    def __init__(self, folder):
        self.folder, self.port, self.process = folder, free_port(), None
        self.endpoint = "http://127.0.0.1:%d" % self.port
        self.access_key = "TESTACCESSKEY0000002"
        self.secret_key = "versitysecret/with+odd=chars00000000000002"
        self.env = {"PATH": os.environ["PATH"], "HOME": folder, "ROOT_ACCESS_KEY": self.access_key,
                    "ROOT_SECRET_KEY": self.secret_key}

    def start(self):
        folders = [os.path.join(self.folder, name) for name in ("iam", "versions", "data")]
        for folder in folders:
            os.makedirs(folder)
        with open(os.path.join(self.folder, ".server"), "w", encoding="ascii"):
            pass  # these are the server's files: leaks.py does not look for secrets in them
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = subprocess.Popen(
                [program(), "--port", "127.0.0.1:%d" % self.port, "--iam-dir", folders[0], "--virtual-domain", "localhost:%d" %
                 self.port, "--quiet", "posix", "--versioning-dir", folders[1], folders[2]],
                env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=die_with_parent)
        end = time.monotonic() + 60
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as log:
                    raise RuntimeError("versitygw does not start: " + log.read()[-1000:])
            time.sleep(0.05)
        return self

    def add_user(self, uid, access_key, secret_key):
        """Here a user is an access key; the name is not kept."""
        subprocess.run([program(), "admin", "--allow-insecure", "--access", self.access_key, "--secret", self.secret_key,
                        "--endpoint-url", self.endpoint, "create-user", "--access", access_key, "--secret", secret_key, "--role",
                        "user"], env=self.env, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)

    @staticmethod
    def principal(uid, access_key):
        return access_key

    def answers(self):
        try:
            urllib.request.urlopen(self.endpoint, timeout=2).close()
            return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def has_attributes(folder):
    try:
        os.setxattr(folder, "user.retrain", b"1")
        return True
    except OSError:
        return False


def start(folder=None):
    if not program() or not has_attributes(folder or tempfile.gettempdir()):
        return None
    server = Server(tempfile.mkdtemp(prefix="versitygw-", dir=folder))
    try:
        return server.start()
    except BaseException:
        server.stop()
        raise

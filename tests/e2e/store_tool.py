"""Runs build/.../store_driver, the store's operations as commands; builds it when it is not there."""
import json
import os
import subprocess

import leaks

DRIVER = os.path.abspath(os.environ.get("STORE_DRIVER", "build/release/tests/e2e/store_driver"))


def ready():
    if not os.path.exists(DRIVER) and "STORE_DRIVER" not in os.environ:
        subprocess.run(["make", "build/release/tests/e2e/store_driver"], stdout=subprocess.DEVNULL, check=True)
    return os.path.exists(DRIVER)


class Driver:
    def __init__(self, url, **env):
        self.url = url
        self.env = {"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true", "DRIVER_DEBUG": "1"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]
        self.env.update(env)

    def at(self, url):
        other = Driver(url)
        other.env = self.env
        return other

    def with_env(self, **env):
        other = Driver(self.url)
        other.env = {k: v for k, v in {**self.env, **env}.items() if v is not None}
        return other

    def start(self, *args, stdin=subprocess.DEVNULL):
        leaks.learn(self.env)
        return subprocess.Popen([DRIVER, self.url, *map(str, args)], env=self.env, text=True, stdin=stdin,
                                errors="backslashreplace", stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def finish(self, process, timeout=120):
        out, err = process.communicate(timeout=timeout)
        leaks.saw(out + err)
        return process.returncode, out, err

    def __call__(self, *args, timeout=120):
        """(exit code, standard output, standard error)"""
        return self.finish(self.start(*args), timeout)


def message(err):
    """The one error line."""
    return [line for line in err.splitlines() if "error: " in line]


def history_defects(text, latest=None):
    """What is wrong with a history.jsonl: each line goes on where the one before ended, the last one at `latest`."""
    moves = [json.loads(line) for line in (text or b"").splitlines()]
    found = ["history.jsonl has a gap: %s, then %s" % (one, then) for one, then in zip(moves, moves[1:]) if one["to"] != then["from"]]
    if latest and (not moves or moves[-1]["to"] != latest):
        found.append("latest.json names %s, history.jsonl says %s" % (latest, moves))
    return found

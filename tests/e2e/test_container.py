"""The container image, built and started the way GitHub's and GitLab's runners do it.

Needs a Docker engine: the one that DOCKER_HOST or the default socket names, or the one that `tools/docker-engine.sh start`
started. RETRAIN_TEST_IMAGE names an image to test instead of building one.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUR_SOCKET = "/run/retrain-docker.sock"
MAX_IMAGE_BYTES = 120e6
STOP_SECONDS = 7
# What the runner's `docker run` names, and a step's environment holds in any case (reference: actions/runner).
MOUNTS = {"temp": "/github/runner_temp", "home": "/github/home", "workflow": "/github/workflow",
          "file_commands": "/github/file_commands", "workspace": "/github/workspace"}
OUTPUTS = ["status", "version", "dataset-checksum", "map50", "map50-95", "model-key", "model-url", "model-sha256", "report"]
# A job that no test waits for to end by itself.
QUICK = {"epochs": "1", "image-size": "96", "batch-size": "16", "formats": "onnx,safetensors"}

environment = dict(os.environ)


def docker(*args, env=None, timeout=600, stdin=None):
    return subprocess.run(["docker", *args], env=dict(environment, **(env or {})), timeout=timeout, input=stdin, text=True,
                          errors="backslashreplace", stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)


def engine_trouble():
    """None when an engine answers, else why there is none."""
    if not shutil.which("docker"):
        return "no Docker engine here (no docker command)"
    if docker("info", timeout=30).returncode == 0:
        return None
    if os.path.exists(OUR_SOCKET):
        environment["DOCKER_HOST"] = "unix://" + OUR_SOCKET
        if docker("info", timeout=30).returncode == 0:
            return None
    return "no Docker engine here (docker info fails)"


def build():
    """The image's name, or None."""
    if os.environ.get("RETRAIN_TEST_IMAGE"):
        return os.environ["RETRAIN_TEST_IMAGE"]
    # The legacy builder is enough and is always there; BuildKit needs a plugin that Debian does not have.
    has_buildx = docker("buildx", "version").returncode == 0
    proxies = [word for name in ("http_proxy", "https_proxy", "no_proxy") if environment.get(name)
               for word in ("--build-arg", name)]
    start = time.monotonic()
    built = docker("build", "--network=host", *proxies, "-t", "retrain:test", ROOT,
                   env={"DOCKER_BUILDKIT": "1" if has_buildx else "0"}, timeout=1500)
    tap.diag("docker build took %.0f s" % (time.monotonic() - start))
    tap.ok(built.returncode == 0, "the image builds", (built.stdout + built.stderr)[-3000:])
    return "retrain:test" if built.returncode == 0 else None


class Runner:
    """The folders that a GitHub runner has on its machine, and its way to start a container action."""

    def __init__(self, image, folder):
        self.image, self.folder = image, folder
        for name in MOUNTS:
            os.makedirs(os.path.join(folder, name))
        self.workspace = os.path.join(folder, "workspace")
        shutil.copytree(os.path.join(ROOT, "dataset"), os.path.join(self.workspace, "dataset"))
        with open(os.path.join(folder, "workflow", "event.json"), "w", encoding="utf-8") as f:
            f.write("{}")
        # The checkout belongs to the runner's user, the container is root.
        if os.getuid() == 0:
            for path, _, files in os.walk(self.workspace):
                for name in ["."] + files:
                    os.chown(os.path.join(path, name), 1001, 1001)

    def command(self, inputs, options=()):
        """(docker arguments up to the image, environment); the output files start empty, as for each step."""
        files = {"GITHUB_OUTPUT": "set_output", "GITHUB_ENV": "set_env", "GITHUB_STATE": "save_state",
                 "GITHUB_PATH": "add_path", "GITHUB_STEP_SUMMARY": "step_summary"}
        for name in files.values():
            with open(os.path.join(self.folder, "file_commands", name), "w", encoding="utf-8"):
                pass
        env = {"INPUT_" + name.upper(): value for name, value in inputs.items()}
        env.update({name: "/github/file_commands/" + file for name, file in files.items()})
        env.update({"HOME": "/github/home", "GITHUB_WORKSPACE": "/github/workspace", "RUNNER_TEMP": "/github/runner_temp",
                    "GITHUB_EVENT_PATH": "/github/workflow/event.json", "GITHUB_REPOSITORY": "octo/cats",
                    "GITHUB_SHA": "0123456789abcdef0123456789abcdef01234567", "GITHUB_REF": "refs/heads/main",
                    "GITHUB_SERVER_URL": "https://github.com", "GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "1",
                    "GITHUB_EVENT_NAME": "push", "GITHUB_ACTOR": "octocat", "RUNNER_OS": "Linux",
                    # An earlier step may have put this into the environment: it is the host's, not the image's.
                    "LD_LIBRARY_PATH": "/opt/hostedtoolcache/x", "OMP_NUM_THREADS": "3"})
        mounts = [word for name, target in MOUNTS.items()
                  for word in ("-v", os.path.join(self.folder, name) + ":" + target)]
        names = [word for name in env for word in ("-e", name)]
        return (["run", "--name", "retrain-test-" + uuid.uuid4().hex, "--label", "retrain-test", "--workdir",
                 "/github/workspace", "--rm", *names, "-e", "GITHUB_ACTIONS=true", "-e", "CI=true", *mounts, *options,
                 self.image], env)

    def run(self, inputs, args=(), options=(), timeout=280):
        words, env = self.command(inputs, options)
        # HOME is the container's, not the docker command's; docker itself needs none.
        return docker(*words, *args, env=env, timeout=timeout)

    def text(self, name):
        with open(os.path.join(self.folder, "file_commands", name), encoding="utf-8") as f:
            return f.read()

    def outputs(self):
        """GITHUB_OUTPUT read by the runner's rules: NAME=VALUE, or NAME<<DELIMITER, lines, DELIMITER."""
        found, lines = {}, iter(self.text("set_output").splitlines())
        for line in lines:
            name, heredoc, delimiter = line.partition("<<")
            if heredoc and "=" not in name:
                value = []
                for row in lines:
                    if row == delimiter:
                        break
                    value.append(row)
                found[name] = "\n".join(value)
            elif "=" in line:
                name, _, found[name] = line.partition("=")
        return found


def test_image(image):
    size = json.loads(docker("image", "inspect", image).stdout)[0]["Size"]
    tap.diag("image size: %.1f MB" % (size / 1e6))
    tap.ok(size < MAX_IMAGE_BYTES, "the image is smaller than 120 MB", "%.1f MB" % (size / 1e6))
    configuration = json.loads(docker("image", "inspect", image).stdout)[0]["Config"]
    tap.equal(configuration.get("User", ""), "", "the image names no user")
    tap.ok(configuration.get("WorkingDir", "") in ("", "/"), "the image names no working directory")
    shown = docker("run", "--rm", image, "help")
    tap.ok(shown.returncode == 0 and "usage" in shown.stdout, "help without any mount", shown.stderr)
    shown = docker("run", "--rm", image, "retrain", "help")
    tap.ok(shown.returncode == 0, "the program's name may be given", shown.stderr)
    wrong = docker("run", "--rm", image, "--no-such-option", "1")
    tap.equal(wrong.returncode, 2, "the exit status comes through")


def test_github(runner):
    ran = runner.run(dict(QUICK, store="file://models", **{"min-map50": ""}))
    outputs = runner.outputs()
    tap.ok(ran.returncode == 0 and outputs.get("status") == "published", "GitHub: trains and publishes",
           (ran.stdout + ran.stderr)[-3000:])
    tap.equal([name for name in OUTPUTS if name not in outputs], [], "GitHub: every output is set")
    published = os.path.join(runner.workspace, "models", "versions", outputs.get("version", "-"), "manifest.json")
    if tap.ok(os.path.exists(published), "GitHub: the version is in the store"):
        with open(published, encoding="utf-8") as f:
            manifest = json.load(f)
        tap.equal(manifest["recipe"]["image-size"], 96, "GitHub: an input with a hyphen in its name arrives")
        tap.equal(manifest["source"].get("repository"), "octo/cats", "GitHub: the manifest names the repository")
    tap.contains(runner.text("step_summary"), "published", "GitHub: the summary is written")
    tap.equal(runner.text("set_env"), "", "GitHub: no variable is set for later steps")

    start = time.monotonic()
    again = runner.run(dict(QUICK, store="file://models"))
    seconds = time.monotonic() - start
    tap.diag("skip, container start included: %.2f s" % seconds)
    tap.ok(again.returncode == 0 and runner.outputs().get("status") == "skipped", "GitHub: the second run skips",
           again.stdout + again.stderr)
    tap.equal(runner.outputs().get("model-sha256"), outputs.get("model-sha256"), "GitHub: the skip names the same model")
    tap.ok(seconds < 5, "GitHub: the skip is quick", "%.2f s" % seconds)

    odd = runner.run(dict(QUICK, store="file://models"), options=("--read-only", "-e", "HOME=/nowhere"))
    tap.ok(odd.returncode == 0 and runner.outputs().get("status") == "skipped",
           "read-only root file system, home that does not exist", odd.stdout + odd.stderr)


def test_readonly_training(runner):
    ran = runner.run(dict(QUICK, store="file://models", seed="1"),
                     options=("--read-only", "--cap-drop=ALL", "--cap-add=DAC_OVERRIDE", "--network=none", "--cpus=1"))
    tap.ok(ran.returncode == 0 and runner.outputs().get("status") == "published",
           "trains with a read-only root, no network and no capabilities", (ran.stdout + ran.stderr)[-3000:])


def stop_with(runner, name, status):
    words, env = runner.command(dict(QUICK, epochs="500", store="file://stopped", **{"checkpoint-every": "1h"}))
    container = words[words.index("--name") + 1]
    job = subprocess.Popen(["docker", *words], env=dict(environment, **env), stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, errors="backslashreplace")
    seen = []
    for line in job.stdout:  # until training is under way
        seen.append(line)
        if "epoch" in line and "/500" in line:
            break
    time.sleep(0.5)
    start = time.monotonic()
    docker("kill", "--signal", name, container)
    try:
        seen.append(job.communicate(timeout=60)[0])
    except subprocess.TimeoutExpired:
        docker("rm", "-f", container)
        seen.append(job.communicate()[0])
    seconds = time.monotonic() - start
    tap.diag("%s to exit: %.2f s" % (name, seconds))
    tap.equal(job.returncode, status, "%s to PID 1: exit %d" % (name, status))
    tap.ok(seconds < STOP_SECONDS, "%s: over within %d s" % (name, STOP_SECONDS), "".join(seen)[-3000:])
    tap.equal(runner.outputs().get("status"), "checkpointed", "%s: the outputs say checkpointed" % name)


def test_signals(runner):
    stop_with(runner, "SIGTERM", 143)
    stop_with(runner, "SIGINT", 130)


# What GitLab's runner starts (shells/bash.go), with the job's script on standard input.
GITLAB_SHELL = """if [ -x /usr/local/bin/bash ]; then
    exec /usr/local/bin/bash
elif [ -x /usr/bin/bash ]; then
    exec /usr/bin/bash
elif [ -x /bin/bash ]; then
    exec /bin/bash
elif [ -x /usr/local/bin/sh ]; then
    exec /usr/local/bin/sh
elif [ -x /usr/bin/sh ]; then
    exec /usr/bin/sh
elif [ -x /bin/sh ]; then
    exec /bin/sh
elif [ -x /busybox/sh ]; then
    exec /busybox/sh
else
    echo shell not found
    exit 1
fi
"""
GITLAB_SCRIPT = """set -eo pipefail
cd "$CI_PROJECT_DIR"
echo 'script runs' | grep -q runs
retrain
grep RETRAIN_STATUS retrain.env
"""


def test_gitlab(image, runner):
    project = "/builds/group/project"
    variables = {"GITLAB_CI": "true", "CI": "true", "CI_PROJECT_DIR": project, "CI_COMMIT_SHA": "0" * 40,
                 "CI_PROJECT_PATH": "group/project", "CI_JOB_TIMEOUT": "3600",
                 "CI_JOB_STARTED_AT": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "RETRAIN_STORE": "file://models"}
    variables.update({"RETRAIN_" + name.upper().replace("-", "_"): value for name, value in QUICK.items()})
    words = [word for item in variables.items() for word in ("-e", "%s=%s" % item)]
    ran = docker("run", "--rm", "-i", *words, "-v", runner.workspace + ":" + project, image, "sh", "-c", GITLAB_SHELL,
                 stdin=GITLAB_SCRIPT, timeout=280)
    # The store in the workspace has this version already: GitLab skips what GitHub published.
    tap.ok(ran.returncode == 0, "GitLab: the script runs", ran.stdout + ran.stderr)
    tap.contains(ran.stdout, "RETRAIN_STATUS=skipped", "GitLab: same dataset and recipe, same version")
    shell = docker("run", "--rm", "-i", image, "bash", stdin="echo from $0\n")
    tap.ok(shell.returncode == 0 and "from" in shell.stdout, "bash as first argument gives a shell too", shell.stderr)


def main():
    trouble = engine_trouble()
    if not trouble and not os.path.isdir(os.path.join(ROOT, "dataset")):
        trouble = "no sample dataset"
    if trouble:
        tap.skip("container", trouble)
        tap.done()
    image = build()
    if not image:
        tap.done()
    with tempfile.TemporaryDirectory(prefix="retrain-container-") as folder:
        runner = Runner(image, folder)
        tap.main(lambda: test_image(image), lambda: test_github(runner), lambda: test_readonly_training(runner),
                 lambda: test_gitlab(image, runner), lambda: test_signals(runner))


if __name__ == "__main__":
    main()

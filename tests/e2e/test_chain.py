#!/usr/bin/env python3
"""Chains of jobs, with `continue`: what GitHub and GitLab are asked to start, each of their refusals and silences, when
nothing is started at all, and that the token is seen by nobody else."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import ci_api
import leaks
import tap
from radosgw import free_port
from workspace import make_workspace, start

DRIVER = os.path.abspath(os.environ.get("CHAIN_DRIVER", "build/release/tests/e2e/chain_driver"))
TOKEN = "ghs_thetokenofthisjob0123456789"
OWN_TOKEN = "github_pat_ofaperson0123456789"
TRIGGER_TOKEN = "glptt-0123456789abcdef0123"
S3 = "s3://models/detector"
scratch = tempfile.mkdtemp(prefix="retrain-chain-")
api = ci_api.Server()


def event(sender):
    path = os.path.join(scratch, "event-%s.json" % sender)
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"sender": {"login": "x", "type": sender}}, f)
    return path


def github(**more):
    return {"GITHUB_ACTIONS": "true", "GITHUB_API_URL": api.url, "GITHUB_SERVER_URL": "https://github.example.com",
            "GITHUB_REPOSITORY": "team/parts", "GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_NAME": "push",
            "GITHUB_WORKFLOW_REF": "team/parts/.github/workflows/train.yml@refs/heads/main", "GITHUB_RUN_ID": "12",
            "GITHUB_RUN_ATTEMPT": "1", "RUNNER_NAME": "runner 7", "RUNNER_ENVIRONMENT": "github-hosted",
            "INPUT_CONTINUE": "true", "INPUT_TOKEN": TOKEN, "INPUT_STORE": S3, **more}


def gitlab(**more):
    return {"GITLAB_CI": "true", "CI_API_V4_URL": api.url + "/api/v4", "CI_PROJECT_ID": "42", "CI_PIPELINE_SOURCE": "push",
            "CI_PROJECT_URL": "https://gitlab.example.com/team/parts", "CI_COMMIT_BRANCH": "main", "CI_COMMIT_REF_NAME": "main",
            "CI_JOB_TOKEN": "glcbt-64_0123456789abcdef", "RETRAIN_CONTINUE": "true", "RETRAIN_STORE": S3, **more}


def drive(env, *answers, what="next", jobs=1, steps=5, options=()):
    """The end of a checkpointed run: (its last sentence, its log). api.requests are those of this call."""
    api.requests.clear()
    api.answers = list(answers) or [(200, {"workflow_run_id": 4711, "html_url": "https://evil.example.com/"})]
    env = {"PATH": os.environ["PATH"], "RETRAIN_STALL_TIMEOUT": "1s", **env}
    leaks.learn(env)
    r = subprocess.run([DRIVER, what, str(jobs), str(steps), *options], env=env, cwd=scratch, capture_output=True, text=True,
                       timeout=120, check=False)
    leaks.saw(r.stdout + r.stderr)
    if r.returncode:
        raise RuntimeError("%s ended with %d: %s" % (DRIVER, r.returncode, r.stderr))
    return r.stdout.strip(), r.stderr


def refused(name, env, *words, answers=(), n=None, **how):
    """Nothing is started, nothing fails, and the sentence has these words. n: how many requests that took."""
    said, log = drive(env, *answers, **how)
    ok = said.startswith("no next job was started, since ") and all(w in said for w in words) and "Nothing is lost: run the job again" in said
    tap.ok(ok and "warning: continue: no next job was started" in log, name, "%s\n%s" % (said, log))
    if n is not None:
        tap.equal(len(api.requests), n, "%s: %d requests" % (name, n))
    return said


def started(name, env, *words, answers=(), **how):
    said, log = drive(env, *answers, **how)
    tap.ok(said.startswith("the next job goes on (job ") and all(w in said for w in words) and "notice: go on: http" in log, name,
           "%s\n%s" % (said, log))


def test_github_starts():
    started("GitHub starts the next job", github(), "job 2 of at most 10", "https://github.example.com/team/parts/actions/runs/4711")
    tap.equal([(r.method, r.path) for r in api.requests], [("POST", "/repos/team/parts/actions/workflows/train.yml/dispatches")],
              "with one request")
    asked = api.requests[0]
    tap.equal(json.loads(asked.body), {"ref": "refs/heads/main", "return_run_details": True}, "of this ref, without inputs")
    tap.equal((asked.headers["Authorization"], asked.headers["X-GitHub-Api-Version"]), ("Bearer " + TOKEN, "2022-11-28"), "with the token")
    started("a server that tells no number", github(), "https://github.example.com/team/parts/actions/runs/", answers=[(204, None)])
    unknown = (422, {"message": 'Invalid request.\n\n"return_run_details" is not a permitted key.'})
    started("an older server, which knows no details", github(), answers=[unknown, (204, None)])
    tap.equal([json.loads(r.body) for r in api.requests], [{"ref": "refs/heads/main", "return_run_details": True}, {"ref": "refs/heads/main"}],
              "is asked again without")
    started("trouble that passes", github(), "4711", answers=[(502, b"<html>"), (200, {"workflow_run_id": 4711})])
    for body in (b"", b"{", b"[]", {"workflow_run_id": "x"}, {"workflow_run_id": -1}, {"workflow_run_id": 1e300}, {"html_url": "javascript:"}):
        started("a success whose body is %r" % (body,), github(), "/actions/runs/", answers=[(200, body)])
    started("GitHub Enterprise", github(GITHUB_API_URL=api.url + "/api/v3", GITHUB_SERVER_URL="https://ghe.example.com"),
            "https://ghe.example.com/team/parts/actions/runs/4711")
    tap.equal(api.requests[0].path, "/api/v3/repos/team/parts/actions/workflows/train.yml/dispatches", "below its own address")
    started("a tag", github(GITHUB_REF="refs/tags/v1"))
    tap.equal(json.loads(api.requests[0].body)["ref"], "refs/tags/v1", "is asked for as a tag")
    # In a reusable workflow the variable names the caller's file, at any ref.
    started("a workflow that calls a reusable one", github(GITHUB_WORKFLOW_REF="team/parts/.github/workflows/call me@home.yaml@refs/pull/9/merge"))
    tap.equal(api.requests[0].path, "/repos/team/parts/actions/workflows/call%20me%40home.yaml/dispatches", "by its encoded name")


def test_github_refuses():
    for status, message, words in (
            (401, "Bad credentials", ["401 (Bad credentials)", "wrong or expired"]),
            (403, "Resource not accessible by integration", ["`permissions: actions: write`"]),
            (403, "You have exceeded a secondary rate limit.", ["too many requests"]),
            (404, "Not Found", ["train.yml is not on the repository's default branch", "actions: write"]),
            (422, "Workflow does not have 'workflow_dispatch' trigger", ["add `workflow_dispatch:` to `on:` in train.yml"]),
            (422, "No ref found for: refs/heads/main", ["is refs/heads/main gone"]),
            (422, "Required input 'size' not provided", ["Required input 'size'", "a default"]),
            (422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow", ["workflow"]),
            (418, "?", ["418"])):
        said = refused("GitHub answers %d %s" % (status, message), github(), *words, answers=[(status, {"message": message})], n=1)
    tap.ok('press "Run workflow" at https://github.example.com/team/parts/actions/workflows/train.yml, or run '
           "`gh workflow run train.yml --ref main`" in said, "a refusal says what to do by hand", said)
    refused("a server in trouble", github(), "answers 503", answers=[(503, {"message": "unavailable"})], n=2)
    refused("a server that repeats the token", github(), "answers 403", answers=[(403, {"message": "no: Bearer " + TOKEN})])
    refused("a reply that is no JSON", github(), "answers 403", answers=[(403, b"\0\xff<")])
    refused("a reply with another's log commands", github(), "answers 403",
            answers=[(403, {"message": "x\n::set-output name=status::published\r##[error]"})])
    refused("a reply as long as a book", github(), answers=[(403, b'{"message": "' + b"x" * 500000 + b'"}')])
    refused("a server that says nothing", github(), "does not answer in time", answers=["silence"], n=1)
    refused("a server that hangs up", github(), "does not answer", answers=["hang up"], n=2)
    refused("no server", github(GITHUB_API_URL="http://127.0.0.1:%d" % free_port()), "cannot be reached")
    refused("an address without encryption", github(GITHUB_API_URL="http://192.0.2.1"), "not encrypted")


def test_redirects():
    other = ci_api.Server()
    try:
        for status in (301, 302, 307, 308):
            refused("a redirect (%d)" % status, github(), "answers %d and leads elsewhere" % status, "renamed",
                    answers=[(status, {}, {"Location": other.url + "/x"})], n=1)
        tap.equal(other.requests, [], "is not followed: the token stays")
    finally:
        other.close()


def test_what_cannot_be_started():
    pull = github(GITHUB_REF="refs/pull/5/merge", GITHUB_EVENT_NAME="pull_request")
    refused("a pull request", pull, "pull request's own ref", 'press "Re-run jobs" at https://github.example.com/team/parts/actions/runs/12', n=0)
    for ref in ("", "main", "refs/heads/", "refs/"):
        refused("the ref '%s'" % ref, github(GITHUB_REF=ref), "no branch and no tag", n=0)
    for where in ("other/repo/.github/workflows/x.yml@refs/heads/main", "team/parts/.github/workflows/a/b.yml@refs/heads/main",
                  "team/parts2/.github/workflows/x.yml@refs/heads/main", "team/parts/.github/workflows/x.yml", ""):
        refused("the workflow '%s'" % where, github(GITHUB_WORKFLOW_REF=where), "not in this repository", n=0)
    said = refused("a branch whose name is a command", github(GITHUB_REF="refs/heads/$(reboot)"), answers=[(403, {})])
    tap.ok("gh workflow" not in said and "reboot" not in said, "is in no line to paste", said)
    refused("no token", github(INPUT_TOKEN=""), "there is no token", "actions: write", n=0)
    refused("a folder on a machine that ends", github(INPUT_STORE="file://models"), "file://models is gone after this job", n=0)
    started("a folder on one's own machine", github(INPUT_STORE="file://models", RUNNER_ENVIRONMENT="self-hosted"))
    for env, name in ((github(ACT="true"), "act"), ({"RETRAIN_CONTINUE": "true", "RETRAIN_TOKEN": TOKEN}, "a plain machine")):
        said = refused(name, env, "has no way to start a job", n=0)
        tap.ok(said.endswith("run the job again and training goes on from there"), name + ": run it again", said)
    said, log = drive(github(INPUT_CONTINUE=""))
    tap.ok(said.startswith("run the job again") and not api.requests and "warning" not in log, "without `continue` nothing is asked", said + log)


def test_bounds():
    refused("a job that got no further", github(), "raise time-budget", steps=0, n=0)
    refused("the tenth job", github(), "this was job 10, and max-jobs is 10", jobs=10, n=0)
    refused("max-jobs 1", github(), "max-jobs is 1", options=["--max-jobs", "1"], n=0)
    started("the ninth", github(), "job 10 of at most 10", jobs=9)
    # Started by an API call, and no checkpoint: a store that forgets, or a dataset that is new each time, would chain for ever.
    call = {"GITHUB_EVENT_NAME": "workflow_dispatch"}
    refused("a started job without a checkpoint", github(**call), "found no checkpoint", n=0)
    refused("started by a bot", github(GITHUB_EVENT_PATH=event("Bot"), **call), "found no checkpoint", n=0)
    refused("started by a person whose token we use", github(GITHUB_EVENT_PATH=event("User"), **{**call, "INPUT_TOKEN": OWN_TOKEN}),
            "found no checkpoint", n=0)
    started("started by a person, while jobs act as a bot", github(GITHUB_EVENT_PATH=event("User"), **call))
    started("a started job that goes on from a checkpoint", github(GITHUB_EVENT_PATH=event("Bot"), **call), jobs=2)
    for source in ("trigger", "pipeline"):
        refused("GitLab: %s without a checkpoint" % source, gitlab(CI_PIPELINE_SOURCE=source), "found no checkpoint", n=0)
        started("GitLab: %s with one" % source, gitlab(CI_PIPELINE_SOURCE=source), jobs=2, answers=[(201, {"id": 7})])


def test_tokens():
    for name, env, want in (
            ("the input", github(RETRAIN_TOKEN=OWN_TOKEN, GITHUB_TOKEN="ghs_another0123456789"), TOKEN),
            ("the variable RETRAIN_TOKEN", github(INPUT_TOKEN="", RETRAIN_TOKEN=OWN_TOKEN, GITHUB_TOKEN="ghs_another0123456789"), OWN_TOKEN),
            ("the variable GITHUB_TOKEN", github(INPUT_TOKEN=" ", GITHUB_TOKEN="ghs_another0123456789"), "ghs_another0123456789")):
        _, log = drive(env)
        tap.equal(api.requests[0].headers["Authorization"], "Bearer " + want, "the token is " + name)
        tap.ok("::add-mask::" + want in log, "and GitHub is asked to mask it")
    leaks.add("ghp_onthecommandline0123456789")
    work = make_workspace(2, 1)
    r = tap.run("check", cwd=work, env=github(INPUT_TOKEN="", INPUT_STORE=""))
    tap.ok(r.returncode == 0 and "warning: continue: no next job will be started: file://models is gone" in r.stderr,
           "`check` says what would keep a chain from going on", r.stderr)
    r = tap.run("plan", "--token", "ghp_onthecommandline0123456789", cwd=work)
    tap.ok(r.returncode == 2 and "--token: a secret is not for the command line" in r.stderr and "RETRAIN_TOKEN" in r.stderr,
           "a token on the command line is refused", r.stderr)
    path = leaks.own(os.path.join(work, "retrain.yml"))
    with open(path, "w", encoding="utf-8") as f:
        f.write("token: ghp_onthecommandline0123456789\n")
    r = tap.run("plan", cwd=work)
    tap.ok(r.returncode == 2 and "retrain.yml:1: token: a secret is not for a file in the repository" in r.stderr,
           "and in the repository's file", r.stderr)
    os.remove(path)
    r = tap.run("plan", cwd=work, env=github(INPUT_STORE=""))
    tap.ok(r.returncode == 0 and "options: continue true (INPUT_CONTINUE)\n" in r.stderr, "the log's line of options leaves it out", r.stderr)
    leaks.remove(work)


def test_gitlab():
    made = (201, {"id": 4711, "web_url": "https://evil.example.com/"})
    started("GitLab starts the next pipeline", gitlab(RETRAIN_TOKEN=TRIGGER_TOKEN), "https://gitlab.example.com/team/parts/-/pipelines/4711",
            answers=[made])
    asked = api.requests[0]
    tap.equal((asked.method, asked.path, json.loads(asked.body)),
              ("POST", "/api/v4/projects/42/trigger/pipeline", {"token": TRIGGER_TOKEN, "ref": "main"}), "with the trigger token, without variables")
    tap.ok("Authorization" not in asked.headers, "in the body alone")
    started("with the job's own token", gitlab(), answers=[made])
    tap.equal(json.loads(api.requests[0].body)["token"], gitlab()["CI_JOB_TOKEN"], "where none is given")
    started("a tag's pipeline", gitlab(CI_COMMIT_BRANCH="", CI_COMMIT_TAG="v1"), answers=[made])
    tap.equal(json.loads(api.requests[0].body)["ref"], "v1", "is asked for by the tag")
    for status, value, words in (
            (400, {"message": {"base": ["Pipeline filtered out by workflow rules."]}}, ["filtered out by workflow rules", "CI_PIPELINE_SOURCE"]),
            (400, {"message": {"base": ["Reference not found"]}}, ["Reference not found"]),
            (401, {"message": "401 Unauthorized"}, ["allowed to run pipelines"]),
            (403, {"message": "403 Forbidden"}, ["allowed to run pipelines"]),
            (404, {"error": "404 Not Found"}, ["404 Not Found", "a pipeline trigger token"]),
            (500, {}, ["answers 500"])):
        said = refused("GitLab answers %d" % status, gitlab(), *words, answers=[(status, value)])
    tap.ok('press "New pipeline" at https://gitlab.example.com/team/parts/-/pipelines/new?ref=main' in said, "and what to do by hand", said)
    refused("a merge request", gitlab(CI_COMMIT_BRANCH="", CI_JOB_URL="https://gitlab.example.com/team/parts/-/jobs/5"), "merge request",
            'press "Retry" at https://gitlab.example.com/team/parts/-/jobs/5', n=0)
    refused("GitLab without a token", gitlab(CI_JOB_TOKEN=""), "RETRAIN_TOKEN", n=0)


def test_job_start():
    def jobs(*all_jobs):
        return (200, {"total_count": len(all_jobs), "jobs": list(all_jobs)})
    ours = {"runner_name": "runner 7", "status": "in_progress", "started_at": ci_api.ago(754)}
    others = [{"runner_name": "runner 7", "status": "completed", "started_at": ci_api.ago(5000)},
              {"runner_name": "runner 8", "status": "in_progress", "started_at": ci_api.ago(60)},
              {"runner_name": None, "status": "queued", "started_at": None}]
    tap.equal(drive(github(), jobs(*others, ours), what="age")[0], "754", "GitHub tells when the job began, by its own clock")
    tap.equal([(r.method, r.path) for r in api.requests], [("GET", "/repos/team/parts/actions/runs/12/attempts/1/jobs?per_page=100")], "in one request")
    for name, answer in (
            ("another runner's jobs", jobs(*others)), ("no jobs", (200, {})), ("no JSON", (200, b"{")), ("no time", jobs({**ours, "started_at": "x"})),
            ("a refusal", (403, {"message": "Resource not accessible by integration"})), ("trouble", (502, b"")),
            ("a redirect", (302, {}, {"Location": api.url + "/x"})), ("hang up", "hang up")):
        tap.equal(drive(github(), answer, what="age")[0], "unknown", "job start: " + name)
        tap.equal(len(api.requests), 1, "job start: %s: asked once" % name)
    began = time.monotonic()
    tap.equal(drive(github(RETRAIN_STALL_TIMEOUT="60s"), "silence", what="age")[0], "unknown", "job start: silence")
    tap.ok(time.monotonic() - began < 20, "which costs seconds only", time.monotonic() - began)
    for name, env in (("without a token", github(INPUT_TOKEN="")), ("act", github(ACT="true")), ("GitLab", gitlab()), ("no runner", github(RUNNER_NAME=""))):
        tap.equal((drive(env, jobs(ours), what="age")[0], api.requests), ("unknown", []), "job start: nobody is asked: " + name)


RUN = ["run", "--image-size", "64", "--batch-size", "8", "--threads", "1"]


def chain(work, env, *options):
    """A push, and as GitHub would, whatever the jobs start, one after the other: their number, and the last one's end."""
    for n in range(1, 30):
        api.requests.clear()
        api.answers = [(404, {}), (200, {"workflow_run_id": 4711})]
        r = tap.run(*RUN, *options, cwd=work, timeout=300,
                    env={**env, "GITHUB_EVENT_NAME": "push" if n == 1 else "workflow_dispatch", "GITHUB_EVENT_PATH": event("Bot")})
        if r.returncode != 0 or [x.method for x in api.requests] != ["GET", "POST"]:
            return n, r
    return n, r


def test_whole_chains():
    work = make_workspace(16, 4)
    env = github(INPUT_STORE="file://models", RUNNER_ENVIRONMENT="self-hosted", GITHUB_WORKSPACE=work)
    n, r = chain(work, env, "--epochs", "1", "--time-budget", "1s")
    tap.ok(r.returncode == 0 and ": published " in r.stderr.splitlines()[-1], "a push trains by itself to the end", r.stderr)
    with open(os.path.join(work, "models", "latest.json"), encoding="utf-8") as f:
        tap.ok(n > 1 and json.load(f)["training"]["jobs"] == n, "in %d jobs" % n)
    tap.ok(not os.path.exists(os.path.join(work, "models", "checkpoints")), "no checkpoint and no lease is left")
    n, r = chain(work, env, "--epochs", "500", "--time-budget", "1s", "--max-jobs", "3")
    tap.ok(n == 3 and r.returncode == 0 and "this was job 3, and max-jobs is 3" in r.stderr.splitlines()[-1],
           "one that never ends has max-jobs jobs", "%d %s" % (n, r.stderr))
    leaks.remove(work)


def test_whole_runs():
    """A job whose budget ends, and one that is stopped."""
    work = make_workspace(16, 4)
    files = {name: os.path.join(work, name) for name in ("output", "summary")}
    env = github(INPUT_STORE="file://models", RUNNER_ENVIRONMENT="self-hosted", GITHUB_WORKSPACE=work, GITHUB_OUTPUT=files["output"],
                 GITHUB_STEP_SUMMARY=files["summary"], GITHUB_EVENT_PATH=event("User"))
    api.requests.clear()
    api.answers = [(404, {}), (200, {"workflow_run_id": 4711})]  # the first is about the job's start
    r = tap.run(*RUN, "--epochs", "500", "--time-budget", "2s", cwd=work, env=env)
    url = "https://github.example.com/team/parts/actions/runs/4711"
    tap.ok(r.returncode == 0 and "the next job goes on (job 2 of at most 10): " + url in r.stderr.splitlines()[-1],
           "a run whose budget ends exits 0, and its last line says where it goes on", "%s\n%s" % (r.returncode, r.stderr))
    tap.equal([x.method for x in api.requests], ["GET", "POST"], "it asked when it began, and for the next job")
    for name, part in (("output", "checkpointed"), ("summary", "](%s)" % url)):
        with open(files[name], encoding="utf-8") as f:
            tap.contains(f.read(), part, "the step's %s has it" % name)

    api.requests.clear()
    p = start(work, *RUN, "--epochs", "500", "--time-budget", "1h", **env)
    for line in p.stdout:
        leaks.saw(line)
        if "epoch 1/500" in line:
            break
    p.send_signal(signal.SIGTERM)
    leaks.saw(p.communicate(timeout=60)[0])
    tap.equal(p.returncode, 143, "a stopped run ends as one")
    tap.equal([x.method for x in api.requests], ["GET"], "and starts no other: who stops a job does not want another")
    leaks.remove(work)


if not os.path.exists(DRIVER):
    subprocess.run(["make", "build/release/tests/e2e/chain_driver"], stdout=subprocess.DEVNULL, check=True)
try:
    tap.main(test_github_starts, test_github_refuses, test_redirects, test_what_cannot_be_started, test_bounds, test_tokens,
             test_gitlab, test_job_start, test_whole_runs, test_whole_chains)
finally:
    api.close()
    shutil.rmtree(scratch, ignore_errors=True)

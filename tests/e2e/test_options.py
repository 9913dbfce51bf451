"""The option table, seen from outside: help, docs/options.md and action.yml agree; wrong options say what to do."""
import json
import os
import re
import subprocess
import tempfile

import tap

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.abspath(os.environ.get("RETRAIN_BIN", os.path.join(ROOT, "build/retrain")))


def read(path):
    with open(path, encoding="utf-8", newline="") as f:
        return f.read()


def retrain(*args, cwd=None, env=None):
    clean = {"PATH": os.environ["PATH"], **(env or {})}
    return subprocess.run([BIN, *args], cwd=cwd, env=clean, capture_output=True, text=True, timeout=60)


def parse_outputs(text):
    """GITHUB_OUTPUT as act reads it: a blank line between records, or one without = and <<, is an error."""
    out, lines, i = {}, text.split("\n"), 0
    assert lines.pop() == "", "no final newline"
    while i < len(lines):
        head = lines[i]
        equals, arrows = head.find("="), head.find("<<")
        assert equals >= 0 or arrows >= 0, f"line {i + 1}: {head!r}"
        if equals >= 0 and (arrows < 0 or equals < arrows):
            out[head[:equals]] = head[equals + 1:]
        else:
            end = lines.index(head[arrows + 2:], i + 1)
            out[head[:arrows]] = "\n".join(lines[i + 1:end])
            i = end
        i += 1
    return out


OUTPUTS = ["status", "version", "dataset-checksum", "map50", "map50-95", "model-key", "model-url", "model-sha256", "report"]

# --- one table ---------------------------------------------------------------------------------------------------

help_page = retrain("help")
tap.ok(help_page.returncode == 0 and help_page.stderr == "", "help prints to standard output only", help_page.stderr)
tap.ok(retrain("--help").stdout == help_page.stdout == retrain("run", "-h").stdout, "--help, -h and help are one page")
tap.ok(max(map(len, help_page.stdout.split("\n"))) <= 120, "help fits into 120 columns")
tap.ok("\x1b" not in help_page.stdout, "no colours where nobody sees them")
action = retrain("help", "--action-yml").stdout
tap.ok(action == read(os.path.join(ROOT, "action.yml")), "action.yml is what `retrain help --action-yml` prints")
tap.ok(retrain("help", "--markdown").stdout == read(os.path.join(ROOT, "docs/options.md")),
       "docs/options.md is what `retrain help --markdown` prints")

inputs_block = action.split("\ninputs:\n")[1].split("\noutputs:\n")[0]
outputs_block = action.split("\noutputs:\n")[1]
inputs = re.findall(r"^  ([a-z0-9-]+):$", inputs_block, re.M)
tap.ok(re.findall(r"^  ([a-z0-9-]+):$", outputs_block, re.M) == OUTPUTS, "action.yml declares the outputs")
tap.equal(re.findall(r"^  token:\n    description: .*\n    required: false\n    default: (.*)$", inputs_block, re.M),
          ["${{ github.token }}"], "the job's own token is handed over: the runner gives it to no container unless asked")
tap.ok(inputs_block.replace("(default:", "").count("default:") == 1,
       "no other input of action.yml has a default, which would win over retrain.yml")
in_help = re.findall(r"^  (?:--)?([a-z0-9-]+)(?: .*)?$", help_page.stdout.split("\nDataset\n")[1].split("\nKeys of augment\n")[0], re.M)
cli_only = {"output", "version", "manifest", "delete", "annotate", "confidence", "iou", "max-detections", "part", "square", "offline-ok", "plan-kernels"}
tap.ok(set(in_help) == set(inputs) | cli_only and len(in_help) == len(set(in_help)), "help and action.yml list the same options",
       str(set(in_help) ^ set(inputs)))
documented = re.findall(r"^\| `([a-z0-9-]+)` \|[^|]*(?:\\\|[^|]*)*\|[^|]*\|[^|]*\|.*\|$", read(os.path.join(ROOT, "docs/options.md")), re.M)
tap.ok(set(in_help) <= set(documented), "every option is documented", str(set(in_help) - set(documented)))
tap.ok("320" in retrain("help", "image-size").stdout, "help for one option")
tap.ok(retrain("help", "imagesize").returncode == 2, "help for none")
predict_page = retrain("predict", "--help").stdout
tap.ok(predict_page == retrain("help", "predict").stdout and "MODEL IMAGE..." in predict_page, "help for one command")
tap.ok(set(re.findall(r"^  --([a-z-]+)", predict_page, re.M)) == {"annotate", "confidence", "iou", "max-detections"}, "lists what is its own",
       predict_page)
tap.ok(re.fullmatch(r"retrain \d+\.\d+\.\d+\n", retrain("--version").stdout), "--version is the program's")
template = read(os.path.join(ROOT, "templates/retrain.yml"))
variables = {v for v in re.findall(r"^    RETRAIN_([A-Z0-9_]+):", template, re.M)} - {"COMMAND", "ID_TOKEN"}
tap.ok(variables and all(v.lower().replace("_", "-") in inputs for v in variables), "the GitLab component sets options that exist",
       str(variables))
tap.ok("$[[" not in template.split("\n  script:")[1].split("artifacts:")[0], "the GitLab component puts no input into its script")

# --- errors ------------------------------------------------------------------------------------------------------

with tempfile.TemporaryDirectory() as folder:
    for args, words in [
        (["--image-sise", "3"], "there is no option --image-sise; did you mean --image-size?"),
        (["--image-size", "300"], "--image-size: 300 is not a multiple of 32: use 288 or 320"),
        (["traim"], "there is no command 'traim'; did you mean 'train'?"),
        (["predict"], "predict: needs MODEL IMAGE..."),
        (["--config", "no.yml"], "--config: there is no file 'no.yml'"),
        (["train"], "train: needs --output DIR"),
        (["pull"], "pull: needs --output, a folder"),
        (["--store", "gs://b"], "store: 'gs://b' is neither s3://bucket/prefix nor file://folder"),
    ]:
        r = retrain(*args, cwd=folder)
        errors = [x for x in r.stderr.split("\n") if "error" in x]
        tap.ok(r.returncode == 2 and len(errors) == 1 and words in errors[0], f"{' '.join(args)}: one line, exit 2", r.stderr)

    with open(os.path.join(folder, "retrain.yml"), "w", encoding="utf-8") as f:
        f.write("dataset: data\nepoch: 3\n")
    r = retrain(cwd=folder)
    tap.ok(r.returncode == 2 and "retrain.yml:2: there is no option 'epoch'; did you mean 'epochs'?" in r.stderr,
           "an unknown key of the file is named with its line", r.stderr)

    # outputs on the failure path, on each host
    out = os.path.join(folder, "out")
    summary = os.path.join(folder, "summary")
    github = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": folder, "GITHUB_OUTPUT": out, "GITHUB_STEP_SUMMARY": summary}
    with open(out, "w", encoding="utf-8") as f:
        f.write("earlier=1\n")
    r = retrain("--output-json", "result.json", cwd=folder, env=github)
    got = parse_outputs(read(out))
    tap.ok(got.pop("earlier") == "1" and list(got) == OUTPUTS and got["status"] == "failed",
           "GITHUB_OUTPUT is appended to and has every output when the configuration is wrong", str(got))
    tap.ok("epoch" in read(summary), "the summary tells the error")
    result = json.loads(read(os.path.join(folder, "result.json")))
    tap.ok(result["status"] == "failed" and "did you mean" in result["error"] and set(OUTPUTS) < set(result)
           and result["map50"] is None, "output-json has every output and the error", str(result))
    r = retrain(cwd=folder, env={"GITLAB_CI": "true", "CI_PROJECT_DIR": folder})
    dotenv = dict(x.split("=", 1) for x in read(os.path.join(folder, "retrain.env")).split("\n")[:-1])
    tap.ok(set(dotenv) == {"RETRAIN_" + x.upper().replace("-", "_") for x in OUTPUTS} and dotenv["RETRAIN_STATUS"] == "failed",
           "retrain.env has every output", str(dotenv))
    for name in ("out", "summary"):
        os.remove(os.path.join(folder, name))

    # text from outside cannot become a command of the runner
    os.remove(os.path.join(folder, "retrain.yml"))
    for evil in ["::set-output name=status::published", "x\n::error::injected", "\r::error::injected", "##[error]injected"]:
        with open(os.path.join(folder, "retrain.yml"), "w", encoding="utf-8", newline="") as f:
            f.write(json.dumps({evil: 1}))
        for extra in ({}, {"INPUT_STORE": evil}, {"INPUT_LOG-FORMAT": evil}):
            r = subprocess.run([BIN, "plan"], cwd=folder, env={"PATH": os.environ["PATH"], **github, **extra},
                               capture_output=True, timeout=60)
            lines = re.split(rb"[\r\n]", r.stderr + b"\n" + r.stdout)
            tap.ok(not any(x.lstrip().lower().startswith((b"::set-output", b"::error::injected")) or b"##[" in x for x in lines),
                   f"{evil!r} in {list(extra) or 'retrain.yml'} is no workflow command", repr(lines))

tap.done()

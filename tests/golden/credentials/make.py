#!/usr/bin/env python3
"""Makes smithy-rs.json from a checkout of https://github.com/smithy-lang/smithy-rs (Apache-2.0), the AWS SDK for Rust:

    tests/golden/credentials/make.py path/to/smithy-rs > tests/golden/credentials/smithy-rs.json

- "chain": environment, files and recorded traffic of aws-config/test-data/{default-credential-provider-chain,
  profile-provider}, with the keys that must come out;
- "profiles": assume-role-tests.json, the way from a profile to keys and roles;
- "files": profile-parser-tests.json of aws-runtime, the format of the shared files;
- "container", "instance": which address the environment and the profile lead to.

Left out, with the reason, is what LEFT_OUT names. Commands that need a shell get one: `sh -c`, since retrain runs
credential_process without. The cases of profile-provider ask that provider alone, so the keys in their environment
go, and the instance's service is switched off.
"""
import json
import pathlib
import re
import shlex
import subprocess
import sys

LEFT_OUT = {
    "profile_overrides_web_identity": "here an identity token comes before the shared files, as in the SDK for Java",
    "e2e_fips_and_dual_stack_sts": "FIPS and dual-stack endpoints are not derived; AWS_ENDPOINT_URL_STS names one",
    "e2e_fips_and_dual_stack_sso": "IAM Identity Center needs a person",
    "sso_assume_role": "the same", "sso_no_token_file": "the same", "sso_server_error": "the same",
    "sso_credentials": "the same", "sso_override_global_env_url": "the same", "sso_token": "the same",
    "invalid_sso_credentials_config": "the same",
}
root = pathlib.Path(sys.argv[1])
commit = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
config = root / "aws/rust-runtime/aws-config/test-data"


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def with_shell(text):
    lines = []
    for line in text.splitlines(keepends=True):
        name, _, command = line.partition("=")
        if name.strip() == "credential_process":
            line = "%s= sh -c %s\n" % (name, shlex.quote(command.strip()))
        lines.append(line)
    return "".join(lines)


def traffic(path):
    calls = []
    for event in read_json(path)["events"]:
        action, by_id = event["action"], {c["id"]: c for c in calls}
        if "Request" in action:
            request = action["Request"]["request"]
            signature = request["headers"].get("authorization", [""])[0]
            calls.append({"id": event["connection_id"], "method": request["method"], "uri": request["uri"],
                          "authorization": "" if signature.startswith("AWS4") else signature,
                          "signed_by": signature.partition("Credential=")[2].partition("/")[0],
                          "form": "", "status": 0, "headers": {}, "body": ""})
        elif "Response" in action:
            reply = action["Response"]["response"].get("Ok")
            if reply:
                date = reply["headers"].get("date")
                by_id[event["connection_id"]].update(status=reply["status"], headers={"date": date[0]} if date else {})
        elif "Data" in action:
            field = "form" if action["Data"]["direction"] == "Request" else "body"
            by_id[event["connection_id"]][field] += action["Data"]["data"].get("Utf8", "")
    key = ""
    for c in calls:
        del c["id"]
        c["signed_by"] = c["signed_by"] and (key or c["signed_by"])  # keys, too, were renamed after recording
        key = (re.findall(r'(?<!/)AccessKeyId(?:"\s*:\s*"|>)([^"<]+)', c["body"]) or [key])[-1]
        c["form"] = c["form"].partition("&")[0]  # the action: names and tokens were shortened after recording
    return calls


chain, left_out = [], {}
for folder in sorted((config / "default-credential-provider-chain").iterdir()) + sorted((config / "profile-provider").iterdir()):
    if folder.name in LEFT_OUT:
        left_out[folder.name] = LEFT_OUT[folder.name]
        continue
    env = read_json(folder / "env.json")
    if folder.parent.name == "profile-provider":
        env = {k: v for k, v in env.items() if k not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        env["AWS_EC2_METADATA_DISABLED"] = "true"
    files = {"/" + str(p.relative_to(folder / "fs")): with_shell(p.read_text(encoding="utf-8"))
             for p in sorted((folder / "fs").rglob("*")) if p.is_file()}
    result = read_json(folder / "test-case.json")["result"]
    chain.append({"name": folder.name, "env": env, "files": files, "traffic": traffic(folder / "http-traffic.json"),
                  "keys": result.get("Ok"), "error": result.get("ErrorContains")})

profiles = []
for case in read_json(config / "assume-role-tests.json"):
    text = "".join("[%s]\n%s" % ("default" if n == "default" else "profile " + n,
                                 "".join("%s = %s\n" % pair for pair in sorted(p.items())))
                   for n, p in case["input"]["profiles"].items())
    steps = case["output"].get("ProfileChain")
    sso = any("Sso" in s for s in steps or [])
    profiles.append({"docs": case["docs"], "config": text, "profile": case["input"]["selected_profile"],
                     "chain": None if sso else steps, "error": "IAM Identity Center" if sso else case["output"].get("Error")})

parser = read_json(root / "aws/rust-runtime/aws-runtime/test-data/profile-parser-tests.json")["tests"]
instance = [c for c in read_json(config / "imds-config/imds-endpoint-tests.json")["tests"]
            if "endpoint_override" not in c and "mode_override" not in c]  # those are arguments of a function
json.dump({"source": "https://github.com/smithy-lang/smithy-rs aws/rust-runtime (Apache-2.0, Copyright Amazon.com, Inc. or its "
                     "affiliates)",
           "commit": commit, "left_out": left_out, "chain": chain, "profiles": profiles, "files": parser,
           "container": read_json(config / "ecs-tests.json")["tests"], "instance": instance},
          sys.stdout, indent=1, ensure_ascii=False)
print()

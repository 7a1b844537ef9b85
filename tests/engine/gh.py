"""A `gh` with the calls of the workflows, and a GitHub in a file. `--jq` takes the same language as in the real gh."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

STATE = Path(os.environ["FAKE_GITHUB"])
BOT = {"login": "github-actions[bot]"}


def jq(query, value):
    text = json.dumps(value)
    return subprocess.run(
        ["jq", "--raw-output", query], input=text, text=True, stdout=subprocess.PIPE, check=True
    ).stdout


def api(state, arguments):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("path")
    parser.add_argument("--method")
    parser.add_argument("--jq")
    parser.add_argument("--raw-field", action="append", default=[])
    parser.add_argument("--paginate", action="store_true")
    parser.add_argument("--silent", action="store_true")
    options = parser.parse_args(arguments)
    fields = dict(field.split("=", 1) for field in options.raw_field)
    url = urlsplit(options.path)
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    prefix = f"repos/{os.environ['GITHUB_REPOSITORY']}/issues"
    assert url.path.startswith(prefix), url.path
    match options.method or ("POST" if fields else "GET"), url.path.removeprefix(prefix).strip("/").split("/"):
        case "GET", ["7", "comments"]:
            return listed(state["comments"], query, options)
        case "GET", [""]:
            return listed([issue for issue in state["issues"] if issue["state"] == query["state"]], query, options)
        case "POST", ["7", "comments"]:
            state["comments"].append({"id": 1000, "user": BOT, **fields})
        case "POST", [""]:
            state["issues"].append({"number": 1000, "user": BOT, "state": "open", **fields})
        case "PATCH", ["comments", number]:
            (comment,) = [comment for comment in state["comments"] if comment["id"] == int(number)]
            comment.update(fields)
        case "PATCH", [number]:
            (issue,) = [issue for issue in state["issues"] if issue["number"] == int(number)]
            issue.update(fields)
        case request:
            raise AssertionError(request)
    return "" if options.silent else "{}\n"


def listed(items, query, options):
    size = int(query["per_page"])
    pages = [items[start : start + size] for start in range(0, len(items), size)] or [[]]
    return "".join(jq(options.jq, page) for page in (pages if options.paginate else pages[:1]))


def pull_request(state, command, arguments):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("head", "base", *(("title", "body") if command == "create" else ("state", "json", "jq"))):
        parser.add_argument(f"--{name}", required=True)
    options = vars(parser.parse_args(arguments))
    if command == "create":
        state["pulls"].append({"number": 1000, "state": "open", **options})
        return "https://github.com/acme/platform/pull/1000\n"
    names = ("head", "base", "state")
    pulls = [pull for pull in state["pulls"] if all(pull[name] == options[name] for name in names)]
    return jq(options["jq"], [{name: pull[name] for name in options["json"].split(",")} for pull in pulls])


def main():
    assert os.environ["GH_TOKEN"] == os.environ["FAKE_GITHUB_TOKEN"]
    state = json.loads(STATE.read_text())
    match sys.argv[1:]:
        case ["api", *arguments]:
            answer = api(state, arguments)
        case ["pr", ("list" | "create") as command, *arguments]:
            answer = pull_request(state, command, arguments)
        case unknown:
            raise AssertionError(unknown)
    STATE.write_text(json.dumps(state))
    sys.stdout.write(answer)


main()

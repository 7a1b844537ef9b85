"""Files of the default branch and the commits that wrote them."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from typing import Any, cast

from .routing import NOT_FOUND, Answer, Call, Refusal, operation
from .shapes import commit as show_commit
from .shapes import file as show_file
from .shapes import git_commit
from .state import Commit, Repository, blob_sha

_CONTENTS = "/repos/{owner}/{repo}/contents/{path}"
_COMMITS = "/repos/{owner}/{repo}/commits"


def _at(call: Call, home: Repository, ref: str) -> Commit:
    """The commit that a branch, tag or sha names."""
    if home.commits and ref in (home.default_branch, f"refs/heads/{home.default_branch}", "HEAD", home.commits[-1].sha):
        return home.commits[-1]
    for commit in home.commits:
        if commit.sha == ref:
            return commit
    if home.commits:
        raise Refusal(404, f"No commit found for the ref {ref}")
    raise Refusal(404, "This repository is empty." if call.operation.path == _CONTENTS else NOT_FOUND)


@operation("GET", _CONTENTS, permission="contents", access="anyone")
def get_contents(call: Call) -> Answer:
    """A file with its content, or the entries of a folder."""
    home = call.repository()
    path = call.parameters["path"].strip("/")
    files = _at(call, home, call.query.get("ref") or home.default_branch).files
    if path in files:
        if "raw" in call.accept:
            return Answer(200, raw=(files[path], "application/vnd.github.raw+json; charset=utf-8"))
        return Answer(200, show_file(call, home, path, files[path], whole=True))
    prefix = f"{path}/" if path else ""
    names = sorted({prefix + name[len(prefix) :].split("/")[0] for name in files if name.startswith(prefix)})
    if not names:
        raise Refusal(404, NOT_FOUND)
    entries = [show_file(call, home, name, files.get(name, b""), whole=False) for name in names]
    for entry in entries:
        if entry["path"] not in files:
            entry |= {"type": "dir", "download_url": None}
    return Answer(200, entries)


def _check_branch(call: Call, home: Repository) -> None:
    branch = call.sent("branch", str)
    if branch not in (None, home.default_branch):
        raise Refusal(404, f"Branch {branch} not found")


@operation("PUT", _CONTENTS, permission="contents")
def put_contents(call: Call) -> Answer:
    """Create or replace a file by a commit."""
    home = call.repository(to_write=True)
    _check_branch(call, home)
    call.need("message", "content")
    path = call.parameters["path"].strip("/")
    try:
        content = b64decode("".join(cast("str", call.sent("content", str)).split()), validate=True)
    except NotBase64:
        raise Refusal(422, "content is not valid Base64") from None
    before = home.files.get(path)
    _check_sha(call, path, before)
    made = home.commit(path, content, call.sent("message", str), call.sent("committer", dict))
    home.cloud.changed("file.changed", home.organization.login, path, home.name)
    shown = {"content": show_file(call, home, path, content, whole=False), "commit": git_commit(call, home, made)}
    return Answer(201 if before is None else 200, shown)


@operation("DELETE", _CONTENTS, permission="contents")
def delete_contents(call: Call) -> Answer:
    """Delete a file by a commit."""
    home = call.repository(to_write=True)
    _check_branch(call, home)
    call.need("message", "sha")
    path = call.parameters["path"].strip("/")
    before = home.files.get(path)
    if before is None:
        raise Refusal(404, NOT_FOUND)
    _check_sha(call, path, before)
    made = home.commit(path, None, call.sent("message", str), call.sent("committer", dict))
    home.cloud.changed("file.changed", home.organization.login, path, home.name)
    return Answer(200, {"content": None, "commit": git_commit(call, home, made)})


def _check_sha(call: Call, path: str, before: bytes | None) -> None:
    sha = call.sent("sha", str)
    if before is None:
        return
    if sha is None:
        raise Refusal(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    if sha != blob_sha(before):
        raise Refusal(409, f"{path} does not match {sha}")


@operation("GET", _COMMITS, permission="contents", access="anyone")
def list_commits(call: Call) -> Answer:
    """The commits of the default branch, newest first, of one path where asked for."""
    home = call.repository()
    if not home.commits:
        raise Refusal(409, "Git Repository is empty.")
    last = _at(call, home, call.query.get("sha") or home.default_branch)
    line = home.commits[: home.commits.index(last) + 1]
    path = call.query.get("path")
    shown, link = call.page([commit for commit in reversed(line) if path in (None, commit.changed)])
    return Answer(200, [show_commit(call, home, commit) for commit in shown], link)


@operation("GET", f"{_COMMITS}/{{ref}}", permission="contents", access="anyone")
def get_commit(call: Call) -> Answer:
    """One commit."""
    home = call.repository()
    return Answer(200, show_commit(call, home, _at(call, home, call.parameters["ref"])))


@operation("GET", "/repos/{owner}/{repo}/branches/{branch}", permission="contents", access="anyone")
def get_branch(call: Call) -> Answer:
    """The default branch, which is the only branch."""
    home, name = call.repository(), call.parameters["branch"]
    if name != home.default_branch or not home.commits:
        raise Refusal(404, "Branch not found")
    url = f"{call.base}/repos/{home.full_name}/branches/{name}"
    shown: dict[str, Any] = {
        "name": name,
        "commit": show_commit(call, home, home.commits[-1]),
        "_links": {"self": url, "html": f"https://github.com/{home.full_name}/tree/{name}"},
        "protected": False,
        "protection": {
            "enabled": False,
            "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []},
        },
        "protection_url": f"{url}/protection",
    }
    return Answer(200, shown)

"""The stand-in's answers beside recorded answers of api.github.com.

The environment variable GITHUB_RECORDINGS names a folder of JSON files, each `{"provenance": …, "interactions":
[{"request": {"method", "path", "headers", "body"}, "response": {"status", "headers", "body"}}, …]}`. They are cut from
recordings of octokit.rb (https://github.com/octokit/octokit.rb, spec/cassettes, MIT); placeholders are the recorder's.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64encode
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from github_support import TLS
from nacl.encoding import Base64Encoder
from nacl.public import PublicKey, SealedBox

from rig.github import GitHubStandIn

FOLDER = os.environ.get("GITHUB_RECORDINGS")
FILES = sorted(Path(FOLDER).glob("*.json")) if FOLDER else []
HOST = "https://api.github.com"
TEAM = 4321
NAMES = {
    "<GITHUB_TEST_ORGANIZATION>": "test-organization",
    "<GITHUB_TEST_REPOSITORY>": "test-repository",
    "<GITHUB_TEST_ORG_TEAM_ID>": str(TEAM),
    "<GITHUB_LOGIN>": "octo-login",
}
OTHER_OWNERS = {"octo-login": 2, "api-playground": 3}

# Chance, or the state of the account that was recorded.
ANY_VALUE = re.compile(r"sha|node_id|key|key_id|description|name|email|public_repos|id|avatar_url")
ANY_HEADER = {"x-ratelimit-remaining", "content-length"}
SHA = re.compile(r"\b[0-9a-f]{40}\b")

# What GitHub has said since the year given, and not, or otherwise, in recordings from before it.
KEYS_SINCE = {
    "download_url": 2015,
    "node_id": 2018,
    "verification": 2017,
    "parent": 2020,
    "twitter_username": 2020,
    "company": 2020,
    "location": 2020,
    "blog": 2020,
    "email": 2020,
    "name": 2020,
    "archived_at": 2023,
    "notification_setting": 2023,
    "status": 2024,
    "type": 2025,
    "organization_id": 2025,
}
VALUES_SINCE = {
    "members_count": 2020,
    "url": 2020,
    "members_url": 2020,
    "repositories_url": 2020,
    "html_url": 2014,
    "documentation_url": 2023,
}
HEADERS_SINCE = {
    "status": 9999,  # went with HTTP/2
    "x-github-api-version-selected": 2023,  # the version of its day; the stand-in serves no other
    "x-accepted-oauth-scopes": 2014,
    "x-github-media-type": 2014,
    "cache-control": 2014,
    "vary": 2020,
    "content-type": 2020,
    "location": 2020,
    "link": 2020,
}

pytestmark = pytest.mark.skipif(not FOLDER, reason="GITHUB_RECORDINGS names no folder of recorded answers")


def recorded(file: Path) -> list[dict[str, Any]]:
    """The interactions of a file, with names for the recorder's placeholders."""
    text = file.read_text(encoding="utf-8")
    for placeholder, name in NAMES.items():
        text = text.replace(placeholder, name)
    interactions = json.loads(text)["interactions"]
    for interaction in interactions:
        body = interaction["response"]["body"]
        if isinstance(body, str):  # not JSON while a placeholder stood for a number
            interaction["response"]["body"] = json.loads(body)
    return interactions


def seed_for(interactions: list[dict[str, Any]]) -> dict[str, Any]:
    """The state and the tokens that a recording began with."""
    text = json.dumps(interactions)
    number = re.search(rf"{HOST}/organizations/(\d+)/|/u/(\d+)", text)
    repositories: dict[str, Any] = {"test-repository": {"id": 11}}
    for digits in re.findall(r'"/repositories/(\d+)/', text)[:1]:
        repositories["numbered"] = {"id": int(digits)}
    home: dict[str, Any] = {"id": int(number[1] or number[2]) if number else 1, "repositories": repositories}
    first = interactions[0]["response"]["body"]
    description = first.get("organization", {}).get("description")
    home |= {"description": description, "secrets": present_before(interactions, text)}
    old = {"default_branch": "master", "files": {"README": ""}}
    owners = {
        login: {"id": owner_id, "repositories": {"test-repository": old | {"id": 20 + owner_id}}}
        for login, owner_id in OTHER_OWNERS.items()
    }
    scopes = {interaction["response"]["headers"].get("X-Oauth-Scopes") for interaction in interactions}
    tokens = {
        str(scope): {"kind": "classic", "scopes": scope.split(", ")}
        if scope
        else {"kind": "fine-grained", "owner": "test-organization", "permissions": {"codespaces_secrets": "write"}}
        for scope in scopes
    }
    return {"organizations": {"test-organization": home, **owners}, "tokens": tokens}


def present_before(interactions: list[dict[str, Any]], text: str) -> dict[str, Any]:
    """The secrets whose first PUT was answered 204: an update."""
    present: dict[str, Any] = {}
    seen: set[str] = set()
    for interaction in interactions:
        if interaction["request"]["method"] == "PUT":
            name = interaction["request"]["path"].rsplit("/", 1)[-1].upper()
            if interaction["response"]["status"] == 204 and name not in seen:
                created = re.search(rf'"name": "{name}", "created_at": "([^"]+)"', text)
                stamps = {"created_at": created[1]} if created else {}
                present[name] = {"value": "before", "visibility": "private", **stamps}
            seen.add(name)
    return present


def sealed(github: GitHubStandIn, path: str) -> dict[str, str]:
    """A value sealed with the stand-in's key; the recorded one is sealed with a key of GitHub's."""
    number = re.match(r"/repositories/(\d+)/", path)
    holder = github.cloud.repositories_by_id[int(number[1])] if number else github.organization("test-organization")
    box = SealedBox(PublicKey(holder.public_key.encode(), Base64Encoder))
    return {"encrypted_value": b64encode(box.encrypt(b"value")).decode(), "key_id": holder.key_id}


def replay(github: GitHubStandIn, interactions: list[dict[str, Any]]) -> list[str]:
    """Ask what was asked; every way in which an answer differs from the recorded one."""
    found: list[str] = []
    remaining: dict[str, list[int]] = {}
    with httpx.Client(base_url=github.url, verify=TLS) as client:
        for number, interaction in enumerate(interactions):
            asked, was = interaction["request"], interaction["response"]
            then = parsedate_to_datetime(was["headers"]["Date"])
            github.clock = lambda then=then: then
            granted = re.fullmatch(r"/orgs/test-organization/teams/([^/]+)/repos/.*", asked["path"])
            if granted and was["status"] == 204:  # by a request that the recording leaves out
                github.organization("test-organization").teams[granted[1]].repositories[11] = "pull"
            body = asked["body"]
            if body and "encrypted_value" in body:
                body = body | sealed(github, asked["path"])
            headers = asked["headers"] | {"Authorization": f"token {was['headers'].get('X-Oauth-Scopes')}"}
            content = None if body is None else json.dumps(body).encode()
            now = client.request(asked["method"], asked["path"], headers=headers, content=content)
            label = f"{number} {asked['method']}"
            if now.status_code != was["status"]:
                found.append(f"{label}: status {now.status_code} instead of {was['status']}")
                continue
            here = json.loads(now.text.replace(github.url, HOST)) if now.content else None
            found += body_differences(was["body"], here, f"{label} body", then.year)
            found += header_differences(was["headers"], now, github.url, label, then.year)
            remaining.setdefault(headers["Authorization"], []).append(int(now.headers["X-RateLimit-Remaining"]))
    counts = [list(range(4999, 4999 - len(left), -1)) for left in remaining.values()]
    if list(remaining.values()) != counts:
        found.append(f"X-RateLimit-Remaining: {list(remaining.values())} instead of {counts}")
    return found


def body_differences(was: Any, now: Any, where: str, year: int) -> list[str]:
    """Keys and their order, kinds, and values that do not depend on chance."""
    if isinstance(was, dict) and isinstance(now, dict):
        found = [f"{where}.{key}: missing here" for key in was if key not in now]
        found += [f"{where}.{key}: only here" for key in now if key not in was and year >= KEYS_SINCE.get(key, 0)]
        if [key for key in now if key in was] != [key for key in was if key in now]:
            found.append(f"{where}: keys in another order")
        both = [key for key in was if key in now and year >= VALUES_SINCE.get(key, 0)]
        return found + [each for key in both for each in body_differences(was[key], now[key], f"{where}.{key}", year)]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        pairs = zip(was, now, strict=True)
        return [each for pair in pairs for each in body_differences(*pair, f"{where}[]", year)]
    name = where.rsplit(".", 1)[-1]
    if type(was) is type(now):
        if was == now or (ANY_VALUE.fullmatch(name) and not where.endswith("secrets[].name")):
            return []
        if isinstance(was, str) and SHA.sub("", was) == SHA.sub("", now):
            return []
        if (name.endswith("_at") or name == "date") and (".organization." in where or seconds_apart(was, now) <= 1):
            return []
    return [f"{where}: {now!r} instead of {was!r}"]


def seconds_apart(was: str, now: str) -> float:
    first, second = (datetime.fromisoformat(moment.replace("Z", "+00:00")) for moment in (was, now))
    return abs((first - second).total_seconds())


def header_differences(was: dict[str, str], now: httpx.Response, base: str, label: str, year: int) -> list[str]:
    found: list[str] = []
    names = {name.lower(): value for name, value in was.items() if name.lower() not in ANY_HEADER}
    compared = {name: value for name, value in names.items() if year >= HEADERS_SINCE.get(name, 0)}
    for name, value in compared.items():
        here = now.headers.get(name)
        if here is None or not same_header(name, value, here.replace(base, HOST)):
            found.append(f"{label} {name}: {here!r} instead of {value!r}")
    telling = {"etag", "link", "location", "x-oauth-scopes", "retry-after"} & set(now.headers) - set(names)
    return found + [f"{label} {name}: only here" for name in telling if year >= HEADERS_SINCE.get(name, 0)]


def same_header(name: str, was: str, here: str) -> bool:
    if name == "etag":  # of another body, but weak or strong all the same
        return was.startswith("W/") == here.startswith("W/")
    if name.endswith("oauth-scopes"):
        return sorted(was.split(", ")) == sorted(here.split(", "))
    if name == "last-modified":
        return abs((parsedate_to_datetime(was) - parsedate_to_datetime(here)).total_seconds()) <= 1
    return was == here


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_agrees_with_recording(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interactions = recorded(file)
    with GitHubStandIn(seed_for(interactions)) as github:
        monkeypatch.setattr(github.cloud, "new_id", lambda: TEAM)
        assert replay(github, interactions) == []

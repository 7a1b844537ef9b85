"""Codespaces in the local cloud, who can pull what there, and what GitHub and AWS hold.

Used by try.sh; the variables of the local cloud say where it is.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any
from urllib.request import Request, urlopen

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
ACR = "acme.azurecr.io"
IMAGES = {
    "ECR payments/api": f"{ECR}/payments/api:latest",
    "ECR payments/web": f"{ECR}/payments/web:latest",
    f"{ACR}/charts": f"{ACR}/charts:latest",
}
PULLED, REFUSED, NO_LOGIN = "pulled", "refused", "no credentials"
SELECTED = (PULLED, REFUSED, PULLED)
UNSELECTED = (NO_LOGIN, NO_LOGIN, NO_LOGIN)


def first() -> int:
    """Start codespaces; 1 if they cannot pull what they should, or can what they should not."""
    start("old-web", "acme/web")
    start("old-docs", "acme/docs")
    return show({"old-web": ("selected", SELECTED), "old-docs": ("not selected", UNSELECTED)})


def rotated() -> int:
    """The same after a rotation. A codespace keeps the secrets that it got when it started."""
    ask("POST", "/codespaces/old-web/logins")
    start("new-web", "acme/web")
    start("new-docs", "acme/docs")
    return show(
        {
            "old-web": ("started before, logs in again", SELECTED),
            "new-web": ("started after", SELECTED),
            "new-docs": ("not selected", UNSELECTED),
        }
    )


def held() -> int:
    """Print what GitHub and AWS hold; standard input has the stack's outputs."""
    published = {output.get("accessKeyId") for output in json.load(sys.stdin).values()}
    state = ask("GET", "/state")
    readers: dict[str, list[str]] = {}
    for secret in state["github"]["acme"]:
        prefix, _, part = secret["name"].rpartition("_")
        readers.setdefault(f"{prefix}_* for codespaces of {', '.join(secret['repositories'])}", []).append(part)
    for secrets, parts in readers.items():
        print(f"  GitHub  {secrets}: {', '.join(parts)}")
    for user in users(state):
        for key in user["access_keys"]:
            use = "published" if key["id"] in published else "for codespaces that have it"
            print(f"  AWS     access key {key['id']} of {user['name']}: {key['status']}, {use}")
    return 0


def left() -> int:
    """Print what is left; 1 if that is anything."""
    state = ask("GET", "/state")
    counts = {
        "secrets in GitHub": len(state["github"]["acme"]),
        "users in AWS": len(users(state)),
        "policies": sum(len(account["policies"]) for account in state["aws"].values()),
    }
    print("  left: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    return int(any(counts.values()))


def start(name: str, repository: str) -> None:
    ask("POST", "/codespaces", {"repository": repository, "name": name})


def show(expected: dict[str, tuple[str, tuple[str, ...]]]) -> int:
    """Print who can pull what; 1 if that is not as expected."""
    running = ask("GET", "/codespaces")
    wrong: list[str] = []
    print_row("codespace", "", *IMAGES)
    for name, (what, wanted) in expected.items():
        repository, logins = running[name]["repository"], running[name]["logins"]
        hosts = {login["server"] for login in logins if login["ok"]}
        results: list[str] = []
        for (title, image), want in zip(IMAGES.items(), wanted, strict=True):
            pull = ask("POST", f"/codespaces/{name}/pulls", {"image": image})
            result = REFUSED if image.split("/")[0] in hosts else NO_LOGIN
            if pull["ok"]:
                result = PULLED
            results.append(result)
            if result != want:
                wrong.append(f"{repository}, {what}: {title}: {result}, not {want}; {pull['reason'] or 'no error'}")
        print_row(repository, what, *results)
        wrong += [f"{repository}: login to {login['server']}: {login['reason']}" for login in logins if not login["ok"]]
    for problem in wrong:
        print(f"  WRONG: {problem}", file=sys.stderr)
    return int(bool(wrong))


def print_row(*cells: str) -> None:
    print("  " + "".join(f"{cell:{width}}" for cell, width in zip(cells, (11, 31, 18, 18, 0), strict=True)).rstrip())


def users(state: dict[str, Any]) -> list[dict[str, Any]]:
    return [user for account in state["aws"].values() for user in account["users"].values()]


def ask(method: str, path: str, body: object = None) -> Any:
    """Ask the local cloud."""
    headers = {"authorization": f"Bearer {os.environ['LOCAL_CLOUD_TOKEN']}"}
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(os.environ["LOCAL_CLOUD_URL"] + path, data, headers, method=method)) as answer:  # noqa: S310
        return json.load(answer)


if __name__ == "__main__":
    sys.exit({"first": first, "rotated": rotated, "held": held, "left": left}[sys.argv[1]]())

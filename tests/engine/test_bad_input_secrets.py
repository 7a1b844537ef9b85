"""Invalid sets of secrets: the preview refuses them and names the way out, changes nothing and prints no secret."""

from __future__ import annotations

import pytest

from .conftest import TOKEN
from .secret_programs import HEAD, PASSWORD, USER, nowhere, program, secret_set, told, triple, values, writes

CANARY = "CANARY-of-a-secret"
RULES = "GitHub allows letters without accents, digits and _, and no digit or GITHUB_ at the beginning"
PAY = triple(secret=CANARY)
OTHER = triple("AKIA2", CANARY, "SHOP")


def sets(*declared):
    """A program of several sets, each with its values, its readers and further arguments."""
    return HEAD + "".join(
        secret_set(values_, repositories, name=f"set-{number}", more=more)
        for number, (values_, repositories, more) in enumerate(declared)
    )


WEB, API = "{'web': 11}", "{'api': 12}"
BAD = {
    "names, sizes and readers": (
        sets(
            (
                {"GITHUB_X": CANARY, "1X": CANARY, "A-B": CANARY, "LARGE": CANARY + "x" * 49135, "NONE": ""}
                | {"twice": CANARY, "TWICE": CANARY},
                WEB,
                "'visibility': 'all'",
            )
        ),
        f"secrets.GITHUB_X: the secret's name 'GITHUB_X' begins with GITHUB_, which is GitHub's own. {RULES}",
        "secrets.1X: the secret's name '1X' begins with a digit.",
        "the secret's name 'A-B' contains '-'.",
        "secrets.LARGE: its value has 49,153 bytes, and GitHub stores at most 49,152 (48 KB) per secret.",
        "secrets.NONE has no value; a secret must hold something.",
        "secrets.twice and secrets.TWICE are one secret for GitHub",
        "selected_repositories are given, but visibility is all: every repository of the organization would read",
    ),
    "no readers": (
        sets(({"X": CANARY}, "{}", "")),
        "selected_repositories is empty, so no codespace could read the secrets. Select at least one repository, or",
    ),
    "a list of names": (
        sets(({"X": CANARY}, "['web']", "")),
        "OrganizationSecrets set-0: selected_repositories is a list; give a RepositorySelection, or a map of name to",
    ),
    "no secrets": (sets(({}, WEB, "")), "secrets is empty: give at least one NAME and its value."),
    "a visibility that does not exist": (
        sets(({"X": CANARY}, WEB, "'visibility': 'selcted'")),
        "visibility 'selcted' must be one of all, private, selected; did you mean 'selected'?",
    ),
    "things of another kind": (
        sets(({"X": CANARY}, "{'web': 'eleven'}", "'adopt_existing': 'false'")),
        "selected_repositories.web must be the id of a repository (a whole number), not a text.",
        "adopt_existing must be true or false.",
    ),
    "a secret that is there": (
        sets((PAY | {"THEIRS": CANARY}, WEB, "")),
        "organization acme has these secrets already, and this resource did not make them: THEIRS (last changed 20",
        "Choose another secret_prefix, or set adopt_existing to take them over; their values are overwritten.",
    ),
    "the same prefix twice": (
        sets((PAY, WEB, ""), (triple("AKIA2", CANARY, server="other.azurecr.io"), API, "")),
        f"{PASSWORD} is declared by set-",
        "two resources would overwrite each other's secret. Give one of them another secret_prefix.",
    ),
    "two logins for one registry": (
        sets((PAY, "{'web': 11, 'api': 12}", ""), (OTHER, "{'frontend': 11, 'docs': 13}", "")),
        "would get two logins for acme.azurecr.io: by ",
        "Select disjoint repositories, or put both grants into one login.",
    ),
    "two logins for one registry, one of them for all": (
        sets((PAY, WEB, ""), (OTHER, None, "'visibility': 'all'")),
        "repository web would get two logins for acme.azurecr.io: by ",
    ),
    "two logins in one set": (
        sets((PAY | OTHER, WEB, "")),
        "repository web would get two logins for acme.azurecr.io: by PAY and by SHOP.",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_it_is_refused(github, new_stack, case):
    github.organization("acme").put_secret("THEIRS", "theirs")
    text, *messages = BAD[case]
    stack = new_stack(text)
    outcomes = [stack.preview(check=False), stack.up(check=False)]
    if case in ("names, sizes and readers", "a secret that is there"):
        outcomes += [stack.run("preview", "--diff", check=False), stack.run("preview", check=False)]
    for outcome in outcomes:
        assert not outcome.ok
        for message in messages:
            assert message in told(outcome)
    nowhere([CANARY, TOKEN], stack, *outcomes)
    # Without a preview, an update has already made the first of two conflicting sets when it checks the second.
    if len(text.split("codespaces.OrganizationSecrets")) == 2:
        assert (values(github), writes(github)) == ({"THEIRS": "theirs"}, [])


def test_what_is_no_clash(github, new_stack):
    """The same registry for different repositories, or another registry for the same repositories."""
    stack = new_stack(sets((PAY, WEB, ""), (OTHER, API, ""), (triple("u", "p", "GHCR", "ghcr.io"), WEB, "")))
    stack.up()
    assert len(values(github)) == 9


def test_the_101st_secret(github, new_stack):
    for number in range(97):
        github.organization("acme").put_secret(f"OLD_{number}", "x")
    stack = new_stack(HEAD + secret_set(PAY) + secret_set({"ONE_TOO_MANY": CANARY}, name="more"))
    preview = stack.preview(check=False)
    assert "to the 97 of organization acme: 101 of 100; " in told(preview)
    assert "GitHub stores at most 100 for one organization" in told(preview)
    assert writes(github) == []
    nowhere([CANARY, TOKEN], stack, preview)
    stack.write(program(PAY))
    stack.up()
    assert len(values(github)) == 100
    assert stack.preview("--expect-no-changes").steps == []


def test_a_failure_betrays_nothing(github, new_stack):
    """GitHub refuses a write and repeats the value: no output and no state shows the value."""
    secrets = {USER: "CANARY-user", PASSWORD: "CANARY-password"}
    github.faults.add(
        "PUT", f"/orgs/acme/codespaces/secrets/{PASSWORD}", kind="status", status=422, message="CANARY-password is bad"
    )
    stack = new_stack(HEAD + secret_set(triple(*secrets.values()) | {"NPM_TOKEN": "CANARY-npm"}))
    failed = stack.up(check=False)
    assert "GitHub answers 422 ([secret] is bad)" in failed.output
    assert values(github) == {"NPM_TOKEN": "CANARY-npm"}
    again = [stack.preview(), stack.run("preview", "--diff"), stack.run("preview"), stack.up(), stack.refresh()]
    assert values(github) == triple(*secrets.values()) | {"NPM_TOKEN": "CANARY-npm"}
    nowhere(["CANARY", TOKEN], stack, failed, *again, stack.run("stack"), stack.destroy())

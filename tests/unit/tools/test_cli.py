"""The command line: its arguments, its output and its exit codes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pulumi_codespaces.clients.iam import Holdings
from pulumi_codespaces.tools import verification
from pulumi_codespaces.tools.cli import main
from pulumi_codespaces.tools.doctor import diagnosis
from pulumi_codespaces.tools.doctor.finding import Finding
from pulumi_codespaces.tools.review import RISKS
from pulumi_codespaces.tools.verification import Check, Verdict

sys.path.insert(0, str(Path(__file__).parent / "review"))

from preview_digests import HOST, SECRETS, digest, ecr, login

WIDER = digest(ecr(), ecr(repositories=("payments/api", "shared/*")))
FAILED = digest([], [], diagnostics=[{"severity": "error", "message": "no"}])


def run(*arguments, text=None):
    result = CliRunner().invoke(main, arguments, input=text)
    return result.exit_code, result.stdout, result.stderr


def test_it_reads_a_pipe_or_a_file(tmp_path):
    file = tmp_path / "preview.json"
    file.write_text(WIDER)
    code, shown, _ = run("review", str(file))
    assert (code, shown) == (0, run("review", text=WIDER)[1])
    assert shown.startswith("<!-- codespaces review: access/prod -->\n")


@pytest.mark.parametrize(
    ("gates", "code"),
    [(["wider-policy"], 3), (["any"], 3), (["adoption"], 0), (["adoption", "wider-policy"], 3), ([], 0)],
)
def test_gates(gates, code):
    flags = [flag for gate in gates for flag in ("--fail-on", gate)]
    assert run("review", "--format", "text", *flags, text=WIDER)[:2] == (
        code,
        run("review", "--format", "text", text=WIDER)[1],
    )


def test_a_failed_preview_is_told_and_fails():
    code, shown, _ = run("review", "--format", "json", text=FAILED)
    assert code == 1
    assert json.loads(shown)["risks"] == [{"text": "The preview failed: no", "risk": "failed-preview"}]


def test_what_is_no_preview_is_wrong_use():
    code, shown, said = run("review", text="hello")
    assert (code, shown) == (2, "")
    assert said.splitlines()[-1].startswith("Error: this is not the output of `pulumi preview --json`")


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
@pytest.mark.parametrize("command", ["review", "access"])
def test_a_file_in_another_encoding_is_wrong_use(tmp_path, command, encoding):
    file = tmp_path / "printed.json"
    file.write_bytes(WIDER.replace("web", "wéb").encode(encoding))
    for arguments, piped in (([str(file)], None), (["-"], file.read_bytes())):
        code, shown, said = run(command, *arguments, text=piped)
        assert (code, shown) == (2, "")
        name = "<stdin>" if piped else str(file)
        assert said.splitlines()[-1].startswith(f"Error: {name} is not UTF-8, the encoding of Pulumi's output; ")


def test_the_help_names_every_exit_code_and_every_gate():
    _, shown, _ = run("review", "--help")
    words = " ".join(shown.split())
    assert "0 reviewed; 1 the preview failed; 2 wrong usage, or not a preview; 3 a risk of --fail-on." in words
    assert [code for code in RISKS if code not in words.replace("- ", "-")] == []


def state_of(*resources):
    return json.dumps({"deployment": {"resources": list(resources)}})


@pytest.fixture
def pulumi(tmp_path, monkeypatch):
    """A `pulumi` that exports the stacks in a folder, and records its calls."""
    script = tmp_path / "bin/pulumi"
    script.parent.mkdir()
    script.write_text(
        f"""#!{sys.executable}
import pathlib, sys
folder = pathlib.Path({str(tmp_path)!r})
with (folder / "calls").open("a") as calls:
    calls.write(pathlib.Path.cwd().name + " " + " ".join(sys.argv[1:]) + "\\n")
name = sys.argv[sys.argv.index("--stack") + 1] if "--stack" in sys.argv else "selected"
found = folder / f"{{name}}.json"
if not found.exists():
    sys.exit(f"error: no stack named '{{name}}'\\n  found")
print(found.read_text())
"""
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(script.parent))
    values = {"USER": "AKIAIOSFODNN7EXAMPLE", "PASSWORD": "CANARY", "SERVER": HOST}
    resources = ecr()
    for resource in resources:
        if resource["type"] == SECRETS:
            resource["outputs"] = {"secrets": {f"PAYMENTS_CONTAINER_REGISTRY_{part}": values[part] for part in values}}
    (tmp_path / "selected.json").write_text(state_of(*resources))
    (tmp_path / "eu.json").write_text(state_of(*ecr(name="eu")))
    (tmp_path / "project").mkdir()
    return tmp_path


FLAGS = "--non-interactive --color never"


def prefixes(shown):
    return [row["secrets"] for row in json.loads(shown)]


def test_access_reads_the_stacks_that_are_named_or_the_one_that_is_selected(pulumi):
    arguments = ("access", "--format", "json", "--cwd", str(pulumi / "project"))
    code, shown, said = run(*arguments)
    assert (code, said, prefixes(shown)) == (0, "", ["PAYMENTS"])
    assert prefixes(run(*arguments, "--stack", "eu", "--stack", "selected")[1]) == ["EU", "PAYMENTS"]
    assert (pulumi / "calls").read_text().splitlines() == [
        f"project stack export {FLAGS}",
        f"project stack export --stack eu {FLAGS}",
        f"project stack export --stack selected {FLAGS}",
    ]


def test_access_reads_files_or_a_pipe(pulumi):
    code, shown, _ = run("access", "--format", "json", str(pulumi / "eu.json"), "-", text=state_of(*login()))
    assert (code, prefixes(shown)) == (0, ["EU", "AZURE"])
    assert not (pulumi / "calls").exists()


def test_access_in_columns_and_for_a_spreadsheet():
    code, shown, _ = run("access", "-", text=state_of(*login()))
    header, row = shown.splitlines()
    titles = ["ORGANIZATION", "REPOSITORY", "REGISTRY", "PULLS", "SECRETS", "IAM USER", "ACCESS KEY ID", "KEY MADE"]
    assert (code, re.split("  +", header)) == (0, [*titles, "AGE DAYS", "STACK"])
    cells = ["acme", "web", "acme.azurecr.io", "what the credentials allow", "AZURE", "access/prod"]
    assert re.split("  +", row) == cells
    assert [row.index(cell) for cell in cells] == [header.index(title) for title in (*titles[:5], "STACK")]
    _, shown, _ = run("access", "--format", "csv", "-", text=state_of(*login()))
    assert shown == (
        '"organization","repository","registry","pulls","secrets","iam_user","access_key_id","key_made","age_days",'
        '"stack"\n"acme","web","acme.azurecr.io","what the credentials allow","AZURE","","","","","access/prod"\n'
    )


@pytest.mark.parametrize("command", ["access", "verify", "doctor"])
def test_a_stack_that_cannot_be_read_is_wrong_use(pulumi, monkeypatch, command):
    code, shown, said = run(command, "--stack", "gone")
    assert (code, shown) == (2, "")
    assert said.splitlines()[-1] == "Error: pulumi stack export failed: error: no stack named 'gone' found"
    (pulumi / "selected.json").write_text("{}")
    code, shown, said = run(command)
    assert (code, shown) == (2, "")
    assert "this is not the output of `pulumi stack export`" in said
    monkeypatch.setenv("PATH", str(pulumi))
    code, shown, said = run(command)
    assert (code, shown) == (2, "")
    assert said.splitlines()[-1].startswith("Error: `pulumi`, which reads the state, is not on PATH")


@pytest.mark.parametrize(
    "arguments",
    [("access", "--format", "json"), ("access", "--writers"), ("verify",), ("doctor",)],
    ids=["access", "access with writers", "verify", "doctor"],
)
def test_a_state_is_read_once(pulumi, monkeypatch, no_github_credentials, arguments):
    decode, texts = json.JSONDecoder.raw_decode, []

    def counted(decoder, text, *position):
        if '"deployment"' in text:
            texts.append(text)
        return decode(decoder, text, *position)

    monkeypatch.setattr(json.JSONDecoder, "raw_decode", counted)
    monkeypatch.setattr(diagnosis, "holdings", lambda *_: Holdings({}, [], []))
    (pulumi / "selected.json").write_text(state_of(*login(server="registry.invalid")))
    code, _, said = run(*arguments)
    assert code in (0, 1), said
    assert len(texts) == 1


def test_files_and_stacks_at_once_are_wrong_use(pulumi):
    code, _, said = run("access", "--stack", "eu", str(pulumi / "eu.json"))
    assert (code, said.splitlines()[-1]) == (2, "Error: FILE and --stack cannot be combined; give one of them.")


@pytest.mark.parametrize("state", ["ok", "wrong"])
def test_verify_prints_a_table_and_exits_by_what_is_wrong(pulumi, monkeypatch, state):
    async def verified(registries, unlisted):
        assert unlisted == "payments/web"
        checks = {"login": Check("ok", "ok"), "pull": Check("ok", "1 image"), "push": Check(state, "refused")}
        return [Verdict(registry, {**checks, "others": Check("skipped", "why")}) for registry in registries]

    monkeypatch.setattr(verification, "verify", verified)
    code, shown, said = run("verify", "--unlisted", "payments/web", "--image", f"{HOST}/payments/api")
    code_and_lines = {
        "ok": (0, [
            f"REGISTRY  SERVER{' ' * 38}  LOGIN  PULL     PUSH     OTHERS",
            f"payments  {HOST}  ok     1 image  refused  -",
        ]),
        "wrong": (1, [
            f"REGISTRY  SERVER{' ' * 38}  LOGIN  PULL     PUSH   OTHERS",
            f"payments  {HOST}  ok     1 image  WRONG  -",
            "payments (PAYMENTS): push WRONG: refused",
        ]),
    }  # fmt: skip
    expected, lines = code_and_lines[state]
    assert (code, said) == (expected, "")
    assert shown.splitlines() == [*lines, "payments (PAYMENTS): others not checked: why"]
    assert (pulumi / "calls").read_text().endswith(f" stack export --show-secrets {FLAGS}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--registry", "x"], "Error: the stack has no registry 'x', only payments."),
        (
            ["--image", "ghcr.io/a/b"],
            f"Error: image 'ghcr.io/a/b' is from ghcr.io, but codespaces log in only to {HOST}.",
        ),
    ],
)
def test_a_registry_or_an_image_that_is_not_there_is_wrong_use(pulumi, arguments, message):
    code, shown, said = run("verify", *arguments)
    assert (code, shown, said.splitlines()[-1]) == (2, "", message)


FOUND = [
    Finding("missing-key", "error", "user codespaces-payments", "what.", "why.", "pulumi up"),
    Finding("unseen", "unseen", "organization acme", "other.", "more.", "gh secret list"),
]


@pytest.fixture
def findings(monkeypatch):
    """The findings that the doctor is to return, and the calls of the doctor."""
    result, calls = [], []

    def diagnose(states, now, **limits):
        limits.pop("progress")
        calls.append((len(states), limits))
        return result

    monkeypatch.setattr(diagnosis, "diagnose", diagnose)
    return result, calls


def test_doctor_prints_findings_and_exits_by_them(pulumi, findings):
    result, _ = findings
    assert run("doctor") == (0, "No problems found.\n", "")
    assert run("doctor", "--json") == (0, "[]\n", "")
    result += FOUND
    assert run("doctor") == (
        1,
        """\
error missing-key: user codespaces-payments
  what: what.
  why: why.
  fix: pulumi up

unseen unseen: organization acme
  what: other.
  why: more.
  fix: gh secret list
""",
        "",
    )
    code, shown, said = run("doctor", "--json")
    assert (code, said) == (1, "")
    assert json.loads(shown)[0] == {
        "code": "missing-key",
        "severity": "error",
        "resource": "user codespaces-payments",
        "what": "what.",
        "why": "why.",
        "fix": "pulumi up",
    }


def test_doctor_reads_the_stacks_in_clear_and_takes_limits(pulumi, findings):
    _, calls = findings
    run("doctor", "--cwd", str(pulumi / "project"), "--stack", "eu", "--stack", "selected")
    run("doctor", "--max-key-age-days", "30", "--unused-days", "60")
    assert calls == [
        (2, {"max_age_days": 90, "unused_days": 90}),
        (1, {"max_age_days": 30, "unused_days": 60}),
    ]
    exports = (pulumi / "calls").read_text().splitlines()
    assert exports[:2] == [f"project stack export --stack {name} --show-secrets {FLAGS}" for name in ("eu", "selected")]


@pytest.mark.parametrize("arguments", [["--unused-days", "0"], ["--stack"], ["file.json"]])
def test_doctor_used_wrongly(pulumi, arguments):
    assert run("doctor", *arguments)[:2] == (2, "")

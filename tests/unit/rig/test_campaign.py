"""The campaign's own bookkeeping: which cases there are, what counts as broken, and what the report adds up."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from campaign import __main__ as command
from campaign.cases import NEXT, all_cases, chunks, in_common, sample
from campaign.faults import FAULTS, Target
from campaign.observer import Window
from campaign.operations import OPERATIONS, TURNS
from campaign.report import comparison, good, summary, table
from campaign.trial import Case, Result, _too_long

USER = Target("github", "PUT /orgs/acme/codespaces/secrets/PAYMENTS_CONTAINER_REGISTRY_USER", 1)
LISTING = Target("github", "GET /orgs/acme/codespaces/secrets", 1)
CREATE_KEY = Target("aws", "iam.CreateAccessKey", 1)


def result(case, **details):
    contender, operation, _, fault = case.split(" | ")
    return {**vars(Result(case, contender, operation, fault)), "reached": True, **details}


def test_a_case_has_every_fault_that_fits_its_request_and_a_name_that_leads_back_to_it():
    cases = all_cases("ours", {"create": [CREATE_KEY], "suspend": [LISTING]})
    assert len(set(cases)) == len(cases)
    assert [Case.named(case.name) for case in cases] == cases
    at_github = {case.fault for case in cases if case.target == LISTING}
    assert at_github == {name for name, fault in FAULTS.items() if fault.fits(LISTING)}
    assert "500" in at_github
    assert not at_github & {"AWS 500", "422, the public key was rotated", "hang until timeout, handled"}


def test_a_failed_publication_is_followed_by_each_next_update_and_a_failed_listing_is_not():
    cases = all_cases("ours", {"rotation": [USER, LISTING]})
    assert {case.then for case in cases if case.target == USER and case.fault == "502 at each try"} == {"", *NEXT}
    assert {case.then for case in cases if case.target == LISTING} == {""}


def test_of_the_requests_for_each_of_nine_policies_the_first_and_the_last_are_struck():
    attachments = [Target("aws", "iam.AttachUserPolicy", number) for number in range(1, 10)]
    made = {"a policy of nine documents": [*attachments, LISTING]}
    assert {case.target for case in all_cases("ours", made)} == {attachments[0], attachments[8], LISTING}


def test_of_the_requests_that_assume_a_role_the_first_and_the_last_are_struck():
    roles = [Target("aws", "sts.AssumeRole", number) for number in range(1, 5)]
    callers = [Target("aws", "sts.GetCallerIdentity", number) for number in range(1, 4)]
    for operation in ("rotation", "destroy"):
        cases = all_cases("ours", {operation: [*roles, *callers, LISTING]})
        assert {case.target for case in cases} == {roles[0], roles[3], *callers, LISTING}
        at_roles = {case.fault for case in cases if case.target == roles[0]}
        assert at_roles == {name for name, fault in FAULTS.items() if fault.fits(roles[0])}
        assert {"AWS throttles at each try", "AWS denies everything from then on", "AWS hangs"} < at_roles


def test_portions_hold_every_case_and_operations_that_leave_what_the_next_needs_take_turns():
    made = {name: [LISTING] for name in OPERATIONS}
    cases = all_cases("ours", made)
    portions = chunks(cases, seed=1)
    assert sorted(case.name for portion in portions for case in portion) == sorted(case.name for case in cases)
    assert portions == chunks(cases, seed=1) != chunks(cases, seed=2)
    for portion in portions:
        operations = [case.operation for case in portion]
        (turn,) = {next((names for names in TURNS if name in names), (name,)) for name in operations}
        assert operations == [turn[number % len(turn)] for number in range(len(operations))]


def test_a_sample_is_the_same_for_a_seed_and_has_as_many_of_each_operation():
    cases = all_cases(
        "stock", {name: [LISTING, CREATE_KEY] for name in ("create", "the first rotation", "value change")}
    )
    chosen = sample(cases, 7, 60)
    assert chosen == sample(cases, 7, 60) != sample(cases, 8, 60)
    assert [
        sum(case.operation == name for case in chosen) for name in ("create", "the first rotation", "value change")
    ] == [20] * 3
    assert {case.fault for case in chosen} == {case.fault for case in cases}
    assert sorted(case.name for case in sample(cases, 7, 10_000)) == sorted(case.name for case in cases)


def test_cases_in_common_are_those_of_the_same_request_of_the_same_operation():
    ours = all_cases("ours", {"create": [CREATE_KEY, LISTING]})
    stock = all_cases("stock", {"create": [CREATE_KEY, USER]})
    common = in_common(stock, ours, stock)
    assert {case.target for case in common} == {CREATE_KEY}
    mirrored = in_common(ours[::-1], ours, stock)
    assert [case.name.partition(" | ")[2] for case in mirrored] == [case.name.partition(" | ")[2] for case in common]


@pytest.mark.parametrize(
    ("fault", "milliseconds", "by_itself", "told"),
    [
        ("500", 900, True, []),
        ("500", 1100, True, ["PAYMENTS: a mismatch of 1100 ms, and not of 1000 at most"]),
        ("403 secondary limit with Retry-After", 3900, True, []),
        ("hang until timeout", 10_900, True, []),
        ("hang until timeout", 11_100, True, ["PAYMENTS: a mismatch of 11100 ms, and not of 11000 at most"]),
        ("SIGKILL to the plugin", 20_000, False, []),
        ("401, the token is revoked", 20_000, False, []),
        ("502 at each try", 500, False, ["PAYMENTS: a mismatch was left by an update that could have put it back"]),
    ],
)
def test_how_long_a_user_and_a_password_may_not_belong_together(fault, milliseconds, by_itself, told):
    window = Window("PAYMENTS", 10.0, 10.0 + milliseconds / 1000, by_itself)
    assert _too_long(window, FAULTS[fault]) == told


def test_a_summary_counts_what_came_to_its_request():
    case = "ours | create | aws iam.CreateUser #1 | AWS 500"
    lines = [
        result(case, instants=3, recovery=["up"], outcome="failed", left_open=[2000.0]),
        result(case, instants=4, windows=[12.0, 30.0], in_windows=2, outcome="killed", left_open=[4000.0, 9000.0]),
        result(case, reached=False, instants=9, failed=["something"]),
    ]
    assert summary(lines) == {
        "cases": "2",
        "absorbed": "0",
        "failed": "1",
        "killed": "1",
        "instants judged": "7",
        "failed pulls": "0",
        "mismatch instants": "2",
        "longest mismatch": "30 ms",
        "left by a kill": "2 (≤ 9 s)",
        "left by an outage": "1 (≤ 2 s)",
        "recovered": "1",
        "unattached policies left": "0",
        "orphans left": "0",
        "other problems": "0",
    }
    assert [good(line) for line in lines] == [True, True, False]


def test_rows_stand_in_the_order_of_the_definitions_however_the_trials_were_mixed():
    faults = ["SIGKILL to the plugin", "502 at each try, then raised", "AWS 500", "500", "502 at each try", "of old"]
    lines = [result(f"ours | create | aws iam.CreateUser #1 | {fault}", fault=fault) for fault in faults]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in table(lines, "fault").splitlines()[2:]]
    assert rows == [
        "500",
        "502 at each try",
        "502 at each try, then raised",
        "AWS 500",
        "SIGKILL to the plugin",
        "of old",
        "**all**",
    ]


def test_a_comparison_has_only_what_every_contender_was_put_to():
    where = "create | aws iam.CreateUser #1"
    lines = [
        result(f"ours | {where} | AWS 500"),
        result(f"ours | {where} | AWS throttles", failed=["of a case that the other did not have"]),
        result(f"stock | {where} | AWS 500", failed=["no pull"], problems=["not as declared"]),
        result(f"stock | {where} | AWS hangs", failed=["of a case that this package did not have"]),
    ]
    rows = comparison(lines).splitlines()
    assert rows[0] == "| | this package | stock resources, default options |"
    assert [row.split(" | ")[1:] for row in rows[2:]] == [
        ["1", "1 |"],
        ["0", "1 (100 %) |"],
        ["0", "0 |"],
        ["0", "0 |"],
        ["0", "1 (100 %) |"],
    ]


def test_the_code_of_a_result_is_what_a_trial_runs(tmp_path, monkeypatch):
    for folder in ("components", "tests/campaign", "tests/rig"):
        shutil.copytree(command._ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "venv"))
    monkeypatch.setattr(command, "_ROOT", tmp_path)
    before = command.code()
    assert re.fullmatch("[0-9a-f]{12}", before)
    for aside in ("tools/doctor/secrets.py", "tools/review/render.py", "program/load.py"):
        (tmp_path / "components/pulumi_codespaces" / aside).write_text("changed = True\n")
    (tmp_path / "tests/rig/README.md").write_text("changed")
    (tmp_path / "tests/campaign/report.py").write_text("changed = True\n")
    assert command.code() == before
    seen = {before}
    for changed in (
        "components/pulumi_codespaces/ecr_pull_access.py",
        "components/pulumi_codespaces/registry_login.py",
        "components/pulumi_codespaces/plugin/secret_writer.py",
        "components/pulumi_codespaces/rules/packing.py",
        "tests/campaign/observer.py",
        "tests/rig/cloud.py",
    ):
        path = tmp_path / changed
        path.write_text(path.read_text() + "\n")
        seen.add(command.code())
    assert len(seen) == 7


def test_results_of_other_code_do_not_count(tmp_path, capsys):
    path = tmp_path / "results.jsonl"
    made = {"ours": {"create": [["aws", "iam.CreateUser", 1]]}}
    old = [{"requests": {"ours": {}}, "code": "old"}, {"case": "a", "code": "old"}]
    new = [{"requests": made, "code": "new"}, {"case": "b", "code": "new"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in (*old, *new)))
    lines, found = command._read(path, "new")
    assert [line["case"] for line in lines] == ["b"]
    assert found == {"ours": {"create": [Target("aws", "iam.CreateUser", 1)]}}
    assert capsys.readouterr().err == f"2 lines of {path} are of other code and left out\n"
    assert [line["case"] for line in command._read(path, "old")[0]] == ["a"]
    assert [line["case"] for line in command._read(path, None)[0]] == ["b"]
    assert command._read(tmp_path / "none", None) == ([], {})

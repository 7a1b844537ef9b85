"""`OrganizationSecrets` on the real engine: the contents of GitHub, and the requests that it receives."""

from __future__ import annotations

import pytest

from rig.github import GitHubStandIn

from .conftest import SEED, TOKEN
from .secret_programs import (
    HEAD,
    PASSWORD,
    SERVER,
    USER,
    Clock,
    nowhere,
    program,
    readers,
    secret_set,
    triple,
    urn,
    values,
    writes,
)

PUT_ALL = [f"PUT {USER}", f"PUT {PASSWORD}", f"PUT {SERVER}"]
PUT_READERS = [f"{write}/repositories" for write in PUT_ALL]
DELETE_ALL = [f"DELETE {SERVER}", f"DELETE {PASSWORD}", f"DELETE {USER}"]
REPLACE_ON_CHANGES = "pulumi.ResourceOptions(replace_on_changes=['visibility'], delete_before_replace=True)"


@pytest.fixture
def clock(github):
    github.clock = Clock()
    return github.clock


@pytest.fixture
def absences(github):
    """The secrets that were missing at any instant since all three were first there."""
    missing = []

    def watch(_):
        now = set(values(github))
        if missing or set(triple()) <= now:
            missing.append(set(triple()) - now)

    github.observers.append(watch)
    return lambda: [names for names in missing if names]


def shared_readers(github):
    return {(visibility, frozenset(ids)) for visibility, ids in readers(github).values()}


def by(visibility, *ids):
    return {(visibility, frozenset(ids))}


def steps(preview):
    return {step["urn"].rsplit("::", 1)[-1]: step["op"] for step in preview.steps}


def changes(preview, name="token"):
    return {path: change["kind"] for path, change in preview.step(name)["detailedDiff"].items()}


def test_create_then_nothing_to_do_then_destroy(github, new_stack):
    stack = new_stack(program(triple()))
    assert steps(stack.preview()) == {"access-test": "create", "token": "create"}
    assert writes(github) == []
    stack.up()
    assert values(github) == triple()
    assert shared_readers(github) == by("selected", 11, 12)
    assert writes(github) == PUT_ALL

    assert stack.up("--expect-no-changes").ok
    assert stack.refresh("--expect-no-changes").ok
    assert stack.preview("--expect-no-changes").steps == []
    assert writes(github) == []

    stack.destroy()
    assert values(github) == {}
    assert writes(github) == DELETE_ALL


def test_a_changed_value_is_overwritten_in_place_and_never_absent(github, new_stack, absences):
    stack = new_stack(program(triple()))
    stack.up()
    writes(github)

    stack.write(program(triple("AKIA2", "value-2")))
    assert changes(stack.preview()) == {f"secrets.{PASSWORD}": "update", f"secrets.{USER}": "update"}
    stack.up()
    assert values(github) == triple("AKIA2", "value-2")
    assert writes(github) == PUT_ALL
    assert absences() == []
    assert stack.preview("--expect-no-changes").steps == []


def test_a_change_of_repositories_sends_no_value(github, new_stack, clock):
    stack = new_stack(program(triple() | {"NPM_TOKEN": "npm-1"}))
    stack.up()
    writes(github)

    clock.later()
    stack.write(program(triple() | {"NPM_TOKEN": "npm-1"}, "{'web': 11, 'docs': 13}"))
    assert changes(stack.preview()) == {"selectedRepositories.api": "delete", "selectedRepositories.docs": "add"}
    stack.up()
    assert writes(github) == ["PUT NPM_TOKEN/repositories", *PUT_READERS]
    assert shared_readers(github) == by("selected", 11, 13)

    # A value and the repositories in one update: without the last write in the state, all would look changed outside.
    clock.later()
    stack.write(program(triple("AKIA2") | {"NPM_TOKEN": "npm-1"}))
    stack.up()
    assert writes(github) == [*PUT_ALL, "PUT NPM_TOKEN/repositories"]
    assert shared_readers(github) == by("selected", 11, 12)
    preview = stack.preview("--expect-no-changes")
    assert (preview.steps, preview.warnings) == ([], [])


def test_what_changed_outside_is_written_again(github, new_stack, clock):
    acme = github.organization("acme")
    stack = new_stack(program(triple()))
    stack.up()

    # Without a refresh.
    clock.later()
    acme.put_secret(PASSWORD, "by hand", "selected", ["web", "api"])
    acme.delete_secret(USER)
    writes(github)
    preview = stack.preview()
    assert changes(preview) == {f"secrets.{PASSWORD}": "update", f"secrets.{USER}": "add"}
    assert len(preview.warnings) == 2
    assert f"{USER} was deleted outside of this stack" in preview.warnings[1]
    assert f"{PASSWORD} was changed outside of this stack at 20" in preview.warnings[0]
    clock.later()
    stack.up()
    assert values(github) == triple()
    assert writes(github) == PUT_ALL
    assert stack.preview("--expect-no-changes").steps == []

    # With a refresh, and all changes at once.
    clock.later()
    acme.put_secret(PASSWORD, "by hand", "selected", ["web", "api"])
    acme.secrets[USER].visibility = "all"
    clock.later()
    stack.refresh()
    writes(github)
    clock.later()
    assert changes(stack.preview()) == {f"secrets.{PASSWORD}": "update", "visibility": "update"}
    stack.up()
    assert values(github) == triple()
    assert shared_readers(github) == by("selected", 11, 12)
    assert stack.preview("--expect-no-changes").steps == []


def test_all_of_it_deleted_outside_is_made_again(github, new_stack):
    stack = new_stack(program(triple()))
    for refreshed in (False, True):
        stack.up()
        for name in triple():
            github.organization("acme").delete_secret(name)
        if refreshed:
            stack.refresh()
        preview = stack.preview()
        assert steps(preview)["token"] == ("create" if refreshed else "update")
        assert len(preview.warnings) == (0 if refreshed else 3)
        stack.up()
        assert values(github) == triple()
    assert stack.preview("--expect-no-changes").steps == []


@pytest.mark.parametrize("stamps_move", [True, False])
def test_repositories_changed_outside_are_set_back(github, new_stack, clock, stamps_move):
    """GitHub does not say whether a change of repositories alone moves updated_at, so both are possible."""
    github.selection_moves_updated_at = stamps_move
    stack = new_stack(program(triple()))
    stack.up()
    clock.later()
    github.organization("acme").select(PASSWORD, {11, 14})
    stack.refresh()
    writes(github)
    expected = {"selectedRepositories.api": "add", "selectedRepositories.infra": "delete"}
    assert changes(stack.preview()) == expected | ({f"secrets.{PASSWORD}": "update"} if stamps_move else {})
    clock.later()
    stack.up()
    assert shared_readers(github) == by("selected", 11, 12)
    assert writes(github) == (PUT_ALL if stamps_move else PUT_READERS)
    assert stack.preview("--expect-no-changes").steps == []


def test_destroy_leaves_what_somebody_else_wrote(github, new_stack, clock):
    stack = new_stack(program(triple()))
    stack.up()
    clock.later()
    github.organization("acme").put_secret(PASSWORD, "by hand", "all")
    github.organization("acme").delete_secret(USER)
    outcome = stack.destroy()
    assert values(github) == {PASSWORD: "by hand"}
    assert f"gh secret delete {PASSWORD} --app codespaces --org acme" in outcome.output
    assert stack.resources() == []


def test_a_replaced_set_is_still_there(github, new_stack, absences, clock):
    stack = new_stack(program(triple()))
    stack.up()
    writes(github)

    # With --replace the plugin does not see the old state, so it cannot know who owns the secrets.
    refused = stack.up("--replace", urn("token"), check=False)
    assert not refused.ok
    assert "(With --replace the engine shows a resource nothing of its past: then set adopt_existing" in refused.output
    assert writes(github) == []
    clock.later()
    stack.write(program(triple("AKIA2"), more="'adopt_existing': True"))
    stack.up("--replace", urn("token"))
    assert (values(github), writes(github)) == (triple("AKIA2"), PUT_ALL)

    # The engine checks a replacement a second time, without the old state, and deletes the old resource first.
    clock.later()
    stack.write(program(triple("AKIA3"), None, more="'visibility': 'private'", opts=REPLACE_ON_CHANGES))
    assert steps(stack.preview()) == {"token": "replace"}
    stack.up()
    assert (values(github), writes(github)) == (triple("AKIA3"), PUT_ALL)
    assert absences() == []
    assert stack.preview("--expect-no-changes").steps == []


def test_a_renamed_resource_keeps_its_secrets(github, new_stack, absences, clock):
    stack = new_stack(program(triple()))
    stack.up()
    writes(github)

    aliased = program(triple(), name="other", opts="pulumi.ResourceOptions(aliases=[pulumi.Alias(name='token')])")
    stack.write(aliased)
    stack.up()
    assert writes(github) == []

    clock.later()
    stack.write(program(triple(), name="third", more="'adopt_existing': True"))
    preview = stack.preview()
    assert steps(preview) == {"third": "create", "other": "delete"}
    stack.up()
    assert (values(github), writes(github)) == (triple(), PUT_ALL)
    assert absences() == []
    stack.destroy()
    assert values(github) == {}


def test_a_changed_prefix_writes_the_new_names_before_it_deletes_the_old(github, new_stack):
    stack = new_stack(program(triple(prefix="OLD")))
    stack.up()
    writes(github)
    stack.write(program(triple()))
    added, deleted = ([f"secrets.{name}" for name in triple(prefix=prefix)] for prefix in ("PAY", "OLD"))
    assert changes(stack.preview()) == dict.fromkeys(added, "add") | dict.fromkeys(deleted, "delete")
    stack.up()
    assert writes(github) == PUT_ALL + [write.replace("PAY", "OLD") for write in DELETE_ALL]
    assert values(github) == triple()
    assert stack.preview("--expect-no-changes").steps == []


def test_secrets_that_cannot_be_removed_are_removed_by_the_next_update(github, new_stack, clock):
    stack = new_stack(program(triple() | {"NPM_TOKEN": "npm-1"}))
    stack.up()
    clock.later()
    stack.write(program(triple("AKIA2")))
    github.faults.add("DELETE", "/orgs/acme/codespaces/secrets/*", kind="status", status=500, times=None)
    assert not stack.up(check=False).ok
    github.faults.clear()
    assert values(github) == triple("AKIA2") | {"NPM_TOKEN": "npm-1"}
    writes(github)
    stack.up()
    assert writes(github) == ["DELETE NPM_TOKEN"]
    assert stack.preview("--expect-no-changes").steps == []


def test_a_foreign_secret_is_refused_and_adopted(github, new_stack, clock):
    github.organization("acme").put_secret(PASSWORD, "theirs", "all")
    clock.later()
    stack = new_stack(program(triple()))
    preview = stack.preview(check=False)
    assert not preview.ok
    assert f"did not make them: {PASSWORD} (last changed 20" in preview.output
    assert writes(github) == []

    stack.write(program(triple(), more="'adopt_existing': True"))
    stack.up()
    assert values(github) == triple()
    assert shared_readers(github) == by("selected", 11, 12)
    again = stack.preview("--expect-no-changes")
    assert again.warnings == ["warning: adopt_existing has done its work; remove it, so that it adopts no more.\n"]


def test_import_by_command(github, new_stack, clock):
    for name, value in triple("AKIA0", "value-0").items():
        github.organization("acme").put_secret(name, value, "selected", ["web", "api"])
    clock.later()
    stack = new_stack("")
    names = ",".join(triple())
    outcome = stack.run(
        "import", "codespaces:index:OrganizationSecrets", "token", names,
        "--yes", "--generate-code=false", "--protect=false",
    )  # fmt: skip
    assert "warning" not in outcome.output
    assert writes(github) == []

    # GitHub never returns a value, and the import writes only placeholders into the program.
    stack.write(program(dict.fromkeys(triple(), "")))
    refused = stack.preview(check=False)
    assert f"{PASSWORD}, {SERVER}, {USER}: GitHub does not tell what an imported secret holds" in refused.output
    stack.write(program(triple()))
    assert changes(stack.preview()) == dict.fromkeys([f"secrets.{name}" for name in triple()], "add")
    stack.up()
    assert (values(github), writes(github)) == (triple(), PUT_ALL)
    assert stack.preview("--expect-no-changes").steps == []

    unknown = stack.run(
        "import", "codespaces:index:OrganizationSecrets", "more", "PAY_CONTAINER_REGISTRY_SERVR", "--yes", check=False
    )
    assert f"has no secret PAY_CONTAINER_REGISTRY_SERVR; did you mean '{SERVER}'?" in unknown.output


def test_import_by_option_and_update_in_one_up(github, new_stack, clock):
    for name, value in triple("AKIA0", "value-0").items():
        github.organization("acme").put_secret(name, value, "selected", ["web", "docs"])
    clock.later()
    options = f"pulumi.ResourceOptions(import_={','.join(sorted(triple()))!r})"
    stack = new_stack(program(triple(), opts=options))
    preview = stack.preview()
    assert [step["op"] for step in preview.steps if step["urn"] == urn("token")] == ["import", "update"]
    assert writes(github) == []
    stack.up()
    assert (values(github), writes(github)) == (triple(), PUT_ALL)
    assert shared_readers(github) == by("selected", 11, 12)
    assert stack.preview("--expect-no-changes").steps == []


def test_a_pair_that_does_not_become_whole_is_put_back(github, new_stack, clock):
    stack = new_stack(program(triple()))
    stack.up()
    holds = triple()
    path = f"/orgs/acme/codespaces/secrets/{PASSWORD}"
    for number, (fault, last, back) in enumerate(
        (
            ({"kind": "status", "status": 403, "message": "No"}, USER, USER),
            ({"kind": "status", "status": 500, "times": None}, PASSWORD, USER),
            ({"kind": "reset_after", "times": 2}, PASSWORD, f"{USER}, {PASSWORD}"),
            ({"kind": "hang", "seconds": 1, "times": 2}, PASSWORD, f"{USER}, {PASSWORD}"),
        )
    ):
        clock.later()
        github.faults.add("PUT", path, **fault)
        writes(github)
        wanted = triple(f"AKIA{number}", f"value-CANARY-{number}")
        stack.write(program(wanted))
        failed = stack.up(check=False)
        github.faults.clear()
        assert not failed.ok
        assert values(github) == holds
        sent = writes(github)
        assert f"PUT {SERVER}" not in sent
        assert sent[-1] == f"PUT {last}"
        assert f"Secrets put back to what they held before: {back}." in failed.output
        nowhere(["value-CANARY", TOKEN], stack, failed)

        clock.later()
        if number == 1:
            assert sorted(changes(stack.preview())) == [f"secrets.{PASSWORD}", f"secrets.{USER}"]
        stack.up()
        holds = wanted
        assert values(github) == holds
        assert writes(github) == PUT_ALL
    assert stack.preview("--expect-no-changes").steps == []


def test_what_was_put_back_has_the_readers_it_had(github, new_stack, clock):
    stack = new_stack(program(triple()))
    stack.up()
    clock.later()
    github.faults.add("PUT", f"/orgs/acme/codespaces/secrets/{PASSWORD}", kind="status", status=403)
    stack.write(program(triple("AKIA2"), "{'docs': 13}"))
    assert not stack.up(check=False).ok
    stack.write(program(triple()))
    writes(github)
    stack.up()
    assert writes(github) == []
    assert values(github) == triple()
    assert shared_readers(github) == by("selected", 11, 12)
    assert stack.preview("--expect-no-changes").steps == []


def test_a_mark_that_fails_is_written_by_the_next_update(github, new_stack, clock):
    stack = new_stack(program(triple()))
    stack.up()
    clock.later()
    github.faults.add("PUT", f"/orgs/acme/codespaces/secrets/{SERVER}", kind="status", status=403)
    stack.write(program(triple("AKIA2", "value-2")))
    failed = stack.up(check=False)
    assert f"Secrets written: {USER}, {PASSWORD}." in failed.output
    assert values(github) == triple("AKIA2", "value-2")
    assert changes(stack.preview()) == {f"secrets.{SERVER}": "add"}
    writes(github)
    stack.up()
    assert writes(github) == PUT_ALL
    assert stack.preview("--expect-no-changes").steps == []


def test_a_create_that_fails_half_way_leaves_nothing(github, new_stack):
    stack = new_stack(program(triple()))
    github.faults.add("PUT", f"/orgs/acme/codespaces/secrets/{PASSWORD}", kind="reset_after", times=2)
    failed = stack.up(check=False)
    assert f"Secrets removed again: {USER}, {PASSWORD}." in failed.output
    assert values(github) == {}
    assert [resource for resource in stack.resources() if resource["urn"] == urn("token")] == []
    stack.up()
    assert values(github) == triple()
    stack.destroy()
    assert values(github) == {}


def test_a_listing_that_fails_after_a_write_is_no_loss(github, new_stack):
    """The state must have the writes, or the next update would take the secrets for somebody else's."""
    stack = new_stack(program({"NPM_TOKEN": "npm-1"}))
    github.faults.add("GET", "/orgs/acme/codespaces/secrets", kind="status", status=500, after=1, times=8)
    assert not stack.up(check=False).ok
    github.faults.clear()
    assert values(github) == {"NPM_TOKEN": "npm-1"}
    stack.up()
    assert stack.preview("--expect-no-changes").steps == []
    stack.destroy()
    assert values(github) == {}


def test_github_changes_its_key_or_asks_to_wait(github, new_stack, clock):
    stack = new_stack(program(triple()))
    stack.up()

    def rotate(request):
        if request.method == "PUT" and not rotated:
            rotated.append(request)
            github.rotate_public_key("acme")

    rotated = []
    github.faults.add_callback(rotate)
    clock.later()
    stack.write(program(triple("AKIA2")))
    stack.up()
    assert rotated
    assert values(github) == triple("AKIA2")
    github.faults.clear()

    clock.later()
    github.faults.add("PUT", f"/orgs/acme/codespaces/secrets/{PASSWORD}", kind="secondary_limit", retry_after=2)
    github.clear_requests()
    stack.write(program(triple("AKIA3")))
    stack.up()
    assert values(github) == triple("AKIA3")
    refused, retried = [put for put in github.requests if put.method == "PUT" and put.path.endswith(PASSWORD)]
    assert (refused.status, retried.status) == (403, 204)
    assert retried.at - refused.answered_at >= 2


def test_the_mark_moves_even_within_one_second(github, new_stack):
    """Time stamps have whole seconds, and only a newer SERVER proves that the pair before it is complete."""
    start = Clock()()
    github.clock = lambda: start
    stack = new_stack(program(triple()))
    stack.up()
    before = github.organization("acme").secrets[SERVER].updated_at
    stopped = []

    def let_time_pass(event):
        if event.name == SERVER and event.kind == "secret.updated":
            stopped.append(event)
            if len(stopped) == 2:
                github.clock = Clock()

    github.observers.append(let_time_pass)
    writes(github)
    stack.write(program(triple("AKIA2")))
    stack.up()
    assert writes(github) == [*PUT_ALL, *[f"PUT {SERVER}"] * 2]
    assert github.organization("acme").secrets[SERVER].updated_at > before


def test_a_change_of_repositories_that_fails_is_put_back(github, new_stack, clock):
    stack = new_stack(program(triple()))
    stack.up()
    writes(github)
    clock.later()
    path = f"/orgs/acme/codespaces/secrets/{PASSWORD}/repositories"
    github.faults.add("PUT", path, kind="status", status=403, message="No")
    stack.write(program(triple(), "{'web': 11, 'docs': 13}"))
    failed = stack.up(check=False)
    assert f"Secrets whose repositories were put back: {USER}." in failed.output
    assert shared_readers(github) == by("selected", 11, 12)

    # The rollback may fail too. Even if the program then reverts the change, all secrets get the same readers.
    github.faults.add("PUT", path, kind="status", status=403)
    github.faults.add("PUT", f"/orgs/acme/codespaces/secrets/{USER}/repositories", kind="status", status=403, after=1)
    failed = stack.up(check=False)
    assert f"Secrets whose repositories are uncertain until the next update writes them: {USER}." in failed.output
    assert readers(github)[USER] == ("selected", {11, 13})
    stack.write(program(triple()))
    assert changes(stack.preview()) == {"selectedRepositories": "update"}
    writes(github)
    stack.up()
    assert writes(github) == PUT_READERS
    assert shared_readers(github) == by("selected", 11, 12)
    assert stack.preview("--expect-no-changes").steps == []


def test_visibility(github, new_stack):
    stack = new_stack(program(triple(), None, more="'visibility': codespaces.Visibility.PRIVATE"))
    stack.up()
    assert shared_readers(github) == by("private")
    stack.write(program(triple(), None, more="'visibility': 'all'"))
    assert changes(stack.preview()) == {"visibility": "update"}
    stack.up()
    assert shared_readers(github) == by("all")
    stack.write(program(triple()))
    stack.up()
    assert shared_readers(github) == by("selected", 11, 12)
    assert stack.preview("--expect-no-changes").steps == []


REPOSITORY = f"""{HEAD}
import pulumi_github
new = pulumi_github.Repository('new', name='new', visibility='private')
selection = codespaces.RepositorySelection('readers', {{'names': ['web'], 'ids': {{'new': new.repo_id}}}})
pulumi.export('members', selection.repositories)
"""


def test_a_repository_created_in_the_same_update(github, new_stack):
    stack = new_stack(REPOSITORY + secret_set(triple(), "selection.repositories"))
    preview = stack.preview()
    assert steps(preview) == {"access-test": "create", "new": "create", "readers": "create", "token": "create"}
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    assert preview.step("readers")["newState"]["inputs"]["repositories"] == {"web": 11, "new": unknown}
    assert preview.step("token")["newState"]["inputs"]["selectedRepositories"] == unknown
    stack.up()
    number = github.repository("acme/new").id
    assert stack.outputs() == {"members": {"web": 11, "new": number}}
    assert shared_readers(github) == by("selected", 11, number)
    assert stack.preview("--expect-no-changes").steps == []


def test_what_depends_on_the_stamps_waits_for_them(new_stack):
    declared = program(triple()).replace("codespaces.Org", "one = codespaces.Org")
    stack = new_stack(declared + "pulumi.export('at', one.updated_at)\n")
    assert "at: [unknown]" in stack.run("preview").output
    stack.up()
    assert sorted(stack.outputs()["at"]) == sorted(triple())


def big_organization():
    repositories = {f"repo-{index:03}": {"id": 1000 + index, "private": True} for index in range(260)}
    return {
        "organizations": {"acme": {"id": 1, "plan": "team", "repositories": repositories}},
        "tokens": SEED["tokens"],
    }


def test_the_number_of_requests_for_250_repositories(new_stack):
    """Hand-written stock resources take 37, 1, 31, 40 and 40 requests."""

    def selecting(count, secret="value-1"):
        names = [f"repo-{index:03}" for index in range(count)]
        selection = f"selection = codespaces.RepositorySelection('readers', {{'names': {names!r}}})\n"
        return HEAD + selection + secret_set(triple("AKIA1", secret), "selection.repositories")

    with GitHubStandIn(big_organization()) as github:
        environment = {"GITHUB_OWNER": "acme", "GITHUB_TOKEN": TOKEN, "GITHUB_BASE_URL": f"{github.url}/"}
        stack = new_stack(selecting(250), environment)
        measured = {}
        for what, run, text in (
            ("create", stack.up, selecting(250)),
            ("no change", stack.up, selecting(250)),
            ("refresh", stack.refresh, selecting(250)),
            ("new value", stack.up, selecting(250, "value-2")),
            ("one repository more", stack.up, selecting(251, "value-2")),
        ):
            stack.write(text)
            github.clear_requests()
            run()
            measured[what] = len(github.requests)
        assert all(len(ids) == 251 for _, ids in readers(github).values())
        assert values(github) == triple("AKIA1", "value-2")
    print(measured)
    assert measured == {"create": 9, "no change": 4, "refresh": 10, "new value": 9, "one repository more": 8}

"""`RepositorySelection` on the real engine: its members, and repositories that are no longer members."""

from __future__ import annotations

import copy

import pytest

from rig.codespace import visible_secrets
from rig.github import GitHubStandIn

from .conftest import SEED, TOKEN
from .secret_programs import HEAD, members, program, readers, secret_set, triple, values, writes

# web 11 and api 12 have the topic payments; docs is 13 and infra 14.


def selecting(declared, name="readers"):
    return f"{name} = codespaces.RepositorySelection({name!r}, {declared!r})\n"


def asked(github):
    """The requests since the last call, except requests for secrets."""
    found = [
        f"{request.path}?{request.query}".rstrip("?")
        for request in github.requests
        if "/codespaces/" not in request.path
    ]
    github.clear_requests()
    return sorted(found)


def changes(preview, name="readers"):
    return {path: change["kind"] for path, change in preview.step(name)["detailedDiff"].items()}


def warnings(preview):
    return [warning.removeprefix("warning: ").rstrip() for warning in preview.warnings]


@pytest.fixture
def properties_github():
    seed = copy.deepcopy(SEED)
    acme = seed["organizations"]["acme"]
    acme["custom_properties"] = [{"property_name": "team", "value_type": "single_select", "allowed_values": ["a", "b"]}]
    acme["repositories"]["docs"]["properties"] = {"team": "a"}
    with GitHubStandIn(seed) as standing_in:
        yield standing_in


def test_every_way_to_select(properties_github, new_stack):
    github = properties_github
    environment = {"GITHUB_OWNER": "acme", "GITHUB_TOKEN": TOKEN, "GITHUB_BASE_URL": f"{github.url}/"}
    many = [f"repo-{index}" for index in range(11)]
    for name in many:
        github.organization("acme").create_repository(name, number=500 + int(name.partition("-")[2]))
    declared = {
        "few": {"names": ["web", "Docs"]},
        "many": {"names": many},
        "topical": {"topics": ["payments"]},
        "owned": {"properties": {"team": "a"}},
        "given": {"ids": {"anything": 14}},
        "union": {"names": ["infra", "web"], "topics": ["payments"], "properties": {"team": "a"}, "ids": {"own": 501}},
    }
    stack = new_stack(HEAD + "".join(selecting(selection, name) for name, selection in declared.items()), environment)
    assert [step["op"] for step in stack.preview().steps] == ["create"] * 7
    stack.up()
    found = {name: members(stack, name) for name in declared}
    assert found == {
        "few": {"web": 11, "Docs": 13},
        "many": {name: 500 + index for index, name in enumerate(many)},
        "topical": {"web": 11, "api": 12},
        "owned": {"docs": 13},
        "given": {"anything": 14},
        "union": {"infra": 14, "web": 11, "api": 12, "docs": 13, "own": 501},
    }
    assert github.contract_failures == []
    assert stack.preview("--expect-no-changes").warnings == []


def test_few_names_are_asked_for_one_by_one_and_many_are_listed_once(github, new_stack):
    stack = new_stack(HEAD + selecting({"names": ["web", "api"]}) + selecting({"names": ["web"]}, "other"))
    stack.preview()
    assert asked(github) == ["/repos/acme/api", "/repos/acme/web"]
    for number in range(11):
        github.organization("acme").create_repository(f"repo-{number}")
    names = [f"repo-{number}" for number in range(11)]
    stack.write(HEAD + selecting({"names": names}) + selecting({"topics": ["payments"]}, "other"))
    stack.preview()
    assert asked(github) == ["/orgs/acme/repos?per_page=100"]


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"names": ["web", "ap"]}, "organization acme has no repository 'ap'; did you mean 'api'? Select a "),
        ({"names": ["acme/web"]}, "names[0] 'acme/web': write the name without its owner: 'web'."),
        ({"names": [".."]}, "names[0] '..' is not a valid repository name"),
        ({"names": ["web", ""]}, "names[1] '' is not a valid repository name"),
        ({}, "the selection is empty: give `names`, `topics`, `properties` or `ids`."),
    ],
)
def test_a_selection_that_means_nothing_is_refused_in_the_preview(github, new_stack, declared, message):
    stack = new_stack(HEAD + selecting(declared) + secret_set(triple(), "readers.repositories"))
    preview = stack.preview(check=False)
    assert not preview.ok
    assert message in preview.digest["diagnostics"][0]["message"]
    assert values(github) == {}


def test_a_topic_that_no_repository_has_is_no_reader(github, new_stack):
    stack = new_stack(HEAD + selecting({"topics": ["paymnts"]}) + secret_set(triple(), "readers.repositories"))
    preview = stack.preview(check=False)
    assert not preview.ok
    assert "selected_repositories is empty, so no codespace could read the secrets" in preview.output
    assert writes(github) == []


def test_repositories_come_and_go(github, new_stack):
    acme = github.organization("acme")
    text = HEAD + selecting({"names": ["docs", "infra"], "topics": ["payments"]})
    stack = new_stack(text + secret_set(triple(), "readers.repositories"))
    stack.up()
    writes(github)

    # One repository is renamed, one is archived, one gets the topic, and one loses it.
    github.repository("acme/docs").rename("handbook")
    github.repository("acme/infra").archive()
    acme.create_repository("pay", number=77, topics=["payments"])
    github.repository("acme/api").topics.clear()
    preview = stack.preview()
    assert warnings(preview) == [
        "docs is now called handbook and keeps its access; use handbook in the selection.",
        "infra is archived and is left out; remove it from the selection or unarchive it.",
        "pay joins: it has topic payments",
        "api leaves: it no longer has the topic or property that selected it",
    ]
    assert changes(preview) == {
        "repositories.api": "delete",
        "repositories.infra": "delete",
        "repositories.pay": "add",
        "renamed.docs": "add",
        "skipped.infra": "add",
    }
    assert changes(preview, "token") == {
        "selectedRepositories.api": "delete",
        "selectedRepositories.infra": "delete",
        "selectedRepositories.pay": "add",
    }
    stack.up()
    assert members(stack, "readers") == {"docs": 13, "pay": 77, "web": 11}
    assert {frozenset(ids) for _, ids in readers(github).values()} == {frozenset({11, 13, 77})}
    assert {write.rpartition("/")[2] for write in writes(github)} == {"repositories"}
    # A warning without news is repeated only if somebody has to act.
    assert warnings(stack.preview("--expect-no-changes")) == [
        "docs is now called handbook and keeps its access; use handbook in the selection.",
        "infra is archived and is left out; remove it from the selection or unarchive it.",
    ]

    # Another repository takes the name, one repository is deleted, and one selected by topic is archived.
    acme.create_repository("docs", number=99)
    github.repository("acme/infra").delete()
    github.repository("acme/pay").archive()
    preview = stack.preview()
    taken, *others = warnings(preview)
    assert taken == (
        "docs is now a different repository: the repository selected so far (id 13) is now called handbook, and the "
        "repository with id 99, which has the name now, gets the access."
    )
    assert others == [
        "infra no longer exists in the organization and is left out; remove it from the selection.",
        "pay leaves: it is archived",
    ]
    stack.up()
    assert members(stack, "readers") == {"docs": 99, "web": 11}
    assert {frozenset(ids) for _, ids in readers(github).values()} == {frozenset({11, 99})}

    # The program drops the topic. The author knows that, so the only news is the new name.
    stack.write(HEAD + selecting({"names": ["docs", "handbook"]}) + secret_set(triple(), "readers.repositories"))
    preview = stack.preview()
    assert warnings(preview) == []
    assert changes(preview) == {
        "repositories.handbook": "add",
        "repositories.web": "delete",
        "skipped.infra": "delete",
    }


def test_one_that_was_asked_for_by_name_is_followed_and_dropped(github, new_stack):
    stack = new_stack(HEAD + selecting({"names": ["web", "docs"]}))
    stack.up()
    github.repository("acme/web").rename("site")
    github.repository("acme/docs").delete()
    asked(github)
    preview = stack.preview()
    assert warnings(preview) == [
        "web is now called site and keeps its access; use site in the selection.",
        "docs no longer exists in the organization and is left out; remove it from the selection.",
    ]
    assert changes(preview) == {"repositories.docs": "delete", "renamed.web": "add", "skipped.docs": "add"}
    github.organization("acme").create_repository("web", number=99)
    assert "the repository selected so far (id 11) is now called site" in warnings(stack.preview())[0]


def test_what_the_credentials_cannot_see_is_no_deletion(github, new_stack):
    stack = new_stack(HEAD + selecting({"names": ["web", "docs"]}))
    stack.up()
    github.tokens.revoke(TOKEN)
    github.tokens.add(TOKEN, scopes=("admin:org",))
    preview = stack.preview(check=False)
    assert not preview.ok
    assert "(or the token lacks the scope repo and sees public repositories only)" in preview.output
    stack.write(HEAD + selecting({"topics": ["payments"]}))
    preview = stack.preview(check=False)
    assert "public repositories only, so topics and custom properties cannot be resolved" in preview.output


def test_two_sets_share_a_selection(github, new_stack):
    def both(declared):
        sets = "".join(
            secret_set(triple(prefix=prefix, server=f"{prefix.lower()}.azurecr.io"), selected, name=prefix)
            for prefix, selected in (("PAY", "readers.repositories"), ("SHOP", "readers"))
        )
        return HEAD + selecting(declared) + sets

    stack = new_stack(both({"names": ["web"]}))
    stack.up()
    assert len(values(github)) == 6
    writes(github)
    stack.write(both({"names": ["web", "docs"]}))
    preview = stack.preview()
    assert changes(preview) == {"repositories.docs": "add"}
    assert changes(preview, "PAY") == changes(preview, "SHOP") == {"selectedRepositories.docs": "add"}
    asked(github)
    stack.up()
    assert {frozenset(ids) for _, ids in readers(github).values()} == {frozenset({11, 13})}
    assert asked(github) == ["/repos/acme/docs", "/repos/acme/web"]
    assert stack.preview("--expect-no-changes").steps == []


def test_import_and_refresh(github, new_stack):
    stack = new_stack(program(triple()))
    stack.run(
        "import", "codespaces:index:RepositorySelection", "readers", "web,api",
        "--yes", "--generate-code=false", "--protect=false",
    )  # fmt: skip
    assert members(stack, "readers") == {"web": 11, "api": 12}
    stack.write(HEAD + selecting({"names": ["web", "api"]}))
    assert stack.up("--refresh", "--expect-no-changes", check=False).ok
    github.repository("acme/web").rename("site")
    stack.refresh()
    assert members(stack, "readers") == {"web": 11, "api": 12}


def test_a_transferred_repository_is_dropped_however_it_was_selected(github, new_stack):
    """GitHub redirects both the old name and the id to the new owner's repository, which must not become a member."""
    acme = github.organization("acme")
    for name, number in (("pay", 77), ("made", 78), ("shop", 79)):
        acme.create_repository(name, number=number, topics=["payments"] if name == "pay" else [])
    selections = {
        "named": {"names": ["web", "docs"]},
        "topical": {"topics": ["payments"]},
        "given": {"ids": {"made": 78, "infra": 14}},
    }
    sets = "".join(
        secret_set(triple(prefix=name, server=f"{name}.azurecr.io"), f"{name}.repositories", name=f"{name}-secrets")
        for name in selections
    )
    stack = new_stack(HEAD + "".join(selecting(selection, name) for name, selection in selections.items()) + sets)
    stack.up()
    for name in ("docs", "pay", "made"):
        github.repository(f"acme/{name}").transfer("umbrella")
    acme.create_repository("docs-next", number=90)
    preview = stack.preview()
    assert sorted(warnings(preview)) == [
        "docs was transferred to umbrella and is left out; remove it from the selection.",
        "made was transferred to umbrella and is left out; remove it from the selection.",
        "pay leaves: it was transferred to umbrella",
    ]
    assert changes(preview, "named") == {"repositories.docs": "delete", "skipped.docs": "add"}
    assert changes(preview, "given") == {"repositories.made": "delete", "skipped.made": "add"}
    assert changes(preview, "topical") == {"repositories.pay": "delete"}
    stack.up()
    assert {name: set(members(stack, name).values()) for name in selections} == {
        "named": {11}, "topical": {11, 12}, "given": {14},
    }  # fmt: skip
    assert {frozenset(ids) for _, ids in readers(github).values()} == {
        frozenset({11}), frozenset({11, 12}), frozenset({14}),
    }  # fmt: skip
    assert stack.preview("--expect-no-changes").steps == []

    # Another repository takes the name, and the access with it.
    acme.create_repository("docs", number=99)
    became = (
        "docs is now a different repository: the repository selected so far (id 13) was transferred to umbrella, and "
    )
    became += "the repository with id 99, which has the name now, gets the access."
    left_out = "made was transferred to umbrella and is left out; remove it from the selection."
    assert sorted(warnings(stack.preview())) == [became, left_out]


def test_one_that_went_out_of_sight_is_dropped_too(github, new_stack):
    """An App of the organization sees neither a transferred repository nor a deleted repository."""
    github.tokens.revoke(TOKEN)
    github.tokens.add(TOKEN, scopes=("admin:org", "repo"), login="platform")
    github.organization("umbrella").members = {"somebody": "admin"}
    declared = {"names": ["web", "docs"], "ids": {"infra": 14, "api": 12}}
    stack = new_stack(HEAD + selecting(declared) + secret_set(triple(), "readers.repositories"))
    stack.up()
    for name in ("docs", "infra"):
        github.repository(f"acme/{name}").transfer("umbrella")
    preview = stack.preview()
    assert warnings(preview) == [
        f"{name} no longer exists in the organization and is left out; remove it from the selection."
        for name in ("docs", "infra")
    ]
    stack.up()
    assert {frozenset(ids) for _, ids in readers(github).values()} == {frozenset({11, 12})}


def test_a_fork_is_a_repository_of_its_own(github, new_stack):
    text = HEAD + selecting({"names": ["web"], "topics": ["payments"]}) + secret_set(triple(), "readers.repositories")
    stack = new_stack(text)
    stack.up()
    github.organization("acme").create_repository("web-fork", number=70, fork=True)
    github.organization("umbrella").create_repository("web", number=71, fork=True, topics=["payments"])
    assert stack.preview("--expect-no-changes").warnings == []
    found = [sorted(visible_secrets(github, name)) for name in ("acme/web", "acme/web-fork", "umbrella/web")]
    assert found == [sorted(triple()), [], []]

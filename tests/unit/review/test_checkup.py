"""What is wrong with registry access: each rule over plain data."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from preview_digests import HOST, ecr, login, state

from pulumi_codespaces.review.checkup import (
    Finding,
    Held,
    Listed,
    as_json,
    changed_outside,
    endings,
    hosts_without_login,
    in_order,
    kept_by,
    key_findings,
    mixtures,
    names_that_miss,
    package_findings,
    policy_findings,
    reaching,
    room,
    some,
    unseen,
    without_readers,
)
from pulumi_codespaces.review.digest import SECRET, read_state, stack_outputs
from pulumi_codespaces.rules.iam_users import LiveKey
from pulumi_codespaces.rules.secret_names import Triple

NOW = datetime(2026, 11, 26, tzinfo=timezone.utc)
AT, LATER = "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"
PAYMENTS, AZURE = Triple("PAYMENTS"), Triple("AZURE")
GUIDE = "https://docs.github.com/en/codespaces/reference/allowing-your-codespace-to-access-a-private-registry"
SET, DELETE = "gh secret set {} --app codespaces {}", "gh secret delete {} --app codespaces {}"


def organization(secrets):
    """An organization's secrets, NAME -> the secret; a list of names is for secrets of everybody."""
    given = secrets if isinstance(secrets, dict) else {name: Listed(AT, "all") for name in secrets}
    return Held("organization acme", "--org acme", given)


def repository(*names):
    return Held("repository acme/web", "--repo acme/web", {name: Listed(AT) for name in names})


def state_text(*resources):
    return json.dumps({"deployment": {"resources": list(resources)}})


def kept_of(resources, **outputs):
    """The only secrets among resources, with these outputs."""
    found = [
        {**one, "outputs": {**one["outputs"], **outputs}} if one["type"].endswith("Secrets") else one
        for one in resources
    ]
    (kept,) = kept_by(read_state(state_text(*found)))
    return kept


def summary(findings):
    return [(one.code, one.severity, one.resource, one.what, one.fix) for one in findings]


# -- secrets by their names


def test_an_incomplete_login():
    some_of = organization({AZURE.user: Listed(AT, "selected", {11: "web", 12: "api"}), "NPM_TOKEN": Listed(AT, "all")})
    assert names_that_miss(some_of, ()) == [
        Finding(
            "incomplete-login",
            "error",
            "organization acme",
            f"{AZURE.user} is there, and {AZURE.password} and {AZURE.server} are not.",
            f"GitHub logs a codespace in only where it finds all three ({GUIDE}).",
            f"{SET.format(AZURE.password, '--org acme')} --repos api,web; "
            f"{SET.format(AZURE.server, '--org acme')} --repos api,web; or, if nobody needs it: "
            f"{DELETE.format(AZURE.user, '--org acme')}",
        )
    ]


@pytest.mark.parametrize(
    ("listed", "flags"),
    [
        (Listed(AT, "private"), " --visibility private"),
        (Listed(AT, "selected", {}), " --repos NAME"),
        (Listed(AT, "selected", None), " --repos NAME"),
    ],
)
def test_what_is_missing_is_set_for_the_same_readers(listed, flags):
    (found,) = names_that_miss(organization({AZURE.user: listed, AZURE.password: listed}), ())
    assert found.what == f"{AZURE.user} and {AZURE.password} are there, and {AZURE.server} is not."
    assert found.fix.partition(";")[0] == SET.format(AZURE.server, "--org acme") + flags


def test_no_incomplete_login():
    assert names_that_miss(organization([*AZURE.names, "NPM_TOKEN"]), ()) == []
    assert names_that_miss(organization(AZURE.names[:2]), AZURE.names) == []
    assert names_that_miss(repository(AZURE.user), (), AZURE.names) == []
    assert [one.code for one in names_that_miss(repository(AZURE.user), (), AZURE.names[:2])] == ["incomplete-login"]


def test_a_name_that_github_ignores():
    wrong = "AZURE_CONTAINER_REGISTRY_PASS"
    assert names_that_miss(repository(wrong, AZURE.user, AZURE.server), ()) == [
        Finding(
            "ignored-name",
            "warning",
            "repository acme/web",
            f"{wrong} is no name that GitHub looks for; {AZURE.password} is.",
            f"GitHub looks for names that end with these very words, and ignores others ({GUIDE}).",
            f"{SET.format(AZURE.password, '--repo acme/web')}; then {DELETE.format(wrong, '--repo acme/web')}",
        )
    ]
    assert names_that_miss(repository(wrong, *AZURE.names), ()) == []
    assert names_that_miss(repository(wrong), [wrong]) == []


def test_a_mixture_of_two_levels():
    own = repository(AZURE.user, AZURE.password)
    assert mixtures([*AZURE.names, *PAYMENTS.names], own, "acme") == [
        Finding(
            "mixed-login",
            "error",
            "repository acme/web",
            f"codespaces log in with a mixture for AZURE: {AZURE.user} and {AZURE.password} are the repository's own, "
            "and the rest is that of organization acme.",
            "GitHub takes each secret by itself from the lowest level that has it, so that user and password do not "
            "belong together.",
            f"{DELETE.format(AZURE.user, '--repo acme/web')}; {DELETE.format(AZURE.password, '--repo acme/web')}; or "
            "give the repository all three",
        )
    ]
    assert mixtures(AZURE.names, repository(*AZURE.names), "acme") == []


def test_what_reaches_a_repository():
    held = organization({
        "ALL": Listed(AT, "all"),
        "PRIVATE": Listed(AT, "private"),
        "WEB": Listed(AT, "selected", {11: "Web"}),
        "API": Listed(AT, "selected", {12: "api"}),
        "UNSEEN": Listed(AT, "selected"),
    })  # fmt: skip
    assert reaching(held, "web", public=False) == ["ALL", "PRIVATE", "WEB"]
    assert reaching(held, "web", public=True) == ["ALL", "WEB"]


def test_secrets_that_nobody_reads():
    none = Listed(AT, "selected", {})
    held = organization(
        dict.fromkeys([*AZURE.names, "OLD", *PAYMENTS.names], none)
        | {"ALL": Listed(AT, "all"), "UNSEEN": Listed(AT, "selected"), "USED": Listed(AT, "selected", {11: "web"})}
    )
    found = without_readers(held, PAYMENTS.names)
    assert summary(found) == [
        (
            "no-readers",
            "warning",
            "organization acme",
            f"{', '.join(AZURE.names[:2])} and {AZURE.server} are for selected repositories, and none is selected.",
            "; ".join(DELETE.format(name, "--org acme") for name in AZURE.names),
        ),
        (
            "no-readers",
            "warning",
            "organization acme",
            "OLD is for selected repositories, and none is selected.",
            DELETE.format("OLD", "--org acme"),
        ),
    ]
    assert [one.why for one in found] == [
        "No codespace gets them, and they take room (100 secrets at most).",
        "No codespace gets it, and it takes room (100 secrets at most).",
    ]


@pytest.mark.parametrize(
    ("count", "left"), [(88, None), (89, "3 registries"), (96, "1 registry"), (97, "1 registry"), (100, "0 registries")]
)
def test_little_room(count, left):
    found = room(organization([*AZURE.names, *(f"S{number}" for number in range(count - 3))]))
    assert [(one.code, one.what) for one in found] == (
        [("little-room", f"{count} of 100 secrets are used, 1 of 33 registries: room for {left} more.")] if left else []
    )


# -- what a stack wrote


def test_what_a_state_keeps():
    written = dict.fromkeys(PAYMENTS.names, AT)
    kept = kept_of(ecr(readers=("web", "api"), serials=(2, 1)), updatedAt=written, selectedRepositories={"web": 11})
    assert (kept.stack, kept.access.name, kept.written_at) == ("prod", "payments", written)
    assert (kept.repository_ids, kept.keys) == (frozenset([11]), {"AKIAa": "Active", "AKIAb": "Active"})
    assert (kept.repository, kept.of_organization, kept.user_arn) == ("", True, "")
    alone = state("codespaces:index:RepositorySecrets", "npm", {"owner": "acme", "repositoryName": "web"})
    kept = kept_of([alone, *(one for one in ecr() if not one["type"].endswith("Secrets"))])
    assert (kept.repository, kept.of_organization, kept.keys) == ("web", False, {})


def test_the_arn_and_the_keys_are_those_of_the_same_component():
    resources = [*ecr(), *ecr("other")]
    for one in resources:
        if one["type"] == "aws:iam/user:User":
            one["outputs"] = {"arn": f"arn:aws:iam::123456789012:user/{one['id']}"}
        if one["type"] == "aws:iam/accessKey:AccessKey":
            one["outputs"]["status"] = "Inactive"
            one["id"] = f"AKIA{one['inputs']['user']}"
    assert [(one.user_arn[31:], one.keys) for one in kept_by(read_state(state_text(*resources)))] == [
        (user, {f"AKIA{user}": "Inactive"}) for user in ("codespaces-payments", "codespaces-other")
    ]


def test_a_key_that_is_left_to_be_deleted_is_in_the_state():
    resources = ecr()
    (key,) = [one for one in resources if one["type"] == "aws:iam/accessKey:AccessKey"]
    left = {**key, "id": "AKIALEFT", "delete": True}
    assert kept_of([*resources, left]).keys == {key["id"]: "Active", "AKIALEFT": "Active"}


KEPT = kept_of(ecr(), updatedAt=dict.fromkeys(PAYMENTS.names, AT), selectedRepositories={"web": 11})
AS_WRITTEN = dict.fromkeys(PAYMENTS.names, Listed(AT, "selected", {11: "web"}))
UP = "pulumi up --refresh --stack prod"


def test_secrets_as_they_were_written():
    assert changed_outside(KEPT, organization(AS_WRITTEN | {"OTHER": Listed(LATER, "all")})) == []
    unseen_readers = dict.fromkeys(PAYMENTS.names, Listed(AT, "selected"))
    assert changed_outside(KEPT, organization(unseen_readers)) == []


def test_a_secret_that_was_deleted_or_written_by_somebody_else():
    held = organization(
        {PAYMENTS.user: AS_WRITTEN[PAYMENTS.user], PAYMENTS.server: Listed(LATER, "selected", {11: ""})}
    )
    assert summary(changed_outside(KEPT, held)) == [
        ("secret-deleted", "error", "organization acme",
         f"{PAYMENTS.password} that stack prod (payments) wrote is not there any more.", UP),
        ("secret-changed", "warning", "organization acme",
         f"{PAYMENTS.server} was written by somebody else since stack prod (payments) did.", UP),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "other", [Listed(AT, "private"), Listed(AT, "selected", {}), Listed(AT, "selected", {11: "web", 12: "api"})]
)
def test_a_secret_for_other_readers(other):
    held = organization(AS_WRITTEN | dict.fromkeys(PAYMENTS.names[:2], other))
    names = f"{PAYMENTS.user} and {PAYMENTS.password}"
    assert summary(changed_outside(KEPT, held)) == [
        ("readers-changed", "warning", "organization acme",
         f"{names} are for others than stack prod (payments) wrote them for.", UP),
    ]  # fmt: skip


def test_a_repositorys_secrets_have_no_readers():
    alone = state("codespaces:index:RepositorySecrets", "npm", {"owner": "acme", "repositoryName": "web"})
    kept = kept_of([alone], updatedAt={"NPM_TOKEN": AT})
    assert changed_outside(kept, repository("NPM_TOKEN")) == []
    assert [one.code for one in changed_outside(kept, repository())] == ["secret-deleted"]


# -- access keys


def keys_of(kept, **live):
    """What is found where AWS lists these keys."""
    return key_findings(kept, live, NOW, max_age_days=90, unused_days=90)


FRESH = LiveKey("Active", NOW - timedelta(days=25), NOW - timedelta(days=1))
OF_USER = "user codespaces-payments"


def test_a_key_as_it_should_be():
    assert keys_of(KEPT, AKIAa=FRESH) == []
    assert keys_of(KEPT, AKIAa=replace(FRESH, made=NOW - timedelta(days=90, hours=23))) == []
    assert keys_of(KEPT, AKIAa=replace(FRESH, made=NOW - timedelta(days=90), used=None)) == []


def test_a_key_that_is_old():
    (found,) = keys_of(KEPT, AKIAa=replace(FRESH, made=NOW - timedelta(days=91)))
    assert summary([found]) == [
        ("old-key", "warning", OF_USER, "the published access key AKIAa is 91 days old, and at most 90 are wanted.",
         ("pulumi config set --path 'registries.payments.keyGeneration' 2 --stack prod (in a program of your own: "
         "key_generation=2); then pulumi up --stack prod")),
    ]  # fmt: skip


def test_the_path_of_a_name_with_a_dot():
    (found,) = key_findings(kept_of(ecr("a.b")), {"AKIAa": FRESH}, NOW, max_age_days=1, unused_days=90)
    assert found.fix.startswith("""pulumi config set --path 'registries["a.b"].keyGeneration' 2 --stack prod (""")


@pytest.mark.parametrize(
    ("used", "last"), [(None, "was never used"), (NOW - timedelta(days=92), "was last used 92 days ago")]
)
def test_a_key_that_nobody_uses(used, last):
    live = LiveKey("Active", NOW - timedelta(days=91 if used is None else 93), used)
    found = key_findings(KEPT, {"AKIAa": live}, NOW, max_age_days=100, unused_days=90)
    assert summary(found) == [
        ("unused-key", "warning", OF_USER, f"the published access key AKIAa {last}.",
         ("pulumi config rm --path 'registries.payments' --stack prod (in a program of your own: take payments out of "
         "it); then pulumi up --stack prod")),
    ]  # fmt: skip


def test_a_key_that_no_state_knows():
    made = datetime(2026, 11, 20, tzinfo=timezone.utc)
    assert keys_of(KEPT, AKIAa=FRESH, AKIAx=LiveKey("Inactive", made)) == [
        Finding(
            "unmanaged-key",
            "warning",
            OF_USER,
            "access key AKIAx (made 2026-11-20T00:00:00+00:00, Inactive) is in no state.",
            "A run was killed while it made the key, or somebody made it by hand. IAM allows two keys a user, so it "
            "blocks a rotation.",
            "aws iam delete-access-key --user-name codespaces-payments --access-key-id AKIAx, if nothing uses it",
        )
    ]


MORE = "arn:aws:iam::123456789012:policy/codespaces/more"


def test_policies_that_no_state_knows():
    why = (
        "Codespaces may do what it allows, and nobody reviewed that. Somebody made it by hand, or a run was killed "
        "while it made the policy and the program was changed then."
    )
    user = "--user-name codespaces-payments"
    assert policy_findings(KEPT, ["login", "pull", "wider"], [MORE]) == [
        Finding("unmanaged-policy", "warning", OF_USER, f"policy {policy} is in no state.", why, fix)
        for policy, fix in (
            (MORE, f"aws iam detach-user-policy {user} --policy-arn {MORE}, if nobody needs it"),
            ("wider", f"aws iam delete-user-policy {user} --policy-name wider, if nobody needs it"),
        )
    ]


def test_policies_that_a_program_gives_the_user_by_itself():
    given = {"user": "codespaces-payments", "policyArn": MORE}
    of_another = state("aws:iam/userPolicy:UserPolicy", "other", identifier="codespaces-payments2:wider")
    kept = kept_of([
        *ecr(),
        state("aws:iam/userPolicyAttachment:UserPolicyAttachment", "more", given, outputs=given),
        state("aws:iam/userPolicy:UserPolicy", "logs", identifier="codespaces-payments:logs"),
        of_another,
    ])  # fmt: skip
    assert kept.policies == {"login", "pull", "logs", MORE}
    assert policy_findings(kept, ["login", "pull", "logs"], [MORE]) == []


def with_statuses(first, second):
    """Two keys, of which the second is published, with their statuses in the state."""
    resources = ecr(serials=(1, 2), current="b", generation=2)
    for one in resources:
        if one["type"] == "aws:iam/accessKey:AccessKey":
            one["inputs"]["status"] = {"AKIAa": first, "AKIAb": second}[one["id"]]
    return kept_of(resources)


ENDS = "Codespaces cannot log in with it."


@pytest.mark.parametrize(
    ("kept", "live", "wanted"),
    [
        (("Active", "Active"), {"AKIAb": "Inactive"},
         ("inactive-key", "error", "access key AKIAb is Inactive, and Active in the state.", ENDS)),
        (("Active", "Active"), {"AKIAa": "Inactive"},
         ("inactive-key", "warning", "access key AKIAa is Inactive, and Active in the state.",
          "Codespaces that run since before the rotation cannot log in with it any more.")),
        (("Inactive", "Active"), {},
         ("revived-key", "warning", "access key AKIAa is Active, and Inactive in the state.",
          "A key that was retired lets in again whoever has it.")),
        (("Active", "Active"), {"AKIAb": None},
         ("missing-key", "error", "AWS has no access key AKIAb, which is published.", ENDS)),
        (("Active", "Active"), {"AKIAa": None},
         ("missing-key", "warning", "AWS has no access key AKIAa, which is Active in the state.", ENDS)),
        (("Inactive", "Active"), {"AKIAa": None}, None),
    ],
)  # fmt: skip
def test_a_key_that_is_not_as_the_state_has_it(kept, live, wanted):
    there = {key: live.get(key, "Active") for key in ("AKIAa", "AKIAb")}
    found = keys_of(with_statuses(*kept), **{key: replace(FRESH, status=it) for key, it in there.items() if it})
    assert [(one.code, one.severity, one.what, one.why) for one in found] == ([wanted] if wanted else [])
    assert [one.fix for one in found] == ([UP] if wanted else [])


# -- credentials that end


ECR_HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


def test_credentials_that_end():
    names = {"secretNames": list(AZURE.names)}
    outputs = {
        "ended": {**names, "expiresAt": "2026-11-26T00:00:00Z"},
        "ending": {**names, "expiresAt": "2026-11-27T00:00:00Z"},
        "nested": {"azure": {**names, "expiresAt": "2026-12-10T00:00:00Z"}},
        "later": {**names, "expiresAt": "2026-12-11T00:00:00Z"},
        "token": {**names, "expiresAt": "2026-11-26T11:00:00Z", "server": ECR_HOST},
        "soon": {**names, "expiresAt": "2026-11-26T11:00:00Z", "server": "acme.azurecr.io"},
        "odd": {**names, "expiresAt": "soon"},
        "hidden": {**names, "expiresAt": SECRET},
        "other": {"expiresAt": "2026-11-27T00:00:00Z"},
        "text": "x",
    }
    new = "give new ones (a token of Amazon ECR is renewed by every update); then pulumi up --stack prod"
    assert summary(endings("prod", outputs, NOW)) == [
        ("credentials-ended", "error", "stack prod", "the credentials of ended ended at 2026-11-26T00:00:00Z.", new),
        ("credentials-ending", "warning", "stack prod",
         "the credentials of ending end in 1 day, at 2026-11-27T00:00:00Z.", new),
        ("credentials-ending", "warning", "stack prod",
         "the credentials of azure end in 14 days, at 2026-12-10T00:00:00Z.", new),
        ("credentials-ending", "warning", "stack prod",
         "the credentials of soon end in 0 days, at 2026-11-26T11:00:00Z.", new),
    ]  # fmt: skip


def test_what_a_stack_exports():
    marked = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": '"CANARY"'}
    stack = state("pulumi:pulumi:Stack", "access-prod", outputs={"a": {"b": 1}, "c": marked})
    assert stack_outputs(state_text(*login(), stack)) == {"a": {"b": 1}, "c": SECRET}
    assert stack_outputs(state_text(*login())) == {}


# -- packages and development containers


def test_a_package_that_is_not_as_declared():
    found = package_findings("prod", "base/image", ["package base/image is public, and so on"], "https://x")
    assert summary(found) == [
        ("package-differs", "warning", "package base/image", "package base/image is public, and so on.",
         "change it at https://x, or declare what is so; then pulumi up --stack prod"),
    ]  # fmt: skip


BOTH = kept_by(read_state(state_text(*ecr(), *login(readers=("api",)))))
(OF_ECR,), (OF_AZURE,) = ([one.access.urn for one in BOTH if one.access.name == name] for name in ("payments", "azure"))


def test_a_registry_that_a_repository_does_not_log_in_to():
    what = "its devcontainer.json needs an image of {}, and its codespaces do not log in there."
    found = hosts_without_login("acme/web", ["acme.azurecr.io", HOST, "new.azurecr.io"], BOTH, [OF_ECR], [])
    assert summary(found) == [
        ("no-login", "error", "repository acme/web", what.format("acme.azurecr.io"),
         "add web to the repositories of azure; then pulumi up"),
        ("no-login", "error", "repository acme/web", what.format("new.azurecr.io"),
         ("add a registry to the program or the configuration: server: new.azurecr.io, repositories: [web]; then "
         "pulumi up")),
    ]  # fmt: skip
    assert hosts_without_login("acme/web", ["acme.azurecr.io:443", HOST], BOTH, [OF_ECR, OF_AZURE], []) == []


def test_logins_of_which_nobody_tells_where_to():
    (found,) = hosts_without_login("acme/web", ["acme.azurecr.io"], BOTH, [OF_ECR], ["B", "A"])
    assert (found.severity, found.what) == (
        "unseen",
        (
            "its devcontainer.json needs an image of acme.azurecr.io, and whether A and B are for that registry is not "
            "told."
        ),
    )
    hidden = kept_by(read_state(state_text(*login(server=SECRET))))
    (found,) = hosts_without_login("acme/web", ["acme.azurecr.io"], hidden, [hidden[0].access.urn], [])
    assert found.what.endswith("and whether AZURE is for that registry is not told.")


# -- what is printed


def test_the_worst_first_and_each_once():
    worst = Finding("b", "error", "organization acme", "w", "y", "f")
    other = replace(worst, severity="warning", code="a")
    hidden = unseen("organization acme", "w", "f")
    assert in_order([hidden, other, worst, other, replace(worst, code="a")]) == [
        replace(worst, code="a"),
        worst,
        other,
        hidden,
    ]


def test_a_list_of_objects():
    assert as_json([]) == "[]\n"
    assert json.loads(as_json([unseen("organization acme", "w.", "f")])) == [
        {"code": "unseen", "severity": "unseen", "resource": "organization acme", "what": "w.",
         "why": "What is wrong there is not among these findings.", "fix": "f"},
    ]  # fmt: skip


def test_some_of_many():
    assert [some(list(names)) for names in ("a", "abc", "abcde")] == ["a", "a, b, c", "a, b, c and 2 more"]

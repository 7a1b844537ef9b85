"""The doctor's rules, each with plain data."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from preview_digests import HOST, ecr, login, state

from pulumi_codespaces.rules.iam_users import LiveKey
from pulumi_codespaces.rules.secret_names import Triple
from pulumi_codespaces.rules.wording import shortened
from pulumi_codespaces.state.resources import SECRET
from pulumi_codespaces.state.stack import Stack
from pulumi_codespaces.tools.doctor.credentials import endings, key_findings, policy_findings
from pulumi_codespaces.tools.doctor.finding import Finding, as_json, in_order, unseen
from pulumi_codespaces.tools.doctor.packages import hosts_without_login, package_findings
from pulumi_codespaces.tools.doctor.secrets import (
    changed_outside,
    double_logins,
    mixtures,
    name_findings,
    room,
    visible_secret_names,
    without_readers,
)
from pulumi_codespaces.tools.doctor.stacks import LiveSecret, LiveSecrets, managed_secrets

NOW = datetime(2026, 11, 26, tzinfo=timezone.utc)
AT, LATER = "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"
PAYMENTS, AZURE = Triple("PAYMENTS"), Triple("AZURE")
GUIDE = "https://docs.github.com/en/codespaces/reference/allowing-your-codespace-to-access-a-private-registry"
SET, DELETE = "gh secret set {} --app codespaces {}", "gh secret delete {} --app codespaces {}"


def organization(secrets):
    """An organization's secrets by name; a list of names stands for secrets that every repository may read."""
    live = secrets if isinstance(secrets, dict) else {name: LiveSecret(AT, "all") for name in secrets}
    return LiveSecrets("organization acme", "--org acme", live)


def repository(*names):
    return LiveSecrets("repository acme/web", "--repo acme/web", {name: LiveSecret(AT) for name in names})


def state_text(*resources):
    return json.dumps({"deployment": {"resources": list(resources)}})


def managed_of(resources, **outputs):
    """The only set of secrets among resources, with these outputs."""
    shown = [
        {**resource, "outputs": {**resource["outputs"], **outputs}}
        if resource["type"].endswith("Secrets")
        else resource
        for resource in resources
    ]
    (secret_set,) = managed_secrets(Stack.read(state_text(*shown)))
    return secret_set


def summary(findings):
    return [(finding.code, finding.severity, finding.resource, finding.what, finding.fix) for finding in findings]


# -- secrets by their names


def test_an_incomplete_login():
    incomplete = organization(
        {AZURE.user: LiveSecret(AT, "selected", {11: "web", 12: "api"}), "NPM_TOKEN": LiveSecret(AT, "all")}
    )
    assert name_findings(incomplete, ()) == [
        Finding(
            "incomplete-login",
            "error",
            "organization acme",
            f"{AZURE.password} and {AZURE.server} are missing beside {AZURE.user}.",
            f"GitHub logs a codespace in only if all three secrets exist ({GUIDE}).",
            f"{SET.format(AZURE.password, '--org acme')} --repos api,web; "
            f"{SET.format(AZURE.server, '--org acme')} --repos api,web; or, if nobody needs it: "
            f"{DELETE.format(AZURE.user, '--org acme')}",
        )
    ]


@pytest.mark.parametrize(
    ("secret", "flags"),
    [
        (LiveSecret(AT, "private"), " --visibility private"),
        (LiveSecret(AT, "selected", {}), " --repos NAME"),
        (LiveSecret(AT, "selected", None), " --repos NAME"),
    ],
)
def test_what_is_missing_is_set_for_the_same_readers(secret, flags):
    (finding,) = name_findings(organization({AZURE.user: secret, AZURE.password: secret}), ())
    assert finding.what == f"{AZURE.server} is missing beside {AZURE.user} and {AZURE.password}."
    assert finding.fix.partition(";")[0] == SET.format(AZURE.server, "--org acme") + flags


def test_no_incomplete_login():
    assert name_findings(organization([*AZURE.names, "NPM_TOKEN"]), ()) == []
    assert name_findings(organization(AZURE.names[:2]), AZURE.names) == []
    assert name_findings(repository(AZURE.user), (), AZURE.names) == []
    assert [finding.code for finding in name_findings(repository(AZURE.user), (), AZURE.names[:2])] == [
        "incomplete-login"
    ]


def test_a_name_that_github_ignores():
    wrong = "AZURE_CONTAINER_REGISTRY_PASS"
    assert name_findings(repository(wrong, AZURE.user, AZURE.server), ()) == [
        Finding(
            "ignored-name",
            "warning",
            "repository acme/web",
            f"{wrong} is not a name that GitHub looks for; use {AZURE.password}.",
            f"GitHub looks for names with exactly this ending, and ignores others ({GUIDE}).",
            f"{SET.format(AZURE.password, '--repo acme/web')}; then {DELETE.format(wrong, '--repo acme/web')}",
        )
    ]
    assert name_findings(repository(wrong, *AZURE.names), ()) == []
    assert name_findings(repository(wrong), [wrong]) == []


def test_a_mixture_of_two_levels():
    own = repository(AZURE.user, AZURE.password)
    assert mixtures([*AZURE.names, *PAYMENTS.names], own, "acme") == [
        Finding(
            "mixed-login",
            "error",
            "repository acme/web",
            f"codespaces log in with mixed secrets for AZURE: {AZURE.user} and {AZURE.password} are from the "
            "repository, and the rest from organization acme.",
            "GitHub takes each secret separately from the lowest level that has it, so user and password do not match.",
            f"{DELETE.format(AZURE.user, '--repo acme/web')}; {DELETE.format(AZURE.password, '--repo acme/web')}; or "
            "give the repository all three",
        )
    ]
    assert mixtures(AZURE.names, repository(*AZURE.names), "acme") == []


def test_what_reaches_a_repository():
    live = organization({
        "ALL": LiveSecret(AT, "all"),
        "PRIVATE": LiveSecret(AT, "private"),
        "WEB": LiveSecret(AT, "selected", {11: "Web"}),
        "API": LiveSecret(AT, "selected", {12: "api"}),
        "UNSEEN": LiveSecret(AT, "selected"),
    })  # fmt: skip
    assert visible_secret_names(live, "web", public=False) == ["ALL", "PRIVATE", "WEB"]
    assert visible_secret_names(live, "web", public=True) == ["ALL", "WEB"]


def test_secrets_that_nobody_reads():
    none = LiveSecret(AT, "selected", {})
    live = organization(
        dict.fromkeys([*AZURE.names, "OLD", *PAYMENTS.names], none)
        | {
            "ALL": LiveSecret(AT, "all"),
            "UNSEEN": LiveSecret(AT, "selected"),
            "USED": LiveSecret(AT, "selected", {11: "web"}),
        }
    )
    findings = without_readers(live, PAYMENTS.names)
    assert summary(findings) == [
        (
            "no-readers",
            "warning",
            "organization acme",
            (
                f"{', '.join(AZURE.names[:2])} and {AZURE.server} are for selected repositories, but no "
                f"repository is selected."
            ),
            "; ".join(DELETE.format(name, "--org acme") for name in AZURE.names),
        ),
        (
            "no-readers",
            "warning",
            "organization acme",
            "OLD is for selected repositories, but no repository is selected.",
            DELETE.format("OLD", "--org acme"),
        ),
    ]
    assert [finding.why for finding in findings] == [
        "No codespace gets the secrets, which take room (100 secrets at most).",
        "No codespace gets the secret, which takes room (100 secrets at most).",
    ]


@pytest.mark.parametrize(
    ("count", "left"), [(88, None), (89, "3 registries"), (96, "1 registry"), (97, "1 registry"), (100, "0 registries")]
)
def test_little_room(count, left):
    findings = room(organization([*AZURE.names, *(f"S{number}" for number in range(count - 3))]))
    assert [(finding.code, finding.what) for finding in findings] == (
        [("little-room", f"{count} of 100 secrets are used, 1 of 33 registries: room for {left} more.")] if left else []
    )


# -- what a stack wrote


def test_what_a_state_keeps():
    written = dict.fromkeys(PAYMENTS.names, AT)
    secret_set = managed_of(
        ecr(readers=("web", "api"), serials=(2, 1)), updatedAt=written, selectedRepositories={"web": 11}
    )
    assert (secret_set.stack, secret_set.access.name, secret_set.written_at) == ("prod", "payments", written)
    assert (secret_set.repository_ids, secret_set.keys) == (frozenset([11]), {"AKIAa": "Active", "AKIAb": "Active"})
    assert (secret_set.repository, secret_set.of_organization, secret_set.user_arn) == ("", True, "")
    alone = state("codespaces:index:RepositorySecrets", "npm", {"owner": "acme", "repositoryName": "web"})
    secret_set = managed_of([alone, *(resource for resource in ecr() if not resource["type"].endswith("Secrets"))])
    assert (secret_set.repository, secret_set.of_organization, secret_set.keys) == ("web", False, {})


def test_the_arn_and_the_keys_are_those_of_the_same_component():
    resources = [*ecr(), *ecr("other")]
    for resource in resources:
        if resource["type"] == "aws:iam/user:User":
            resource["outputs"] = {"arn": f"arn:aws:iam::123456789012:user/{resource['id']}"}
        if resource["type"] == "aws:iam/accessKey:AccessKey":
            resource["outputs"]["status"] = "Inactive"
            resource["id"] = f"AKIA{resource['inputs']['user']}"
    secret_sets = managed_secrets(Stack.read(state_text(*resources)))
    assert [(secret_set.user_arn[31:], secret_set.keys) for secret_set in secret_sets] == [
        (user, {f"AKIA{user}": "Inactive"}) for user in ("codespaces-payments", "codespaces-other")
    ]


def test_a_key_that_is_left_to_be_deleted_is_in_the_state():
    resources = ecr()
    (key,) = [resource for resource in resources if resource["type"] == "aws:iam/accessKey:AccessKey"]
    left = {**key, "id": "AKIALEFT", "delete": True}
    assert managed_of([*resources, left]).keys == {key["id"]: "Active", "AKIALEFT": "Active"}


MANAGED = managed_of(ecr(), updatedAt=dict.fromkeys(PAYMENTS.names, AT), selectedRepositories={"web": 11})
AS_WRITTEN = dict.fromkeys(PAYMENTS.names, LiveSecret(AT, "selected", {11: "web"}))
UP = "pulumi up --refresh --stack prod"


def test_secrets_as_they_were_written():
    assert changed_outside(MANAGED, organization(AS_WRITTEN | {"OTHER": LiveSecret(LATER, "all")})) == []
    unseen_readers = dict.fromkeys(PAYMENTS.names, LiveSecret(AT, "selected"))
    assert changed_outside(MANAGED, organization(unseen_readers)) == []


def test_a_secret_that_was_deleted_or_written_by_somebody_else():
    live = organization(
        {PAYMENTS.user: AS_WRITTEN[PAYMENTS.user], PAYMENTS.server: LiveSecret(LATER, "selected", {11: ""})}
    )
    assert summary(changed_outside(MANAGED, live)) == [
        ("secret-deleted", "error", "organization acme",
         f"{PAYMENTS.password} is missing, although stack prod (payments) wrote it.", UP),
        ("secret-changed", "warning", "organization acme",
         f"{PAYMENTS.server} has been changed since stack prod (payments) wrote it.", UP),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [LiveSecret(AT, "private"), LiveSecret(AT, "selected", {}), LiveSecret(AT, "selected", {11: "web", 12: "api"})],
)
def test_a_secret_for_other_readers(other):
    live = organization(AS_WRITTEN | dict.fromkeys(PAYMENTS.names[:2], other))
    names = f"{PAYMENTS.user} and {PAYMENTS.password}"
    assert summary(changed_outside(MANAGED, live)) == [
        ("readers-changed", "warning", "organization acme",
         f"{names} have other readers than stack prod (payments) set.", UP),
    ]  # fmt: skip


def test_a_repositorys_secrets_have_no_readers():
    alone = state("codespaces:index:RepositorySecrets", "npm", {"owner": "acme", "repositoryName": "web"})
    secret_set = managed_of([alone], updatedAt={"NPM_TOKEN": AT})
    assert changed_outside(secret_set, repository("NPM_TOKEN")) == []
    assert [finding.code for finding in changed_outside(secret_set, repository())] == ["secret-deleted"]


# -- access keys


def keys_of(secret_set, **live_keys):
    """The findings if AWS lists these keys."""
    return key_findings(secret_set, live_keys, NOW, max_age_days=90, unused_days=90)


FRESH = LiveKey("Active", NOW - timedelta(days=25), NOW - timedelta(days=1))
OF_USER = "user codespaces-payments"


def test_a_key_as_it_should_be():
    assert keys_of(MANAGED, AKIAa=FRESH) == []
    assert keys_of(MANAGED, AKIAa=replace(FRESH, made=NOW - timedelta(days=90, hours=23))) == []
    assert keys_of(MANAGED, AKIAa=replace(FRESH, made=NOW - timedelta(days=90), used=None)) == []


def test_a_key_that_is_old():
    (finding,) = keys_of(MANAGED, AKIAa=replace(FRESH, made=NOW - timedelta(days=91)))
    assert summary([finding]) == [
        ("old-key", "warning", OF_USER, "the published access key AKIAa is 91 days old; the maximum is 90.",
         ("pulumi config set --path 'registries.payments.keyGeneration' 2 --stack prod (in a program of your own: "
         "key_generation=2); then pulumi up --stack prod")),
    ]  # fmt: skip


def test_the_path_of_a_name_with_a_dot():
    (finding,) = key_findings(managed_of(ecr("a.b")), {"AKIAa": FRESH}, NOW, max_age_days=1, unused_days=90)
    assert finding.fix.startswith("""pulumi config set --path 'registries["a.b"].keyGeneration' 2 --stack prod (""")


@pytest.mark.parametrize(
    ("used", "last"), [(None, "was never used"), (NOW - timedelta(days=92), "was last used 92 days ago")]
)
def test_a_key_that_nobody_uses(used, last):
    live = LiveKey("Active", NOW - timedelta(days=91 if used is None else 93), used)
    findings = key_findings(MANAGED, {"AKIAa": live}, NOW, max_age_days=100, unused_days=90)
    assert summary(findings) == [
        ("unused-key", "warning", OF_USER, f"the published access key AKIAa {last}.",
         ("pulumi config rm --path 'registries.payments' --stack prod (in a program of your own: remove payments); "
         "then pulumi up --stack prod")),
    ]  # fmt: skip


def test_a_key_that_no_state_knows():
    made = datetime(2026, 11, 20, tzinfo=timezone.utc)
    assert keys_of(MANAGED, AKIAa=FRESH, AKIAx=LiveKey("Inactive", made)) == [
        Finding(
            "unmanaged-key",
            "warning",
            OF_USER,
            "access key AKIAx (made 2026-11-20T00:00:00+00:00, Inactive) is not in the stack's state.",
            "A run was killed while it created the key, or somebody created the key by hand. IAM allows two keys per "
            "user, so the key blocks a rotation.",
            "aws iam delete-access-key --user-name codespaces-payments --access-key-id AKIAx, if nothing uses it",
        )
    ]


MORE = "arn:aws:iam::123456789012:policy/codespaces/more"


def test_policies_that_no_state_knows():
    why = (
        "Codespaces may do what the policy allows, and nobody reviewed it. Somebody created the policy by hand, or a "
        "run was killed while it created the policy, and the program was changed afterwards."
    )
    user = "--user-name codespaces-payments"
    assert policy_findings(MANAGED, ["login", "pull", "wider"], [MORE]) == [
        Finding("unmanaged-policy", "warning", OF_USER, f"policy {policy} is not in the stack's state.", why, fix)
        for policy, fix in (
            (MORE, f"aws iam detach-user-policy {user} --policy-arn {MORE}, if nobody needs it"),
            ("wider", f"aws iam delete-user-policy {user} --policy-name wider, if nobody needs it"),
        )
    ]


def test_policies_that_a_program_gives_the_user_by_itself():
    attachment = {"user": "codespaces-payments", "policyArn": MORE}
    of_another = state("aws:iam/userPolicy:UserPolicy", "other", identifier="codespaces-payments2:wider")
    secret_set = managed_of([
        *ecr(),
        state("aws:iam/userPolicyAttachment:UserPolicyAttachment", "more", attachment, outputs=attachment),
        state("aws:iam/userPolicy:UserPolicy", "logs", identifier="codespaces-payments:logs"),
        of_another,
    ])  # fmt: skip
    assert secret_set.policies == {"login", "pull", "logs", MORE}
    assert policy_findings(secret_set, ["login", "pull", "logs"], [MORE]) == []


def with_statuses(first, second):
    """A set of secrets with two keys and their statuses in the state; the second key is published."""
    resources = ecr(serials=(1, 2), current="b", generation=2)
    for resource in resources:
        if resource["type"] == "aws:iam/accessKey:AccessKey":
            resource["inputs"]["status"] = {"AKIAa": first, "AKIAb": second}[resource["id"]]
    return managed_of(resources)


ENDS = "Codespaces cannot log in with it."


@pytest.mark.parametrize(
    ("statuses", "live", "wanted"),
    [
        (("Active", "Active"), {"AKIAb": "Inactive"},
         ("inactive-key", "error", "access key AKIAb is Inactive, but Active in the state.", ENDS)),
        (("Active", "Active"), {"AKIAa": "Inactive"},
         ("inactive-key", "warning", "access key AKIAa is Inactive, but Active in the state.",
          "Codespaces that started before the rotation can no longer log in.")),
        (("Inactive", "Active"), {},
         ("revived-key", "warning", "access key AKIAa is Active, but Inactive in the state.",
          "Everybody who has the retired key can log in again.")),
        (("Active", "Active"), {"AKIAb": None},
         ("missing-key", "error", "AWS has no access key AKIAb, which is published.", ENDS)),
        (("Active", "Active"), {"AKIAa": None},
         ("missing-key", "warning", "AWS has no access key AKIAa, which is Active in the state.", ENDS)),
        (("Inactive", "Active"), {"AKIAa": None}, None),
    ],
)  # fmt: skip
def test_a_key_that_is_not_as_the_state_has_it(statuses, live, wanted):
    live_statuses = {key: live.get(key, "Active") for key in ("AKIAa", "AKIAb")}
    findings = keys_of(
        with_statuses(*statuses),
        **{key: replace(FRESH, status=status) for key, status in live_statuses.items() if status},
    )
    assert [(finding.code, finding.severity, finding.what, finding.why) for finding in findings] == (
        [wanted] if wanted else []
    )
    assert [finding.fix for finding in findings] == ([UP] if wanted else [])


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
    new = "set new credentials (every update renews a token of Amazon ECR); then pulumi up --stack prod"
    assert summary(endings("prod", outputs, NOW)) == [
        ("credentials-ended", "error", "stack prod", "the credentials of ended expired at 2026-11-26T00:00:00Z.", new),
        ("credentials-ending", "warning", "stack prod",
         "the credentials of ending expire in 1 day, at 2026-11-27T00:00:00Z.", new),
        ("credentials-ending", "warning", "stack prod",
         "the credentials of azure expire in 14 days, at 2026-12-10T00:00:00Z.", new),
        ("credentials-ending", "warning", "stack prod",
         "the credentials of soon expire in 0 days, at 2026-11-26T11:00:00Z.", new),
    ]  # fmt: skip


# -- packages and development containers


def test_a_package_that_is_not_as_declared():
    findings = package_findings("prod", "base/image", ["package base/image is public, and so on"], "https://x")
    assert summary(findings) == [
        ("package-differs", "warning", "package base/image", "package base/image is public, and so on.",
         "change the package at https://x, or its declaration; then pulumi up --stack prod"),
    ]  # fmt: skip


BOTH = managed_secrets(Stack.read(state_text(*ecr(), *login(readers=("api",)))))
URNS = {secret_set.access.name: secret_set.access.urn for secret_set in BOTH}
ECR_URN, AZURE_URN = URNS["payments"], URNS["azure"]


def test_a_registry_that_a_repository_does_not_log_in_to():
    what = "its devcontainer.json needs an image of {}, and its codespaces do not log in there."
    findings = hosts_without_login("acme/web", ["acme.azurecr.io", HOST, "new.azurecr.io"], BOTH, [ECR_URN], [])
    assert summary(findings) == [
        ("no-login", "error", "repository acme/web", what.format("acme.azurecr.io"),
         "add web to the repositories of azure; then pulumi up"),
        ("no-login", "error", "repository acme/web", what.format("new.azurecr.io"),
         ("add a registry to the program or the configuration: server: new.azurecr.io, repositories: [web]; then "
         "pulumi up")),
    ]  # fmt: skip
    assert hosts_without_login("acme/web", ["acme.azurecr.io:443", HOST], BOTH, [ECR_URN, AZURE_URN], []) == []


def test_logins_of_which_nobody_tells_where_to():
    (finding,) = hosts_without_login("acme/web", ["acme.azurecr.io"], BOTH, [ECR_URN], ["B", "A"])
    assert (finding.severity, finding.what) == (
        "unseen",
        (
            "its devcontainer.json needs an image of acme.azurecr.io, and it is unknown whether A and B are for "
            "that registry."
        ),
    )
    hidden = managed_secrets(Stack.read(state_text(*login(server=SECRET))))
    (finding,) = hosts_without_login("acme/web", ["acme.azurecr.io"], hidden, [hidden[0].access.urn], [])
    assert finding.what.endswith("and it is unknown whether AZURE is for that registry.")


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
         "why": "Problems there are missing from these findings.", "fix": "f"},
    ]  # fmt: skip


def test_some_of_many():
    assert [shortened(list(names)) for names in ("a", "abc", "abcde")] == ["a", "a, b, c", "a, b, c and 2 more"]


# -- two logins for one registry


def managed_by(stack, resources):
    """The sets of secrets among the resources of a stack."""
    return [replace(secret_set, stack=stack) for secret_set in managed_secrets(Stack.read(state_text(*resources)))]


def logins(first, second):
    """The logins of two stacks that share a registry, as the doctor reports them."""
    return [
        (finding.code, finding.severity, finding.resource, finding.what)
        for finding in double_logins([*managed_by("one", first), *managed_by("two", second)])
    ]


def test_two_stacks_for_one_registry_and_one_repository():
    assert logins(ecr("payments", readers=("api", "web")), ecr("base", readers=("web", "docs"))) == [
        (
            "double-login",
            "error",
            "organization acme",
            (
                f"repository web gets two logins for {HOST}: "
                "PAYMENTS of stack one (payments) and BASE of stack two (base)."
            ),
        )
    ]
    assert logins(ecr("payments", readers=("api",)), ecr("base", readers=("web",))) == []
    assert logins(ecr("payments"), login("azure")) == []


def test_a_wide_login_meets_every_selected_repository():
    wide, selected = ecr("payments", visibility="private"), login("azure", server=HOST, readers=("api", "docs", "web"))
    (finding,) = logins(wide, selected)
    assert finding[3].startswith(f"repository api (and 2 other repositories) gets two logins for {HOST}: ")
    assert logins(selected, wide)[0][3].startswith("repository api (and 2 other repositories) gets two logins")
    (finding,) = logins(wide, ecr("base", visibility="all"))
    assert finding[3].startswith(f"every private repository gets two logins for {HOST}: ")


def test_the_way_out_of_two_logins_names_both_stacks():
    (finding,) = double_logins([*managed_by("one", ecr("payments")), *managed_by("two", ecr("base"))])
    assert finding.fix == (
        "grant everything that repository web needs in one login, or select the repository in only one of the two; "
        "then pulumi up --stack one and pulumi up --stack two"
    )

"""Sentences about the changes of a preview."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from preview_digests import HOST, SECRETS, digest, ecr, login, state, urn

from pulumi_codespaces.state.digest import read_digest
from pulumi_codespaces.tools.review import Edge, review
from pulumi_codespaces.values import UNKNOWN_TEXT as UNKNOWN

IN_WEB = ", in codespaces of `acme/web`"
NOW = datetime(2026, 11, 26, tzinfo=timezone.utc)
MANY = tuple(f"service-{index:02}" for index in range(12))


def reviewed(text, **options):
    """(Code, sentence) of each risk, and the sentences of the other changes."""
    result = review(read_digest(text), now=NOW, **options)
    return [(change.risk, change.text) for change in result.risks], [change.text for change in result.changes]


def test_a_repository_joins():
    risks, sentences = reviewed(digest(ecr(), ecr(readers=("web", "api"))))
    assert risks == []
    assert sentences == [f"`acme/api` may pull `payments/api` from `{HOST}`."]


def test_many_repositories_join_and_one_leaves():
    result = review(read_digest(digest(ecr(), ecr(readers=MANY))), now=NOW)
    assert [change.text for change in result.changes] == [
        f"`acme/service-00`, `acme/service-01` and 10 more may pull `payments/api` from `{HOST}`.",
        f"`acme/web` may no longer pull `payments/api` from `{HOST}`; running codespaces can until they stop.",
    ]
    assert result.changes[0].details == tuple(f"`acme/{name}`" for name in MANY)


def test_registries_that_share_their_repositories_share_the_sentence():
    before = [*ecr(), *login(), *login("hub", "index.docker.io"), *login("corp", "r.example.com")]
    readers = ("web", "api")
    after = [*ecr(readers=readers), *login(readers=readers), *login("hub", "index.docker.io", readers),
             *login("corp", "r.example.com", readers)]  # fmt: skip
    assert reviewed(digest(before, after)) == (
        [],
        ["`acme/api` may pull from `acme.azurecr.io`, `r.example.com` and 2 more."],
    )


def test_the_readers_of_a_few_registries_are_named():
    before, after = [*ecr(), *login()], [*ecr(readers=("api", "web")), *login(readers=("api", "web"))]
    assert reviewed(digest(before, after))[1] == [f"`acme/api` may pull from `acme.azurecr.io` and `{HOST}`."]


def test_what_is_not_told_because_it_stays_is_not_needed():
    text = json.loads(digest(ecr(), ecr(readers=("web", "api"))))
    text["steps"] = [step for step in text["steps"] if step["op"] != "same"]
    assert reviewed(json.dumps(text)) == ([], ["`acme/api` may pull from the registry of `payments`."])


@pytest.mark.parametrize(
    ("visibility", "who"),
    [
        ("private", "**every private and internal repository of `acme`**"),
        ("all", "**every repository of `acme`, public ones too,**"),
    ],
)
def test_wider_visibility_is_a_risk_and_narrower_is_none(visibility, who):
    wide = ecr(visibility=visibility)
    text = f"{who} may pull `payments/api` from `{HOST}`; before, `acme/web` could."
    assert reviewed(digest(ecr(), wide)) == ([("wider-visibility", text)], [])
    back = f"`acme/web` may pull `payments/api` from `{HOST}`; before, {who} could."
    assert reviewed(digest(wide, ecr())) == ([], [back])


SELECTION = "codespaces:index:RepositorySelection"


@pytest.mark.parametrize(
    "repository",
    [
        state(SELECTION, "payments", {"repositories": {"api": 2, "web": 1}, "public": ["api"]}),
        state("github:index/repository:Repository", "api", {"name": "api"}),
        state("github:index/repository:Repository", "api", {"name": "api", "visibility": "public"}),
    ],
)
def test_a_public_repository_is_a_risk_when_it_joins(repository):
    text = "`acme/api` is public; everybody with write access can read the secrets."
    joined = [repository, *ecr(readers=("api", "web"))]
    assert reviewed(digest(ecr(), joined))[0] == [("public-repository", text)]
    assert reviewed(digest([], joined))[0] == [("public-repository", text)]
    assert reviewed(digest(joined, joined)) == ([], [])


GITHUB_REPOSITORY = "github:index/repository:Repository"
SITE = state(GITHUB_REPOSITORY, "site", {"name": "acme-site", "visibility": "public"})


def among(resources, selected, selections=()):
    """The resources with these readers of their secrets, after the selections that the readers come from."""
    readers = [{**resource, "inputs": {**resource["inputs"], "selectedRepositories": selected},
                "propertyDependencies": {"selectedRepositories": [resource["urn"] for resource in selections]}}
               if resource["type"] == SECRETS else resource for resource in resources]  # fmt: skip
    return [*selections, *readers]


@pytest.mark.parametrize("called", ["site", "acme-site", "site (new)"])
def test_a_public_repository_that_this_update_makes_may_go_by_its_resource(called):
    joined = [SITE, *among(ecr(), {"web": 0, called: UNKNOWN})]
    text = f"`acme/{called}` is public; everybody with write access can read the secrets."
    assert reviewed(digest(ecr(), joined)) == (
        [("public-repository", text)],
        [f"`acme/{called}` may pull `payments/api` from `{HOST}`."],
    )


def test_a_public_repository_without_a_name_of_its_own_is_called_by_its_resource():
    named = state(GITHUB_REPOSITORY, "site", {"name": UNKNOWN})
    assert reviewed(digest(ecr(), [named, *among(ecr(), {"web": 0, "None": 1, UNKNOWN: 2})]))[0] == []


def selection(name="readers", ids=(), repositories=()):
    return {
        **state(SELECTION, name, {"names": ["web"], "public": [], "ids": dict.fromkeys(ids, UNKNOWN)}),
        "propertyDependencies": {"ids": [repository["urn"] for repository in repositories]},
    }


def test_who_may_pull_may_be_known_only_after_the_update():
    private = state(GITHUB_REPOSITORY, "lab", {"name": "acme-lab", "visibility": "private"})
    both = [selection(ids=["lab"], repositories=[private])]
    before = [*ecr(readers=("web", "api")), *login(readers=("web", "api"))]
    after = [private, *among(ecr(), UNKNOWN, both), *among(login(), UNKNOWN)]
    result = review(read_digest(digest(before, after)), now=NOW)
    text = f"Who may pull from `acme.azurecr.io` and `{HOST}` is known only after the update; before, "
    text += "`acme/api` and `acme/web` could."
    assert ([change.text for change in result.changes], result.risks, result.edges) == ([text], (), ())
    everybody = "**every repository of `acme`, public ones too,**"
    text = f"Who may pull `payments/api` from `{HOST}` is known only after the update; before, {everybody} could."
    assert reviewed(digest(ecr(visibility="all"), among(ecr(), UNKNOWN))) == ([], [text])
    assert reviewed(digest(among(ecr(), UNKNOWN), ecr())) == (
        [],
        [f"`acme/web` may pull `payments/api` from `{HOST}`."],
    )
    text = f"{everybody} may pull `payments/api` from `{HOST}`."
    assert reviewed(digest(among(ecr(), UNKNOWN), ecr(visibility="all"))) == ([("wider-visibility", text)], [])


@pytest.mark.parametrize(
    ("called", "shown"), [(["site"], "site"), (["acme-site"], "acme-site"), (["pages"], "acme-site"), ([], "acme-site")]
)
@pytest.mark.parametrize("before", [ecr(), []])
def test_a_public_repository_among_readers_that_only_the_update_tells(before, called, shown):
    after = [SITE, *among(ecr(), UNKNOWN, [selection(ids=called, repositories=[SITE])])]
    text = f"`acme/{shown}` is public; everybody with write access can read the secrets."
    assert reviewed(digest(before, after))[0] == [("public-repository", text)]
    risks = reviewed(digest([SITE, *before], after))[0]
    assert risks == ([("public-repository", text)] if shown in called else [])


def test_a_public_repository_of_another_selection_is_not_among_them():
    mine, other = selection(ids=["lab"]), selection("other", ids=["site"], repositories=[SITE])
    after = [SITE, other, *among(ecr(), UNKNOWN, [mine])]
    assert reviewed(digest(ecr(), after))[0] == []
    unlinked = [SITE, other, mine, *among(ecr(), UNKNOWN)]
    assert [code for code, _ in reviewed(digest(ecr(), unlinked))[0]] == ["public-repository"]


@pytest.mark.parametrize("inputs", [{"private": True}, {"visibility": "internal"}, {"visibility": "private"}])
def test_a_repository_that_is_not_public_is_none(inputs):
    repository = state("github:index/repository:Repository", "api", {"name": "api", **inputs})
    assert reviewed(digest(ecr(), [repository, *ecr(readers=("api", "web"))]))[0] == []


def test_an_access_that_is_made():
    risks, sentences = reviewed(digest([], ecr()))
    assert risks == []
    assert sentences == [
        f"`acme/web` may pull `payments/api` from `{HOST}`. New IAM user `codespaces-payments`, with its first key."
    ]


def test_an_access_that_is_made_wide_by_adoption():
    risks, _ = reviewed(digest([], ecr(visibility="all", adopt=True)))
    assert [code for code, _ in risks] == ["wider-visibility", "adoption"]
    assert risks[1][1] == (
        "Existing secrets with these names are overwritten: the secrets `PAYMENTS_CONTAINER_REGISTRY_*`."
    )


def test_an_access_that_goes():
    ended = (
        f"`acme/web` can no longer pull `payments/api` from `{HOST}`: the secrets `PAYMENTS_CONTAINER_REGISTRY_*` "
        "are deleted, and the IAM user `codespaces-payments` with its keys."
    )
    other = (
        "`acme/web` can no longer pull from `acme.azurecr.io`: the secrets `AZURE_CONTAINER_REGISTRY_*` are deleted."
    )
    assert reviewed(digest([*ecr(), *login()], [])) == (
        [("secrets-deleted", ended), ("secrets-deleted", other)],
        [],
    )


MOVED = {"payments-secrets": "replace"}


def test_secrets_that_go_to_another_organization():
    after = ecr(owner="umbrella", repositories=("payments/api", "payments/web"))
    result = review(read_digest(digest(ecr(), after, ops=MOVED)), now=NOW)
    gone = (
        f"`acme/web` can no longer pull `payments/api` from `{HOST}`: the secrets `PAYMENTS_CONTAINER_REGISTRY_*` "
        "are deleted."
    )
    wider = "`codespaces-payments` may now pull `payments/web`, in codespaces of `umbrella/web`."
    assert [(change.risk, change.text) for change in result.risks] == [
        ("wider-policy", wider),
        ("secrets-deleted", gone),
    ]
    assert [change.text for change in result.changes] == [
        f"`umbrella/web` may pull `payments/api` and `payments/web` from `{HOST}`."
    ]
    assert result.edges == (Edge("acme/web", HOST, "lost"), Edge("umbrella/web", HOST, "gained"))


def test_secrets_that_go_to_another_organization_for_all_and_over_others():
    after = ecr(owner="umbrella", visibility="all", adopt=True)
    risks, sentences = reviewed(digest(ecr(visibility="all"), after, ops=MOVED))
    assert [code for code, _ in risks] == ["wider-visibility", "secrets-deleted", "adoption"]
    assert risks[0][1] == f"**every repository of `umbrella`, public ones too,** may pull `payments/api` from `{HOST}`."
    assert sentences == []


def test_secrets_that_go_to_another_organization_with_another_user():
    after = json.loads(json.dumps(ecr(owner="umbrella")).replace("codespaces-payments", "codespaces-pay"))
    risks, sentences = reviewed(digest(ecr(), after, ops=MOVED))
    assert [code for code, _ in risks] == ["secrets-deleted"]
    assert risks[0][1].endswith(" are deleted, and the IAM user `codespaces-payments` with its keys.")
    assert sentences[0].endswith(" New IAM user `codespaces-pay`, with its first key.")


def test_an_organization_in_other_letters_is_the_same():
    result = review(read_digest(digest(ecr(), ecr(owner="Acme"))), now=NOW)
    assert (result.risks, result.changes, result.edges) == ((), (), (Edge("Acme/web", HOST, "kept"),))


ROTATED = {"generation": 2, "serials": (1, 2), "statuses": ("Active", "Active"), "current": "b"}


def test_a_first_rotation():
    text = "The key of `codespaces-payments` rotates from generation 1 to 2; "
    text += "codespaces running now keep working until the next rotation."
    assert reviewed(digest(ecr(), ecr(**ROTATED))) == ([], [text])


def test_a_later_rotation_names_the_key_that_ends():
    again = {"generation": 3, "serials": (3, 2), "statuses": ("Active", "Active"), "current": "a", "keep": False}
    ops = {"payments-key-a": "replace"}
    text = "The key of `codespaces-payments` rotates from generation 2 to 3; codespaces running now keep working "
    text += "until the update after this one. The key from before the last rotation is deleted."
    assert reviewed(digest(ecr(**ROTATED), ecr(**again), ops=ops)) == ([], [text])


def test_a_key_that_is_retired():
    retired = {**ROTATED, "statuses": ("Inactive", "Active"), "keep": False}
    text = "The key of `codespaces-payments` from before the last rotation is retired (slot a): "
    text += f"codespaces that were not restarted since can no longer pull from `{HOST}`."
    assert reviewed(digest(ecr(**ROTATED), ecr(**retired))) == ([("retired-key", text)], [])


@pytest.mark.parametrize("op", ["replace", "delete-replaced", "create-replacement"])
def test_a_key_that_is_replaced_without_a_rotation(op):
    ops = {"payments-key-a": op}
    text = "The key of `codespaces-payments` (slot a) is replaced without a rotation: codespaces running now can no "
    text += f"longer pull from `{HOST}` until they are restarted."
    assert reviewed(digest(ecr(), ecr(), ops=ops))[0] == [("replaced-key", text)]
    rotates = reviewed(digest(ecr(), ecr(**ROTATED), ops=ops))
    assert (rotates[0], len(rotates[1])) == ([("replaced-key", text)], 1)
    with_user = reviewed(digest(ecr(), ecr(), ops={**ops, "payments-user": "replace"}))[0]
    assert [code for code, _ in with_user] == ["replaced-user"]
    both = ecr(**ROTATED)
    assert reviewed(digest(both, both, ops=ops)) == ([], [])


def test_a_key_that_is_deleted_without_a_rotation():
    after = [resource for resource in ecr() if not resource["urn"].endswith("payments-key-a")]
    text = (
        "The key of `codespaces-payments` (slot a) is deleted without a rotation: codespaces can no longer pull from "
    )
    assert reviewed(digest(ecr(), after))[0] == [("replaced-key", f"{text}`{HOST}`.")]
    assert [code for code, _ in reviewed(digest(ecr(), []))[0]] == ["secrets-deleted"]


def test_a_rotation_that_only_the_update_decides():
    after = ecr()
    for resource in after:
        if resource["type"] == "codespaces:index:KeyRotation":
            resource["inputs"] |= dict.fromkeys(("generation", "slots", "statuses", "current"), UNKNOWN)
    assert reviewed(digest([], after)) == reviewed(digest([], ecr()))


def test_going_back():
    back = {**ROTATED, "generation": 1, "current": "a"}
    assert reviewed(digest(ecr(**ROTATED), ecr(**back))) == (
        [],
        ["`codespaces-payments` goes back to the key of generation 1, which is published again."],
    )


def test_a_wider_policy_is_a_risk_with_its_difference():
    result = review(read_digest(digest(ecr(), ecr(repositories=("payments/api", "shared/*")))), now=NOW)
    (risk,) = result.risks
    assert (risk.risk, risk.text) == (
        "wider-policy",
        "`codespaces-payments` may now pull `shared/*`, in codespaces of `acme/web`.",
    )
    actions = "ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer"
    assert risk.diff == (f"+ Allow {actions} on arn:aws:ecr:eu-west-1:123456789012:repository/shared/*",)
    assert result.changes == ()


def test_a_narrower_policy_is_none():
    result = review(read_digest(digest(ecr(repositories=("payments/api", "payments/web")), ecr())), now=NOW)
    assert result.risks == ()
    assert [change.text for change in result.changes] == ["`codespaces-payments` may no longer pull `payments/web`."]
    assert result.changes[0].diff[0].startswith("- Allow")


def test_another_repository_instead():
    risks, sentences = reviewed(digest(ecr(), ecr(repositories=("payments/web",))))
    text = "`codespaces-payments` may now pull `payments/web`, and no longer `payments/api`"
    assert risks == [("wider-policy", f"{text}{IN_WEB}.")]
    assert sentences == []


def test_an_arn_that_moves_from_one_policy_to_another_is_no_change():
    parent = ("codespaces:index:EcrPullAccess", "payments")
    (pull,) = [resource for resource in ecr() if resource["urn"].endswith("payments-pull")]
    managed = state("aws:iam/policy:Policy", "payments-pull-a", pull["inputs"], parent=parent)
    after = [resource for resource in ecr() if resource != pull]
    assert reviewed(digest(ecr(), [*after, managed])) == ([], [])


def test_more_than_to_pull():
    push = '{"Statement": {"Effect": "Allow", "Action": "ecr:PutImage", "Resource": "*"}}'
    text = "`codespaces-payments` may now do more than pull, and no longer `payments/api`"
    assert reviewed(digest(ecr(), ecr(policy=push)))[0] == [("wider-policy", f"{text}{IN_WEB}.")]


@pytest.mark.parametrize(
    "resource",
    [
        {"Resource": "*"},
        {"Resource": "arn:aws:ecr:*"},
        {"Resource": "arn:aws:ecr:eu-west-1:1*:repository/*"},
        {"NotResource": "arn:aws:ecr:eu-west-1:123456789012:repository/a"},
    ],
)
def test_more_than_one_account_is_more_than_to_pull(resource):
    wide = json.dumps({"Statement": {"Effect": "Allow", "Action": "ecr:BatchGetImage", **resource}})
    text = "`codespaces-payments` may now do more than pull, and no longer `payments/api`"
    assert reviewed(digest(ecr(), ecr(policy=wide)))[0] == [("wider-policy", f"{text}{IN_WEB}.")]
    assert reviewed(digest([], ecr(policy=wide)))[0] == [
        ("wider-policy", "`codespaces-payments` may do more than pull.")
    ]


@pytest.mark.parametrize("resource", ["arn:aws:ecr:*:123456789012:repository/hub/*", "arn:aws:ecr:x:1:repository/*"])
def test_the_repositories_of_one_account_are_none(resource):
    policy = json.dumps({"Statement": {"Effect": "Allow", "Action": "ecr:BatchGetImage", "Resource": resource}})
    assert reviewed(digest([], ecr(policy=policy)))[0] == []


def test_a_policy_that_only_the_update_tells():
    unknown = ecr(policy="04da6b54-80e4-46f7-96ec-b56ff0331ba9")
    assert reviewed(digest(ecr(), unknown)) == (
        [("wider-policy", "What `codespaces-payments` may do is known only after the update.")],
        [],
    )


IAM = "aws:iam"
USER_POLICY, POLICY = f"{IAM}/userPolicy:UserPolicy", f"{IAM}/policy:Policy"
ATTACHMENT = f"{IAM}/userPolicyAttachment:UserPolicyAttachment"
IAM_USER = "codespaces-payments"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
OWN_ARN = "arn:aws:iam::123456789012:policy/more"
EVERYTHING = json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})


@pytest.mark.parametrize(
    "inputs",
    [
        {"user": IAM_USER, "policy": EVERYTHING},
        {"user": IAM_USER, "policy": json.loads(EVERYTHING)},
        {"user": UNKNOWN, "policy": EVERYTHING},
        {"policy": EVERYTHING},
    ],
)
def test_an_inline_policy_that_the_program_gives(inputs):
    more = state(USER_POLICY, "more", inputs, identifier="" if inputs.get("user") else f"{IAM_USER}:more")
    more["propertyDependencies"] = {
        "user": [resource["urn"] for resource in ecr() if resource["type"].endswith(":User")]
    }
    result = review(read_digest(digest(ecr(), [*ecr(), more])), now=NOW)
    text = f"`{IAM_USER}` may now do more than pull{IN_WEB}."
    assert [(change.risk, change.text, change.diff) for change in result.risks] == [
        ("wider-policy", text, ("+ Allow * on *",))
    ]
    risks = reviewed(digest([], [*ecr(), more]))[0]
    assert risks == [("wider-policy", f"`{IAM_USER}` may do more than pull.")]
    assert reviewed(digest([*ecr(), more], [*ecr(), more])) == ([], [])
    other = {**more, "inputs": {"user": "codespaces-pay", "policy": EVERYTHING}, "id": "codespaces-pay:more"}
    assert reviewed(digest(ecr(), [*ecr(), other])) == ([], [])


GIVERS = [
    (ATTACHMENT, {"user": IAM_USER, "policyArn": ADMIN}, f"the policy `{ADMIN}`"),
    (f"{IAM}/policyAttachment:PolicyAttachment", {"users": [IAM_USER], "policyArn": ADMIN}, f"the policy `{ADMIN}`"),
    (
        f"{IAM}/userPolicyAttachmentsExclusive:UserPolicyAttachmentsExclusive",
        {"userName": IAM_USER, "policyArns": [OWN_ARN, ADMIN]},
        f"the policy `{OWN_ARN}` and the policy `{ADMIN}`",
    ),
    (
        f"{IAM}/userGroupMembership:UserGroupMembership",
        {"user": IAM_USER, "groups": ["admins", "ops"]},
        "the group `admins` and the group `ops`",
    ),
    (f"{IAM}/groupMembership:GroupMembership", {"users": [IAM_USER], "group": "ops"}, "the group `ops`"),
    (ATTACHMENT, {"user": IAM_USER, "policyArn": UNKNOWN}, "a policy that is known only after the update"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "inputs", "named"), GIVERS)
def test_permissions_that_the_stack_does_not_tell(kind, inputs, named):
    more = state(kind, "more", inputs)
    text = f"`{IAM_USER}` also has the permissions of {named}{IN_WEB}; this review does not show what they allow."
    assert reviewed(digest(ecr(), [*ecr(), more])) == ([("wider-policy", text)], [])
    assert reviewed(digest([], [*ecr(), more]))[0] == [("wider-policy", text)]
    ends = f"`{IAM_USER}` no longer has the permissions of {named}."
    assert reviewed(digest([*ecr(), more], ecr())) == ([], [ends])
    others = json.loads(json.dumps(more).replace(IAM_USER, "codespaces-pay"))
    assert reviewed(digest(ecr(), [*ecr(), others])) == ([], [])


@pytest.mark.parametrize("arn", [OWN_ARN, UNKNOWN])
def test_a_policy_of_the_stack_that_the_program_attaches(arn):
    policy = state(POLICY, "more", {"policy": EVERYTHING}, identifier=OWN_ARN if arn == OWN_ARN else "")
    attachment = state(ATTACHMENT, "more", {"user": IAM_USER, "policyArn": arn})
    attachment["propertyDependencies"] = {"policyArn": [policy["urn"]]}
    text = f"`{IAM_USER}` may now do more than pull{IN_WEB}."
    assert reviewed(digest(ecr(), [*ecr(), policy, attachment])) == ([("wider-policy", text)], [])
    assert reviewed(digest(ecr(), [*ecr(), policy])) == ([], [])


@pytest.mark.parametrize("arn", [OWN_ARN, UNKNOWN])
def test_the_components_own_attachment_is_none(arn):
    parent = ("codespaces:index:EcrPullAccess", "payments")
    own = state(ATTACHMENT, "payments-pull-a", {"user": IAM_USER, "policyArn": arn}, parent=parent)
    assert reviewed(digest(ecr(), [*ecr(), own])) == ([], [])


def test_a_denial_under_a_condition_is_no_suspension():
    statement = {
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    text = json.dumps({"Statement": [statement, "no statement"]})
    denial = state(USER_POLICY, "more", {"user": IAM_USER, "policy": text})
    assert reviewed(digest(ecr(), [*ecr(), denial])) == ([], [])


def test_a_suspension_and_its_end():
    text = f"`codespaces-payments` is suspended: no codespace can pull from `{HOST}` until the suspension ends."
    assert reviewed(digest(ecr(), ecr(suspended=True))) == ([("suspended", text)], [])
    assert reviewed(digest(ecr(suspended=True), ecr())) == (
        [],
        ["The suspension of `codespaces-payments` ends; its key is verified first."],
    )


def test_other_credentials():
    diffs = {"azure-secrets": ("secrets.AZURE_CONTAINER_REGISTRY_PASSWORD",)}
    assert reviewed(digest(login(), login(), diffs=diffs)) == (
        [],
        ["The value of `AZURE_CONTAINER_REGISTRY_PASSWORD` is written; codespaces get it at their next start."],
    )


def test_a_group_of_other_secrets():
    def npm(*names, readers=("web",)):
        inputs = {"owner": "acme", "secrets": dict.fromkeys(names, "[secret]"), "visibility": "selected",
                  "selectedRepositories": dict.fromkeys(readers, 1)}  # fmt: skip
        return [state(SECRETS, "npm", inputs)]

    assert reviewed(digest([], npm("NPM_TOKEN"))) == ([], ["`acme/web` may read the secret `NPM_TOKEN`."])
    assert reviewed(digest(npm("NPM_TOKEN"), npm("NPM_TOKEN", "PIP_TOKEN"), diffs={"npm": ("secrets.PIP_TOKEN",)})) == (
        [],
        ["New: `PIP_TOKEN`."],
    )
    assert reviewed(digest(npm("NPM_TOKEN", "PIP_TOKEN"), npm("NPM_TOKEN"), diffs={"npm": ("secrets.PIP_TOKEN",)})) == (
        [("secrets-deleted", "Deleted: `PIP_TOKEN`.")],
        [],
    )


def test_secrets_whose_whole_map_is_masked_are_named_by_their_id():
    inputs = {"owner": "acme", "secrets": "[secret]", "visibility": "selected", "selectedRepositories": {"web": 1}}
    secrets = state(SECRETS, "npm", inputs, identifier="NPM_TOKEN,PIP_TOKEN")
    named = "the secrets `NPM_TOKEN` and `PIP_TOKEN`"
    assert reviewed(digest([secrets], [])) == (
        [("secrets-deleted", f"`acme/web` can no longer read {named}: {named} are deleted.")],
        [],
    )


def test_the_secrets_of_one_repository():
    values = {f"P_CONTAINER_REGISTRY_{part}": "[secret]" for part in ("USER", "PASSWORD", "SERVER")}
    secrets = state("codespaces:index:RepositorySecrets", "p", {
        "owner": "acme", "repository": "old", "repositoryName": "web", "secrets": values})  # fmt: skip
    assert reviewed(digest([], [secrets])) == ([], ["`acme/web` may pull from the registry of `p`."])


def test_a_user_that_is_replaced():
    ops = {"payments-user": "replace"}
    assert reviewed(digest(ecr(), ecr(), ops=ops))[0] == [
        ("replaced-user", "The IAM user `codespaces-payments` is replaced together with its keys.")
    ]


def test_an_old_key():
    old = ecr(made="2026-08-01T00:00:00Z")
    text = "The key of `codespaces-payments` is 117 days old (limit 90): raise `key_generation` of `payments`."
    assert reviewed(digest(old, old)) == ([("key-age", text)], [])
    assert reviewed(digest(old, old), max_key_age_days=117) == ([], [])
    assert reviewed(digest(old, ecr(**ROTATED, made="2026-08-01T00:00:00Z")))[0] == []


def test_adoption_that_is_switched_on():
    assert reviewed(digest(ecr(), ecr(adopt=True)))[0] == [
        ("adoption", "`adopt_existing` is switched on for `payments`: existing secrets are overwritten.")
    ]


def test_a_failed_preview():
    diagnostics = [{"severity": "error", "urn": urn(SECRETS, "azure-secrets"), "message": "no such\n  repository"}]
    assert reviewed(digest([], [], diagnostics=diagnostics))[0] == [
        ("failed-preview", "The preview failed: azure-secrets: no such repository")
    ]


def test_roles_on_a_packages_repository():
    parent = ("codespaces:index:PackageAccess", "base")
    team = state("github:index/teamRepository:TeamRepository", "base-payments", {
        "teamId": "payments", "permission": "pull", "repository": "images"}, parent=parent)  # fmt: skip
    gets = "The team `payments` gets the role `pull` on `images`, and with it access to the package."
    assert reviewed(digest([state(*parent)], [state(*parent), team])) == ([], [gets])
    loses = "The team `payments` loses its role on `images`, and with it access to the package."
    assert reviewed(digest([state(*parent), team], [state(*parent)])) == ([], [loses])


def test_other_resources_are_counted_and_no_value_of_theirs_is_shown():
    bucket = state("aws:s3/bucket:Bucket", "logs", {"bucket": "logs"})
    queue = state("aws:sqs/queue:Queue", "jobs", {"name": "jobs"})
    changed = {**queue, "inputs": {"name": "other"}}
    result = review(read_digest(digest([queue], [bucket, changed])), now=NOW)
    assert dict(result.others) == {"create": 1, "update": 1}
    assert (result.risks, result.changes, result.edges) == ((), (), ())


def test_who_may_pull_from_where():
    result = review(read_digest(digest([*ecr(), *login()], ecr(readers=("api",)))), now=NOW)
    assert set(result.edges) == {
        Edge("acme/web", HOST, "lost"),
        Edge("acme/api", HOST, "gained"),
        Edge("acme/web", "acme.azurecr.io", "lost"),
    }

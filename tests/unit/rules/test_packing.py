import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulumi_codespaces.rules import RuleViolation
from pulumi_codespaces.rules.packing import INLINE_LIMIT, MANAGED_LIMIT, SPREAD, LaterRepository, NewRepository, pack
from pulumi_codespaces.rules.policies import characters, login_document
from pulumi_codespaces.rules.repository_arns import RepositoryArn

ACCOUNT = "123456789012"
REGION = "us-isof-south-1"  # the Region with the longest ARNs
IAM_ATTACHES = 10


def pool(seed, size=340):
    """Names as an organization may have them, some far away, some long, some patterns, and a cache."""
    chance = random.Random(seed)
    names = {"hub/*": None}
    while len(names) < size:
        team = f"team-{chance.randrange(12)}"
        name = f"{team}/{'x' * chance.choice([3, 8, 8, 8, 20])}-{len(names)}"
        kind = chance.random()
        if kind < 0.1:
            name = f"arn:aws-iso-f:ecr:us-isof-east-1:{chance.randrange(10**12):012}:repository/{name}"
        elif kind < 0.13:
            name = f"{team}/{'y' * 200}-{len(names)}"
        elif kind < 0.2:
            name += "/*"
        names[name] = None
    return list(names)


def items(policies):
    """Label -> what the policy grants."""
    return {
        policy.label: {("pull", repository) for repository in policy.repositories}
        | {("cache", prefix) for prefix in policy.cache_prefixes}
        for policy in policies
    }


def check_limits(policies):
    inline = [policy for policy in policies if policy.inline]
    documents = [policy.document(ACCOUNT, REGION) for policy in inline] + [login_document(suspended=True)]
    assert sum(characters(document) for document in documents) <= INLINE_LIMIT
    for policy in policies:
        assert characters(policy.document(ACCOUNT, REGION)) <= policy.longest
        if not policy.inline:
            assert policy.longest <= MANAGED_LIMIT
    assert len(policies) - len(inline) < IAM_ATTACHES
    assert all("ecr:GetAuthorizationToken" not in policy.document(ACCOUNT, REGION) for policy in policies)


def layouts(policies):
    labels = [policy.label for policy in policies]
    return {label.partition("-")[0] + ("-n" if "-" in label else "") for label in labels}


@pytest.mark.parametrize("seed", [1, 2])
def test_one_repository_more_or_less_leaves_every_other_in_a_policy_that_keeps_it(seed):
    names = pool(seed)
    random.Random(seed).shuffle(names)
    names.sort(key=lambda name: name != "hub/*")
    before, seen = items(pack(names[:1], ["hub"])), []
    for count in range(2, len(names) + 1):
        policies = pack(names[:count], ["hub"])
        check_limits(policies)
        after = items(policies)
        for item in set().union(*before.values()):
            assert [label for label in before if item in before[label] and item in after.get(label, ())], item
        if not seen or seen[-1] != layouts(policies):
            seen.append(layouts(policies))
        before = after
    assert seen == [{"inline"}, {"inline", "managed"}, {"managed"}, {"managed", "managed-n"}, {"managed-n"}]


@pytest.mark.parametrize(
    "added", [(["z" * 256], ["hub"]), (["z" * 249 + "/team/?"], ["hub"]), ([], ["hub", "team/" + "p" * 25])]
)
def test_the_largest_thing_that_one_change_can_add_leaves_every_other_where_it_is(added):
    names = ["hub/*", "team/*", *(name for name in pool(6, 120) if len(name) < 200)]
    repositories, prefixes = added
    for count in range(2, len(names)):
        for before, after in (
            (pack(names[:count], ["hub"]), pack([*names[:count], *repositories], prefixes)),
            (pack(names[:count], []), pack(names[:count], ["hub"])),
        ):
            unmoved = [grants & items(after).get(label, set()) for label, grants in items(before).items()]
            assert set().union(*unmoved) == set().union(*items(before).values())


@settings(max_examples=60)
@given(st.integers(1, 300), st.integers(0, 300), st.booleans(), st.randoms(use_true_random=False))
def test_a_repository_that_stays_listed_is_granted_at_every_instant_of_any_update(many, others, with_cache, chance):
    """The update as Pulumi runs it: new policies and updates in place in any order, deletions last."""
    names = pool(3)
    old_list, new_list = (["hub/*", *chance.sample(names, size)] for size in (many, others))
    old_policies, new_policies = pack(old_list, ["hub"] * with_cache), pack(new_list, ["hub"])
    before, after = items(old_policies), items(new_policies)
    inline = {policy.label for policy in (*old_policies, *new_policies) if policy.inline}
    stays = set().union(*before.values()) & set().union(*after.values())
    assert ("pull", "hub/*") in stays

    live = dict(before)
    changes = list(after)
    chance.shuffle(changes)
    for label in [*changes, *(set(before) - set(after))]:
        if label in after:
            live[label] = after[label]
        else:
            del live[label]
        assert stays <= set().union(*live.values())
        assert len(set(live) - inline) < IAM_ATTACHES
    assert live == after


@settings(max_examples=60)
@given(st.integers(0, 300), st.randoms(use_true_random=False))
def test_each_layout_grants_exactly_what_is_listed_and_nothing_twice(many, chance):
    listed = ["hub/*", *chance.sample(pool(4), many)]
    policies = pack(listed, ["hub"])
    check_limits(policies)
    wanted = {str(RepositoryArn.of(repository, ACCOUNT, REGION)) for repository in listed}
    for layout in ("inline", "managed", "managed-"):
        granted = []
        for policy in policies:
            if policy.label == layout or (layout == "managed-" and policy.label.startswith(layout)):
                statements = json.loads(policy.document(ACCOUNT, REGION))["Statement"]
                granted += [
                    arn for statement in statements if statement["Sid"] == "Pull" for arn in statement["Resource"]
                ]
        assert granted == [] or (len(granted) == len(wanted) and set(granted) == wanted)


@settings(max_examples=30)
@given(st.integers(1, 200), st.randoms(use_true_random=False))
def test_order_and_doubles_do_not_matter(many, chance):
    listed = chance.sample(pool(5), many)
    shuffled = chance.sample(listed, many)
    assert pack([*shuffled, shuffled[0]]) == pack(listed)


def test_a_few_repositories_are_one_inline_policy():
    (policy,) = pack(["payments/worker", "payments/api"])
    assert (policy.label, policy.inline, policy.cache_prefixes) == ("inline", True, ())
    assert policy.repositories == ("payments/api", "payments/worker")


def test_the_policy_of_a_name_never_changes():
    """Pinned: another division would move what is granted already from one policy to another in one update."""
    listed = [f"team/service-{number:03}" for number in range(120)]
    numbers = {name: policy.label for policy in pack(listed) for name in policy.repositories}
    assert [int(numbers[name].removeprefix("managed-")) for name in listed[:10]] == [3, 2, 2, 2, 8, 8, 5, 2, 2, 7]
    with_cache = pack([*listed, "hub/*"], ["hub"])
    assert [policy.label for policy in with_cache if policy.cache_prefixes] == ["managed-2"]


def test_a_name_and_its_arn_are_the_same_repository():
    names = [f"team/service-{number:03}" for number in range(120)]
    arns = [f"arn:aws-iso-f:ecr:{REGION}:{ACCOUNT}:repository/{name}" for name in names]
    documents = {policy.label: policy.document(ACCOUNT, REGION) for policy in pack(names)}
    assert {policy.label: policy.document(ACCOUNT, REGION) for policy in pack(arns)} == documents
    assert {policy.label: policy.document(ACCOUNT, REGION) for policy in pack([*names, *arns[:3]])} == documents


@pytest.mark.parametrize(("length", "least"), [(12, 450), (20, 400), (40, 300)])
def test_how_many_repositories_fit(length, least):
    policies = pack([f"{number:0{length}}" for number in range(least)])
    assert len(policies) == SPREAD
    assert len(pack(["x" * 20 + f"{number:020}" for number in range(14)])) <= 2
    check_limits(policies)


def test_more_than_iam_has_room_for_is_refused_with_counts_and_the_ways_out():
    listed = [f"payments/service-{number}" for number in range(900)] + [f"docs/{number}" for number in range(100)]
    with pytest.raises(RuleViolation) as caught:
        pack(listed)
    text = str(caught.value)
    assert caught.value.argument == "ecr_repositories"
    assert text.startswith("ecr_repositories: 1000 repositories do not fit into the IAM policies of a user.")
    assert "the limit is 6,144" in text
    assert "List a prefix: 'payments/*' in place of 900 of them" in text
    assert "select by tag (ecr_repository_tags)" in text
    assert "several components" in text
    assert [policy.label for policy in pack(["payments/*", "docs/*"])] == ["inline"]
    with pytest.raises(RuleViolation, match=r"List a prefix: 'team/\*'"):
        pack([f"service-{number}" for number in range(900)])


@pytest.mark.parametrize(
    ("repositories", "prefixes", "argument", "why"),
    [
        ([], [], "ecr_repositories", "is empty"),
        (["api", "API"], [], "ecr_repositories[1]", "lower-case"),
        (["arn:aws:ecr:eu-west-1:1:repository/api"], [], "ecr_repositories[0]", "12 digits"),
        (
            [f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/api", f"arn:aws-cn:ecr:cn-north-1:{ACCOUNT}:repository/api"],
            [],
            "ecr_repositories",
            "in another partition than 'aws'",
        ),
        ([7], [], "ecr_repositories[0]", "is an int; give the name or the ARN of a repository"),
        (["hub/*"], [7], "pull_through_cache_prefixes[0]", "is an int; write the prefix as plain text"),
        (["hub/*"], ["ROOT"], "pull_through_cache_prefixes[0]", "one cache rule"),
        (["hub/*"], ["hub", "*"], "pull_through_cache_prefixes[1]", "one cache rule"),
        (["hub/*"], [""], "pull_through_cache_prefixes[0]", "one cache rule"),
        (["hub/*"], ["hub/"], "pull_through_cache_prefixes[0]", "remove the slash at the end: 'hub'"),
        (["hub/*"], ["Hub"], "pull_through_cache_prefixes[0]", "lower-case: 'hub'"),
        (["hubs/*", "hub"], ["hub"], "pull_through_cache_prefixes[0]", "add 'hub/*'"),
    ],
)
def test_what_is_refused(repositories, prefixes, argument, why):
    with pytest.raises(RuleViolation) as caught:
        pack(repositories, prefixes)
    assert caught.value.argument == argument
    assert why in str(caught.value)


@pytest.mark.parametrize("listed", ["hub/*", "hub/library/alpine", "*", "h*", "hub*", "hub/library/*", "hu?/x"])
def test_a_cache_is_accepted_where_something_may_be_pulled_through_it(listed):
    (policy,) = pack([listed], ["hub"])
    assert policy.cache_prefixes == ("hub",)


def test_an_arn_of_another_partition_than_the_user_is_refused():
    (policy,) = pack([f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/api"])
    assert policy.document(ACCOUNT, "us-east-1")
    with pytest.raises(RuleViolation, match="another partition than 'aws-cn'") as caught:
        policy.document(ACCOUNT, "cn-north-1")
    assert caught.value.argument == "ecr_repositories"


def test_repositories_that_the_program_makes():
    """One has the longest name that it may get; what it is called decides where it is, whatever its ARN will be."""
    services = [NewRepository(f"service-{number}") for number in range(40)]
    few = pack([services[0], "payments/api"])
    assert [policy.label for policy in few] == ["inline"]
    labels = [service.label for service in services]
    arns = {label: f"arn:aws:ecr:eu-west-1:123456789012:repository/{label}-1234567" for label in labels}
    (statement,) = json.loads(few[0].document("123456789012", "eu-west-1", arns))["Statement"]
    assert statement["Resource"] == [
        "arn:aws:ecr:eu-west-1:123456789012:repository/payments/api",
        "arn:aws:ecr:eu-west-1:123456789012:repository/service-0-1234567",
    ]
    many = pack(services)
    assert {policy.label for policy in many} <= {f"managed-{number}" for number in range(1, SPREAD + 1)}
    assert sorted(str(repository) for policy in many for repository in policy.repositories) == sorted(arns)
    by_name = {str(repository): policy.label for policy in many for repository in policy.repositories}
    assert by_name == {name: policy.label for policy in pack([f"a-{n}" for n in range(400)] + sorted(arns))
                       for name in policy.repositories if name in by_name}  # fmt: skip
    assert all(policy.longest <= MANAGED_LIMIT for policy in many)


def outputs(names):
    """Outputs, and what they are once they are known."""
    places = {f"ecr_repositories[{index}]": name for index, name in enumerate(names)}
    return [LaterRepository(place) for place in places], places


def test_an_output_may_be_a_name_or_an_arn():
    later, resolved = outputs(["tools/linter", f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/tools/tool"])
    (policy,) = pack([*later, "payments/api"])
    assert (policy.label, policy.awaited) == ("inline", later)
    (statement,) = json.loads(policy.document(ACCOUNT, "eu-west-1", resolved))["Statement"]
    assert statement["Resource"] == [
        f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/{name}" for name in ("payments/api", "tools/linter", "tools/tool")
    ]


def test_an_output_is_in_the_policy_of_its_name():
    """So that one which becomes known, or is written out later, moves nothing."""
    names = [f"team/service-{number:03}" for number in range(120)]
    by_name = {policy.label: policy.document(ACCOUNT, REGION) for policy in pack(names)}
    for first in (0, 30, 90):
        later, resolved = outputs(names[first:])
        policies = pack([*names[:first], *later])
        assert {policy.label: policy.document(ACCOUNT, REGION, resolved) for policy in policies} == by_name


def test_until_outputs_are_known_each_of_the_eight_policies_is_there():
    later, resolved = outputs([f"team/{'x' * 200}-{number}" for number in range(18)])
    policies = pack(later)
    assert [policy.label for policy in policies] == [
        "managed",
        *(f"managed-{number}" for number in range(1, SPREAD + 1)),
    ]
    statements = [json.loads(policy.document(ACCOUNT, REGION, resolved))["Statement"] for policy in policies]
    granted = [statement["Resource"] for (statement,) in statements if statement["Sid"] == "Pull"]
    assert [len(granted[0]), sum(map(len, granted[1:]))] == [18, 18]

    later, resolved = outputs(["team/api"] * 18)
    statements = [json.loads(policy.document(ACCOUNT, REGION, resolved))["Statement"] for policy in pack(later)[1:]]
    nothing = [{"Sid": "Login", "Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}]
    assert [listed == nothing for listed in statements].count(True) == SPREAD - 1


def test_a_cache_is_accepted_while_what_is_pulled_through_it_is_not_known():
    later, _ = outputs(["hub/*"])
    (policy,) = pack(later, ["hub"])
    assert policy.cache_prefixes == ("hub",)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "ecr_repositories[0] is None; an Output here must be the name or the ARN of an ECR repository."),
        (7, "ecr_repositories[0] is an int; an Output here must be"),
        (
            "API",
            "ecr_repositories[0] 'API' is not a valid name of an ECR repository; ECR's names are lower-case: 'api'",
        ),
        ("arn:aws:s3:::bucket", "ecr_repositories[0] 'arn:aws:s3:::bucket' is not the ARN of an ECR repository"),
    ],
)
def test_an_output_that_is_no_repository_is_refused_once_it_is_known(value, why):
    later, resolved = outputs([value])
    (policy,) = pack(later)
    with pytest.raises(RuleViolation) as caught:
        policy.document(ACCOUNT, REGION, resolved)
    assert caught.value.argument == "ecr_repositories[0]"
    assert str(caught.value).startswith(why)


def test_more_outputs_than_iam_has_room_for_are_refused():
    assert len(pack(outputs(["x"] * 150)[0])) == SPREAD
    with pytest.raises(
        RuleViolation, match=r"180 repositories do not fit into the IAM policies of a user.* all 8 together would need"
    ):
        pack(outputs(["x"] * 180)[0])
    later, resolved = outputs([f"{number:03}{'x' * 250}" for number in range(150)])
    fullest = "ecr_repositories: [0-9]+ repositories .* managed-[1-8] would need [0-9],[0-9]+ characters for [0-9]+"
    with pytest.raises(RuleViolation, match=fullest):
        [policy.document(ACCOUNT, REGION, resolved) for policy in pack(later)]


def test_tags_alone_and_the_room_that_they_take():
    assert pack([], tags={"team": "payments"}) == ()
    tags = {f"key-{number}": "v" * 100 for number in range(8)}
    repositories = [f"payments/service-{number}" for number in range(6)]
    assert [policy.label for policy in pack(repositories)] == ["inline"]
    assert [policy.label for policy in pack(repositories, tags=tags)] == ["managed"]


@pytest.mark.parametrize(
    ("tags", "argument", "why"),
    [
        ("team", "ecr_repository_tags", "is a str; give a map"),
        ({"team": 7}, "ecr_repository_tags.team", "is an int; write key and value as plain text"),
        ({"aws:x": "y"}, "ecr_repository_tags.aws:x", "no key that begins with aws:"),
        ({"a*": "y"}, "ecr_repository_tags.a*", "is not a valid tag of a repository"),
        ({"a": "y" * 257}, "ecr_repository_tags.a", "256 of value"),
    ],
)
def test_tags_that_cannot_be(tags, argument, why):
    with pytest.raises(RuleViolation) as caught:
        pack([], tags=tags)
    assert caught.value.argument == argument
    assert why in str(caught.value)

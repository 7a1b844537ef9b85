"""`EcrPullAccess` on the real engine, against both clouds: their contents, the requests, and pulls."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from rig.cloud import DEFAULT_SEED, LocalCloud
from rig.codespace import start_codespace

from .ecr_programs import (
    API,
    HOST,
    IAM_USER,
    PASSWORD,
    SERVER,
    USER,
    WEB,
    Code,
    access,
    can_pull,
    checkpoint,
    ecr_program,
    edit_state,
    in_state,
    keys,
    published,
    secret_values,
    steps,
    watching,
    writes,
)
from .secret_programs import nowhere, readers

PUBLISHED = [f"PUT {USER}", f"PUT {PASSWORD}", f"PUT {SERVER}"]
DELETED = [f"DELETE {SERVER}", f"DELETE {PASSWORD}", f"DELETE {USER}"]
PARTS = ("USER", "PASSWORD", "SERVER")
PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
ARN = "arn:aws:ecr:eu-west-1:123456789012:repository"


def statements(cloud, user=IAM_USER):
    """The statements of the user's policies by their ids."""
    policies = cloud.aws.policies(user).values()
    return {statement["Sid"]: statement for policy in policies for statement in policy["Statement"]}


def test_create_nothing_to_do_destroy(cloud, new_cloud_stack):
    stack = new_cloud_stack(ecr_program())
    preview = stack.preview()
    assert steps(preview) == dict.fromkeys(
        (
            "access-test",
            "payments",
            "payments-rotation",
            "payments-repositories",
            "payments-user",
            "payments-login",
            "payments-pull",
            "payments-key-a",
            "payments-key",
            "payments-secrets",
        ),
        "create",
    )
    assert writes(cloud) == []

    outcomes = [preview, stack.up()]
    made = writes(cloud)
    assert made[0] == "CreateUser"
    assert sorted(made[1:4]) == ["CreateAccessKey", "PutUserPolicy", "PutUserPolicy"]
    assert made[4:] == PUBLISHED
    user = cloud.aws.users()[IAM_USER]
    assert (user.path, user.boundary, dict(user.tags)) == ("/codespaces/", None, {})
    assert statements(cloud) == {
        "Login": {"Sid": "Login", "Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
        "Swap": {"Sid": "Swap", "Effect": "Allow", "Action": "sts:GetServiceBearerToken", "Resource": "*"},
        "Pull": {"Sid": "Pull", "Effect": "Allow", "Action": PULL, "Resource": [f"{ARN}/payments/api"]},
    }
    assert keys(cloud) == {published(cloud): "Active"}
    assert readers(cloud.github) == {name: ("selected", {11}) for name in (USER, PASSWORD, SERVER)}
    with start_codespace(cloud.github, cloud.aws, "acme/web") as codespace:
        assert codespace.pull(API).ok
        assert not codespace.pull(WEB).ok
    assert not can_pull(cloud, "acme/docs")
    assert stack.outputs() == {
        "payments": {
            "accessKeyId": published(cloud),
            "keyCreatedAt": cloud.aws.access_keys(IAM_USER)[0].created_at,
            "keyGeneration": 1,
            "repositories": ["web"],
            "secretNames": [USER, PASSWORD, SERVER],
            "servers": [HOST],
            "userArn": user.arn,
        }
    }
    writes(cloud)

    outcomes += [stack.preview("--expect-no-changes"), stack.up("--expect-no-changes")]
    outcomes += [stack.refresh("--expect-no-changes"), stack.run("preview", "--diff", "--show-reads", "--show-sames")]
    assert [outcome.warnings for outcome in outcomes] == [[]] * len(outcomes)
    assert writes(cloud) == []

    canaries = secret_values(cloud)
    outcomes.append(stack.destroy())
    nowhere(canaries, stack, *outcomes)
    made = writes(cloud)
    assert made[:3] == DELETED
    assert sorted(write.split()[0] for write in made[3:-1]) == [
        "DeleteAccessKey",
        "DeleteUserPolicy",
        "DeleteUserPolicy",
    ]
    assert made[-1] == "DeleteUser"
    assert (cloud.aws.users(), cloud.aws.managed_policies(), cloud.github.organization("acme").secrets) == ({}, {}, {})
    assert checkpoint(stack) == []


def test_what_may_be_pulled_and_by_whom_changes_around_a_key_that_stands(cloud, new_cloud_stack):
    """From one inline policy to managed policies and back: payments/api is always listed, so every pull of it works."""

    def program(count, **arguments):
        names = [f"team-of-tests/service-number-{index:03}" for index in range(count)]
        return ecr_program(ecr_repositories=["payments/api", *names], **arguments)

    stack = new_cloud_stack(program(1))
    stack.up()
    key = published(cloud)
    writes(cloud)
    policies = []
    with watching(cloud) as watch:
        stack.write(program(1, selected_repositories=["web", "docs"]))
        preview = stack.preview()
        assert steps(preview) == {"payments-repositories": "update", "payments-secrets": "update"}
        assert preview.step("payments-secrets")["detailedDiff"] == {
            "selectedRepositories.docs": {"kind": "add", "inputDiff": False}
        }
        stack.up()
        assert writes(cloud) == [f"{put}/repositories" for put in PUBLISHED]
        assert can_pull(cloud, "acme/docs")

        for count in (0, 16, 40, 150, 1):
            stack.write(program(count, selected_repositories=["web", "docs"]))
            stack.up()
            made = writes(cloud)
            assert not [write for write in made if "AccessKey" in write or write.startswith(("PUT", "DELETE "))]
            user = cloud.aws.users()[IAM_USER]
            policies.append((len(user.inline_policies), len(user.attached_policies)))
            granted = {
                arn
                for policy in cloud.aws.policies(IAM_USER).values()
                for statement in policy["Statement"]
                if statement["Sid"] == "Pull"
                for arn in statement["Resource"]
            }
            assert len(granted) == count + 1
    assert policies == [(2, 0), (2, 1), (1, 1), (1, 8), (2, 0)]
    assert watch.changes
    assert published(cloud) == key
    assert stack.preview("--expect-no-changes").steps == []
    stack.destroy()
    assert (cloud.aws.users(), cloud.aws.managed_policies()) == ({}, {})


def test_a_repository_that_is_created_in_the_same_update(cloud, new_cloud_stack):
    create = "import pulumi_github\ntool = pulumi_github.Repository('tool', name='tool', visibility='private')\n"
    program = ecr_program(create, selected_repositories=Code("['web', tool]"))
    stack = new_cloud_stack(program)
    assert steps(stack.preview())["payments-secrets"] == "create"
    stack.up()
    number = cloud.github.repository("acme/tool").id
    assert readers(cloud.github)[PASSWORD] == ("selected", {11, number})
    assert can_pull(cloud, "acme/tool")
    assert stack.outputs()["payments"]["repositories"] == ["tool", "web"]
    assert stack.preview("--expect-no-changes").steps == []


def test_repositories_that_the_program_makes_and_those_with_a_tag(cloud, new_cloud_stack):
    made = "import pulumi_aws as aws\ntool = aws.ecr.Repository('tool', name='tools/tool')\n"
    cloud.aws.create_repository("tagged/one", tags={"team": "payments", "stage": "prod"})
    cloud.aws.create_repository("tagged/two", tags={"team": "other"})
    for name in ("tagged/one", "tagged/two"):
        cloud.aws.push_image(name)
    images = {name: f"{HOST}/{name}:latest" for name in ("tools/tool", "tagged/one", "tagged/two", "payments/api")}

    def pulled():
        return [name for name, image in images.items() if can_pull(cloud, "acme/web", image)]

    stack = new_cloud_stack(ecr_program(made, ecr_repositories=[Code("tool"), "payments/api"]))
    stack.up()
    cloud.aws.push_image("tools/tool")
    assert pulled() == ["tools/tool", "payments/api"]
    stack.write(ecr_program(made, ecr_repositories=[Code("tool")], ecr_repository_tags={"team": "payments"}))
    with watching(cloud, images["tools/tool"]):
        stack.up()
    assert pulled() == ["tools/tool", "tagged/one"]
    stack.write(ecr_program(made, ecr_repositories=None, ecr_repository_tags={"team": "payments", "stage": "prod"}))
    stack.up()
    assert pulled() == ["tagged/one"]
    assert stack.preview("--expect-no-changes").steps == []


def test_several_accounts_and_regions_with_one_key(new_cloud_stack):
    other = "210987654321"
    us, shared = "123456789012.dkr.ecr.us-east-1.amazonaws.com", f"{other}.dkr.ecr.eu-west-1.amazonaws.com"
    images = [API, f"{us}/payments/api:latest", f"{shared}/tools/linter:latest"]
    aws = json.loads(json.dumps(DEFAULT_SEED["aws"]))
    aws["accounts"]["123456789012"]["repositories"]["us-east-1"] = {"payments/api": ["latest"]}
    aws["accounts"][other] = {"repositories": {"eu-west-1": {"tools/linter": ["latest"]}}}

    def program(generation):
        return (
            ecr_program(
                ecr_repositories=[
                    "payments/api",
                    "arn:aws:ecr:us-east-1:123456789012:repository/payments/api",
                    f"arn:aws:ecr:eu-west-1:{other}:repository/tools/linter",
                ],
                additional_registries={"PAYMENTS_US": us, "TOOLS": shared},
                probe_images=["payments/api", f"{us}/payments/api:latest"],
                key_generation=generation,
            )
            + "pulumi.export('statement', payments.repository_policy_statement)\n"
        )

    with LocalCloud({"github": DEFAULT_SEED["github"], "aws": aws}, docker="http") as cloud:
        stack = new_cloud_stack(program(1), environment=cloud.environment)
        stack.up()
        outputs = stack.outputs()
        principal = {"AWS": outputs["payments"]["userArn"]}
        allow = {"Sid": "CodespacesPull", "Effect": "Allow", "Principal": principal, "Action": sorted(PULL)}
        assert outputs["statement"] == allow
        policy = {"Version": "2012-10-17", "Statement": [outputs["statement"]]}
        cloud.aws.set_repository_policy("tools/linter", policy, account=other)
        with start_codespace(cloud.github, cloud.aws, "acme/web") as before:
            assert sorted((login.prefix, login.ok) for login in before.logins) == [
                ("PAYMENTS", True),
                ("PAYMENTS_US", True),
                ("TOOLS", True),
            ]
            assert [before.pull(image).ok for image in images] == [True] * 3
            writes(cloud)
            stack.write(program(2))
            with watching(cloud, *images):
                stack.up()
            made = writes(cloud)
            triples = [
                f"PUT {p}_CONTAINER_REGISTRY_{part}" for p in ("PAYMENTS", "PAYMENTS_US", "TOOLS") for part in PARTS
            ]
            assert made == ["CreateAccessKey", *triples]
            before.resume_login()
            assert [before.pull(image).ok for image in images] == [True] * 3
        assert [can_pull(cloud, "acme/web", image) for image in images] == [True] * 3
        assert stack.preview("--expect-no-changes").steps == []


def test_permissions_boundary_and_tags(cloud, new_cloud_stack):
    allow = {"Effect": "Allow", "Action": ["ecr:*", "sts:*"], "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    boundary = cloud.aws.client("iam").create_policy(PolicyName="edge", PolicyDocument=document)["Policy"]["Arn"]
    stack = new_cloud_stack(ecr_program(permissions_boundary_arn=boundary, tags={"team": "payments"}))
    stack.up()
    user = cloud.aws.users()[IAM_USER]
    assert (user.boundary, dict(user.tags)) == (boundary, {"team": "payments"})
    writes(cloud)
    with watching(cloud):
        stack.write(ecr_program(tags={"team": "checkout"}))
        stack.up()
    user = cloud.aws.users()[IAM_USER]
    assert (user.boundary, dict(user.tags)) == (None, {"team": "checkout"})
    assert sorted(write.split()[0] for write in writes(cloud)) == ["DeleteUserPermissionsBoundary", "TagUser"]


def test_a_key_that_grows_old_warns_in_every_preview(cloud, new_cloud_stack):
    stack = new_cloud_stack(ecr_program(max_key_age_days=30))
    stack.up()
    made = datetime.now(timezone.utc) - timedelta(days=31, hours=1)

    def aged(resources):
        for resource in resources:
            if resource["type"] == "aws:iam/accessKey:AccessKey":
                resource["outputs"]["createDate"] = made.strftime("%Y-%m-%dT%H:%M:%SZ")
        return resources

    edit_state(stack, aged)
    (warning,) = stack.preview().warnings
    assert "the access key is 31 days old, and at most 30 are wanted: raise key_generation by one." in warning
    stack.write(ecr_program())
    assert stack.preview().warnings == []


def test_the_secrets_are_replaced_without_an_outage_and_the_rotation_is_not_replaced(cloud, new_cloud_stack):
    stack = new_cloud_stack(ecr_program())
    stack.up()
    stack.write(ecr_program(key_generation=2))
    stack.up()
    held = keys(cloud)
    rotation, secrets = (in_state(stack, name)["urn"] for name in ("payments-rotation", "payments-secrets"))
    writes(cloud)
    with watching(cloud):
        for refused in (
            stack.preview("--replace", rotation, check=False),
            stack.up("--replace", rotation, check=False),
        ):
            assert not refused.ok
            assert "a rotation must stay out of --replace" in refused.output
        assert writes(cloud) == []

        stack.write(ecr_program(key_generation=2, adopt_existing=True))
        stack.up("--replace", secrets)
        assert writes(cloud) == PUBLISHED
        assert keys(cloud) == held
        # A replacement publishes too: the next rotation renews the slot that is not published.
        stack.write(ecr_program(key_generation=3))
        assert steps(stack.preview())["payments-key-a"] == "replace"
        stack.up()
    assert list(held)[1] in keys(cloud)


def test_a_policy_whose_answer_was_lost_is_put_again_and_one_that_is_replaced_is_there(cloud, new_cloud_stack):
    stack = new_cloud_stack(ecr_program())
    run = stack.start("up", "--yes", "--skip-preview")
    cloud.aws.faults.add_callback("PutUserPolicy", lambda _: stack.kill(run), when="after")
    run.communicate()
    cloud.aws.faults.clear()
    stack.run("cancel", "--yes")
    assert cloud.aws.policies(IAM_USER)
    # The policy is missing from the state, and AWS does not delete a user that has a policy.
    assert "DeleteConflict" in stack.destroy(check=False).output
    outcome = stack.up(check=False)
    if not outcome.ok:  # the key is created concurrently with the policies and may be lost too
        assert len(cloud.delete_named_keys(outcome.output)) == 1
        stack.up()
    assert set(cloud.aws.policies(IAM_USER)) == {"login", "pull"}

    for name in ("payments-login", "payments-pull"):
        stack.up("--replace", in_state(stack, name)["urn"])
    assert set(cloud.aws.policies(IAM_USER)) == {"login", "pull"}
    assert can_pull(cloud)
    stack.destroy()
    assert cloud.aws.users() == {}


def test_a_protected_component_rotates_and_a_retained_one_leaks_no_key(cloud, new_cloud_stack):
    options = "pulumi.ResourceOptions(protect={}, retain_on_delete=True)"
    stack = new_cloud_stack(ecr_program(opts=options.format(True)))
    stack.up()
    gone = []
    for generation in (2, 3, 4):
        gone.append(published(cloud))
        stack.write(ecr_program(opts=options.format(True), key_generation=generation))
        with watching(cloud):
            stack.up()
        assert len(keys(cloud)) == 2
    assert list(keys(cloud)) == [gone[2], published(cloud)]
    assert "protected" in stack.destroy(check=False).output
    assert can_pull(cloud)


def test_two_organizations_with_explicit_providers_only(new_cloud_stack):
    github = json.loads(json.dumps(DEFAULT_SEED["github"]))
    github["organizations"]["umbrella"] = {
        "id": 2,
        "plan": "team",
        "repositories": {"lab": {"id": 91, "private": True}},
    }
    providers = """
import pulumi_aws as aws
cloud = aws.Provider("cloud", region="eu-west-1")
acme = codespaces.Provider("acme", owner="acme")
umbrella = codespaces.Provider("umbrella", owner="umbrella")
"""

    def program(generation):
        both = access("payments", opts="pulumi.ResourceOptions(providers=[cloud, acme])", key_generation=generation)
        both += access("lab", selected_repositories=["lab"], opts="pulumi.ResourceOptions(providers=[umbrella, cloud])")
        return f"import pulumi\nimport pulumi_codespaces as codespaces\n{providers}{both}"

    with LocalCloud({"github": github, "aws": DEFAULT_SEED["aws"]}, docker="http") as cloud:
        stack = new_cloud_stack(program(1), environment=cloud.environment)
        stack.run("config", "set", "--path", "pulumi:disable-default-providers[0]", "*")
        stack.up()
        assert can_pull(cloud, "acme/web")
        assert can_pull(cloud, "umbrella/lab")
        lab = dict(cloud.github.organization("umbrella").secrets)
        other = keys(cloud, "codespaces-lab")
        stack.write(program(2))
        assert sorted(steps(stack.preview())) == [
            "payments-key",
            "payments-key-b",
            "payments-rotation",
            "payments-secrets",
        ]
        cloud.github.clear_requests()
        with watching(cloud):
            stack.up()
        assert {request.path.split("/")[2] for request in cloud.github.requests if request.method != "GET"} == {"acme"}
        assert dict(cloud.github.organization("umbrella").secrets) == lab
        assert keys(cloud, "codespaces-lab") == other
        assert stack.preview("--expect-no-changes").steps == []
        stack.destroy()
        assert cloud.aws.users() == {}
        assert [organization.secrets for organization in cloud.github.cloud.organizations.values()] == [{}, {}]


def test_keys_that_somebody_deleted_or_switched_off_come_back(cloud, new_cloud_stack):
    stack = new_cloud_stack(ecr_program())
    stack.up()
    stack.write(ecr_program(key_generation=2))
    stack.up()
    before, after = keys(cloud)

    cloud.aws.set_access_key_status(IAM_USER, after, "Inactive")
    assert not can_pull(cloud)
    stack.up("--refresh")
    assert keys(cloud) == {before: "Active", after: "Active"}
    assert can_pull(cloud)

    cloud.aws.delete_access_key(IAM_USER, after)
    stack.refresh()
    assert steps(stack.preview()) == {
        "payments-key-b": "create",
        "payments-key": "update",
        "payments-secrets": "update",
    }
    stack.up()
    assert published(cloud) not in (before, after)
    assert keys(cloud) == {before: "Active", published(cloud): "Active"}
    assert can_pull(cloud)

    stack.write(ecr_program(key_generation=3))
    with watching(cloud):
        stack.up()
    assert before not in keys(cloud)


def test_a_policy_that_could_not_be_updated_is_updated_after_a_refresh(cloud, new_cloud_stack):
    """The AWS provider records a refused update as done, so the next update has to refresh the state first."""
    stack = new_cloud_stack(ecr_program())
    stack.up()
    cloud.aws.faults.add("PutUserPolicy", "denied", times=None)
    stack.write(ecr_program(ecr_repositories=["payments/api", "payments/web"]))
    with watching(cloud):
        assert "AccessDenied" in stack.up(check=False).output
        cloud.aws.faults.clear()
        stack.up("--refresh")
    assert can_pull(cloud, "acme/web", WEB)
    assert stack.preview("--expect-no-changes").steps == []


def test_a_component_that_is_renamed_with_names_of_its_own_moves_to_another_user(cloud, new_cloud_stack):
    """New codespaces can always pull; codespaces from before the move have a deleted key."""
    stack = new_cloud_stack(ecr_program())
    stack.up()
    before = published(cloud)
    with start_codespace(cloud.github, cloud.aws, "acme/web") as codespace:
        stack.write(ecr_program(name="checkout"))
        with watching(cloud):
            stack.up()
        assert list(cloud.aws.users()) == ["codespaces-checkout"]
        assert before not in keys(cloud, "codespaces-checkout")
        assert sorted(cloud.github.organization("acme").secrets) == sorted(
            f"CHECKOUT_CONTAINER_REGISTRY_{part}" for part in PARTS
        )
        codespace.resume_login()
        assert not codespace.pull(API).ok
    assert can_pull(cloud)


def test_a_component_is_renamed_with_an_alias_and_the_names_it_had(cloud, new_cloud_stack):
    stack = new_cloud_stack(ecr_program())
    stack.up()
    writes(cloud)
    alias = "pulumi.ResourceOptions(aliases=[pulumi.Alias(name='payments')])"
    names = {"user_name": IAM_USER, "secret_prefix": "PAYMENTS"}

    stack.write(ecr_program(name="checkout", opts=alias))
    refused = stack.preview(check=False)
    assert "user_name 'codespaces-checkout': the user was made as 'codespaces-payments'" in refused.output
    assert "Set it back" in refused.output
    stack.write(ecr_program(name="checkout", **names))
    refused = stack.preview(check=False)
    assert "a component that gets another name needs an alias" in refused.output

    stack.write(ecr_program(name="checkout", opts=alias, **names))
    stack.up()
    assert writes(cloud) == []
    stack.write(ecr_program(name="checkout", opts=alias, key_generation=2, **names))
    assert steps(stack.preview())["checkout-key-b"] == "create"
    with watching(cloud):
        stack.up()


def test_a_rotation_that_the_state_lost_is_imported(cloud, new_cloud_stack):
    stack = new_cloud_stack(ecr_program())
    stack.up()
    stack.write(ecr_program(key_generation=2))
    stack.up()
    held, rotation = keys(cloud), in_state(stack, "payments-rotation")["urn"]
    component = in_state(stack, "payments")["urn"]
    serials = {slot: in_state(stack, f"payments-key-{slot}")["replacementTrigger"] for slot in "ab"}

    def without_it(resources):
        left = [entry for entry in resources if entry["urn"] != rotation]
        for entry in left:
            entry["dependencies"] = [urn for urn in entry.get("dependencies") or [] if urn != rotation]
            properties = (entry.get("propertyDependencies") or {}).items()
            entry["propertyDependencies"] = {
                name: [urn for urn in urns if urn != rotation] for name, urns in properties
            }
        return left

    edit_state(stack, without_it)
    writes(cloud)
    with watching(cloud):
        refused = stack.preview(check=False)
        assert "pulumi import codespaces:index:KeyRotation payments-rotation a:3:3,b:2:2" in refused.output
        options = ("--parent", f"component={component}", "--protect=false", "--yes", "--generate-code=false")
        token = "codespaces:index:KeyRotation"
        wrong = stack.run("import", token, "payments-rotation", "b", *options, check=False)
        assert "such as 'a:3:3,b:2:2' or 'a:1:1'" in wrong.output
        stack.run("import", token, "payments-rotation", f"b:2:{serials['b']},a:1:{serials['a']}", *options)
        assert steps(stack.preview()) == {"payments-rotation": "update"}
        stack.up()
        assert (writes(cloud), keys(cloud)) == ([], held)
        stack.write(ecr_program(key_generation=3))
        assert steps(stack.preview())["payments-key-a"] == "replace"
        stack.up()
    assert list(held)[1] in keys(cloud)

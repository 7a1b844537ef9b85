"""Arguments that are Outputs: of resources of the same program, and of other stacks."""

from __future__ import annotations

import json

import pytest

from rig.stack import has_frame_of_package

from .ecr_programs import Code, ecr_program

HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
NAMES = ("payments/api", "tools/first", "tools/second", "shared/lib")
BASE = """
import pulumi
import pulumi_aws as aws

lib = aws.ecr.Repository("lib", name="shared/lib")
pulumi.export("lib", lib.arn)
pulumi.export("region", "eu-west-1")
pulumi.export("days", 30)
pulumi.export("names", ["payments/api"])
"""
REPOSITORIES = """
import pulumi_aws as aws

base = pulumi.StackReference("organization/base/test")
first = aws.ecr.Repository("first", name="tools/first")
second = aws.ecr.Repository("second", name="tools/second")
"""


def pulled(cloud, names=NAMES):
    """The repositories, out of these, that a codespace of acme/web can pull from."""
    for name in names:
        cloud.aws.push_image(name)
    with cloud.start_codespace("acme/web") as codespace:
        return [name for name in names if codespace.pull(f"{HOST}/{name}:latest").ok]


def granted(stack):
    """The names of the repositories in the policy, as the state has it."""
    (statement,) = json.loads(stack.resource("payments-pull")["outputs"]["policy"])["Statement"]
    return [arn.partition("repository/")[2] for arn in statement["Resource"]]


@pytest.fixture
def stacks(new_cloud_stack, tmp_path):
    """Make a stack beside another stack that has outputs."""
    backend = tmp_path / "backend"
    backend.mkdir()
    new_cloud_stack(BASE, project="base", backend=backend).up()
    return lambda program: new_cloud_stack(program, backend=backend)


def test_what_may_be_an_output_in_python(cloud, stacks):
    stack = stacks(
        ecr_program(
            REPOSITORIES,
            ecr_repositories=Code("['payments/api', first.name, second.arn, base.get_output('lib')]"),
            region=Code("base.get_output('region')"),
            max_key_age_days=Code("base.get_output('days')"),
            suspended=Code("first.arn.apply(lambda _: False)"),
            verify=Code("second.arn.apply(lambda _: True)"),
            probe_images=Code("[base.get_output('names').apply(lambda names: names[0])]"),
            tags=Code("first.arn.apply(lambda arn: {'first': arn})"),
            visibility=Code("first.arn.apply(lambda _: 'selected')"),
        )
    )
    assert stack.preview().step("payments-pull")["op"] == "create"
    stack.up()
    assert granted(stack) == sorted(NAMES)
    assert pulled(cloud) == [*NAMES]
    assert stack.resource("payments-key")["outputs"]["probeImages"] == [f"{HOST}/payments/api"]
    assert [step["op"] for step in stack.preview("--expect-no-changes").steps] == ["read"]


REFUSED = {
    "ecr_repositories": {
        "base.get_output('names')": "ecr_repositories is an Output; give a list, whose items may be Outputs",
        "[base.get_output('none')]": "ecr_repositories[0] is None; an Output here must be the name or the ARN of an",
    },
    "key_generation": {"base.get_output('days')": "key_generation is an Output; it must be a plain value, since a"},
    "max_key_age_days": {"base.get_output('region')": "max_key_age_days 'eu-west-1': must be a plain whole number"},
    "region": {"base.get_output('none')": "region is None; write the name of a Region, such as 'eu-west-1'."},
}


def test_an_output_that_does_not_suit_is_refused_in_words(stacks):
    stack = stacks("")
    head = 'base = pulumi.StackReference("organization/base/test")\n'
    for argument, cases in REFUSED.items():
        for value, message in cases.items():
            stack.write(ecr_program(head, **{argument: Code(value)}))
            outcome = stack.run("preview", check=False)
            assert not outcome.ok
            assert f"EcrPullAccess payments: {message}" in outcome.output
            assert "AttributeError" not in outcome.output
            assert not has_frame_of_package(outcome.output)


SPREAD = """
import pulumi_aws as aws

made = [aws.ecr.Repository(f"made-{number}", name=f"made/{number:02}") for number in range(20)]
"""


def test_many_outputs_are_granted_by_managed_policies_that_keep_them(cloud, new_cloud_stack):
    stack = new_cloud_stack(ecr_program(SPREAD, ecr_repositories=Code("[one.name for one in made]")))
    preview = stack.preview()
    policies = [f"payments-pull-managed-{number}" for number in range(1, 9)]
    assert sorted(step["urn"].rsplit("::", 1)[-1] for step in preview.steps if "iam/policy:" in step["urn"]) == policies
    stack.up()
    made = [f"made/{number:02}" for number in range(20)]
    assert pulled(cloud, made) == made
    stack.write(ecr_program(SPREAD, ecr_repositories=Code("[made[0].arn, *(one.name for one in made[2:])]")))
    changed = {step["urn"].rsplit("::", 1)[-1] for step in stack.preview().steps if step["op"] == "update"}
    # Only the policy of the removed repository changes; the repositories after it stay in their policies.
    assert len(changed & {*policies}) == 1

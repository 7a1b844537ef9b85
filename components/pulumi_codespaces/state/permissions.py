"""The permissions that an IAM user's policies grant, from a stack's resources.

The policy pack reads the same from what the engine shows it (components/policy-pack/codespaces_policy.py). It cannot
import this package, because Pulumi runs a policy pack in an environment of its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ..rules.policies import CACHE_ACTIONS, PULL_ACTIONS
from .resources import is_known

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .resources import Resource

_INLINE, _MANAGED = "aws:iam/userPolicy:UserPolicy", "aws:iam/policy:Policy"
_GIVERS: Mapping[str, tuple[str, str]] = {
    _INLINE: ("user", ""),
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": ("user", "policyArn"),
    "aws:iam/policyAttachment:PolicyAttachment": ("users", "policyArn"),
    "aws:iam/userPolicyAttachmentsExclusive:UserPolicyAttachmentsExclusive": ("userName", "policyArns"),
    "aws:iam/userGroupMembership:UserGroupMembership": ("user", "groups"),
    "aws:iam/groupMembership:GroupMembership": ("users", "group"),
}
"""Type of a resource that gives users permissions -> the properties that name the users, and the policies or groups.

An inline policy names no other policy or group.
"""
IAM_TYPES = frozenset({_MANAGED, *_GIVERS})
"""The types of all policies, and of all resources that give users permissions."""
PULLS = frozenset({*PULL_ACTIONS, *CACHE_ACTIONS})
LOGINS = frozenset({"ecr:GetAuthorizationToken", "sts:GetServiceBearerToken"})


@dataclass(frozen=True, order=True)
class Grant:
    """One action on one resource that a policy allows or denies.

    Attributes:
        effect: `Allow` or `Deny`.
        action: such as `ecr:BatchGetImage`.
        resource: an ARN, or a pattern of ARNs.
        condition: JSON; empty without a condition.
    """

    effect: str
    action: str
    resource: str
    condition: str = ""


@dataclass(frozen=True)
class Permissions:
    """The permissions of an IAM user.

    Attributes:
        grants: the statements of the user's policies.
        opaque: whether the user has policies that are known only after the update.
        elsewhere: other sources of the user's permissions, whose content the stack does not have: (`policy`, ARN) or
            (`group`, name). The second item is empty until the update.
    """

    grants: frozenset[Grant]
    opaque: bool
    elsewhere: frozenset[tuple[str, str]]


def permissions_of_user(user: str, name: str, siblings: list[Resource], of_iam: list[Resource]) -> Permissions:
    """The permissions of a user. The program may give the user more permissions than the component does.

    Args:
        user: the user's name; empty without a user.
        name: the component's name.
        siblings: the resources that the component made.
        of_iam: the resources of the stack with one of `IAM_TYPES`.
    """
    managed = {resource.urn: resource for resource in of_iam if resource.type == _MANAGED}
    by_arn = {str(policy.outputs.get("arn") or policy.id): policy for policy in managed.values()}
    policies = {resource.urn: resource for resource in siblings if resource.type in (_INLINE, _MANAGED)}
    elsewhere: set[tuple[str, str]] = set()
    for giver in _givers(user, name, siblings, of_iam):
        if giver.type == _INLINE:
            policies[giver.urn] = giver
        else:
            linked, unlinked = _linked(giver, managed, by_arn)
            policies |= linked
            elsewhere |= unlinked
    documents = [policy.inputs.get("policy") for policy in policies.values()]
    return Permissions(
        grants=frozenset(grant for document in documents for grant in _grants(document)),
        opaque=any(not is_known(document) for document in documents),
        elsewhere=frozenset(elsewhere),
    )


def _givers(user: str, name: str, siblings: list[Resource], of_iam: list[Resource]) -> Iterable[Resource]:
    """The resources that give permissions to a user, without the component's own attachments.

    The policies of those are siblings. But a preview may leave out an unchanged policy, which would then look as if the
    stack did not have it.
    """
    sibling_urns = frozenset(resource.urn for resource in siblings)
    for giver in of_iam:
        if not user or giver.type == _MANAGED or not _gives_to(giver, user, sibling_urns):
            continue
        is_own = giver.urn in sibling_urns and giver.name.startswith(f"{name}-pull-")
        if giver.type == _INLINE or not is_own:
            yield giver


def _gives_to(giver: Resource, user: str, sibling_urns: frozenset[str]) -> bool:
    """Whether a resource gives permissions to a user.

    A name that is not known yet stands for the component's user if it comes from a resource of the component.
    """
    property_name = _GIVERS[giver.type][0]
    users = _values(giver, property_name)
    sources = giver.comes_from.get(property_name) or ()
    is_to_come = any(not is_known(name) for name in users) and not sibling_urns.isdisjoint(sources)
    return user in users or is_to_come or (giver.type == _INLINE and giver.id.startswith(f"{user}:"))


def _linked(
    giver: Resource, managed: Mapping[str, Resource], by_arn: Mapping[str, Resource]
) -> tuple[dict[str, Resource], set[tuple[str, str]]]:
    """The policies that an attachment names, or the groups that a membership names.

    Args:
        giver: the attachment, or the membership.
        managed: URN -> each managed policy of the stack.
        by_arn: ARN -> each managed policy of the stack.

    Returns:
        URN -> each policy that the stack has, and (kind, ARN or name) of everything else.
    """
    property_name = _GIVERS[giver.type][1]
    kind = "group" if property_name.startswith("group") else "policy"
    linked: dict[str, Resource] = {}
    unlinked: set[tuple[str, str]] = set()
    for value in _values(giver, property_name):
        policies = [by_arn[value]] if value in by_arn else []
        if not is_known(value):
            policies = [managed[urn] for urn in giver.comes_from.get(property_name) or () if urn in managed]
        linked |= {policy.urn: policy for policy in policies}
        if not policies:
            unlinked.add((kind, str(value) if is_known(value) else ""))
    return linked, unlinked


def _values(resource: Resource, name: str) -> list[Any]:
    return _items(resource.inputs.get(name) or resource.outputs.get(name) or [])


# -- policy documents


def _grants(document: object) -> list[Grant]:
    if not is_known(document):
        return []
    try:
        policy: Any = json.loads(document) if isinstance(document, str) else document
        statements: Any = policy.get("Statement") or []
    except (json.JSONDecodeError, AttributeError):
        return []
    return [
        grant
        for statement in _items(statements)
        if isinstance(statement, dict)
        for grant in _grants_of_statement(cast("dict[str, Any]", statement))
    ]


def _grants_of_statement(statement: dict[str, Any]) -> list[Grant]:
    effect = str(statement.get("Effect"))
    condition = json.dumps(statement["Condition"]) if statement.get("Condition") else ""
    return [
        Grant(effect, action, resource, condition)
        for action in _elements(statement, "Action")
        for resource in _elements(statement, "Resource")
    ]


def _elements(statement: dict[str, Any], name: str) -> list[str]:
    """The values of a statement's element `name`, and of its opposite such as `NotAction`."""
    everything_but = [f"everything but {value}" for value in _items(statement.get(f"Not{name}") or [])]
    return [str(value) for value in _items(statement.get(name) or [])] + everything_but


def _items(value: Any) -> list[Any]:
    """The items of a list; a single value is a list of one item."""
    return cast("list[Any]", value) if isinstance(value, list) else [value]

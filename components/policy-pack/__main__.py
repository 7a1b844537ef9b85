"""The policy pack: what `--policy-pack` runs. The rules are in codespaces_policy.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyConfigSchema,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError

import codespaces_policy as rules


def _plain(value: Any) -> Any:
    """A value without the proxies that raise at what a preview does not know yet."""
    if isinstance(value, Mapping):
        return {key: _plain_at(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain_at(value, index) for index in range(len(value))]
    return value


def _plain_at(holder: Any, key: Any) -> Any:
    try:
        return _plain(holder[key])
    except UnknownValueError:
        return rules.UNKNOWN


def _resource(given: PolicyResource) -> rules.Resource:
    comes_from = {key: [one.urn for one in found] for key, found in given.property_dependencies.items()}
    return rules.Resource(given.urn, given.resource_type, given.name, _plain(given.props), comes_from)


def _of_one(
    judge: Callable[[rules.Resource, Mapping[str, Any]], Iterable[rules.Violation]],
) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
    """Judge each resource by itself, before it is created or changed."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        resource = rules.Resource(args.urn, args.resource_type, args.name, _plain(args.props))
        for violation in judge(resource, args.get_config()):
            report(violation.message, violation.urn)

    return validate


def _of_all(
    judge: Callable[[Sequence[rules.Resource], Mapping[str, Any]], Iterable[rules.Violation]],
    unjudged: Callable[[Sequence[rules.Resource]], Sequence[rules.Resource]] = lambda _: (),
) -> Callable[[StackValidationArgs, ReportViolation], None]:
    """Judge the stack as a whole, at the end of a preview and of an update."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        resources = [_resource(one) for one in args.resources]
        for violation in judge(resources, args.get_config()):
            report(violation.message, violation.urn)
        for resource in unjudged(resources):
            # It is told as an advisory, whatever the rule's level; the first one speaks for all.
            raise UnknownValueError(UNKNOWN_STRING_VALUE, [resource.name, "policy"])

    return validate


PolicyPack(
    name="codespaces",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[
        StackValidationPolicy(
            name="codespaces-pull-only",
            description="Users that codespaces have may log in to Amazon ECR and pull, and nothing else.",
            validate=_of_all(lambda resources, _: rules.pull_only(resources), rules.unjudged),
        ),
        StackValidationPolicy(
            name="codespaces-no-wildcard-resource",
            description="Users that codespaces have may pull from repositories that are listed.",
            validate=_of_all(lambda resources, _: rules.no_wildcard_resource(resources), rules.unjudged),
        ),
        ResourceValidationPolicy(
            name="codespaces-permissions-boundary",
            description="Users that codespaces have are held by a permissions boundary.",
            # Not every organization has boundaries; one that has switches this on.
            enforcement_level=EnforcementLevel.DISABLED,
            validate=_of_one(lambda resource, _: rules.permissions_boundary(resource)),
        ),
        ResourceValidationPolicy(
            name="codespaces-visibility-reason",
            description="Secrets that more than selected repositories may read have a reason.",
            config_schema=PolicyConfigSchema(
                {"reasons": {"type": "object", "additionalProperties": {"type": "string"}, "default": {}}}
            ),
            validate=_of_one(lambda resource, given: rules.visibility_reason(resource, given.get("reasons") or {})),
        ),
        StackValidationPolicy(
            name="codespaces-key-age",
            description="Access keys that codespaces have are rotated in time.",
            # Time passes without a change; a rule that blocks would also stop the update that suspends a user.
            enforcement_level=EnforcementLevel.ADVISORY,
            config_schema=PolicyConfigSchema({"maxAgeDays": {"type": "integer", "minimum": 1, "default": 90}}),
            validate=_of_all(
                lambda resources, given: rules.key_age(
                    resources, int(given.get("maxAgeDays") or 90), datetime.now(timezone.utc)
                )
            ),
        ),
        ResourceValidationPolicy(
            name="codespaces-no-stock-secrets",
            description="Codespaces secrets are not of the kind that a new value deletes.",
            validate=_of_one(lambda resource, _: rules.no_stock_secrets(resource)),
        ),
    ],
)

"""The policy pack that `--policy-pack` runs. The rules are in codespaces_policy.py."""

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
    """A value without Pulumi's proxies, which raise an exception for every value that a preview does not know yet."""
    if isinstance(value, Mapping):
        return {key: _plain_at(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain_at(value, index) for index in range(len(value))]
    return value


def _plain_at(container: Any, key: Any) -> Any:
    try:
        return _plain(container[key])
    except UnknownValueError:
        return rules.UNKNOWN


def _resource(resource: PolicyResource) -> rules.Resource:
    comes_from = {name: [source.urn for source in sources] for name, sources in resource.property_dependencies.items()}
    return rules.Resource(resource.urn, resource.resource_type, resource.name, _plain(resource.props), comes_from)


def _for_each_resource(
    judge: Callable[[rules.Resource, Mapping[str, Any]], Iterable[rules.Violation]],
) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
    """Judge each resource alone, before it is created or changed."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        resource = rules.Resource(args.urn, args.resource_type, args.name, _plain(args.props))
        for violation in judge(resource, args.get_config()):
            report(violation.message, violation.urn)

    return validate


def _for_stack(
    judge: Callable[[Sequence[rules.Resource], Mapping[str, Any]], Iterable[rules.Violation]],
    unjudged: Callable[[Sequence[rules.Resource]], Sequence[rules.Resource]] = lambda _: (),
) -> Callable[[StackValidationArgs, ReportViolation], None]:
    """Judge the stack as a whole, at the end of a preview and of an update."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        resources = [_resource(resource) for resource in args.resources]
        for violation in judge(resources, args.get_config()):
            report(violation.message, violation.urn)
        for resource in unjudged(resources):
            # Pulumi shows this exception as an advisory, whatever the level of the rule. It ends the rule, so only the
            # first of these resources is named.
            raise UnknownValueError(UNKNOWN_STRING_VALUE, [resource.name, "policy"])

    return validate


PolicyPack(
    name="codespaces",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[
        StackValidationPolicy(
            name="codespaces-pull-only",
            description="Users that codespaces have may log in to Amazon ECR and pull, and nothing else.",
            validate=_for_stack(lambda resources, _: rules.pull_only(resources), rules.unjudged),
        ),
        StackValidationPolicy(
            name="codespaces-no-wildcard-resource",
            description="Users that codespaces have may pull from repositories that are listed.",
            validate=_for_stack(lambda resources, _: rules.no_wildcard_resource(resources), rules.unjudged),
        ),
        ResourceValidationPolicy(
            name="codespaces-permissions-boundary",
            description="Users that codespaces have are held by a permissions boundary.",
            # Not every organization has boundaries. An organization that has them switches this rule on.
            enforcement_level=EnforcementLevel.DISABLED,
            validate=_for_each_resource(lambda resource, _: rules.permissions_boundary(resource)),
        ),
        ResourceValidationPolicy(
            name="codespaces-visibility-reason",
            description="Secrets that more than selected repositories may read have a reason.",
            config_schema=PolicyConfigSchema(
                {"reasons": {"type": "object", "additionalProperties": {"type": "string"}, "default": {}}}
            ),
            validate=_for_each_resource(
                lambda resource, config: rules.visibility_reason(resource, config.get("reasons") or {})
            ),
        ),
        StackValidationPolicy(
            name="codespaces-key-age",
            description="Access keys that codespaces have are rotated in time.",
            # Keys grow old without a change. A mandatory rule would also stop the update that suspends a user.
            enforcement_level=EnforcementLevel.ADVISORY,
            config_schema=PolicyConfigSchema({"maxAgeDays": {"type": "integer", "minimum": 1, "default": 90}}),
            validate=_for_stack(
                lambda resources, config: rules.key_age(
                    resources, int(config.get("maxAgeDays") or 90), datetime.now(timezone.utc)
                )
            ),
        ),
        ResourceValidationPolicy(
            name="codespaces-no-stock-secrets",
            description="Codespaces secrets are not of the kind that a new value deletes.",
            validate=_for_each_resource(lambda resource, _: rules.no_stock_secrets(resource)),
        ),
    ],
)

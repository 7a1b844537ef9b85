"""The steps for every kind of resource: the part of the bridge and the Terraform SDK in the real plugin.

Source: https://github.com/pulumi/pulumi-terraform-bridge/blob/v3.137.0/pkg/tfbridge/provider.go
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import schema as tables
from .failures import AwsError, PartialFailure, ProviderError, as_bridge_error, doing
from .resource import Resource, State
from .schema import DEFAULTS
from .tags import changes
from .values import Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .clients import Aws
    from .schema import Property
    from .values import Properties, Value

_NAME_LENGTH = 255
_NAME_SUFFIX = 7
_REGIONAL_ID = re.compile(r"(.+)@([a-z]{2}(?:-[a-z]+)+-\d{1,2})")


@dataclass(frozen=True)
class Autonaming:
    """How the engine wants names to be made up (https://www.pulumi.com/docs/iac/concepts/resources/names/#autonaming-configuration).

    Attributes:
        mode: "propose", "enforce" or "disable".
        proposed: the name that it proposes.
    """

    mode: str
    proposed: str


@dataclass(frozen=True)
class Difference:
    """What an update would change.

    Attributes:
        changes: by property path, "add", "update" or "delete", and whether it replaces the resource.
        stables: properties that would replace the resource and do not change.
        delete_before_replace: whether the old resource must go before there can be a new one.
    """

    changes: Mapping[str, tuple[str, bool]]
    stables: Sequence[str] = field(default_factory=list)
    delete_before_replace: bool = False

    @property
    def replaces(self) -> list[str]:
        """The top-level properties whose change replaces the resource."""
        return sorted({top_level(path) for path, (_, replaces) in self.changes.items() if replaces})


def top_level(path: str) -> str:
    """The top-level property of a property path."""
    return path.split(".", 1)[0].split("[", 1)[0]


def check(
    resource: Resource,
    aws: Aws,
    urn: str,
    old: Mapping[str, Value],
    news: Mapping[str, Value],
    seed: bytes = b"",
    autonaming: Autonaming | None = None,
) -> tuple[Properties, list[str]]:
    """Check a program's inputs and complete them.

    Returns:
        The inputs with defaults, and the reasons why they are refused.
    """
    schema, name = resource.schema, urn.split("::", 3)[3]
    given = tables.convert(schema.properties, news)
    if schema.has_tags:
        given["tagsAll"] = aws.configuration.tags.merged(given.get("tags"))
    if schema.has_region and "region" not in given and aws.configuration.own_region:
        given["region"] = aws.configuration.own_region
    reasons = [
        f"{reason}. Examine values at '{name}.{path}'." if path else reason
        for path, reason in tables.problems(schema.properties, given)
    ]
    return tables.with_defaults(
        schema.properties, given, old, lambda _: _made_up_name(schema.token, name, seed, autonaming)
    ), reasons


def difference(
    resource: Resource, state: Mapping[str, Value], news: Mapping[str, Value], ignored: Sequence[str] = ()
) -> Difference:
    """Compare the state with checked inputs."""
    properties = resource.schema.properties
    plan = _plan(resource, state, news, ignored)
    found = tables.differences(properties, state, plan)
    replaced = {top_level(path) for path, (_, replaces) in found.items() if replaces}
    return Difference(
        changes=found,
        stables=sorted(each.name for each in properties if each.replaces and each.name not in replaced),
        # With a name of the program's own, the new resource could not be created beside the old one.
        delete_before_replace=bool(replaced)
        and (resource.schema.delete_before_replace or _has_own_name(resource.schema.named, news)),
    )


def create(
    resource: Resource, aws: Aws, urn: str, news: Mapping[str, Value], *, preview: bool
) -> tuple[str, Properties]:
    """Create a resource.

    Returns:
        Its id ("" in a preview) and its properties.

    Raises:
        PartialFailure: it exists, and something after that failed.
        ProviderError: it does not exist.
    """
    properties = resource.schema.properties
    plan = tables.planned(properties, None, news)
    if resource.schema.has_region and isinstance(plan["region"], Unknown) and "region" not in news:
        plan["region"] = aws.configuration.region
    if preview:
        return "", tables.outputs(properties, plan, Unknown())
    state = State("", _known(plan))
    try:
        resource.create(aws, state)
        if resource.reads_after_create:
            _read_new(resource, aws, state)
    except ProviderError as error:
        message = as_bridge_error(error)
        if not state.id:
            raise ProviderError(message) from None
        raise PartialFailure(f"creating {urn}: {message}", state.id, _outputs(resource, state)) from None
    return state.id, _outputs(resource, state)


def read(
    resource: Resource, aws: Aws, urn: str, identifier: str, inputs: Mapping[str, Value], properties: Properties
) -> tuple[str, Properties, Properties] | None:
    """Read a resource of the state, or, with no properties, a resource to import.

    Returns:
        Its id, inputs and properties, or None if it does not exist.

    Raises:
        ProviderError: AWS refused.
    """
    table = resource.schema.properties
    if properties:
        state: State | None = State(_identifier(identifier, properties), _known(properties))
    else:
        state = _adopt(resource, aws, identifier)
    try:
        if state is None or not resource.read(aws, state):
            return None
    except ProviderError as error:
        raise ProviderError(f"refreshing {urn}: {as_bridge_error(error)}") from None
    if properties:
        fresh = tables.refreshed_inputs(table, inputs, state.values)
    else:
        fresh = tables.imported_inputs(table, state.values)
    return state.id, fresh, _outputs(resource, state)


def update(
    resource: Resource,
    aws: Aws,
    urn: str,
    identifier: str,
    old: Properties,
    news: Mapping[str, Value],
    ignored: Sequence[str] = (),
    *,
    preview: bool,
) -> Properties:
    """Update a resource in place.

    Returns:
        Its properties.

    Raises:
        PartialFailure: AWS refused something.
    """
    properties = resource.schema.properties
    plan = _plan(resource, old, news, ignored)
    if preview:
        return tables.outputs(properties, plan, _identifier(identifier, old))
    # A trap, copied from the real provider: a refused update leaves the PLAN in the state (below), since the Terraform
    # SDK saves planned values unless a resource asks for a partial state, together with an error that makes the engine
    # call Update again at the next `up` (https://github.com/hashicorp/terraform-plugin-sdk/issues/476). By then nothing
    # differs any more. Resources that write only what differs (tags, the status of a key) write nothing: that `up` says
    # "updated", and AWS has what it had. Resources that write whenever they are asked to (inline policies) are mended
    # by it. All of them read what there is, so that the state is right again after it.
    state = State(_identifier(identifier, old), _known(plan))
    try:
        if resource.schema.has_tags:
            _retag(resource, aws, old, state)
        resource.update(aws, old, state)
        found = resource.read(aws, state)
    except ProviderError as error:
        message = f"updating {urn}: {as_bridge_error(error)}"
        raise PartialFailure(message, state.id, _outputs(resource, state)) from None
    if not found:
        raise ProviderError(
            f"Resource provider reported that the resource did not exist while updating {urn}.\n\n"
            "This is usually a result of the resource having been deleted outside of Pulumi, and can often be "
            "fixed by running `pulumi refresh` before updating."
        )
    return _outputs(resource, state)


def delete(resource: Resource, aws: Aws, urn: str, identifier: str, properties: Properties) -> None:
    """Delete a resource.

    Raises:
        ProviderError: AWS refused.
    """
    try:
        resource.delete(aws, State(_identifier(identifier, properties), _known(properties)))
    except ProviderError as error:
        raise ProviderError(f"deleting {urn}: {as_bridge_error(error)}") from None


def _read_new(resource: Resource, aws: Aws, state: State) -> None:
    if not aws.patiently(lambda: resource.read(aws, state)):
        raise ProviderError(f"reading {resource.label} ({state.id}): couldn't find resource")


def _plan(
    resource: Resource, old: Mapping[str, Value], news: Mapping[str, Value], ignored: Sequence[str]
) -> Properties:
    plan = tables.planned(resource.schema.properties, old, news)
    return plan | {name: old.get(name) for name in map(top_level, ignored) if name in plan}


def _retag(resource: Resource, aws: Aws, old: Mapping[str, Value], state: State) -> None:
    removed, added = changes(old.get("tagsAll"), state["tagsAll"])
    if removed or added:
        kind = resource.label.split(" ", 1)[1]
        with doing(f"updating tags for {resource.service} {kind} ({state.id}): tagging resource ({state.id})"):
            resource.retag(aws, state, removed, added)


def _adopt(resource: Resource, aws: Aws, identifier: str) -> State | None:
    region = aws.configuration.region
    if resource.schema.has_region and (elsewhere := _REGIONAL_ID.fullmatch(identifier)):
        identifier, region = elsewhere.groups()
    try:
        state = resource.adopt(aws, identifier)
    except AwsError:
        # To the bridge, an importer that fails has found nothing.
        return None
    if state is not None:
        for entry in resource.schema.properties:
            if entry.default is not None:
                state.values.setdefault(entry.name, entry.default)
        if resource.schema.has_region:
            state.values["region"] = region
    return state


def _identifier(identifier: str, properties: Mapping[str, Value]) -> str:
    """The resource's id. An update can change it (a user's name); the engine keeps the old one until a refresh."""
    return properties.get("id") or identifier


def _outputs(resource: Resource, state: State) -> Properties:
    return tables.outputs(resource.schema.properties, state.values, state.id)


def _known(values: Value) -> Value:
    if isinstance(values, dict):
        return {name: _known(value) for name, value in values.items()}
    if isinstance(values, list):
        return [_known(value) for value in values]
    return None if isinstance(values, Unknown) else values


def _has_own_name(named: Property | None, news: Mapping[str, Value]) -> bool:
    return named is not None and named.name in news and named.name not in news.get(DEFAULTS, [named.name])


def _made_up_name(token: str, name: str, seed: bytes, autonaming: Autonaming | None) -> str:
    if autonaming is not None:
        if autonaming.mode == "disable":
            raise ProviderError("automatic naming is disabled but no explicit name was provided")
        return autonaming.proposed
    if len(name) + 1 + _NAME_SUFFIX > _NAME_LENGTH:
        raise ProviderError(
            f"could not make instance of '{token}': name '{name}-' plus {_NAME_SUFFIX} random chars is longer than "
            f"maximum length {_NAME_LENGTH}"
        )
    # With a seed the engine wants the same name in the preview and in the update.
    suffix = hashlib.sha256(seed).hexdigest() if seed else secrets.token_hex(_NAME_SUFFIX)
    return f"{name}-{suffix[:_NAME_SUFFIX]}"

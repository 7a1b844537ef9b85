"""The state of a stack, read once from the output of `pulumi stack export`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from .access import accesses
from .resources import STACK_TYPE, marked, masked, object_in, objects, resource_of, stack_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .access import Access
    from .resources import Resource


class NoState(Exception):
    """The state could not be read. The message says why, and what to do instead."""


@dataclass(frozen=True)
class Stack:
    """The state of a stack.

    Attributes:
        full_name: `project/stack`.
        resources: the resources, with their secrets masked.
        all_resources: the same, and the resources that an interrupted replacement still has to delete.
        outputs: the outputs, with their secrets masked.
        clear: URN -> the resource, with each secret as a `Secret`. The values are there only if the state was exported
            with `--show-secrets`.
    """

    full_name: str
    resources: tuple[Resource, ...]
    all_resources: tuple[Resource, ...]
    outputs: Mapping[str, Any]
    clear: Mapping[str, Resource] = field(repr=False)

    @classmethod
    def read(cls, text: str) -> Stack:
        """Read the output of `pulumi stack export`. Earlier output of the CLI is skipped.

        Raises:
            NoState: the text is not a state.
        """
        state = object_in(text)
        deployment = state.get("deployment") if state else None
        if not isinstance(deployment, dict):
            raise NoState("this is not the output of `pulumi stack export` (an object with `deployment`).")
        clear: dict[str, Resource] = {}
        resources: list[Resource] = []
        all_resources: list[Resource] = []
        outputs: list[Mapping[str, Any]] = []
        entries = objects(cast("dict[str, Any]", deployment).get("resources"))
        for entry in entries:
            resource = resource_of(marked(entry))
            masked_resource = replace(resource, inputs=masked(resource.inputs), outputs=masked(resource.outputs))
            if resource.type == STACK_TYPE:
                outputs.append(masked_resource.outputs)
                continue
            all_resources.append(masked_resource)
            if entry.get("delete") is not True:
                resources.append(masked_resource)
                clear[resource.urn] = resource
        return cls(
            full_name=stack_of(str(entry.get("urn", "")) for entry in entries),
            resources=tuple(resources),
            all_resources=tuple(all_resources),
            outputs=outputs[0] if outputs else {},
            clear=clear,
        )

    @property
    def name(self) -> str:
        """The stack's name without its project."""
        return self.full_name.rpartition("/")[2]

    @cached_property
    def accesses(self) -> dict[str, Access]:
        """The URN of every set of secrets -> the access that it gives."""
        return accesses(self.resources)

    @cached_property
    def providers(self) -> dict[str, Mapping[str, Any]]:
        """Organization -> the inputs of the provider that the stack uses for it, with each secret as a `Secret`."""
        providers: dict[str, Mapping[str, Any]] = {}
        for access in self.accesses.values():
            provider = self._provider_of(self.clear[access.urn])
            providers.setdefault(access.owner, provider.inputs if provider else {})
        for resource in self.clear.values():
            provider = self._provider_of(resource)
            if resource.type.startswith("codespaces:index:") and provider:
                providers.setdefault(str(provider.inputs.get("owner") or ""), provider.inputs)
        return providers

    def _provider_of(self, resource: Resource) -> Resource | None:
        return self.clear.get(resource.provider.rpartition("::")[0])

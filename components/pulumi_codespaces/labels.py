"""Names for a program's resources before their outputs are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pulumi

Made = TypeVar("Made", bound="pulumi.Resource")


def labelled(resources: Iterable[Made]) -> dict[str, Made]:
    """Resources by their names in the program.

    Two components may each make one of the same name; the second one is called `name (2)`.
    """
    result: dict[str, Made] = {}
    for resource in resources:
        name = label = resource.pulumi_resource_name
        number = 1
        while result.get(label, resource) is not resource:
            number += 1
            label = f"{name} ({number})"
        result[label] = resource
    return result

"""The kinds of resources that the plugin knows, by type token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import ecr, iam

if TYPE_CHECKING:
    from ..resource import Resource

RESOURCES: dict[str, Resource] = {resource.schema.token: resource for resource in (*iam.RESOURCES, *ecr.RESOURCES)}

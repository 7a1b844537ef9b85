"""The custom resources, one file each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .key_rotation import KeyRotation
from .organization_secrets import OrganizationSecrets
from .package_check import PackageCheck
from .repository_secrets import RepositorySecrets
from .repository_selection import RepositorySelection
from .verified_ecr_key import VerifiedEcrKey
from .verified_login import VerifiedLogin

if TYPE_CHECKING:
    from ..resource import Resource

RESOURCES: dict[str, Resource] = {
    resource.token: resource
    for resource in (
        RepositorySelection(),
        OrganizationSecrets(),
        RepositorySecrets(),
        KeyRotation(),
        VerifiedEcrKey(),
        VerifiedLogin(),
        PackageCheck(),
    )
}
"""Type token -> resource."""

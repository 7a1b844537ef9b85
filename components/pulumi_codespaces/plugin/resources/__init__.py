"""The custom resources, one file each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..endpoint import ResourceEndpoint
from ..properties.key_rotation import RotationInputs, RotationState
from ..properties.package_check import PackageInputs
from ..properties.repository_selection import SelectionInputs, SelectionState
from ..properties.secret_set import SecretSetInputsParser, SecretSetStateParser
from ..properties.secret_targets import OrganizationTarget, RepositoryTarget
from ..properties.verified import EcrKeyInputs, EcrKeyState, LoginInputs, LoginState
from .key_rotation import KeyRotation
from .organization_secrets import OrganizationScope
from .package_check import PackageCheck
from .repository_secrets import RepositoryScope
from .repository_selection import RepositorySelection
from .secret_set import SecretSet
from .verified_ecr_key import VerifiedEcrKey
from .verified_login import VerifiedLogin

if TYPE_CHECKING:
    from ..endpoint import Endpoint

RESOURCES: dict[str, Endpoint] = {
    endpoint.token: endpoint
    for endpoint in (
        ResourceEndpoint(RepositorySelection(), SelectionInputs, SelectionState),
        ResourceEndpoint(
            SecretSet(OrganizationScope()),
            SecretSetInputsParser(OrganizationTarget),
            SecretSetStateParser(OrganizationTarget),
        ),
        ResourceEndpoint(
            SecretSet(RepositoryScope()),
            SecretSetInputsParser(RepositoryTarget),
            SecretSetStateParser(RepositoryTarget),
        ),
        ResourceEndpoint(KeyRotation(), RotationInputs, RotationState),
        ResourceEndpoint(VerifiedEcrKey(), EcrKeyInputs, EcrKeyState),
        ResourceEndpoint(VerifiedLogin(), LoginInputs, LoginState),
        ResourceEndpoint(PackageCheck(), PackageInputs, PackageInputs),
    )
}
"""Type token -> the endpoint of the resource."""

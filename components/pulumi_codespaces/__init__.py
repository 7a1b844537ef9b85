"""Lets GitHub Codespaces pull from private registries.

EcrPullAccess          an IAM user that may pull from Amazon ECR, its rotating access keys, and the secrets
RegistryLogin          any other registry, with given credentials; azure_container_registry, docker_hub, ecr_token,
                       github_container_registry, google_artifact_registry and google_container_registry give the form
                       in which each takes them
PackageAccess          packages of GitHub Packages: roles that a package inherits, and what has to be clicked
RepositorySelection    which repositories: by name, topic, custom property or id
OrganizationSecrets    Codespaces secrets that belong together, written in place and as one unit
RepositorySecrets      the same for one repository
Provider               the organization and the credentials for GitHub
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .ecr_pull_access import EcrPullAccess, EcrPullAccessArgs
    from .errors import InvalidArgument
    from .logins import (
        ExpiringLogin,
        Login,
        azure_container_registry,
        docker_hub,
        ecr_token,
        github_container_registry,
        google_artifact_registry,
        google_container_registry,
    )
    from .package_access import OnMismatch, PackageAccess, PackageAccessArgs, PackageType, PackageVisibility
    from .registry_login import RegistryLogin, RegistryLoginArgs
    from .resources import (
        AppAuth,
        OrganizationSecrets,
        OrganizationSecretsArgs,
        Provider,
        RepositorySecrets,
        RepositorySecretsArgs,
        RepositorySelection,
        RepositorySelectionArgs,
        Visibility,
    )

_LOGINS = (
    "ExpiringLogin",
    "Login",
    "azure_container_registry",
    "docker_hub",
    "ecr_token",
    "github_container_registry",
    "google_artifact_registry",
    "google_container_registry",
)
_PACKAGES = ("OnMismatch", "PackageAccess", "PackageAccessArgs", "PackageType", "PackageVisibility")
_MODULES = {
    "EcrPullAccess": "ecr_pull_access",
    "EcrPullAccessArgs": "ecr_pull_access",
    **dict.fromkeys(_PACKAGES, "package_access"),
    "RegistryLogin": "registry_login",
    "RegistryLoginArgs": "registry_login",
    "InvalidArgument": "errors",
    **dict.fromkeys(_LOGINS, "logins"),
}

__all__ = [
    "AppAuth",
    "EcrPullAccess",
    "EcrPullAccessArgs",
    "ExpiringLogin",
    "InvalidArgument",
    "Login",
    "OnMismatch",
    "OrganizationSecrets",
    "OrganizationSecretsArgs",
    "PackageAccess",
    "PackageAccessArgs",
    "PackageType",
    "PackageVisibility",
    "Provider",
    "RegistryLogin",
    "RegistryLoginArgs",
    "RepositorySecrets",
    "RepositorySecretsArgs",
    "RepositorySelection",
    "RepositorySelectionArgs",
    "Visibility",
    "azure_container_registry",
    "docker_hub",
    "ecr_token",
    "github_container_registry",
    "google_artifact_registry",
    "google_container_registry",
]


def __getattr__(name: str) -> object:
    """Import a public name on first use: the plugin runs without the components and the SDKs of the clouds."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES.get(name, 'resources')}", __name__), name)

"""Packages that are not as declared, and registries that a development container needs without a login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...rules.registries import same_registry
from ...rules.wording import are, in_words
from .finding import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from ...state.access import Access
    from .stacks import ManagedSecrets


def package_findings(stack: str, name: str, differences: Iterable[str], settings_url: str) -> list[Finding]:
    """Differences between a package and its declaration by `PackageAccess`.

    Args:
        stack: the stack's name.
        name: the package's name.
        differences: the differences, in sentences.
        settings_url: the page where the package can be changed.
    """
    return [
        Finding(
            "package-differs",
            "warning",
            f"package {name}",
            f"{difference}.",
            "Codespaces may have other access to the package than the stack declares.",
            f"change the package at {settings_url}, or its declaration; then pulumi up --stack {stack}",
        )
        for difference in differences
    ]


def hosts_without_login(
    repository: str,
    hosts: Iterable[str],
    secret_sets: Sequence[ManagedSecrets],
    urns: Collection[str],
    unmanaged_prefixes: Sequence[str],
) -> list[Finding]:
    """Registries that a devcontainer.json needs and that the repository's codespaces do not log in to.

    Args:
        repository: `organization/name`.
        hosts: the registries that the files name and that take a login.
        secret_sets: the secrets of all stacks in the organization.
        urns: the URNs of the secrets that the repository gets.
        unmanaged_prefixes: the prefixes of other logins that the repository gets. GitHub does not say which registries
            they are for.
    """
    own = [secret_set.access for secret_set in secret_sets if secret_set.access.urn in urns]
    prefixes_without_server = [prefix for access in own if not access.servers for prefix in access.prefixes]
    unclear_prefixes = sorted({*unmanaged_prefixes, *prefixes_without_server})
    findings: list[Finding] = []
    for host in hosts:
        if not any(_opens(access, host) for access in own):
            registries = [secret_set.access.name for secret_set in secret_sets if _opens(secret_set.access, host)]
            findings.append(_no_login(repository, host, registries, unclear_prefixes))
    return findings


def _no_login(repository: str, host: str, registries: Sequence[str], unclear_prefixes: Sequence[str]) -> Finding:
    """A registry that a devcontainer.json needs.

    Args:
        repository: `organization/name`.
        host: the registry.
        registries: the names under which stacks have the registry for other repositories.
        unclear_prefixes: the prefixes of logins that may be for the registry.
    """
    severity, log_in = "error", "its codespaces do not log in there"
    if unclear_prefixes:
        severity = "unseen"
        log_in = f"it is unknown whether {in_words(unclear_prefixes)} {are(unclear_prefixes)} for that registry"
    name = repository.rpartition("/")[2]
    fix = f"add a registry to the program or the configuration: server: {host}, repositories: [{name}]"
    if registries:
        fix = f"add {name} to the repositories of {' or '.join(registries)}"
    return Finding(
        "no-login",
        severity,
        f"repository {repository}",
        f"its devcontainer.json needs an image of {host}, and {log_in}.",
        "If the image cannot be pulled, the codespace is not built as described.",
        f"{fix}; then pulumi up",
    )


def _opens(access: Access, host: str) -> bool:
    return any(same_registry(host, server) for server in access.servers)

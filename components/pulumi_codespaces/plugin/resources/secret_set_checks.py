"""Checks of a set of secrets: its names and values, and what else declares or holds the same secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...clients.errors import ActionableError
from ...rules import RuleViolation
from ...rules.registries import same_registry
from ...rules.secret_names import check_capacity, check_name, check_value_size, triples_in
from ...values import reveal
from ..failures import Failure, InvalidInputs
from ..run import Claim, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...clients.codespaces_secrets import Place, Secrets
    from ...values import Value
    from ..properties.secret_set import SecretSetInputs, SecretSetState, TargetT
    from ..run import Run


def check_owner(run: Run, state: SecretSetState[TargetT]) -> None:
    """Refuse to touch secrets of another organization.

    Raises:
        ActionableError: the provider works for another organization than the one in the state.
    """
    owner = state.owner
    if isinstance(owner, str) and owner and owner.lower() != run.configuration.owner.lower():
        raise ActionableError(
            f"these secrets belong to organization {owner}, but the provider works for {run.configuration.owner}. Set "
            f"GITHUB_OWNER (or the provider's `owner`) back to {owner}."
        )


def check_values(new: SecretSetInputs[TargetT]) -> None:
    """Refuse to write a secret without a value. Check lets it pass for a resource that was just imported.

    Raises:
        ActionableError: a secret has no value.
    """
    missing = sorted(name for name, value in new.plain.items() if value == "")
    if missing:
        raise ActionableError(
            f"{', '.join(missing)}: GitHub does not tell what an imported secret holds; write its value in the program."
        )


def check_may_write(run: Run, urn: str, secrets: Secrets, *, preview: bool) -> None:
    """Check that the credentials may write the secrets; a preview only warns.

    Raises:
        ActionableError: they may not.
    """
    if not run.configuration.complete or secrets.may_write() is not False:
        return
    need = secrets.place.need("write")
    text = (
        "these GitHub credentials may read but not write Codespaces secrets; `pulumi up` needs the scope "
        f"{need.scope} (a classic token) or {need.permission} (a fine-grained token or an App)."
    )
    if not preview:
        raise ActionableError(text)
    run.log(Severity.WARNING, urn, text)


def secret_failures(secrets: Mapping[str, Value], past: Mapping[str, Value]) -> list[Failure]:
    """Why the names or the values of secrets break a rule."""
    if not secrets:
        return [Failure("", "secrets is empty: give at least one NAME and its value.")]
    failures: list[Failure] = []
    seen: dict[str, str] = {}
    for name in sorted(secrets):
        value = reveal(secrets[name])
        failures += _rule_failures(name, value)
        if value is None or (value == "" and past.get(name.upper()) != ""):
            failures.append(Failure(f"secrets.{name}", f"secrets.{name} has no value; a secret must hold something."))
        if name.upper() in seen:
            failures.append(
                Failure(
                    f"secrets.{name}",
                    f"secrets.{name} and secrets.{seen[name.upper()]} are one secret for GitHub, which does not tell "
                    "upper from lower case; keep one.",
                )
            )
        seen[name.upper()] = name
    return failures


def _rule_failures(name: str, value: Value) -> list[Failure]:
    try:
        check_name(name, f"secrets.{name}")
        if isinstance(value, str):
            check_value_size(name, value)
    except RuleViolation as violation:
        return [Failure(violation.argument, str(violation))]
    return []


def claim_of(place: Place, inputs: SecretSetInputs[TargetT]) -> Claim:
    """The secrets that inputs declare at a place."""
    values = inputs.values
    servers = {triple.prefix: values[triple.server] for triple in triples_in(inputs.plain) if triple.server in values}
    return Claim(place, list(inputs.plain), servers, *inputs.target.claimed_readers)


async def check_against_github(
    run: Run, urn: str, secrets: Secrets, ours: set[str], inputs: SecretSetInputs[TargetT]
) -> None:
    """Check inputs against the secrets that exist.

    Args:
        run: the run.
        urn: the resource.
        secrets: the secrets of the place.
        ours: the names that the resource declared in the last update.
        inputs: the inputs.

    Raises:
        InvalidInputs: a secret belongs to somebody else, or there is no room for all secrets.
    """
    if not ours:
        await secrets.public_key()
    existing, names = await secrets.secrets(), set(inputs.plain)
    foreign = sorted((names - ours) & set(existing))
    if foreign and not inputs.adopt_existing:
        conflicts = ", ".join(f"{name} (last changed {existing[name].updated_at})" for name in foreign)
        raise InvalidInputs(
            Failure(
                "",
                f"{secrets.place} has these secrets already, and this resource did not make them: {conflicts}. "
                "Choose another secret_prefix, or set adopt_existing to take them over; their values are "
                "overwritten. (With --replace the engine shows a resource nothing of its past: then set "
                "adopt_existing for that one update.)",
            )
        )
    if ours and not names - ours and inputs.adopt_existing:
        run.log(Severity.WARNING, urn, "adopt_existing has done its work; remove it, so that it adopts no more.")
    claims = [claim for claim in run.claims.values() if claim.place == secrets.place]
    added = {name for claim in claims for name in claim.names} - set(existing)
    if names & added:
        try:
            check_capacity(set(existing), added, secrets.place.full_name)
        except RuleViolation as violation:
            raise InvalidInputs(Failure("", str(violation))) from violation


def clashes(run: Run, urn: str, claim: Claim) -> list[Failure]:
    """Find secrets that another resource of this run declares too, and registries with two logins in one repository.

    docker keeps one credential per registry (https://github.com/docker/cli/issues/5582), so if two triples name the
    same server, the last login wins, in an order that GitHub decides. A repository's triple with the same prefix as an
    organization's triple is harmless, because it replaces it.
    """
    return [*_double_declarations(run, urn, claim), *_double_logins(run, urn, claim)]


def _double_declarations(run: Run, urn: str, claim: Claim) -> list[Failure]:
    failures: list[Failure] = []
    for other_urn, other in run.claims.items():
        if other_urn == urn or other.place != claim.place:
            continue
        other_name = other_urn.rsplit("::", 1)[-1]
        failures.extend(
            Failure(
                f"secrets.{name}",
                f"{name} is declared by {other_name} too; two resources would overwrite each other's secret. Give one "
                "of them another secret_prefix.",
            )
            for name in sorted(set(claim.names) & set(other.names))
        )
    return failures


def _double_logins(run: Run, urn: str, claim: Claim) -> list[Failure]:
    return [
        Failure(
            "",
            f"{shared} would get two logins for {claim.servers[prefix]}: by {prefix} and by {other_prefix}. docker "
            "keeps one login a registry, and which one wins is chance. Select disjoint repositories, "
            "or put both grants into one login.",
        )
        for other_urn, other in run.claims.items()
        for prefix, other_prefix in _same_servers(claim, other)
        # Two registries of one resource meet twice.
        if not (urn == other_urn and prefix >= other_prefix) and (shared := _shared_readers(claim, other))
    ]


def _same_servers(claim: Claim, other: Claim) -> list[tuple[str, str]]:
    """The pairs of prefixes that mean the same registry, unless one replaces the other."""
    return [
        (prefix, other_prefix)
        for prefix, server in claim.servers.items()
        for other_prefix, other_server in other.servers.items()
        if same_registry(server, other_server) and (other.place == claim.place or prefix != other_prefix)
    ]


def _shared_readers(claim: Claim, other: Claim) -> str:
    """Who reads the secrets of both claims; "" for nobody."""
    if "selected" not in (claim.visibility, other.visibility):
        return "every private repository"
    selected, wide = (claim, other) if claim.visibility == "selected" else (other, claim)
    if wide.visibility != "selected":
        return f"repository {next(iter(selected.repositories), '?')}"
    for name, number in claim.repositories.items():
        if name in other.repositories or (number is not None and number in other.repositories.values()):
            return f"repository {name}"
    return ""

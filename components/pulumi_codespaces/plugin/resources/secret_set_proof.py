"""Proves the access keys that an update of secrets is about to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...clients.ecr import AccessKey, verify_key
from ...clients.errors import CloudError
from ...rules.secret_names import triples_in

if TYPE_CHECKING:
    from ..run import Run
    from .secret_set_plan import Plan

_TIMEOUT_SECONDS = 15
"""A key that is written again has worked before; `VerifiedEcrKey` waits for a new one."""


async def prove_keys(run: Run, urn: str, plan: Plan) -> None:
    """Log in with each access key to write, unless it has worked in this run.

    A set is also written again without a new key: somebody changed a secret, or other repositories read it. AWS may
    have lost the key since it was proven.

    Raises:
        CloudError: a key does not work; nothing was written then.
    """
    for triple in triples_in(plan.names):
        key_id, server = plan.values[triple.user], plan.values[triple.server]
        if (key_id, server) in run.proven:
            continue
        try:
            await verify_key(
                AccessKey(key_id, plan.values[triple.password]),
                servers=[server],
                images=[],
                timeout_seconds=_TIMEOUT_SECONDS,
                progress=run.status_line(urn),
                # The engine blots out the id in messages, since it is the value of a secret here.
                secret_id=True,
            )
        except CloudError as error:
            raise CloudError(
                f"{triple.user}: {error} If AWS has lost the key, `pulumi up --refresh` makes another one.",
                error.status,
            ) from None
        run.proven.add((key_id, server))

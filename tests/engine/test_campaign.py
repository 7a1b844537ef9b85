"""A fixed part of the fault campaign: each fault, at requests where it hurts most, in each operation.

All of it is `tests/campaign.sh`, which takes hours; its cases are named as they are here.
"""

from __future__ import annotations

import pytest

from campaign.faults import FAULTS
from campaign.operations import OPERATIONS
from campaign.trial import Bench, Case

SECRETS = "/orgs/acme/codespaces/secrets"
USER, PASSWORD, SERVER = (
    f"PUT {SECRETS}/PAYMENTS_CONTAINER_REGISTRY_{part}" for part in ("USER", "PASSWORD", "SERVER")
)
LISTING = f"GET {SECRETS}"

FIXED: dict[str, list[tuple[str, str]]] = {
    "create": [
        ("aws iam.CreateUser #1", "SIGKILL to everything"),
        ("aws iam.PutUserPolicy #1", "AWS connection reset at each try, handled"),
        ("aws iam.CreateAccessKey #1", "AWS connection reset, handled"),
        (f"github {PASSWORD} #1", "503 from everything from then on"),
        (f"github {SERVER} #1", "SIGKILL to everything"),
    ],
    "destroy": [
        ("aws iam.DeleteAccessKey #1", "AWS throttles at each try"),
        (f"github DELETE {SECRETS}/PAYMENTS_CONTAINER_REGISTRY_PASSWORD #1", "connection reset at each try, handled"),
        ("aws iam.DeleteUser #1", "SIGKILL to the cli"),
    ],
    "rotation": [
        (f"github {LISTING} #1", "500"),
        ("aws iam.CreateAccessKey #1", "AWS connection reset at each try, handled"),
        ("aws iam.CreateAccessKey #1", "a new key is accepted after 10 s"),
        ("aws iam.DeleteAccessKey #1", "SIGTERM to the program"),
        ("aws ecr.GetAuthorizationToken #2", "AWS denies everything from then on"),
        (f"github {USER} #1", "connection reset, handled"),
        (f"github {PASSWORD} #1", "422, the public key was rotated"),
        (f"github {PASSWORD} #1", "403 primary limit with reset"),
        (f"github {PASSWORD} #1", "401, the token is revoked"),
        (f"github {PASSWORD} #1", "SIGKILL to the plugin"),
        (f"github {SERVER} #1", "SIGTERM to the cli"),
        (f"github {SERVER} #1", "502 at each try, then raised"),
        (f"github {PASSWORD} #1", "502 at each try, then reverted"),
    ],
    "rotation by jump": [(f"github {PASSWORD} #1", "hang until timeout")],
    "rotation, the key before is not kept": [
        (f"github {SERVER} #1", "connection reset at each try, handled"),
        (f"github {PASSWORD} #1", "SIGKILL to everything, then raised"),
    ],
    "retirement of the key before": [("aws iam.UpdateAccessKey #1", "AWS connection reset at each try, handled")],
    "repository change": [
        (f"github {PASSWORD}/repositories #1", "502 at each try"),
        (f"github {SERVER}/repositories #1", "SIGKILL to the plugin"),
    ],
    "value change": [
        (f"github PUT {SECRETS}/AZURE_CONTAINER_REGISTRY_PASSWORD #1", "connection reset at each try, handled"),
    ],
    "policy change": [("aws iam.PutUserPolicy #1", "AWS LimitExceeded")],
    "policy change past one document": [("aws iam.CreatePolicy #1", "AWS 503 at each try")],
    "suspend": [("aws iam.PutUserPolicy #1", "AWS connection reset, not handled")],
    "resume": [("aws ecr.GetAuthorizationToken #1", "SIGTERM to the plugin")],
}  # fmt: skip


def test_every_fault_of_a_kind_and_every_operation_is_among_them():
    assert set(FIXED) == set(OPERATIONS)
    used = {fault.split(", then ")[0] for some in FIXED.values() for _, fault in some}
    assert used <= set(FAULTS)


@pytest.mark.parametrize("operation", FIXED)
def test_what_is_promised_holds(operation):
    with Bench("ours") as bench:
        for where, fault in FIXED[operation]:
            result = bench.try_case(Case.named(f"ours | {operation} | {where} | {fault}"))
            assert result.reached, result.case
            assert (result.failed, result.orphans, result.problems) == ([], [], []), f"{result.case}\n{result.output}"
            assert result.instants or result.outcome != "green"

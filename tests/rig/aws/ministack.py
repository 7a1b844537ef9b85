"""The parts of MiniStack that the rig leans on, private ones among them, untyped as they are.

Importing this module imports MiniStack, whose settings are environment variables: only its own process does that.
"""

from __future__ import annotations

from importlib import import_module, metadata
from typing import Any

WRITTEN_AGAINST = "1.5.33"

app: Any = import_module("ministack.app")
iam_actions: Any = import_module("ministack.core.iam_actions")
iam_evaluator: Any = import_module("ministack.core.iam_evaluator")
responses: Any = import_module("ministack.core.responses")
ecr: Any = import_module("ministack.services.ecr")
iam: Any = import_module("ministack.services.iam")
sts: Any = import_module("ministack.services.sts")

_NEEDED: dict[Any, tuple[str, ...]] = {
    iam_actions: ("extract_resource_arn",),
    iam_evaluator: (
        "CredentialResolutionError",
        "EvalContext",
        "EvalResult",
        "_resolve_condition_key",
        "_resolve_managed_policy_document",
        "combine_resource_policy",
        "evaluate",
        "find_iam_access_key_account",
        "resolve_credential",
        "resolve_principal",
    ),
    responses: ("set_request_account_id", "set_request_region"),
    ecr: ("_images", "_layer_blobs", "_repo_policies", "_repositories", "_resolve_manifest"),
    iam: (
        "_IAM_HANDLERS",
        "_access_keys",
        "_error",
        "_extract_tags",
        "_groups",
        "_login_profiles",
        "_now",
        "_p",
        "_policies",
        "_policy_exists",
        "_user_inline_policies",
        "_users",
        "_xml",
    ),
    sts: ("_sessions",),
}

for _module, _names in _NEEDED.items():
    _missing = [name for name in _names if not hasattr(_module, name)]
    if _missing:
        raise ImportError(
            f"MiniStack {metadata.version('ministack')} has no {_module.__name__}.{_missing[0]}; the rig was written "
            f"against {WRITTEN_AGAINST}: install that, or teach tests/rig/aws/ministack.py the new name"
        )

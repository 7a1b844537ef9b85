"""Digests of previews in the form that the CLI prints, from a few words."""

from __future__ import annotations

import json

from pulumi_codespaces.rules.policies import login_document, pull_document
from pulumi_codespaces.rules.repository_arns import RepositoryArn

HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
ROOT = "urn:pulumi:prod::access::"
STACK = f"{ROOT}pulumi:pulumi:Stack::access-prod"
SECRETS = "codespaces:index:OrganizationSecrets"


def urn(kind, name, parent=""):
    chain = f"{parent}$" if parent else ""
    return f"{ROOT}{chain}{kind}::{name}"


def state(kind, name, inputs=None, *, outputs=None, parent=None, identifier=""):
    component, parent_name = parent or ("", "")
    return {
        "urn": urn(kind, name, component),
        "type": kind,
        "id": identifier,
        "parent": urn(component, parent_name) if component else STACK,
        "inputs": inputs or {},
        "outputs": outputs or {},
    }


def ecr(
    name="payments",
    *,
    readers=("web",),
    visibility="selected",
    repositories=("payments/api",),
    generation=1,
    serials=(1, 0),
    statuses=("Active", "Inactive"),
    current="a",
    keep=True,
    suspended=False,
    adopt=False,
    made="2026-11-01T00:00:00Z",
    policy=None,
    owner="acme",
):
    """The resources of an `EcrPullAccess`."""
    parent = ("codespaces:index:EcrPullAccess", name)
    arns = [
        RepositoryArn.parse(f"arn:aws:ecr:eu-west-1:123456789012:repository/{repository}")
        for repository in repositories
    ]
    secrets = {f"{name.upper()}_CONTAINER_REGISTRY_{part}": "[secret]" for part in ("USER", "PASSWORD", "SERVER")}
    readers = {reader: index for index, reader in enumerate(readers)}
    slots = {slot: {"generation": serial, "serial": serial} for slot, serial in zip("ab", serials, strict=True)}
    user = f"codespaces-{name}"
    found = [
        state(*parent, outputs={"servers": [HOST]}),
        state("aws:iam/user:User", f"{name}-user", {"name": user}, parent=parent, identifier=user),
        state("codespaces:index:KeyRotation", f"{name}-rotation", {
            "generation": generation, "current": current, "keepPreviousKey": keep, "slots": slots,
            "statuses": dict(zip("ab", statuses, strict=True)), "userName": user}, parent=parent),
        state("aws:iam/userPolicy:UserPolicy", f"{name}-login",
              {"policy": login_document(suspended=suspended)}, parent=parent, identifier=f"{user}:login"),
        state("aws:iam/userPolicy:UserPolicy", f"{name}-pull",
              {"policy": policy or pull_document(arns)}, parent=parent, identifier=f"{user}:pull"),
        state("codespaces:index:VerifiedEcrKey", f"{name}-key",
              {"servers": [HOST], "secretAccessKey": "[secret]"}, parent=parent),
        state(SECRETS, f"{name}-secrets", {
            "owner": owner, "secrets": secrets, "visibility": visibility, "adoptExisting": adopt,
            **({"selectedRepositories": readers} if visibility == "selected" else {})}, parent=parent),
    ]  # fmt: skip
    for slot, serial in zip("ab", serials, strict=True):
        if serial:
            found.append(
                state(
                    "aws:iam/accessKey:AccessKey",
                    f"{name}-key-{slot}",
                    {"user": user},
                    outputs={"createDate": made},
                    parent=parent,
                    identifier=f"AKIA{slot}",
                )
            )
    return found


def login(name="azure", server="acme.azurecr.io", readers=("web",), secrets=("USER", "PASSWORD", "SERVER")):
    """The resources of a `RegistryLogin`."""
    parent = ("codespaces:index:RegistryLogin", name)
    names = {f"{name.upper()}_CONTAINER_REGISTRY_{part}": "[secret]" for part in secrets}
    return [
        state(*parent, outputs={"server": server}),
        state("codespaces:index:VerifiedLogin", f"{name}-login",
              {"server": server, "password": "[secret]"}, parent=parent),
        state(SECRETS, f"{name}-secrets", {
            "owner": "acme", "secrets": names, "visibility": "selected",
            "selectedRepositories": {reader: index for index, reader in enumerate(readers)}}, parent=parent),
    ]  # fmt: skip


def digest(before, after, *, diffs=None, ops=None, diagnostics=()):
    """The CLI's output for a preview that changes `before` into `after`.

    Args:
        before: the resources as they are.
        after: the resources as they will be.
        diffs: name -> the properties that differ, if masking hides the difference.
        ops: name -> the engine's word, where it is not create, update, delete or same.
        diagnostics: as the CLI prints them.
    """
    old, new = ({resource["urn"]: resource for resource in resources} for resources in (before, after))
    steps = []
    for key in {**old, **new}:
        resource, successor = old.get(key), new.get(key)
        name = key.rsplit("::", 1)[-1]
        if resource is None:
            op = "create"
        elif successor is None:
            op = "delete"
        else:
            op = "same" if resource == successor else "update"
        paths = (diffs or {}).get(name, ())
        steps.append(
            {
                "op": (ops or {}).get(name, "update" if paths else op),
                "urn": key,
                "oldState": resource,
                "newState": successor,
                "detailedDiff": {path: {"kind": "update"} for path in paths} or None,
            }
        )
    return json.dumps({"steps": steps, "diagnostics": list(diagnostics)})

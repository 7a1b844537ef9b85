"""ECR repositories and their policies.

What each does, in which order and with which messages is that of terraform-provider-aws
(https://github.com/hashicorp/terraform-provider-aws/tree/v6.34.0/internal/service/ecr).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..documents import check_json, equivalent, normalize
from ..failures import AwsError, ProviderError, doing
from ..resource import Resource, State
from ..schema import REGION, TAGS, Kind, Property, Schema
from ..tags import to_api

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..clients import Aws
    from ..values import Value

_GONE = "RepositoryNotFoundException"
_POLICY_GONE = "RepositoryPolicyNotFoundException"
_ECR = "ECR (Elastic Container Registry)"
_MUTABILITIES = ("MUTABLE", "IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION", "MUTABLE_WITH_EXCLUSION")
_ENCRYPTIONS = ("AES256", "KMS", "KMS_DSSE")


def _check_mutability(value: str) -> str | None:
    if value in _MUTABILITIES:
        return None
    return f"expected image_tag_mutability to be one of {', '.join(_MUTABILITIES)}, got {value}"


def _check_encryption(value: str) -> str | None:
    if value in _ENCRYPTIONS:
        return None
    return f"expected encryption_type to be one of {', '.join(_ENCRYPTIONS)}, got {value}"


class Repository(Resource):
    """aws.ecr.Repository."""

    label, service = "ECR Repository", _ECR
    schema = Schema(
        "aws:ecr/repository:Repository",
        (
            Property("arn", output=True),
            Property(
                "encryptionConfigurations",
                Kind.OBJECTS,
                replaces=True,
                keeps=True,
                fields=(
                    Property("encryptionType", default="AES256", replaces=True, check=_check_encryption),
                    Property("kmsKey", computed=True, replaces=True),
                ),
            ),
            Property("forceDelete", Kind.BOOLEAN),
            Property(
                "imageScanningConfiguration",
                Kind.OBJECT,
                keeps=True,
                fields=(Property("scanOnPush", Kind.BOOLEAN, required=True),),
            ),
            Property("imageTagMutability", default="MUTABLE", check=_check_mutability),
            Property(
                "imageTagMutabilityExclusionFilters",
                Kind.OBJECTS,
                fields=(Property("filter", required=True), Property("filterType", required=True)),
            ),
            Property("name", named=True, replaces=True),
            REGION,
            Property("registryId", output=True),
            Property("repositoryUrl", output=True),
            *TAGS,
        ),
    )

    def create(self, aws: Aws, state: State) -> None:
        name = state["name"]
        with doing(f"creating ECR Repository ({name})"):
            answer = aws.call(
                "ecr",
                "CreateRepository",
                region=state["region"],
                repositoryName=name,
                imageTagMutability=state["imageTagMutability"],
                imageTagMutabilityExclusionFilters=_filters(state),
                imageScanningConfiguration=state["imageScanningConfiguration"],
                encryptionConfiguration=_encryption(state),
                tags=to_api(state["tagsAll"]),
            )
        state.id = answer["repository"]["repositoryName"]

    def read(self, aws: Aws, state: State) -> bool:
        region = state["region"]
        try:
            found = aws.call("ecr", "DescribeRepositories", region=region, repositoryNames=[state.id])["repositories"]
        except AwsError as error:
            if error.code == _GONE:
                return False
            raise ProviderError(f"reading ECR Repository ({state.id}): {error}") from None
        repository = found[0]
        state.values |= {
            "arn": repository["repositoryArn"],
            "encryptionConfigurations": encryption_of(repository),
            "imageScanningConfiguration": scanning_of(repository),
            "imageTagMutability": repository["imageTagMutability"],
            "imageTagMutabilityExclusionFilters": filters_of(repository),
            "name": repository["repositoryName"],
            "registryId": repository["registryId"],
            "repositoryUrl": repository["repositoryUri"],
        }
        with doing(f"listing tags for {_ECR} Repository ({state['arn']})"):
            tags = aws.call("ecr", "ListTagsForResource", region=region, resourceArn=state["arn"]).get("tags", [])
        aws.configuration.tags.store(state.values, tags)
        return True

    def update(self, aws: Aws, before: Mapping[str, Value], state: State) -> None:
        where = {"region": state["region"], "repositoryName": state.id, "registryId": state["registryId"]}
        mutability = ("imageTagMutability", "imageTagMutabilityExclusionFilters")
        if any((before.get(name) or None) != (state[name] or None) for name in mutability):
            with doing(f"updating ECR Repository ({state.id}): setting image tag mutability"):
                aws.call(
                    "ecr",
                    "PutImageTagMutability",
                    **where,
                    imageTagMutability=state["imageTagMutability"],
                    imageTagMutabilityExclusionFilters=_filters(state),
                )
        scanning = state["imageScanningConfiguration"]
        if before.get("imageScanningConfiguration") != scanning:
            with doing(f"updating ECR Repository ({state.id}): setting image scanning configuration"):
                aws.call("ecr", "PutImageScanningConfiguration", **where, imageScanningConfiguration=scanning or {})

    def retag(self, aws: Aws, state: State, removed: Sequence[str], added: Mapping[str, str]) -> None:
        where = {"region": state["region"], "resourceArn": state["arn"]}
        if removed:
            aws.call("ecr", "UntagResource", **where, tagKeys=list(removed))
        if added:
            aws.call("ecr", "TagResource", **where, tags=to_api(added))

    def delete(self, aws: Aws, state: State) -> None:
        region, name = state["region"], state.id
        try:
            aws.call(
                "ecr",
                "DeleteRepository",
                region=region,
                repositoryName=name,
                registryId=state["registryId"],
                force=bool(state["forceDelete"]),
            )
        except AwsError as error:
            if error.code == _GONE:
                return
            if error.code == "RepositoryNotEmptyException":
                raise ProviderError(
                    f"ECR Repository ({name}) not empty, consider using force_delete: {error}"
                ) from None
            raise ProviderError(f"deleting ECR Repository ({name}): {error}") from None
        if not aws.patiently(lambda: self._is_gone(aws, region, name)):
            raise ProviderError(f"waiting for ECR Repository ({name}) delete: still exists")

    def _is_gone(self, aws: Aws, region: str, name: str) -> bool:
        try:
            aws.call("ecr", "DescribeRepositories", region=region, repositoryNames=[name])
        except AwsError as error:
            if error.code == _GONE:
                return True
            raise ProviderError(f"deleting ECR Repository ({name}): {error}") from None
        return False


def _filters(state: State) -> list[dict[str, str]] | None:
    return [
        {"filter": each["filter"], "filterType": each["filterType"]}
        for each in state["imageTagMutabilityExclusionFilters"] or []
    ] or None


def _encryption(state: State) -> dict[str, str] | None:
    configurations = state["encryptionConfigurations"] or []
    if not configurations:
        return None
    asked = {"encryptionType": configurations[0].get("encryptionType"), "kmsKey": configurations[0].get("kmsKey")}
    return {name: value for name, value in asked.items() if value}


def encryption_of(repository: Mapping[str, Any]) -> list[dict[str, str]]:
    """A repository's encryption, as a property."""
    found = repository.get("encryptionConfiguration")
    if not found:
        return []
    return [{"encryptionType": found.get("encryptionType", ""), "kmsKey": found.get("kmsKey", "")}]


def scanning_of(repository: Mapping[str, Any]) -> dict[str, bool] | None:
    """A repository's scanning, as a property."""
    found = repository.get("imageScanningConfiguration")
    return None if found is None else {"scanOnPush": bool(found.get("scanOnPush"))}


def filters_of(repository: Mapping[str, Any]) -> list[dict[str, str]]:
    """The filters of tags that stay mutable, as a property."""
    return [
        {"filter": each["filter"], "filterType": each["filterType"]}
        for each in repository.get("imageTagMutabilityExclusionFilters") or []
    ]


class RepositoryPolicy(Resource):
    """aws.ecr.RepositoryPolicy; setting it is creating and updating it."""

    label, service = "ECR Repository Policy", _ECR
    schema = Schema(
        "aws:ecr/repositoryPolicy:RepositoryPolicy",
        (
            Property("policy", Kind.DOCUMENT, required=True, check=check_json, normal=normalize, same=equivalent),
            REGION,
            Property("registryId", output=True),
            Property("repository", required=True, replaces=True),
        ),
    )

    def create(self, aws: Aws, state: State) -> None:
        self._set(aws, state)
        state.id = state["repository"]

    def update(self, aws: Aws, before: Mapping[str, Value], state: State) -> None:
        del before
        self._set(aws, state)

    def _set(self, aws: Aws, state: State) -> None:
        def request() -> None:
            aws.call(
                "ecr",
                "SetRepositoryPolicy",
                region=state["region"],
                repositoryName=state["repository"],
                policyText=normalize(state["policy"]),
            )

        def names_someone_new(error: AwsError) -> bool:
            # ECR refuses a policy that names a user before it sees the user.
            return error.code == "InvalidParameterException" and "Invalid repository policy provided" in str(error)

        with doing(f"putting ECR Repository Policy ({state['repository']})"):
            aws.retrying(request, names_someone_new)

    def read(self, aws: Aws, state: State) -> bool:
        try:
            answer = aws.call("ecr", "GetRepositoryPolicy", region=state["region"], repositoryName=state.id)
        except AwsError as error:
            if error.code in (_GONE, _POLICY_GONE):
                return False
            raise ProviderError(f"reading ECR Repository Policy ({state.id}): {error}") from None
        found = answer["policyText"]
        state.values |= {
            "policy": normalize(state["policy"] if equivalent(state["policy"], found) else found),
            "registryId": answer["registryId"],
            "repository": answer["repositoryName"],
        }
        return True

    def delete(self, aws: Aws, state: State) -> None:
        with doing(f"deleting ECR Repository Policy ({state.id})", ignore=(_GONE, _POLICY_GONE)):
            aws.call(
                "ecr",
                "DeleteRepositoryPolicy",
                region=state["region"],
                repositoryName=state.id,
                registryId=state["registryId"],
            )


RESOURCES: tuple[Resource, ...] = (Repository(), RepositoryPolicy())

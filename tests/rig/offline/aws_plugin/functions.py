"""The functions that the plugin knows, by token."""

from __future__ import annotations

import base64
import json
import re
from datetime import timezone
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from . import policy_document
from .failures import AwsError, ProviderError, as_bridge_error, doing
from .resources.ecr import encryption_of, filters_of, scanning_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .clients import Aws
    from .values import Properties

Function: TypeAlias = "Callable[[Aws, Mapping[str, Any]], Properties]"

_PARTITIONS = (
    (r"(us|eu|ap|sa|ca|me|af|il|mx)-\w+-\d+", "aws", "amazonaws.com"),
    (r"cn-\w+-\d+", "aws-cn", "amazonaws.com.cn"),
    (r"us-gov-\w+-\d+", "aws-us-gov", "amazonaws.com"),
    (r"eusc-de-\w+-\d+", "aws-eusc", "amazonaws.eu"),
    (r"us-iso-\w+-\d+", "aws-iso", "c2s.ic.gov"),
    (r"us-isob-\w+-\d+", "aws-iso-b", "sc2s.sgov.gov"),
    (r"eu-isoe-\w+-\d+", "aws-iso-e", "cloud.adc-e.uk"),
    (r"us-isof-\w+-\d+", "aws-iso-f", "csp.hci.ic.gov"),
)
"""Patterns of regions, partitions and their domains, as in botocore's partitions.json."""
_COULD_NOT_FIND = "couldn't find resource"


def invoke(token: str, aws: Aws, arguments: Mapping[str, Any]) -> Properties:
    """Call a function.

    Raises:
        ProviderError: no function has that name, or it failed.
    """
    function = FUNCTIONS.get(token)
    if function is None:
        raise ProviderError(f"unrecognized data function (Invoke): {token}")
    try:
        return function(aws, {name: value for name, value in arguments.items() if value is not None})
    except ProviderError as error:
        raise ProviderError(f"invoking {token}: {as_bridge_error(error)}") from None


def missing(token: str, arguments: Mapping[str, Any]) -> list[str]:
    """Why the arguments of a function will not do."""
    return [
        f'"{name}": required field is not set' for name in _REQUIRED.get(token, ()) if arguments.get(name) in (None, "")
    ]


def _caller_identity(aws: Aws, arguments: Mapping[str, Any]) -> Properties:
    del arguments
    with doing("reading STS Caller Identity"):
        caller = aws.call("sts", "GetCallerIdentity")
    account = caller["Account"]
    return {"accountId": account, "arn": caller["Arn"], "id": account, "userId": caller["UserId"]}


def _partition(aws: Aws, arguments: Mapping[str, Any]) -> Properties:
    del arguments
    partition, suffix = _partition_of(aws.configuration.region)
    reverse = ".".join(reversed(suffix.split(".")))
    return {"dnsSuffix": suffix, "id": partition, "partition": partition, "reverseDnsPrefix": reverse}


def _partition_of(region: str) -> tuple[str, str]:
    for pattern, partition, suffix in _PARTITIONS:
        if re.fullmatch(pattern, region):
            return partition, suffix
    return "aws", "amazonaws.com"


def _region(aws: Aws, arguments: Mapping[str, Any]) -> Properties:
    region = arguments.get("region") or arguments.get("name") or aws.configuration.region
    if arguments.get("endpoint"):
        region = str(arguments["endpoint"]).removeprefix("ec2.").split(".", 1)[0]
    partition, suffix = _partition_of(region)
    return {
        "description": _region_names(partition).get(region, {}).get("description", region),
        "endpoint": f"ec2.{region}.{suffix}",
        "id": region,
        "name": region,
        "region": region,
    }


def _region_names(partition: str) -> dict[str, Any]:
    spec = find_spec("botocore")
    if spec is None or spec.origin is None:
        return {}
    # Read without botocore, whose import takes longer than all the rest of this function.
    endpoints = json.loads((Path(spec.origin).parent / "data" / "endpoints.json").read_text(encoding="utf-8"))
    return next((each["regions"] for each in endpoints["partitions"] if each["partition"] == partition), {})


def _access_keys(aws: Aws, arguments: Mapping[str, Any]) -> Properties:
    user = arguments["user"]
    try:
        keys = aws.everything("iam", "ListAccessKeys", "AccessKeyMetadata", UserName=user)
    except AwsError as error:
        reason = _COULD_NOT_FIND if error.code == "NoSuchEntity" else error
        raise ProviderError(f"reading IAM Access Keys ({user}): {reason}") from None
    found = [
        {"accessKeyId": each["AccessKeyId"], "createDate": _timestamp(each["CreateDate"]), "status": each["Status"]}
        for each in keys
    ]
    return {"accessKeys": found, "id": user, "user": user}


def _user(aws: Aws, arguments: Mapping[str, Any]) -> Properties:
    name = arguments["userName"]
    try:
        user = aws.call("iam", "GetUser", UserName=name)["User"]
    except AwsError as error:
        reason = _COULD_NOT_FIND if error.code == "NoSuchEntity" else error
        raise ProviderError(f"reading IAM User ({name}): {reason}") from None
    return {
        "arn": user["Arn"],
        "id": user["UserId"],
        "path": user["Path"],
        "permissionsBoundary": user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
        "tags": aws.configuration.tags.found(user.get("Tags", [])),
        "userId": user["UserId"],
        "userName": user["UserName"],
    }


def _policy_document(aws: Aws, arguments: Mapping[str, Any]) -> Properties:
    del aws
    return policy_document.make(arguments)


def _authorization_token(aws: Aws, arguments: Mapping[str, Any]) -> Properties:
    registry, region = arguments.get("registryId"), arguments.get("region") or aws.configuration.region
    with doing("getting ECR authorization token"):
        answer = aws.call("ecr", "GetAuthorizationToken", region=region, registryIds=[registry] if registry else None)
    data = answer["authorizationData"][0]
    token = data["authorizationToken"]
    user, separator, password = base64.b64decode(token).decode().partition(":")
    if not separator:
        raise ProviderError("unknown ECR authorization token format")
    return {
        "authorizationToken": token,
        "expiresAt": _timestamp(data["expiresAt"]),
        "id": region,
        "password": password,
        "proxyEndpoint": data["proxyEndpoint"],
        "region": region,
        "registryId": registry,
        "userName": user,
    }


def _repository(aws: Aws, arguments: Mapping[str, Any]) -> Properties:
    name, region = arguments["name"], arguments.get("region") or aws.configuration.region
    where = {"region": region, "registryId": arguments.get("registryId")}
    try:
        repository = aws.call("ecr", "DescribeRepositories", repositoryNames=[name], **where)["repositories"][0]
    except AwsError as error:
        reason = _COULD_NOT_FIND if error.code == "RepositoryNotFoundException" else error
        raise ProviderError(f"reading ECR Repository ({name}): {reason}") from None
    with doing(f"reading images for ECR Repository ({name})"):
        images = aws.everything("ecr", "DescribeImages", "imageDetails", repositoryName=name, **where)
    with doing(f"listing tags for ECR (Elastic Container Registry) Repository ({repository['repositoryArn']})"):
        tags = aws.call("ecr", "ListTagsForResource", region=region, resourceArn=repository["repositoryArn"])
    scanning = scanning_of(repository)
    newest = max(images, key=lambda each: each["imagePushedAt"]) if images else {}
    return {
        "arn": repository["repositoryArn"],
        "encryptionConfigurations": encryption_of(repository),
        "id": name,
        "imageScanningConfigurations": [scanning] if scanning else [],
        "imageTagMutability": repository["imageTagMutability"],
        "imageTagMutabilityExclusionFilters": filters_of(repository),
        "mostRecentImageTags": newest.get("imageTags", []),
        "name": name,
        "region": region,
        "registryId": repository["registryId"],
        "repositoryUrl": repository["repositoryUri"],
        "tags": aws.configuration.tags.found(tags.get("tags", [])),
    }


def _timestamp(moment: Any) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


FUNCTIONS: dict[str, Function] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller_identity,
    "aws:index/getPartition:getPartition": _partition,
    "aws:index/getRegion:getRegion": _region,
    "aws:iam/getAccessKeys:getAccessKeys": _access_keys,
    "aws:iam/getUser:getUser": _user,
    "aws:iam/getPolicyDocument:getPolicyDocument": _policy_document,
    "aws:ecr/getAuthorizationToken:getAuthorizationToken": _authorization_token,
    "aws:ecr/getRepository:getRepository": _repository,
}
_REQUIRED = {
    "aws:iam/getAccessKeys:getAccessKeys": ("user",),
    "aws:iam/getUser:getUser": ("userName",),
    "aws:ecr/getRepository:getRepository": ("name",),
}

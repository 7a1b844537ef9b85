"""The configuration of a provider instance: from the program first, then from the environment, as with the real one.

Source: https://www.pulumi.com/registry/packages/aws/installation-configuration/
"""

from __future__ import annotations

import configparser
import json
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .failures import AwsError, CannotAssumeRole, ProviderError, as_bridge_error
from .tags import TagRules
from .values import Secret, is_unknown, reveal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .clients import Aws
    from .values import Properties, Value

_TEXTS = {
    "accessKey", "customCaBundle", "ec2MetadataServiceEndpoint", "ec2MetadataServiceEndpointMode", "httpProxy",
    "httpsProxy", "noProxy", "profile", "region", "retryMode", "s3UsEast1RegionalEndpoint", "secretKey", "stsRegion",
    "tagPolicyCompliance", "token",
}  # fmt: skip
_OTHERS = {
    "allowedAccountIds", "assumeRoleWithWebIdentity", "assumeRoles", "defaultTags", "endpoints", "forbiddenAccountIds",
    "ignoreTags", "insecure", "maxRetries", "s3UsePathStyle", "sharedConfigFiles", "sharedCredentialsFiles",
    "skipCredentialsValidation", "skipMetadataApiCheck", "skipRegionValidation", "skipRequestingAccountId",
    "tokenBucketRateLimiterCapacity", "useDualstackEndpoint", "useFipsEndpoint", "userAgents",
}  # fmt: skip
"""These travel as JSON text."""
_SECRETS = ("accessKey", "secretKey", "token")
_NOT_SERVED = {
    "assumeRoleWithWebIdentity": "give credentials, or `assumeRoles`",
    "noProxy": "set NO_PROXY in the environment",
    "tagPolicyCompliance": "leave it out",
}
_ADVICE = (
    "Please see https://www.pulumi.com/registry/packages/aws/installation-configuration/ for more information about "
    "providing credentials."
)
_NO_REGION = (
    'missing required configuration key "aws:region": The region where AWS operations will take place. Examples are '
    "us-east-1, us-west-2, etc.\nSet a value using the command `pulumi config set aws:region <value>`."
)
_VALIDATING = "validating provider credentials: retrieving caller identity from STS"
_REGION = re.compile(r"[a-z]{2,5}(-[a-z]+)+-\d+")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(frozen=True)
class AssumedRole:
    """A role that the provider takes on before it does anything."""

    arn: str
    session_name: str = ""
    external_id: str | None = None
    policy: str | None = None
    policy_arns: tuple[str, ...] = ()
    source_identity: str | None = None
    duration: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive_tag_keys: tuple[str, ...] = ()

    def request(self) -> dict[str, Any]:
        """The parameters of sts:AssumeRole."""
        parameters = {
            "RoleArn": self.arn,
            "RoleSessionName": self.session_name or f"aws-go-sdk-{time.time_ns()}",
            "ExternalId": self.external_id,
            "Policy": self.policy,
            "PolicyArns": [{"arn": arn} for arn in self.policy_arns] or None,
            "SourceIdentity": self.source_identity,
            "DurationSeconds": self.duration,
            "Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()] or None,
            "TransitiveTagKeys": list(self.transitive_tag_keys) or None,
        }
        return {name: value for name, value in parameters.items() if value is not None}


@dataclass(frozen=True)
class Configuration:
    """The settings of a provider instance. AWS's default chain supplies those that are empty or None."""

    region: str = ""
    own_region: str = ""
    """The region if the program gives it, else "": only then do resources record it among their inputs."""
    profile: str = ""
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    endpoints: Mapping[str, str] = field(default_factory=dict)
    assume_roles: tuple[AssumedRole, ...] = ()
    tags: TagRules = field(default_factory=TagRules)
    allowed_account_ids: tuple[str, ...] = ()
    forbidden_account_ids: tuple[str, ...] = ()
    skip_credentials_validation: bool = False
    skip_metadata_api_check: bool = False
    skip_requesting_account_id: bool = False
    sts_region: str = ""
    attempts: int | None = None
    insecure: bool = False
    custom_ca_bundle: str | None = None
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    use_fips_endpoint: bool | None = None
    use_dualstack_endpoint: bool | None = None
    shared_config_file: str | None = None
    shared_credentials_file: str | None = None

    def secrets(self) -> Iterator[str]:
        """What no message may hold."""
        yield from (secret for secret in (self.secret_key, self.token) if secret)
        for proxy in self.proxies.values():
            if "@" in proxy:
                yield proxy.split("://", 1)[-1].rsplit("@", 1)[0]


def configure(given: Mapping[str, Value]) -> Configuration:
    """The configuration that a provider's inputs and the environment give.

    Raises:
        ProviderError: an input that is not understood.
    """
    settings = _plain(given)

    def text(name: str, *variables: str) -> str:
        return settings.get(name) or _environment(*variables) or ""

    def flag(name: str, variable: str) -> bool:
        return bool(_first(settings.get(name), _environment_flag(variable)))

    endpoints = {service: url for each in settings.get("endpoints") or [] for service, url in each.items() if url}
    retries = settings.get("maxRetries")
    return Configuration(
        own_region=settings.get("region") or "",
        region=text("region", "AWS_REGION", "AWS_DEFAULT_REGION") or _region_of_profile(settings),
        profile=text("profile"),
        access_key=text("accessKey"),
        secret_key=text("secretKey"),
        token=text("token"),
        endpoints=endpoints,
        assume_roles=tuple(_role(each) for each in settings.get("assumeRoles") or []),
        tags=_tag_rules(settings.get("defaultTags") or {}, settings.get("ignoreTags") or {}),
        allowed_account_ids=tuple(settings.get("allowedAccountIds") or []),
        forbidden_account_ids=tuple(settings.get("forbiddenAccountIds") or []),
        skip_credentials_validation=flag("skipCredentialsValidation", "AWS_SKIP_CREDENTIALS_VALIDATION"),
        skip_metadata_api_check=flag("skipMetadataApiCheck", "AWS_SKIP_METADATA_API_CHECK"),
        skip_requesting_account_id=bool(settings.get("skipRequestingAccountId")),
        sts_region=text("stsRegion"),
        attempts=max(1, int(retries)) if retries else None,
        insecure=bool(settings.get("insecure")),
        custom_ca_bundle=settings.get("customCaBundle"),
        proxies={
            scheme: proxy
            for scheme, proxy in (("http", settings.get("httpProxy")), ("https", settings.get("httpsProxy")))
            if proxy
        },
        use_fips_endpoint=settings.get("useFipsEndpoint"),
        use_dualstack_endpoint=settings.get("useDualstackEndpoint"),
        shared_config_file=_only("sharedConfigFiles", settings),
        shared_credentials_file=_only("sharedCredentialsFiles", settings),
    )


def check(given: Properties, connect: Callable[[Configuration], Aws]) -> tuple[Properties, list[str]]:
    """Check a provider's inputs, and its credentials unless the inputs skip that.

    Args:
        given: the inputs.
        connect: makes the connection to AWS.

    Returns:
        The inputs with what is secret marked so, and the reasons why they are refused.
    """
    checked = {
        name: Secret(value) if name in _SECRETS and value is not None and not isinstance(value, Secret) else value
        for name, value in given.items()
    }
    reasons = list(_unknown_keys(given))
    if reasons or is_unknown(given):
        return checked, reasons
    try:
        settings = configure(given)
    except ProviderError as error:
        return checked, [str(error)]
    if not settings.region:
        return checked, [_NO_REGION]
    if settings.region and not settings.endpoints and not _REGION.fullmatch(settings.region):
        return checked, [f"invalid AWS Region: {settings.region}"]
    if not settings.skip_credentials_validation:
        reasons = _check_credentials(connect(settings))
    return checked, reasons


def connect(aws: Aws) -> None:
    """Connect, and refuse to work in an account that the configuration does not allow.

    Raises:
        ProviderError: the account is another, or AWS refused.
    """
    settings = aws.configuration
    try:
        account = aws.open()
    except CannotAssumeRole as error:
        raise ProviderError(as_bridge_error(error)) from None
    except AwsError as error:
        failed = ProviderError(f"Retrieving AWS account details: {_VALIDATING}: {error}")
        raise ProviderError(as_bridge_error(failed)) from None
    if not account:
        return
    if account in settings.forbidden_account_ids or (
        settings.allowed_account_ids and account not in settings.allowed_account_ids
    ):
        raise ProviderError(f"AWS account ID not allowed: {account}")


def _check_credentials(aws: Aws) -> list[str]:
    try:
        aws.validate()
    except (CannotAssumeRole, AwsError) as error:
        if "Unable to locate credentials" in str(error):
            return [f"No valid credential sources found.\n{_ADVICE}"]
        if error.code == "InvalidClientTokenId":
            return [f"Invalid credentials configured.\n{_ADVICE}\nDetails: {error}\n"]
        if isinstance(error, CannotAssumeRole):
            details = f"{error.summary}. {error.detail}"
        else:
            details = f"{_VALIDATING}: {error}"
        return [f"unable to validate AWS credentials.\nDetails: {details}\n"]
    return []


def _unknown_keys(given: Mapping[str, Value]) -> Iterator[str]:
    for name, value in given.items():
        if name in ("version", "pluginDownloadURL") or name.startswith("__") or value is None:
            continue
        if name == "assumeRole":
            yield "invalid config key 'aws:assumeRole', should be 'aws:assumeRoles'"
        elif name in _NOT_SERVED:
            yield f"aws:{name} is not served by this stand-in for Pulumi's AWS plugin: {_NOT_SERVED[name]}"
        elif name not in _TEXTS | _OTHERS:
            yield f"`aws:{name}` is not a valid configuration key for the aws provider."


def _plain(given: Mapping[str, Value]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for name, value in reveal(dict(given)).items():
        if name in _OTHERS and isinstance(value, str):
            try:
                settings[name] = reveal_json(json.loads(value)) if value else None
            except ValueError:
                raise ProviderError(f"aws:{name} must be JSON") from None
        else:
            settings[name] = value
    return settings


def reveal_json(value: Any) -> Any:
    """A value that was JSON, with the marks of secrets inside taken off."""
    if isinstance(value, dict):
        if "4dabf18193072939515e22adb298388d" in value and "value" in value:
            return reveal_json(value["value"])
        return {name: reveal_json(item) for name, item in value.items()}
    return [reveal_json(item) for item in value] if isinstance(value, list) else value


def _role(given: Mapping[str, Any]) -> AssumedRole:
    def field_of(name: str) -> Any:
        return given.get(name) or given.get(re.sub(r"[A-Z]", lambda letter: "_" + letter[0].lower(), name))

    arn = field_of("roleArn")
    if not arn:
        raise ProviderError("aws:assumeRoles: each role needs a roleArn")
    return AssumedRole(
        arn=arn,
        session_name=field_of("sessionName") or "",
        external_id=field_of("externalId"),
        policy=field_of("policy"),
        policy_arns=tuple(field_of("policyArns") or []),
        source_identity=field_of("sourceIdentity"),
        duration=_seconds(field_of("duration")),
        tags=field_of("tags") or {},
        transitive_tag_keys=tuple(field_of("transitiveTagKeys") or []),
    )


def _seconds(duration: str | None) -> int | None:
    if not duration:
        return None
    parts = _DURATION.findall(duration)
    if "".join(number + unit for number, unit in parts) != duration:
        raise ProviderError(f"aws:assumeRoles: duration {duration!r} is none; write 1h or 15m")
    return int(sum(float(number) * _SECONDS[unit] for number, unit in parts))


def _tag_rules(default: Mapping[str, Any], ignored: Mapping[str, Any]) -> TagRules:
    return TagRules(
        default=default.get("tags") or {},
        ignored_keys=frozenset(ignored.get("keys") or []),
        ignored_prefixes=tuple(ignored.get("keyPrefixes") or []),
    )


def _only(name: str, settings: Mapping[str, Any]) -> str | None:
    files = settings.get(name) or []
    if len(files) > 1:
        raise ProviderError(f"aws:{name}: this stand-in for Pulumi's AWS plugin reads one file, not {len(files)}")
    return str(Path(files[0]).expanduser()) if files else None


def _region_of_profile(settings: Mapping[str, Any]) -> str:
    profile = settings.get("profile") or _environment("AWS_PROFILE") or "default"
    path = _only("sharedConfigFiles", settings) or _environment("AWS_CONFIG_FILE") or "~/.aws/config"
    files = configparser.RawConfigParser(strict=False)
    try:
        files.read(Path(path).expanduser())
    except (OSError, configparser.Error):
        return ""
    section = profile if profile == "default" else f"profile {profile}"
    return files.get(section, "region", fallback="")


def _environment(*names: str) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _environment_flag(name: str) -> bool | None:
    value = os.environ.get(name)
    return None if value is None else value.lower() in ("1", "t", "true")


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)

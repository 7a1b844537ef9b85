"""AWS on this machine: MiniStack's IAM, STS and ECR, with the rules and the registries that it lacks."""

from .calls import AwsCall, Event
from .core import Authorization, Credentials
from .faults import Fault, Faults
from .local import DEFAULT_ACCOUNT, DEFAULT_REGION, AccessKey, AwsRefused, LocalAws, Repository, User
from .oci import Image, build_image, parse_image
from .plain_registry import PlainRegistry
from .registry import EcrRegistry, parse_ecr_host

__all__ = [
    "DEFAULT_ACCOUNT",
    "DEFAULT_REGION",
    "AccessKey",
    "Authorization",
    "AwsCall",
    "AwsRefused",
    "Credentials",
    "EcrRegistry",
    "Event",
    "Fault",
    "Faults",
    "Image",
    "LocalAws",
    "PlainRegistry",
    "Repository",
    "User",
    "build_image",
    "parse_ecr_host",
    "parse_image",
]

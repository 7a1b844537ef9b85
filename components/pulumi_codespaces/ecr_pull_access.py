"""`EcrPullAccess`: codespaces pull from Amazon ECR, by a user of its own with keys that rotate without a gap."""

# No `from __future__ import annotations` here: the schema is inferred from these annotations at run time.
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pulumi
import pulumi_aws as aws
from typing_extensions import NotRequired, TypedDict

from .errors import refusing
from .labels import labelled
from .lifetimes import warn_of_age
from .one_repository import OneRepository
from .publishing import check_readers, publish, repository_name, summary_of
from .repositories import SelectedRepositories
from .resources import (
    KeyRotation,
    VerifiedEcrKey,
    Visibility,
)
from .rules import RuleViolation
from .rules.iam_users import check_user
from .rules.packing import Given, NewRepository, PullPolicy, pack
from .rules.policies import login_document, repository_policy_statement, tagged_document
from .rules.registries import ecr_registry_host, parse_ecr_host
from .rules.repository_arns import partition_of
from .rules.rotation import SLOTS, SlotName, check_generation
from .rules.secret_names import Triple, check_prefix, prefix_from

_MAX_KEY_AGE_DAYS = 90
_VERIFY_TIMEOUT_SECONDS = 180


if TYPE_CHECKING:
    EcrRepository = str | aws.ecr.Repository
    """The name or ARN of an ECR repository, or the repository itself."""
else:
    EcrRepository = str


class EcrPullAccessArgs(TypedDict):
    """What may be pulled, by whom, and how its keys live."""

    ecr_repositories: NotRequired[Sequence[EcrRepository] | None]
    """Names or ARNs of the ECR repositories to pull from, `*` allowed; in Python also `aws.ecr.Repository` objects. A
    name means the account of the AWS provider and `region`."""
    ecr_repository_tags: NotRequired[Mapping[str, str] | None]
    """Tags: pull from every repository of that account and Region that has all of them, too. Whoever may tag a
    repository decides by that who may pull from it."""
    region: NotRequired[str | None]
    """The Region of the registry; that of the AWS provider by default. IAM has no Regions, so one AWS provider serves
    the registries of its account in all of them."""
    selected_repositories: NotRequired[SelectedRepositories | None]
    """Name -> id of the repositories whose codespaces pull; in Python also a list of names or `github.Repository`
    objects."""
    visibility: NotRequired[Visibility | None]
    """SELECTED (default), or PRIVATE or ALL repositories of the organization instead of `selected_repositories`."""
    repository: NotRequired[OneRepository | None]
    """The one repository that gets the secrets, instead of the organization: its name; in Python also a
    `github.Repository`."""
    repository_id: NotRequired[pulumi.Input[int] | None]
    """The id of `repository`, where the program makes it in the same update and names it only."""
    secret_prefix: NotRequired[str | None]
    """What the names of the secrets begin with; from the component's name by default (`payments-prod` gives
    PAYMENTS_PROD)."""
    key_generation: NotRequired[int | None]
    """Raise it by one to rotate the access key; 1 by default."""
    keep_previous_key: NotRequired[bool | None]
    """Whether the key that was published before stays Active after a rotation, for codespaces that were started with
    it; true by default. If false, the update after the rotation sets it Inactive."""
    suspended: NotRequired[bool | None]
    """Deny the user everything, at once and reversibly; false by default."""
    max_key_age_days: NotRequired[int | None]
    """Warn in every preview when the key is older than this many days; 90 by default (CIS AWS Foundations)."""
    permissions_boundary_arn: NotRequired[pulumi.Input[str] | None]
    """The permissions boundary of the user."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]] | None]
    """Tags of the user and of its managed policies."""
    pull_through_cache_prefixes: NotRequired[Sequence[str] | None]
    """Prefixes under which a pull may fetch from upstream and create repositories: a pull-through cache. Writes."""
    additional_registries: NotRequired[Mapping[str, str] | None]
    """Secret prefix -> host of further ECR registries (other accounts, other Regions) to log in to by the same key."""
    probe_images: NotRequired[Sequence[str] | None]
    """Images (`repository:tag`, or with the registry's host) that a new key must be able to read before it is
    published."""
    verify: NotRequired[bool | None]
    """Whether to prove a new key before it is published; true by default."""
    verify_timeout_seconds: NotRequired[int | None]
    """How long to wait for AWS to accept a new key and its policies; 180 by default. A key that does not work by then
    is not published."""
    adopt_existing: NotRequired[bool | None]
    """Take over secrets of these names that exist already. Their values are overwritten. It acts once."""
    user_name: NotRequired[str | None]
    """The name of the IAM user, `codespaces-<name>` by default. It cannot be changed later."""
    user_path: NotRequired[str | None]
    """The path of the IAM user, `/codespaces/` by default. It cannot be changed later."""


class EcrPullAccess(pulumi.ComponentResource):
    """Codespaces of the selected repositories pull from the listed ECR repositories.

    It makes an IAM user that may do nothing but that, its access keys, and the three Codespaces secrets by which GitHub
    logs a codespace in. GitHub swaps the access key for a token by itself and asks for a long-lived key
    (https://docs.github.com/en/codespaces/reference/allowing-your-codespace-to-access-a-private-registry).

    Raises:
        InvalidArgument: an argument breaks a rule; nothing is registered then.
    """

    secret_names: pulumi.Output[Sequence[str]]
    """The names of the Codespaces secrets."""
    servers: pulumi.Output[Sequence[str]]
    """The registries that codespaces log in to."""
    user_arn: pulumi.Output[str]
    """The ARN of the IAM user."""
    repository_policy_statement: pulumi.Output[Mapping[str, Any]]
    """What the repository policy of a repository in another account has to hold, for this user to pull from it."""
    access_key_id: pulumi.Output[str]
    """The id of the published access key."""
    key_created_at: pulumi.Output[str]
    """When the published access key was made (RFC 3339)."""
    key_generation: pulumi.Output[int]
    """The generation of the published access key."""

    summary: pulumi.Output[Mapping[str, Any]]
    """All of it, and the repositories whose codespaces pull, in one map: for a stack output. It holds no secret."""

    def __init__(self, name: str, args: EcrPullAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        with refusing(f"EcrPullAccess {name}"):
            plan = _plan(name, args)
        super().__init__("codespaces:index:EcrPullAccess", name, None, opts)
        here = _Here(self, plan.region)
        triples = list(plan.triples)
        servers = [here.server if host is None else host for host in plan.triples.values()]

        rotation = KeyRotation(
            f"{name}-rotation",
            {
                "generation": plan.generation,
                "keep_previous_key": args.get("keep_previous_key") is not False,
                "prefixes": [triple.prefix for triple in triples],
                "repository": repository_name(args),
                "user_name": plan.user_name,
                "user_path": plan.user_path,
                "adopt_existing": bool(args.get("adopt_existing")),
            },
            pulumi.ResourceOptions(parent=self),
        )
        # The rotation refuses a new name or path, so it has to come before the user takes it.
        user = aws.iam.User(
            f"{name}-user",
            name=plan.user_name,
            path=plan.user_path,
            permissions_boundary=args.get("permissions_boundary_arn"),
            tags=args.get("tags"),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[rotation], replace_on_changes=["name"]),
        )
        grants = _grant(self, name, args, plan, user, here)
        keys = {slot: _access_key(self, name, slot, user, rotation) for slot in plan.slots}
        verified = VerifiedEcrKey(
            f"{name}-key",
            {
                "access_key_id": _of_slot(rotation.current, {slot: key.id for slot, key in keys.items()}),
                "secret_access_key": _of_slot(rotation.current, {slot: key.secret for slot, key in keys.items()}),
                "servers": servers,
                "probe_images": _probe_images(name, args.get("probe_images") or [], servers),
                # Nothing works while the user is suspended; the key is proven when that ends.
                "verify": args.get("verify") is not False and not args.get("suspended"),
                "timeout_seconds": plan.verify_timeout_seconds,
                "user_name": plan.user_name,
                "slot_keys": {slot: key.id for slot, key in keys.items()},
                "user_keys": _listed_keys(self, plan.user_name, user),
            },
            pulumi.ResourceOptions(parent=self, depends_on=grants),
        )
        secrets: dict[str, pulumi.Input[str]] = {}
        for triple, server in zip(triples, servers, strict=True):
            secrets |= {
                triple.user: verified.access_key_id,
                triple.password: verified.secret_access_key,
                triple.server: server,
            }
        readers = publish(
            self,
            name,
            args,
            secrets,
            adopt_existing=bool(args.get("adopt_existing")),
            rotating={"fallback": _fallback(rotation, keys, triples), "published_at": rotation.at},
            depends_on=[*grants, *keys.values()],
        )

        self.secret_names = pulumi.Output.from_input([secret for triple in triples for secret in triple.names])
        self.servers = pulumi.Output.all(*servers)
        self.user_arn = user.arn
        self.repository_policy_statement = user.arn.apply(repository_policy_statement)
        self.access_key_id = verified.access_key_id
        self.key_created_at = _of_slot(rotation.current, {slot: key.create_date for slot, key in keys.items()})
        self.key_generation = pulumi.Output.from_input(plan.generation)
        outputs: dict[str, pulumi.Output[Any]] = {
            "secretNames": self.secret_names,
            "servers": self.servers,
            "userArn": self.user_arn,
            "accessKeyId": self.access_key_id,
            "keyCreatedAt": self.key_created_at,
            "keyGeneration": self.key_generation,
        }
        self.summary = summary_of(outputs, readers)
        outputs["repositoryPolicyStatement"] = self.repository_policy_statement
        warn_of_age(self, self.key_created_at, plan.max_key_age_days)
        self.register_outputs(outputs)


@dataclass(frozen=True)
class _Plan:
    """What the arguments say in plain data, checked: how many resources there are must not depend on an Output."""

    generation: int
    user_name: str
    user_path: str
    region: str | None
    triples: dict[Triple, str | None]
    """Registry -> its host; None for the one of the AWS provider's account and of `region`."""
    policies: tuple[PullPolicy, ...]
    made: dict[str, pulumi.Output[str]]
    """Resource name -> ARN of the repositories that the program makes itself."""
    tags: Mapping[str, str]
    max_key_age_days: int
    verify_timeout_seconds: int

    @property
    def slots(self) -> tuple[SlotName, ...]:
        """The slots that are declared: the second one only once there was a rotation."""
        return SLOTS[:1] if self.generation == 1 else SLOTS


def _plan(name: str, args: EcrPullAccessArgs) -> _Plan:
    check_readers(args)
    given = args.get("key_generation")
    generation = 1 if given is None else check_generation(given)
    user_name = args.get("user_name") or f"codespaces-{name}"
    user_path = args.get("user_path") or "/codespaces/"
    check_user(user_name, user_path)
    region = _region(args.get("region"))
    triples: dict[Triple, str | None] = {Triple(prefix_from(name, args.get("secret_prefix"))): None}
    for prefix, host in (args.get("additional_registries") or {}).items():
        argument = f"additional_registries.{prefix}"
        check_prefix(prefix, argument)
        if Triple(prefix.upper()) in triples:
            raise RuleViolation(argument, f"{argument}: two registries have the prefix {prefix}; give one another.")
        triples[Triple(prefix.upper())] = parse_ecr_host(host, argument).host
    repositories, made = _repositories(args.get("ecr_repositories") or ())
    tags = args.get("ecr_repository_tags") or {}
    policies = pack(repositories, args.get("pull_through_cache_prefixes") or (), tags)
    return _Plan(
        generation,
        user_name,
        user_path,
        region,
        triples,
        policies,
        made,
        tags,
        max_key_age_days=_count("max_key_age_days", args.get("max_key_age_days"), _MAX_KEY_AGE_DAYS),
        verify_timeout_seconds=_count(
            "verify_timeout_seconds", args.get("verify_timeout_seconds"), _VERIFY_TIMEOUT_SECONDS
        ),
    )


def _repositories(given: Sequence[Any]) -> tuple[Sequence[Given], dict[str, pulumi.Output[str]]]:
    """What is listed, with a label in place of each repository that the program makes, and the ARNs of those."""
    if isinstance(given, str) or not isinstance(cast("object", given), Sequence):
        return given, {}  # which is refused with all else that is no list
    made = labelled(one for one in given if isinstance(one, aws.ecr.Repository))
    label_of = {id(one): label for label, one in made.items()}
    listed = [NewRepository(label_of[id(one)]) if isinstance(one, aws.ecr.Repository) else one for one in given]
    return listed, {label: one.arn for label, one in made.items()}


def _region(given: object) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str):
        raise RuleViolation("region", f"region is a {type(given).__name__}; it must be a plain text like 'eu-west-1'.")
    partition_of(given)
    return given


def _count(argument: str, given: object, default: int) -> int:
    if given is None:
        return default
    if isinstance(given, float) and given.is_integer():  # so a program in another language sends whole numbers
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        what = repr(given) if isinstance(given, (str, int, float)) else f"(a {type(given).__name__})"
        raise RuleViolation(argument, f"{argument} {what}: must be a plain whole number of at least 1.")
    return given


class _Here:
    """The account that the component's AWS provider works in, and the Region of the registry: its own by default."""

    def __init__(self, parent: pulumi.Resource, region: str | None) -> None:
        options = pulumi.InvokeOutputOptions(parent=parent)
        self.account = aws.get_caller_identity_output(opts=options).account_id
        self.region = pulumi.Output.from_input(region) if region else aws.get_region_output(opts=options).region
        self.server = pulumi.Output.all(self.account, self.region).apply(lambda it: ecr_registry_host(it[0], it[1]))


def _grant(
    component: pulumi.Resource, name: str, args: EcrPullAccessArgs, plan: _Plan, user: aws.iam.User, here: _Here
) -> list[pulumi.Resource]:
    """The policies of the user; whatever proves or publishes a key has to wait for all of them."""
    parent = pulumi.ResourceOptions(parent=component)
    # Under a name that Pulumi makes up, a policy whose answer was lost would stay with the user, in no state, and grant
    # what the program grants no more; under its own it is put again. It cannot be replaced but after it was deleted.
    inline = pulumi.ResourceOptions(parent=component, delete_before_replace=True)

    def put(what: str, document: pulumi.Input[str]) -> pulumi.Resource:
        return aws.iam.UserPolicy(f"{name}-{what}", name=what, user=user.name, policy=document, opts=inline)

    granted = [put("login", login_document(suspended=bool(args.get("suspended"))))]
    if plan.tags:
        document = pulumi.Output.all(here.account, here.region).apply(
            lambda it: tagged_document(partition_of(it[1]), it[1], it[0], plan.tags)
        )
        granted.append(put("pull-tagged", document))
    for policy in plan.policies:
        made = pulumi.Output.all(
            **{str(one): plan.made[str(one)] for one in policy.repositories if isinstance(one, NewRepository)}
        )
        document = pulumi.Output.all(here.account, here.region, made).apply(
            lambda it, policy=policy: _pull_document(name, plan, policy, it[0], it[1], it[2])
        )
        if policy.inline:
            granted.append(put("pull", document))
            continue
        managed = aws.iam.Policy(
            f"{name}-pull-{policy.label}",
            path=plan.user_path,
            description=f"What codespaces may pull by the user {plan.user_name}.",
            policy=document,
            tags=args.get("tags"),
            opts=parent,
        )
        attachment = aws.iam.UserPolicyAttachment(
            f"{name}-pull-{policy.label}", user=user.name, policy_arn=managed.arn, opts=parent
        )
        granted += [managed, attachment]
    return granted


def _pull_document(
    name: str, plan: _Plan, policy: PullPolicy, account: str, region: str, made: Mapping[str, str]
) -> str:
    with refusing(f"EcrPullAccess {name}"):
        document = policy.document(account, region, made)
        hosts = [host or ecr_registry_host(account, region) for host in plan.triples.values()]
        for given, arn in zip(policy.repositories, policy.arns(account, region, made), strict=True):
            if arn.region != "*" and ecr_registry_host(arn.account, arn.region) not in hosts:
                raise RuleViolation(
                    "ecr_repositories",
                    f"ecr_repositories: {str(given)!r} is in the registry "
                    f"{ecr_registry_host(arn.account, arn.region)}, to which codespaces would not log in; they log in "
                    f"to {', '.join(hosts)}. Add it to "
                    "additional_registries with a secret prefix of its own.",
                )
        return document


def _access_key(
    parent: pulumi.Resource, name: str, slot: str, user: aws.iam.User, rotation: KeyRotation
) -> aws.iam.AccessKey:
    """The access key of a slot, replaced when the slot's serial changes.

    It is deleted before it is replaced, since IAM allows two keys a user; the slot that is renewed is never the one
    that is published. Options that a component hands down must not reach it: a protected key could not rotate, and a
    retained one would stay alive, known to nobody.
    """
    return aws.iam.AccessKey(
        f"{name}-key-{slot}",
        user=user.name,
        status=rotation.status(slot),
        opts=pulumi.ResourceOptions(
            parent=parent,
            delete_before_replace=True,
            protect=False,
            retain_on_delete=False,
            replacement_trigger=rotation.serial(slot),
        ),
    )


def _of_slot(current: pulumi.Output[str], values: Mapping[str, pulumi.Output[Any]]) -> pulumi.Output[Any]:
    """The value of the slot that `current` names."""
    return pulumi.Output.all(current=current, **values).apply(lambda it: it[it["current"]])


def _fallback(
    rotation: KeyRotation, keys: Mapping[str, aws.iam.AccessKey], triples: Sequence[Triple]
) -> pulumi.Output[Mapping[str, str]]:
    """What the secrets are put back to if the new key cannot be published whole: the key of the published slot."""
    held = {f"{slot}_id": key.id for slot, key in keys.items()}
    held |= {f"{slot}_secret": key.secret for slot, key in keys.items()}

    def choose(it: Mapping[str, str]) -> Mapping[str, str]:
        slot = it["published"]
        if not slot or slot == it["current"]:
            return {}
        pair: dict[str, str] = {}
        for triple in triples:
            pair |= {triple.user: it[f"{slot}_id"], triple.password: it[f"{slot}_secret"]}
        return pair

    known = pulumi.Output.all(published=rotation.published, current=rotation.current, **held)
    return pulumi.Output.secret(known.apply(choose))


def _listed_keys(parent: pulumi.Resource, user_name: str, user: aws.iam.User) -> pulumi.Output[Mapping[str, str]]:
    """The access keys that AWS lists for the user, id -> date of creation; not known until the user exists."""
    listed = aws.iam.get_access_keys_output(
        user=user.arn.apply(lambda _: user_name), opts=pulumi.InvokeOutputOptions(parent=parent)
    )
    # While its argument is not known, the SDK tells no dependency of the listing: an update by a plan (`--plan`) would
    # then be refused for one that the preview did not have.
    both = pulumi.Output.all(listed, user.arn)
    return both.apply(lambda it: {key.access_key_id: key.create_date for key in it[0].access_keys})


def _probe_images(name: str, images: Sequence[str], servers: Sequence[pulumi.Input[str]]) -> list[pulumi.Output[str]]:
    """The images with the host they are read from: the one they name, or that of the AWS provider's registry."""

    def with_host(index: int, image: str, hosts: Sequence[str]) -> str:
        host = image.split("/", 1)[0]
        if ".dkr" not in host:
            return f"{hosts[0]}/{image}"
        if host not in hosts:
            argument = f"probe_images[{index}]"
            with refusing(f"EcrPullAccess {name}"):
                raise RuleViolation(
                    argument,
                    f"{argument} {image!r}: codespaces do not log in to that registry, so the key cannot be proven by "
                    f"it; they log in to {', '.join(hosts)}. Name an image of one of them, or add the registry to "
                    "additional_registries.",
                )
        return image

    known = pulumi.Output.all(*servers)
    return [
        known.apply(lambda hosts, index=index, image=image: with_host(index, image, hosts))
        for index, image in enumerate(images)
    ]

"""`EcrPullAccess`: codespaces pull from Amazon ECR, by a user of its own with keys that rotate without a gap."""

# No `from __future__ import annotations` here: the schema is inferred from these annotations at run time.
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pulumi
import pulumi_aws as aws
from typing_extensions import NotRequired, TypedDict

from .errors import refusing
from .expiry import warn_of_age
from .labels import labelled
from .later import check_plain, is_later, when_known
from .one_repository import OneRepository
from .publishing import check_readers, publish, repository_name, summary_of
from .repositories import SelectedRepositories
from .resources import (
    KeyRotation,
    VerifiedEcrKey,
    VisibilityInput,
)
from .rules import RuleViolation
from .rules.iam_users import check_user
from .rules.packing import LaterRepository, NewRepository, PullPolicy, pack
from .rules.policies import login_document, repository_policy_statement, tagged_document
from .rules.registries import ecr_registry_host, parse_ecr_host
from .rules.repository_arns import partition_of
from .rules.rotation import SLOTS, SlotName, check_generation
from .rules.secret_names import Triple, check_prefix, prefix_from
from .rules.wording import a_kind

_MAX_KEY_AGE_DAYS = 90
_VERIFY_TIMEOUT_SECONDS = 180


_PLAIN = {
    "secret_prefix": "a preview compares the names of the secrets with those in GitHub",
    "key_generation": "a preview shows which key is replaced",
    "keep_previous_key": "a preview shows which key is replaced",
    "adopt_existing": "a preview decides by it whether secrets that exist already are in the way",
    "user_name": "a preview shows which IAM user is created",
    "user_path": "a preview shows which IAM user is created",
    "ecr_repository_tags": "the number of policies depends on the length of the tags",
    "pull_through_cache_prefixes": "the number of policies depends on the length of the prefixes",
    "additional_registries": "the secrets are named by its keys; only the hosts in it may be Outputs",
}
"""Argument -> why it must not be an Output."""

if TYPE_CHECKING:
    EcrRepository = pulumi.Input[str] | aws.ecr.Repository
    """The name or ARN of an ECR repository, or the repository itself."""
else:
    EcrRepository = pulumi.Input[str]


class EcrPullAccessArgs(TypedDict):
    """What may be pulled, by whom, and how its keys live."""

    ecr_repositories: NotRequired[Sequence[EcrRepository] | None]
    """Names or ARNs of the ECR repositories to pull from, `*` allowed; in Python also `aws.ecr.Repository` objects. A
    name means the account of the AWS provider and `region`. The length of the list must be known in a preview."""
    ecr_repository_tags: NotRequired[Mapping[str, str] | None]
    """Tags: pull also from every repository of that account and Region that has all of them. Whoever may tag a
    repository decides by that who may pull from it."""
    region: NotRequired[pulumi.Input[str] | None]
    """The Region of the registry; by default that of the AWS provider. IAM has no Regions, so one AWS provider serves
    the registries of its account in all of them."""
    selected_repositories: NotRequired[SelectedRepositories | None]
    """The repositories whose codespaces pull: name -> id, such as the `repositories` of a `RepositorySelection`; in
    Python also the `RepositorySelection` itself, or a list of names or `github.Repository` objects."""
    visibility: NotRequired[VisibilityInput | None]
    """`private` or `all` repositories of the organization instead of `selected_repositories`; `selected` by default."""
    repository: NotRequired[OneRepository | None]
    """The one repository that gets the secrets, instead of the organization: its name; in Python also a
    `github.Repository`."""
    repository_id: NotRequired[pulumi.Input[int] | None]
    """The id of `repository`, for a program that creates the repository in the same update and gives its name only."""
    secret_prefix: NotRequired[str | None]
    """The beginning of the secrets' names; by default the name of the component (`payments-prod` gives
    `PAYMENTS_PROD`)."""
    key_generation: NotRequired[int | None]
    """Raise it by one to rotate the access key. Defaults to `1`."""
    keep_previous_key: NotRequired[bool | None]
    """Whether the key that was published before stays active after a rotation, for codespaces that were started with
    it. If false, the update after the rotation makes it inactive. Defaults to `true`."""
    suspended: NotRequired[pulumi.Input[bool] | None]
    """Deny the user everything, at once and reversibly. Defaults to `false`."""
    max_key_age_days: NotRequired[pulumi.Input[int] | None]
    """Warn in every preview when the key is older than this many days. Defaults to `90`, as the CIS AWS Foundations
    Benchmark asks."""
    permissions_boundary_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of the user's permissions boundary."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]] | None]
    """Tags of the user and of its managed policies."""
    pull_through_cache_prefixes: NotRequired[Sequence[str] | None]
    """Prefixes of pull-through caches. A pull through a cache may write: it imports images and creates repositories
    under the prefix."""
    additional_registries: NotRequired[Mapping[str, pulumi.Input[str]] | None]
    """Further ECR registries (other accounts, other Regions) to log in to with the same key: secret prefix -> host."""
    probe_images: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]] | None]
    """Images (`repository:tag`, or with the registry's host) that a new key must be able to read before it is
    published."""
    verify: NotRequired[pulumi.Input[bool] | None]
    """Whether to prove a new key before it is published. Defaults to `true`."""
    verify_timeout_seconds: NotRequired[pulumi.Input[int] | None]
    """How many seconds to wait for AWS to accept a new key and its policies. A key that does not work by then is not
    published. Defaults to `180`."""
    adopt_existing: NotRequired[bool | None]
    """Take over secrets of these names that exist already. Their values are overwritten. It acts once. Defaults to
    `false`."""
    user_name: NotRequired[str | None]
    """The name of the IAM user; by default `codespaces-` and the name of the component. It cannot be changed later."""
    user_path: NotRequired[str | None]
    """The path of the IAM user. It cannot be changed later. Defaults to `/codespaces/`."""


class EcrPullAccess(pulumi.ComponentResource):
    """Codespaces of the selected repositories pull from the listed ECR repositories.

    The component creates an IAM user that may do nothing else, its access keys, and the three Codespaces secrets with
    which GitHub logs a codespace in. GitHub swaps the access key for a token by itself; it asks for a long-lived key
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
    """The statement that the repository policy of a repository in another account needs, for this user to pull."""
    access_key_id: pulumi.Output[str]
    """The id of the published access key."""
    key_created_at: pulumi.Output[str]
    """When the published access key was created (RFC 3339)."""
    key_generation: pulumi.Output[int]
    """The generation of the published access key."""
    summary: pulumi.Output[Mapping[str, Any]]
    """All outputs, and the repositories whose codespaces pull, in one map: for a stack output. It holds no secret."""

    def __init__(self, name: str, args: EcrPullAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        component = f"EcrPullAccess {name}"
        with refusing(component):
            plan = _plan(name, args)
        super().__init__("codespaces:index:EcrPullAccess", name, None, opts)
        here = _Here(self, component, plan.region)
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
        grants = _grant(self, name, args, plan, user, here, servers)
        keys = {slot: _access_key(self, name, slot, user, rotation) for slot in plan.slots}
        verified = VerifiedEcrKey(
            f"{name}-key",
            {
                "access_key_id": _of_slot(rotation.current, {slot: key.id for slot, key in keys.items()}),
                "secret_access_key": _of_slot(rotation.current, {slot: key.secret for slot, key in keys.items()}),
                "servers": servers,
                "probe_images": _probe_images(name, args.get("probe_images"), servers),
                # Nothing works while the user is suspended; the key is proven when that ends.
                "verify": when_known(component, _is_verified, args.get("verify"), args.get("suspended")),
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
    """The arguments, checked as far as they are known. The number of resources depends on plain data alone."""

    generation: int
    user_name: str
    user_path: str
    region: pulumi.Input[str] | None
    triples: dict[Triple, pulumi.Input[str] | None]
    """Registry -> its host; None for the one of the AWS provider's account and of `region`."""
    policies: tuple[PullPolicy, ...]
    awaited: dict[str, pulumi.Input[Any]]
    """The names and ARNs that a preview may not know: those of repositories that the program makes, and Outputs."""
    tags: Mapping[str, str]
    max_key_age_days: pulumi.Input[int]
    verify_timeout_seconds: pulumi.Input[int]

    @property
    def slots(self) -> tuple[SlotName, ...]:
        """The slots that are declared: the second one only once there was a rotation."""
        return SLOTS[:1] if self.generation == 1 else SLOTS


def _plan(name: str, args: EcrPullAccessArgs) -> _Plan:
    component = f"EcrPullAccess {name}"
    check_plain(args, _PLAIN)
    check_readers(args)
    given = args.get("key_generation")
    generation = 1 if given is None else check_generation(given)
    user_name = args.get("user_name") or f"codespaces-{name}"
    user_path = args.get("user_path") or "/codespaces/"
    check_user(user_name, user_path)
    region = args.get("region")
    triples: dict[Triple, pulumi.Input[str] | None] = {Triple(prefix_from(name, args.get("secret_prefix"))): None}
    for prefix, host in (args.get("additional_registries") or {}).items():
        argument = f"additional_registries.{prefix}"
        check_prefix(prefix, argument)
        if Triple(prefix.upper()) in triples:
            raise RuleViolation(argument, f"{argument}: two registries have the prefix {prefix}; give one another.")
        triples[Triple(prefix.upper())] = when_known(component, _host, argument, host)
    repositories, awaited = _repositories(args.get("ecr_repositories") or ())
    tags = args.get("ecr_repository_tags") or {}
    policies = pack(repositories, args.get("pull_through_cache_prefixes") or (), tags)
    return _Plan(
        generation,
        user_name,
        user_path,
        None if region is None else when_known(component, _region, region),
        triples,
        policies,
        awaited,
        tags,
        max_key_age_days=when_known(
            component, _count, "max_key_age_days", args.get("max_key_age_days"), _MAX_KEY_AGE_DAYS
        ),
        verify_timeout_seconds=when_known(
            component, _count, "verify_timeout_seconds", args.get("verify_timeout_seconds"), _VERIFY_TIMEOUT_SECONDS
        ),
    )


def _repositories(given: Any) -> tuple[Sequence[Any], dict[str, pulumi.Input[Any]]]:
    """The list to pack, and the names or ARNs of those in it that a preview may not know."""
    if is_later(given):
        raise RuleViolation(
            "ecr_repositories",
            "ecr_repositories is an Output; give a list, whose items may be Outputs: the number of policies depends on "
            "how many repositories there are. Or list a pattern, such as 'team/*', or select by ecr_repository_tags.",
        )
    if isinstance(given, str) or not isinstance(given, Sequence):
        return given, {}  # which is refused with all else that is no list
    items = cast("Sequence[Any]", given)
    made = labelled(item for item in items if isinstance(item, aws.ecr.Repository))
    label_of = {id(repository): label for label, repository in made.items()}
    awaited: dict[str, pulumi.Input[Any]] = {label: repository.arn for label, repository in made.items()}
    listed: list[Any] = []
    for index, item in enumerate(items):
        if isinstance(item, aws.ecr.Repository):
            listed.append(NewRepository(label_of[id(item)]))
        elif is_later(item):
            repository = LaterRepository(f"ecr_repositories[{index}]")
            awaited[repository.place] = item
            listed.append(repository)
        else:
            listed.append(item)
    return listed, awaited


def _region(region: object) -> str:
    if not isinstance(region, str):
        raise RuleViolation("region", f"region is {a_kind(region)}; write the name of a Region, such as 'eu-west-1'.")
    partition_of(region)
    return region


def _host(argument: str, host: object) -> str:
    if not isinstance(host, str):
        raise RuleViolation(argument, f"{argument} is {a_kind(host)}; write the host of an ECR registry.")
    return parse_ecr_host(host, argument).host


def _count(argument: str, given: object, default: int) -> int:
    if given is None:
        return default
    if isinstance(given, float) and given.is_integer():  # so a program in another language sends whole numbers
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        what = repr(given) if isinstance(given, (str, int, float)) else f"({a_kind(given)})"
        raise RuleViolation(argument, f"{argument} {what}: must be a plain whole number of at least 1.")
    return given


def _is_verified(verify: bool | None, suspended: bool | None) -> bool:
    return verify is not False and not suspended


class _Here:
    """The account that the component's AWS provider works in, and the Region of the registry: its own by default."""

    def __init__(self, parent: pulumi.Resource, component: str, region: pulumi.Input[str] | None) -> None:
        options = pulumi.InvokeOutputOptions(parent=parent)
        self.account = aws.get_caller_identity_output(opts=options).account_id
        own = region is None
        self.region = aws.get_region_output(opts=options).region if own else pulumi.Output.from_input(region)
        self.server = pulumi.Output.from_input(when_known(component, ecr_registry_host, self.account, self.region))


def _grant(
    component: pulumi.Resource,
    name: str,
    args: EcrPullAccessArgs,
    plan: _Plan,
    user: aws.iam.User,
    here: _Here,
    servers: Sequence[pulumi.Input[str]],
) -> list[pulumi.Resource]:
    """The policies of the user; whatever proves or publishes a key has to wait for all of them."""
    parent = pulumi.ResourceOptions(parent=component)
    # Under a name that Pulumi makes up, a policy whose answer was lost would stay with the user, in no state, and grant
    # what the program grants no more; under its own it is put again. It cannot be replaced but after it was deleted.
    inline = pulumi.ResourceOptions(parent=component, delete_before_replace=True)

    def put(what: str, document: pulumi.Input[str]) -> pulumi.Resource:
        return aws.iam.UserPolicy(f"{name}-{what}", name=what, user=user.name, policy=document, opts=inline)

    def login(suspended: bool | None) -> str:
        return login_document(suspended=bool(suspended))

    granted = [put("login", when_known(f"EcrPullAccess {name}", login, args.get("suspended")))]
    if plan.tags:
        document = pulumi.Output.all(here.account, here.region).apply(
            lambda it: tagged_document(partition_of(it[1]), it[1], it[0], plan.tags)
        )
        granted.append(put("pull-tagged", document))
    hosts = pulumi.Output.all(*servers)
    for policy in plan.policies:
        resolved = pulumi.Output.all(
            **{str(repository): plan.awaited[str(repository)] for repository in policy.awaited}
        )
        document = pulumi.Output.all(here.account, here.region, hosts, resolved).apply(
            lambda it, policy=policy: _pull_document(name, policy, *it)
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
    name: str,
    policy: PullPolicy,
    account: str,
    region: str,
    hosts: Sequence[str],
    resolved: Mapping[str, object],
) -> str:
    with refusing(f"EcrPullAccess {name}"):
        # It refuses another partition, for which a further registry is not the way out.
        document = policy.document(account, region, resolved)
        for arn in policy.arns(account, region, resolved):
            if arn.region != "*" and ecr_registry_host(arn.account, arn.region) not in hosts:
                raise RuleViolation(
                    "ecr_repositories",
                    f"ecr_repositories: {str(arn)!r} is in the registry "
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


def _probe_images(
    name: str, images: pulumi.Input[Sequence[pulumi.Input[str]]] | None, servers: Sequence[pulumi.Input[str]]
) -> pulumi.Input[Sequence[pulumi.Input[str]]]:
    """The images with the host they are read from: the one they name, or that of the AWS provider's registry."""
    if images is None or (not is_later(images) and not images):
        return []

    def with_host(place: str, image: str, hosts: Sequence[str]) -> str:
        host = image.split("/", 1)[0]
        if ".dkr" not in host:
            return f"{hosts[0]}/{image}"
        if host not in hosts:
            raise RuleViolation(
                place,
                f"{place} {image!r}: codespaces do not log in to that registry, so the key cannot be proven by it; "
                f"they log in to {', '.join(hosts)}. Name an image of one of them, or add the registry to "
                "additional_registries.",
            )
        return image

    def with_hosts(images: Sequence[str], hosts: Sequence[str]) -> Sequence[str]:
        return [with_host(f"probe_images[{index}]", image, hosts) for index, image in enumerate(images)]

    both = pulumi.Output.from_input(images), pulumi.Output.all(*servers)
    return when_known(f"EcrPullAccess {name}", with_hosts, *both)

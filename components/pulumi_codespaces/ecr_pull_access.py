"""`EcrPullAccess`: codespaces pull from Amazon ECR, with an IAM user of its own whose keys rotate without a gap."""

# No `from __future__ import annotations` here: the schema is inferred from these annotations at run time.
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pulumi
import pulumi_aws as aws
from typing_extensions import NotRequired

from .errors import refusing
from .expiry import warn_of_age
from .labels import labelled
from .later import check_plain, is_later, when_known
from .publishing import Audience, PublicationArgs, checked_audience, publish, summary_of
from .resources import KeyRotation, VerifiedEcrKey
from .rules import RuleViolation
from .rules.iam_users import check_user
from .rules.numbers import check_whole_number
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
    "adopt_existing": "a preview reports existing secrets that are in the way",
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


class EcrPullAccessArgs(PublicationArgs):
    """The ECR repositories to pull from, the repositories whose codespaces pull, and the life of the keys."""

    ecr_repositories: NotRequired[Sequence[EcrRepository] | None]
    """Names or ARNs of the ECR repositories to pull from, `*` allowed; in Python also `aws.ecr.Repository` objects. A
    name means the account of the AWS provider and `region`. The length of the list must be known in a preview."""
    ecr_repository_tags: NotRequired[Mapping[str, str] | None]
    """Pull also from every repository of that account and Region that has all of these tags. Somebody who may tag a
    repository can give access to it."""
    region: NotRequired[pulumi.Input[str] | None]
    """The Region of the registry; by default that of the AWS provider. IAM has no Regions, so one AWS provider serves
    the registries of its account in all of them."""
    key_generation: NotRequired[int | None]
    """Raise it by one to rotate the access key. Defaults to `1`."""
    keep_previous_key: NotRequired[bool | None]
    """Whether the previous key stays active after a rotation, for codespaces that were started with it. If false, the
    update after the rotation makes it inactive. Defaults to `true`."""
    suspended: NotRequired[pulumi.Input[bool] | None]
    """Deny the user everything, until this is false again. Defaults to `false`."""
    max_key_age_days: NotRequired[pulumi.Input[int] | None]
    """Warn in every preview when the key is older than this many days. Defaults to `90`, as the CIS AWS Foundations
    Benchmark asks."""
    permissions_boundary_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of the user's permissions boundary."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]] | None]
    """Tags of the user and of its managed policies."""
    pull_through_cache_prefixes: NotRequired[Sequence[str] | None]
    """Prefixes of pull-through caches. A pull through a cache may also write: it imports images, and creates
    repositories under the prefix."""
    additional_registries: NotRequired[Mapping[str, pulumi.Input[str]] | None]
    """Further ECR registries (other accounts, other Regions) to log in to with the same key: secret prefix -> host."""
    verify_timeout_seconds: NotRequired[pulumi.Input[int] | None]
    """How many seconds to wait for AWS to accept a new key and its policies. A key that does not work by then is not
    published. Defaults to `180`."""
    user_name: NotRequired[str | None]
    """The name of the IAM user; `codespaces-<name>` by default. It cannot be changed later."""
    user_path: NotRequired[str | None]
    """The path of the IAM user. It cannot be changed later. Defaults to `/codespaces/`."""


class EcrPullAccess(pulumi.ComponentResource):
    """Codespaces of the selected repositories pull from the listed ECR repositories.

    The component creates an IAM user that may do nothing else, its access keys, and the three Codespaces secrets that
    GitHub uses to log a codespace in. GitHub needs a long-lived access key, and exchanges it for a token by itself
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
        with refusing(f"EcrPullAccess {name}"):
            plan = _plan(name, args)
        super().__init__("codespaces:index:EcrPullAccess", name, None, opts)
        registries = _Registries(self, plan)
        rotation = _rotation(self, plan)
        user = _user(self, plan, rotation)
        grants = _grants(self, plan, user, registries)
        keys = _Keys(self, plan, user, rotation)
        verified = _verified(self, plan, user, keys, registries.servers, grants)
        repositories = publish(
            self,
            name,
            plan.audience,
            _secrets(plan, verified, registries.servers),
            rotating={"fallback": keys.fallback(plan.triples), "published_at": rotation.at, "verify": plan.verify},
            depends_on=[*grants, *keys.by_slot.values()],
        )
        self._set_outputs(plan, user, verified, registries.servers, keys.created_at, repositories)

    def _set_outputs(
        self,
        plan: "_Plan",
        user: aws.iam.User,
        verified: VerifiedEcrKey,
        servers: Sequence[pulumi.Input[str]],
        created_at: pulumi.Output[str],
        repositories: pulumi.Output[list[str] | str],
    ) -> None:
        self.secret_names = pulumi.Output.from_input([secret for triple in plan.triples for secret in triple.names])
        self.servers = pulumi.Output.all(*servers)
        self.user_arn = user.arn
        self.repository_policy_statement = user.arn.apply(repository_policy_statement)
        self.access_key_id = verified.access_key_id
        self.key_created_at = created_at
        self.key_generation = pulumi.Output.from_input(plan.generation)
        outputs: dict[str, pulumi.Output[Any]] = {
            "secretNames": self.secret_names,
            "servers": self.servers,
            "userArn": self.user_arn,
            "accessKeyId": self.access_key_id,
            "keyCreatedAt": self.key_created_at,
            "keyGeneration": self.key_generation,
        }
        self.summary = summary_of(outputs, repositories)
        warn_of_age(self, self.key_created_at, plan.max_key_age_days)
        self.register_outputs({**outputs, "repositoryPolicyStatement": self.repository_policy_statement})


@dataclass(frozen=True)
class _Plan:
    """The arguments, checked as far as they are known, with their defaults.

    The number of resources depends on plain values alone.
    """

    name: str
    audience: Audience
    generation: int
    keep_previous_key: bool
    user_name: str
    user_path: str
    permissions_boundary_arn: pulumi.Input[str] | None
    tags: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None
    """The tags of the user and of its managed policies."""
    suspended: pulumi.Input[bool]
    region: pulumi.Input[str] | None
    """The Region of the registry; None for that of the AWS provider."""
    hosts: dict[Triple, pulumi.Input[str] | None]
    """The names of a registry's secrets -> its host; None for the registry in the AWS provider's account."""
    policies: tuple[PullPolicy, ...]
    later_repositories: dict[str, pulumi.Input[Any]]
    """The names and ARNs that a preview may not know: of repositories that the program makes, and Outputs."""
    repository_tags: Mapping[str, str]
    probe_images: pulumi.Input[Sequence[pulumi.Input[str]]]
    verify: pulumi.Input[bool]
    """Whether to prove a new key. Nothing works while the user is suspended; the key is proven when that ends."""
    max_key_age_days: pulumi.Input[int]
    verify_timeout_seconds: pulumi.Input[int]

    @property
    def component(self) -> str:
        """The component, as an error message calls it."""
        return f"EcrPullAccess {self.name}"

    @property
    def triples(self) -> list[Triple]:
        """The names of the secrets, for each registry."""
        return list(self.hosts)

    @property
    def slots(self) -> tuple[SlotName, ...]:
        """The slots that are declared: the second one only after a rotation."""
        return SLOTS[:1] if self.generation == 1 else SLOTS


def _plan(name: str, args: EcrPullAccessArgs) -> _Plan:
    component = f"EcrPullAccess {name}"
    check_plain(args, _PLAIN)
    audience = checked_audience(args)
    generation = args.get("key_generation")
    generation = 1 if generation is None else check_generation(generation)
    user_name = args.get("user_name") or f"codespaces-{name}"
    user_path = args.get("user_path") or "/codespaces/"
    check_user(user_name, user_path)
    region, suspended = args.get("region"), args.get("suspended")
    hosts = _hosts(name, args)
    listed, later_repositories = _repositories(args.get("ecr_repositories") or ())
    repository_tags = args.get("ecr_repository_tags") or {}
    policies = pack(listed, args.get("pull_through_cache_prefixes") or (), repository_tags)
    probe_images = args.get("probe_images")
    return _Plan(
        name=name,
        audience=audience,
        generation=generation,
        keep_previous_key=args.get("keep_previous_key") is not False,
        user_name=user_name,
        user_path=user_path,
        permissions_boundary_arn=args.get("permissions_boundary_arn"),
        tags=args.get("tags"),
        suspended=when_known(component, bool, suspended),
        region=None if region is None else when_known(component, _region, region),
        hosts=hosts,
        policies=policies,
        later_repositories=later_repositories,
        repository_tags=repository_tags,
        probe_images=[] if probe_images is None else probe_images,
        verify=when_known(component, _is_verified, args.get("verify"), suspended),
        max_key_age_days=_count(component, args, "max_key_age_days", _MAX_KEY_AGE_DAYS),
        verify_timeout_seconds=_count(component, args, "verify_timeout_seconds", _VERIFY_TIMEOUT_SECONDS),
    )


def _hosts(name: str, args: EcrPullAccessArgs) -> dict[Triple, pulumi.Input[str] | None]:
    """The names of each registry's secrets -> its host; None for the registry in the AWS provider's account."""
    hosts: dict[Triple, pulumi.Input[str] | None] = {Triple(prefix_from(name, args.get("secret_prefix"))): None}
    for prefix, host in (args.get("additional_registries") or {}).items():
        argument = f"additional_registries.{prefix}"
        check_prefix(prefix, argument)
        triple = Triple(prefix.upper())
        if triple in hosts:
            raise RuleViolation(argument, f"{argument}: two registries have the prefix {prefix}; change one of them.")
        hosts[triple] = when_known(f"EcrPullAccess {name}", _host, argument, host)
    return hosts


def _repositories(repositories: Any) -> tuple[Sequence[Any], dict[str, pulumi.Input[Any]]]:
    """The list to pack, and the names or ARNs in it that a preview may not know."""
    if is_later(repositories):
        raise RuleViolation(
            "ecr_repositories",
            "ecr_repositories is an Output; give a list, whose items may be Outputs: the number of policies depends on "
            "how many repositories there are. Or list a pattern, such as 'team/*', or select by ecr_repository_tags.",
        )
    if isinstance(repositories, str) or not isinstance(repositories, Sequence):
        return repositories, {}  # `pack` refuses everything else that is not a list
    items = cast("Sequence[Any]", repositories)
    resources = labelled(item for item in items if isinstance(item, aws.ecr.Repository))
    label_of = {id(resource): label for label, resource in resources.items()}
    later: dict[str, pulumi.Input[Any]] = {label: resource.arn for label, resource in resources.items()}
    listed: list[Any] = []
    for index, item in enumerate(items):
        if isinstance(item, aws.ecr.Repository):
            listed.append(NewRepository(label_of[id(item)]))
        elif is_later(item):
            repository = LaterRepository(f"ecr_repositories[{index}]")
            later[repository.place] = item
            listed.append(repository)
        else:
            listed.append(item)
    return listed, later


def _region(region: object) -> str:
    if not isinstance(region, str):
        raise RuleViolation("region", f"region is {a_kind(region)}; write the name of a Region, such as 'eu-west-1'.")
    partition_of(region)
    return region


def _host(argument: str, host: object) -> str:
    if not isinstance(host, str):
        raise RuleViolation(argument, f"{argument} is {a_kind(host)}; write the host of an ECR registry.")
    return parse_ecr_host(host, argument).host


def _count(component: str, args: EcrPullAccessArgs, argument: str, default: int) -> pulumi.Input[int]:
    def check(count: object) -> int:
        return default if count is None else check_whole_number(argument, count)

    return when_known(component, check, args.get(argument))


def _is_verified(verify: bool | None, suspended: bool | None) -> bool:
    return verify is not False and not suspended


class _Registries:
    """The account of the AWS provider, the Region, and the hosts of the registries."""

    def __init__(self, parent: pulumi.Resource, plan: _Plan) -> None:
        options = pulumi.InvokeOutputOptions(parent=parent)
        self.account = aws.get_caller_identity_output(opts=options).account_id
        if plan.region is None:
            self.region = aws.get_region_output(opts=options).region
        else:
            self.region = pulumi.Output.from_input(plan.region)
        own = pulumi.Output.from_input(when_known(plan.component, ecr_registry_host, self.account, self.region))
        self.servers = [own if host is None else host for host in plan.hosts.values()]


def _rotation(parent: pulumi.Resource, plan: _Plan) -> KeyRotation:
    return KeyRotation(
        f"{plan.name}-rotation",
        {
            "generation": plan.generation,
            "keep_previous_key": plan.keep_previous_key,
            "prefixes": [triple.prefix for triple in plan.triples],
            "repository": plan.audience.repository_name,
            "user_name": plan.user_name,
            "user_path": plan.user_path,
            "adopt_existing": plan.audience.adopt_existing,
        },
        pulumi.ResourceOptions(parent=parent),
    )


def _user(parent: pulumi.Resource, plan: _Plan, rotation: KeyRotation) -> aws.iam.User:
    # The rotation refuses a new name or path, so it has to come before the user takes it.
    return aws.iam.User(
        f"{plan.name}-user",
        name=plan.user_name,
        path=plan.user_path,
        permissions_boundary=plan.permissions_boundary_arn,
        tags=plan.tags,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[rotation], replace_on_changes=["name"]),
    )


def _grants(parent: pulumi.Resource, plan: _Plan, user: aws.iam.User, registries: _Registries) -> list[pulumi.Resource]:
    """The policies of the user. A key is proven and published after all of them."""
    login = when_known(plan.component, _login_document, plan.suspended)
    grants: list[pulumi.Resource] = [_inline_policy(parent, plan, user, "login", login)]
    if plan.repository_tags:
        document = pulumi.Output.all(registries.account, registries.region).apply(
            lambda place: tagged_document(partition_of(place[1]), place[1], place[0], plan.repository_tags)
        )
        grants.append(_inline_policy(parent, plan, user, "pull-tagged", document))
    hosts = pulumi.Output.all(*registries.servers)
    for policy in plan.policies:
        later = {str(repository): plan.later_repositories[str(repository)] for repository in policy.awaited}
        resolved = pulumi.Output.all(**later)
        document = pulumi.Output.all(registries.account, registries.region, hosts, resolved).apply(
            lambda values, policy=policy: _pull_document(plan.component, policy, *values)
        )
        if policy.inline:
            grants.append(_inline_policy(parent, plan, user, "pull", document))
        else:
            grants += _managed_policy(parent, plan, user, policy.label, document)
    return grants


def _login_document(suspended: bool) -> str:
    return login_document(suspended=suspended)


def _inline_policy(
    parent: pulumi.Resource, plan: _Plan, user: aws.iam.User, policy_name: str, document: pulumi.Input[str]
) -> pulumi.Resource:
    """A policy of the user, under a name of its own.

    If AWS makes a policy but its answer is lost, the policy is in no state. Under a name that Pulumi makes up it would
    stay, and grant what the program no longer grants; under its own name the next update writes it again. For the same
    name, it has to be deleted before it is replaced.
    """
    return aws.iam.UserPolicy(
        f"{plan.name}-{policy_name}",
        name=policy_name,
        user=user.name,
        policy=document,
        opts=pulumi.ResourceOptions(parent=parent, delete_before_replace=True),
    )


def _managed_policy(
    parent: pulumi.Resource, plan: _Plan, user: aws.iam.User, label: str, document: pulumi.Input[str]
) -> list[pulumi.Resource]:
    opts = pulumi.ResourceOptions(parent=parent)
    policy = aws.iam.Policy(
        f"{plan.name}-pull-{label}",
        path=plan.user_path,
        description=f"What codespaces may pull by the user {plan.user_name}.",
        policy=document,
        tags=plan.tags,
        opts=opts,
    )
    attachment = aws.iam.UserPolicyAttachment(
        f"{plan.name}-pull-{label}", user=user.name, policy_arn=policy.arn, opts=opts
    )
    return [policy, attachment]


def _pull_document(
    component: str,
    policy: PullPolicy,
    account: str,
    region: str,
    hosts: Sequence[str],
    resolved: Mapping[str, object],
) -> str:
    with refusing(component):
        # First the document, which refuses another partition: a further registry would not help there.
        document = policy.document(account, region, resolved)
        for arn in policy.arns(account, region, resolved):
            if arn.region == "*":
                continue
            host = ecr_registry_host(arn.account, arn.region)
            if host not in hosts:
                raise RuleViolation(
                    "ecr_repositories",
                    f"ecr_repositories: {str(arn)!r} is in the registry {host}, to which codespaces would not log in; "
                    f"they log in to {', '.join(hosts)}. Add it to additional_registries with a secret prefix of its "
                    "own.",
                )
        return document


class _Keys:
    """The access keys of the user, by their slots."""

    def __init__(self, parent: pulumi.Resource, plan: _Plan, user: aws.iam.User, rotation: KeyRotation) -> None:
        self.rotation = rotation
        self.by_slot = {slot: _access_key(parent, plan.name, slot, user, rotation) for slot in plan.slots}
        self.ids = {slot: key.id for slot, key in self.by_slot.items()}
        self.secrets = {slot: key.secret for slot, key in self.by_slot.items()}

    def current(self, values: Mapping[str, pulumi.Output[Any]]) -> pulumi.Output[Any]:
        """The value of the slot that is to be published."""
        slots = pulumi.Output.all(current=self.rotation.current, **values)
        return slots.apply(lambda slots: slots[slots["current"]])

    @property
    def created_at(self) -> pulumi.Output[str]:
        """When the key that is to be published was created."""
        return self.current({slot: key.create_date for slot, key in self.by_slot.items()})

    def fallback(self, triples: Sequence[Triple]) -> pulumi.Output[Mapping[str, str]]:
        """The secrets with the key of the published slot, to put back if a new key cannot be published whole."""
        ids = {f"{slot}_id": key_id for slot, key_id in self.ids.items()}
        secrets = {f"{slot}_secret": secret for slot, secret in self.secrets.items()}

        def choose(values: Mapping[str, str]) -> Mapping[str, str]:
            slot = values["published"]
            if not slot or slot == values["current"]:
                return {}
            fallback: dict[str, str] = {}
            for triple in triples:
                fallback |= {triple.user: values[f"{slot}_id"], triple.password: values[f"{slot}_secret"]}
            return fallback

        rotation = self.rotation
        values = pulumi.Output.all(published=rotation.published, current=rotation.current, **ids, **secrets)
        return pulumi.Output.secret(values.apply(choose))


def _access_key(
    parent: pulumi.Resource, name: str, slot: str, user: aws.iam.User, rotation: KeyRotation
) -> aws.iam.AccessKey:
    """The access key of a slot, replaced when the slot's serial changes.

    It is deleted before it is replaced, since IAM allows two keys a user. The published slot is never renewed. Options
    that a component hands down must not reach the key: a protected key could not rotate, and a retained key would stay
    active without anybody knowing it.
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


def _verified(
    parent: pulumi.Resource,
    plan: _Plan,
    user: aws.iam.User,
    keys: _Keys,
    servers: Sequence[pulumi.Input[str]],
    grants: list[pulumi.Resource],
) -> VerifiedEcrKey:
    """The key that is to be published, once it works."""
    return VerifiedEcrKey(
        f"{plan.name}-key",
        {
            "access_key_id": keys.current(keys.ids),
            "secret_access_key": keys.current(keys.secrets),
            "servers": servers,
            "probe_images": _probe_images(plan, servers),
            "verify": plan.verify,
            "timeout_seconds": plan.verify_timeout_seconds,
            "user_name": plan.user_name,
            "slot_keys": keys.ids,
            "user_keys": _listed_keys(parent, plan.user_name, user),
        },
        pulumi.ResourceOptions(parent=parent, depends_on=grants),
    )


def _secrets(
    plan: _Plan, verified: VerifiedEcrKey, servers: Sequence[pulumi.Input[str]]
) -> dict[str, pulumi.Input[str]]:
    """The Codespaces secrets of all registries: name -> value."""
    secrets: dict[str, pulumi.Input[str]] = {}
    for triple, server in zip(plan.triples, servers, strict=True):
        secrets[triple.user] = verified.access_key_id
        secrets[triple.password] = verified.secret_access_key
        secrets[triple.server] = server
    return secrets


def _listed_keys(parent: pulumi.Resource, user_name: str, user: aws.iam.User) -> pulumi.Output[Mapping[str, str]]:
    """The access keys that AWS lists for the user, id -> date of creation; not known until the user exists."""
    listing = aws.iam.get_access_keys_output(
        user=user.arn.apply(lambda _: user_name), opts=pulumi.InvokeOutputOptions(parent=parent)
    )
    # While the argument is not known, the SDK leaves out that the listing depends on the user. `pulumi up --plan` would
    # then refuse the dependency, which the preview did not have.
    both = pulumi.Output.all(listing, user.arn)
    return both.apply(lambda both: {key.access_key_id: key.create_date for key in both[0].access_keys})


def _probe_images(plan: _Plan, servers: Sequence[pulumi.Input[str]]) -> pulumi.Input[Sequence[pulumi.Input[str]]]:
    """The images, each with the host of its registry: by default that of the first one."""
    images = plan.probe_images
    if not is_later(images) and not images:
        return []

    def with_host(place: str, image: str, hosts: Sequence[str]) -> str:
        host = image.split("/", 1)[0]
        if ".dkr" not in host:
            return f"{hosts[0]}/{image}"
        if host not in hosts:
            raise RuleViolation(
                place,
                f"{place} {image!r}: codespaces do not log in to that registry, so the key cannot be tested with it; "
                f"they log in to {', '.join(hosts)}. Name an image of one of them, or add the registry to "
                "additional_registries.",
            )
        return image

    def with_hosts(images: Sequence[str], hosts: Sequence[str]) -> Sequence[str]:
        return [with_host(f"probe_images[{index}]", image, hosts) for index, image in enumerate(images)]

    return when_known(plan.component, with_hosts, pulumi.Output.from_input(images), pulumi.Output.all(*servers))

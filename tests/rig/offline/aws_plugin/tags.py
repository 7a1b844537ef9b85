"""Tags of a resource, tags that the provider adds to every resource, and tags that it leaves alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .values import UNKNOWN, is_unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .values import Properties, Value

_SYSTEM = "aws:"


@dataclass(frozen=True)
class TagRules:
    """The settings of tags in the provider's configuration.

    Attributes:
        default: put on every resource that can have tags, unless it sets the key itself.
        ignored_keys: keys that somebody else manages.
        ignored_prefixes: beginnings of such keys.
    """

    default: Mapping[str, str] = field(default_factory=dict)
    ignored_keys: frozenset[str] = frozenset()
    ignored_prefixes: tuple[str, ...] = ()

    def merged(self, tags: Value) -> Value:
        """All tags that a resource is to have (`tagsAll`), unknown if any of its own is."""
        return UNKNOWN if is_unknown(tags) else self._kept({**self.default, **(tags or {})})

    def found(self, items: Iterable[Mapping[str, str]]) -> dict[str, str]:
        """The tags that AWS answers with, without its own and without the ignored ones."""
        tags = {item["Key"]: item["Value"] for item in items}
        return self._kept({key: value for key, value in tags.items() if not key.startswith(_SYSTEM)})

    def store(self, values: Properties, items: Iterable[Mapping[str, str]]) -> None:
        """Put the tags that AWS answers with into a resource's properties."""
        found, configured = self.found(items), values.get("tags") or {}
        # With no tags it is an empty map, even if the program gives none.
        values["tags"] = {
            key: value for key, value in found.items() if key in configured or self.default.get(key) != value
        }
        values["tagsAll"] = found

    def _kept(self, tags: dict[str, str]) -> dict[str, str]:
        return {
            key: value
            for key, value in tags.items()
            if key not in self.ignored_keys and not key.startswith(self.ignored_prefixes or ("\0",))
        }


def to_api(tags: Mapping[str, str] | None) -> list[dict[str, Any]] | None:
    """Tags as AWS takes them; None for none."""
    return [{"Key": key, "Value": value} for key, value in (tags or {}).items()] or None


def changes(old: Mapping[str, str] | None, new: Mapping[str, str] | None) -> tuple[list[str], dict[str, str]]:
    """What must be done to get from one set of tags to another.

    Returns:
        The keys to remove, and the tags to set.
    """
    before, after = old or {}, new or {}
    removed = [key for key in before if key not in after and not key.startswith(_SYSTEM)]
    return removed, {key: value for key, value in after.items() if before.get(key) != value}

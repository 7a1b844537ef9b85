"""Shared by the parsers: checks of the kind of an input, and readers of values that passed such a check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from ...values import Unknown, is_text, is_unknown, plain_map, reveal
from ..failures import Failure, InvalidInputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...values import Properties, Value

Text: TypeAlias = "str | Unknown | None"
Flag: TypeAlias = "bool | Unknown | None"
Texts: TypeAlias = "list[str | Unknown] | Unknown | None"
TextMap: TypeAlias = "dict[str, str | Unknown] | Unknown | None"
IdMap: TypeAlias = "dict[str, int | Unknown] | Unknown | None"
"""Name of a repository -> its id."""
ChangeKind = Literal["add", "update", "delete"]


def check_list(argument: str, value: Value) -> list[Failure]:
    """Check that an input is a list of texts. It may be missing or not known yet.

    Args:
        argument: the name of the input in the program.
        value: the input, without secret marks.
    """
    if value is None or isinstance(value, Unknown):
        return []
    if not isinstance(value, list):
        return [Failure("", f"{argument} must be a list of texts, such as ['web', 'api'].")]
    return [
        Failure("", f"{argument}[{index}] must be a text, not {_kind(item)}.")
        for index, item in enumerate(value)
        if not is_text(item)
    ]


def check_map(argument: str, value: Value, fits: Callable[[Value], bool], expected: str) -> list[Failure]:
    """Check that an input is a map with values of the right kind. It may be missing or not known yet.

    The messages contain only the kind of a value, because the map may hold secrets.

    Args:
        argument: the name of the input in the program.
        value: the input, without secret marks.
        fits: whether a value in the map is of the right kind.
        expected: the right kind, for messages.
    """
    if value is None or isinstance(value, Unknown):
        return []
    if not isinstance(value, dict):
        return [Failure("", f"{argument} must be a map whose values are each {expected}, not {_kind(value)}.")]
    return [
        Failure("", f"{join(argument, name)} must be {expected}, not {_kind(item)}.")
        for name, item in value.items()
        if not fits(item)
    ]


def raise_if(*failures: Failure) -> None:
    """Refuse inputs if there are failures.

    Raises:
        InvalidInputs: there is at least one failure.
    """
    if failures:
        raise InvalidInputs(*failures)


def _kind(value: Value) -> str:
    if value is None:
        return "nothing"
    kinds = ((bool, "true or false"), ((int, float), "a number"), (str, "a text"), (list, "a list"), (dict, "a map"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "a value of another kind")


def join(path: str, key: str) -> str:
    """The property path of `key` in the map at `path`; the key is quoted if it is not a plain word."""
    return f"{path}.{key}" if key.replace("_", "a").isalnum() else f'{path}["{key}"]'


def map_changes(path: str, old: Value, new: Value) -> dict[str, ChangeKind]:
    """The changes between two maps, by property path. A value that is not known yet counts as changed."""
    if is_unknown(new) and not isinstance(reveal(new), dict):
        return {path: "update"}
    before, after = plain_map(old), plain_map(new)
    changes: dict[str, ChangeKind] = {}
    for key in sorted({*before, *after}):
        if key not in after:
            changes[join(path, key)] = "delete"
        elif key not in before:
            changes[join(path, key)] = "add"
        elif is_unknown(after[key]) or before[key] != after[key]:
            changes[join(path, key)] = "update"
    return changes


def value_changes(old: Properties, new: Properties, names: Iterable[str]) -> dict[str, ChangeKind]:
    """The named properties that differ. A value that is not known yet counts as changed."""
    return {
        name: "update" for name in names if is_unknown(new.get(name)) or reveal(old.get(name)) != reveal(new.get(name))
    }


def without(sent: Properties, names: Iterable[str]) -> Properties:
    """The properties that a parser does not know by name, to be passed on."""
    known = {*names}
    return {name: value for name, value in sent.items() if name not in known}


def text(value: Value) -> Text:
    """A text that may be missing or not known yet."""
    plain = reveal(value)
    return plain if isinstance(plain, (str, Unknown)) else None


def optional_text(value: Value) -> str | None:
    """A text that may be missing."""
    plain = reveal(value)
    return plain if isinstance(plain, str) else None


def flag(value: Value) -> Flag:
    """A truth value that may be missing or not known yet."""
    plain = reveal(value)
    return plain if isinstance(plain, (bool, Unknown)) else None


def texts(value: Value) -> Texts:
    """A list of texts; the list or any text may be not known yet."""
    plain = reveal(value)
    if isinstance(plain, list):
        return [item for item in plain if isinstance(item, (str, Unknown))]
    return plain if isinstance(plain, Unknown) else None


def text_map(value: Value) -> TextMap:
    """A map of texts; the map or any text may be not known yet."""
    plain = reveal(value)
    if isinstance(plain, dict):
        return {name: item for name, item in plain.items() if isinstance(item, (str, Unknown))}
    return plain if isinstance(plain, Unknown) else None


def id_map(value: Value) -> IdMap:
    """A map of ids; the map or any id may be not known yet."""
    plain = reveal(value)
    if isinstance(plain, dict):
        return {name: item for name, item in plain.items() if isinstance(item, (int, Unknown))}
    return plain if isinstance(plain, Unknown) else None


def known_texts(value: Texts) -> list[str]:
    """The known texts of a list; none if the list is missing or not known yet."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def known_items(value: TextMap) -> dict[str, str]:
    """The known texts of a map; none if the map is missing or not known yet."""
    return {name: item for name, item in value.items() if isinstance(item, str)} if isinstance(value, dict) else {}


def known_ids(value: IdMap) -> dict[str, int]:
    """The known ids of a map; none if the map is missing or not known yet."""
    return {name: item for name, item in value.items() if isinstance(item, int)} if isinstance(value, dict) else {}


def sent_list(value: Texts) -> Value:
    """A list as it is sent."""
    return [*value] if isinstance(value, list) else value


def sent_map(value: TextMap | IdMap) -> Value:
    """A map as it is sent."""
    return {**value} if isinstance(value, dict) else value

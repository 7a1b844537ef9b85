"""Tables of resources' properties, and what follows from a table alone: checks of inputs, and changes.

The rules come from the Terraform SDK and the bridge: what an input that is left out means, which changes replace,
and what a preview can know (https://github.com/pulumi/pulumi-terraform-bridge/tree/v3.137.0/pkg/tfbridge: `schema.go`,
`detailed_diff.go`; https://github.com/hashicorp/terraform-plugin-sdk).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from .documents import to_json
from .values import UNKNOWN, Secret, Unknown, is_unknown, reveal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .values import Properties, Value

DEFAULTS = "__defaults"
"""The input in which the bridge records which inputs were not the program's but defaults."""
_PLAIN_KEY = re.compile(r"[a-zA-Z_$][a-zA-Z0-9_$]*")


class Kind(Enum):
    """What a property holds."""

    STRING = "string"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    DOCUMENT = "document"
    """JSON; the program may also give the object."""
    MAP = "map"
    """Strings by string."""
    SET = "set"
    """Strings, in no order."""
    OBJECT = "object"
    OBJECTS = "objects"
    """A list of objects."""


@dataclass(frozen=True)
class Property:
    """A property of a resource.

    Attributes:
        name: as in the state and in the SDK of JavaScript.
        kind: what it holds.
        required: the program must give it.
        computed: the program may leave it out, and then AWS or the provider decides what it is.
        output: the program cannot give it; AWS says what it is.
        replaces: another value means another resource.
        default: what it is if the program leaves it out.
        secret: it is encrypted in the state.
        named: a name is made up if the program leaves it out.
        excludes: another property, which cannot be given together with this one.
        keeps: left out, it keeps what AWS says it is (an optional block).
        check: says why a value is refused, or None.
        normal: the form in which the state holds it.
        same: whether two values mean the same, where equality is too strict.
        follows: an output that is not known while one of these changes.
        fields: of an object, or of each object of a list.
    """

    name: str
    kind: Kind = Kind.STRING
    required: bool = False
    computed: bool = False
    output: bool = False
    replaces: bool = False
    default: Value = None
    secret: bool = False
    named: bool = False
    excludes: str | None = None
    keeps: bool = False
    check: Callable[[Any], str | None] | None = None
    normal: Callable[[str], str] | None = None
    same: Callable[[Any, Any], bool] | None = None
    follows: tuple[str, ...] = ()
    fields: tuple[Property, ...] = ()


def inputs(*properties: Property) -> tuple[Property, ...]:
    """Those of a table that a program can give."""
    return tuple(each for each in properties if not each.output)


@dataclass(frozen=True)
class Schema:
    """A resource's table.

    Attributes:
        token: its type.
        properties: in the order of the documentation.
        delete_before_replace: because creating and then deleting would delete what was created.
    """

    token: str
    properties: tuple[Property, ...]
    delete_before_replace: bool = False

    @property
    def has_tags(self) -> bool:
        """Whether the resource can have tags."""
        return any(each.name == "tagsAll" for each in self.properties)

    @property
    def has_region(self) -> bool:
        """Whether the resource lives in a region."""
        return any(each.name == "region" for each in self.properties)

    @property
    def named(self) -> Property | None:
        """The property that a name is made up for."""
        return next((each for each in self.properties if each.named), None)


TAGS = (
    Property("tags", Kind.MAP),
    Property("tagsAll", Kind.MAP, computed=True),
)
REGION = Property("region", computed=True, replaces=True)


# What Check does


def convert(table: tuple[Property, ...], given: Mapping[str, Value]) -> Properties:
    """Inputs as a table wants them: a document as text, `"true"` as true; those left out (None) are gone."""
    by_name = {each.name: each for each in table}
    return {
        name: _convert(by_name[name], value) if name in by_name else value
        for name, value in given.items()
        if value is not None and name != DEFAULTS
    }


def _convert(entry: Property, value: Value) -> Value:
    if entry.kind is Kind.DOCUMENT:
        if is_unknown(value):
            return UNKNOWN
        return value if isinstance(value, str) else to_json(value)
    if entry.kind is Kind.MAP and isinstance(value, dict):
        return {key: _text(item) for key, item in value.items() if item is not None}
    if entry.kind is Kind.BOOLEAN and value in ("true", "false"):
        return value == "true"
    if entry.kind is Kind.INTEGER and isinstance(value, str) and value.isdigit():
        return int(value)
    if entry.kind is Kind.OBJECT and isinstance(value, dict):
        return convert(entry.fields, value)
    if entry.kind is Kind.OBJECTS and isinstance(value, list):
        return [convert(entry.fields, item) if isinstance(item, dict) else item for item in value]
    return value


def _text(value: Value) -> Value:
    """A tag's value: the bridge takes numbers and booleans for their text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value


def problems(table: tuple[Property, ...], given: Mapping[str, Value], path: str = "") -> Iterator[tuple[str, str]]:
    """The errors in inputs: pairs of a property path ("" for none) and a reason."""
    by_name = {each.name: each for each in table}
    for name in given:
        if name not in by_name or by_name[name].output:
            yield path + name, "Invalid or unknown key"
    for entry in inputs(*table):
        value = given.get(entry.name)
        if value is None:
            if entry.required:
                yield "", f"Missing required property '{path}{entry.name}'"
            continue
        if entry.excludes and given.get(entry.excludes) is not None:
            yield path + entry.name, f'"{entry.name}": conflicts with {entry.excludes}'
        if entry.check and not is_unknown(value) and (reason := entry.check(value)):
            yield path + entry.name, reason
        for index, item in _objects(entry, value):
            yield from problems(entry.fields, item, f"{path}{entry.name}{index}.")


def with_defaults(
    table: tuple[Property, ...], given: Properties, old: Mapping[str, Value], name: Callable[[Property], str]
) -> Properties:
    """Inputs with what the program left out, and a record of which those were.

    A default that was used once is used again, so that a name that was made up stays.

    Args:
        table: the table.
        given: the program's inputs.
        old: the inputs as they were, with their own record.
        name: makes a name up.
    """
    complete, added = dict(given), list[str]()
    was_default = old.get(DEFAULTS)
    for entry in inputs(*table):
        if entry.name in complete:
            complete[entry.name] = _nested_defaults(entry, complete[entry.name], old.get(entry.name))
            continue
        if (entry.default is None and not entry.named) or (entry.excludes and entry.excludes in complete):
            continue
        value = old.get(entry.name) if was_default is None or entry.name in was_default else None
        if value is None:
            value = name(entry) if entry.named else entry.default
        # The bridge leaves a default out that is false (pulumi-terraform-bridge#2618).
        if value is not False:
            complete[entry.name] = value
            added.append(entry.name)
    complete[DEFAULTS] = sorted(added)
    return complete


def _nested_defaults(entry: Property, value: Value, old: Value) -> Value:
    def complete(item: Value, before: Value) -> Value:
        if not isinstance(item, dict):
            return item
        return with_defaults(entry.fields, item, before if isinstance(before, dict) else {}, lambda each: each.name)

    if entry.kind is Kind.OBJECT:
        return complete(value, old)
    if entry.kind is Kind.OBJECTS and isinstance(value, list):
        before = old if isinstance(old, list) else []
        return [complete(item, before[index] if index < len(before) else {}) for index, item in enumerate(value)]
    return value


def _objects(entry: Property, value: Value) -> Iterator[tuple[str, dict[str, Value]]]:
    if entry.kind is Kind.OBJECT and isinstance(value, dict):
        yield "", value
    if entry.kind is Kind.OBJECTS and isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield f"[{index}]", item


# What Diff does


def planned(table: tuple[Property, ...], old: Mapping[str, Value] | None, given: Mapping[str, Value]) -> Properties:
    """The properties that a resource is to have.

    Args:
        table: the table.
        old: what the state holds, or None for a resource that is to be created.
        given: checked inputs.

    Returns:
        A value for each property of the table; `UNKNOWN` for values that only AWS knows.
    """
    plan: Properties = {}
    for entry in table:
        before = None if old is None else old.get(entry.name)
        value = None if entry.output else given.get(entry.name)
        if value is not None:
            plan[entry.name] = _planned_value(entry, before, value)
        elif entry.output or entry.computed:
            plan[entry.name] = UNKNOWN if old is None else before
        elif entry.keeps and old is not None:
            plan[entry.name] = before
        else:
            plan[entry.name] = entry.default
    if old is not None:
        changed = {each.name for each in table if not _equal(each, old.get(each.name), plan[each.name])}
        for entry in table:
            if changed.intersection(entry.follows):
                plan[entry.name] = UNKNOWN
    return plan


def _planned_value(entry: Property, before: Value, value: Value) -> Value:
    if is_unknown(value) and not entry.fields:
        return value if isinstance(value, (dict, list)) else UNKNOWN
    if entry.normal:
        value = entry.normal(value)
    if entry.same and before is not None and entry.same(before, value):
        return before
    if entry.kind is Kind.OBJECT and isinstance(value, dict):
        return planned(entry.fields, before if isinstance(before, dict) else None, value)
    if entry.kind is Kind.OBJECTS and isinstance(value, list):
        olds = before if isinstance(before, list) else []
        return [
            planned(entry.fields, olds[index] if index < len(olds) else None, item) if isinstance(item, dict) else item
            for index, item in enumerate(value)
        ]
    return value


def differences(
    table: tuple[Property, ...], old: Mapping[str, Value], new: Mapping[str, Value], path: str = ""
) -> dict[str, tuple[str, bool]]:
    """Where a plan differs from the state.

    Returns:
        By property path: "add", "update" or "delete", and whether it replaces the resource.
    """
    found: dict[str, tuple[str, bool]] = {}
    for entry in table:
        before: Any = old.get(entry.name)
        after: Any = new.get(entry.name)
        if entry.output or _equal(entry, before, after):
            continue
        here = path + entry.name
        # Entries added to an empty map are reported one by one; a map that was missing is reported as a whole.
        fills_map = entry.kind is Kind.MAP and before == {} and not _absent(after)
        if ((_absent(before) or _absent(after)) and not fills_map) or isinstance(after, Unknown):
            found[here] = (_change(before, after), entry.replaces or _inside_replaces(entry))
        elif entry.kind is Kind.MAP:
            keys = [*before, *(key for key in after if key not in before)]
            for key in keys:
                if before.get(key) != after.get(key):
                    found[here + _key(key)] = (_change(before.get(key), after.get(key)), entry.replaces)
        elif entry.kind is Kind.SET:
            found.update(_set_differences(here, before, after, replaces=entry.replaces))
        elif entry.kind is Kind.OBJECT:
            found.update(differences(entry.fields, before, after, here + "."))
        elif entry.kind is Kind.OBJECTS:
            found.update(_list_differences(entry, here, before, after))
        else:
            found[here] = ("update", entry.replaces)
    return found


def _set_differences(
    path: str, before: list[Value], after: list[Value], *, replaces: bool
) -> dict[str, tuple[str, bool]]:
    found = {f"{path}[{index}]": ("delete", replaces) for index, item in enumerate(before) if item not in after}
    for index, item in enumerate(after):
        if item not in before:
            here = f"{path}[{index}]"
            found[here] = ("update" if here in found else "add", replaces)
    return found


def _list_differences(
    entry: Property, path: str, before: list[Value], after: list[Value]
) -> dict[str, tuple[str, bool]]:
    found: dict[str, tuple[str, bool]] = {}
    for index in range(max(len(before), len(after))):
        here = f"{path}[{index}]"
        if index >= len(before) or index >= len(after):
            change = "add" if index >= len(before) else "delete"
            found[here] = (change, entry.replaces or _inside_replaces(entry))
        else:
            nested = differences(entry.fields, before[index], after[index], here + ".")
            found.update({where: (change, replaces or entry.replaces) for where, (change, replaces) in nested.items()})
    return found


def _inside_replaces(entry: Property) -> bool:
    return any(field.replaces for field in entry.fields)


def _equal(entry: Property, before: Value, after: Value) -> bool:
    if isinstance(after, Unknown):
        return entry.output
    if _absent(before) or _absent(after):
        return _absent(before) and _absent(after)
    if entry.same:
        return entry.same(before, after)
    if entry.kind is Kind.SET and not is_unknown(after):
        return sorted(before) == sorted(after)
    if entry.kind is Kind.OBJECT:
        return not differences(entry.fields, before, after)
    if entry.kind is Kind.OBJECTS:
        return not _list_differences(entry, "", before, after)
    return before == after


def _absent(value: Value) -> bool:
    """Whether a value says as little as none: Terraform holds "", false, an empty map and none for one another."""
    return value is None or value is False or value in ("", [], {})


def _change(before: Value, after: Value) -> str:
    if before is None or before in ([], {}):
        return "add"
    return "delete" if after is None or after in ([], {}) else "update"


def _key(key: str) -> str:
    if _PLAIN_KEY.fullmatch(key):
        return f".{key}"
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'["{escaped}"]'


# What the engine is told


def outputs(table: tuple[Property, ...], values: Mapping[str, Value], identifier: Value) -> Properties:
    """The properties of an answer, with the id, and with what is secret marked so."""
    answer: Properties = {each.name: values.get(each.name) for each in table}
    for entry in table:
        if entry.secret:
            answer[entry.name] = Secret(reveal(answer[entry.name]))
    return {**answer, "id": identifier}


def refreshed_inputs(table: tuple[Property, ...], old: Mapping[str, Value], values: Mapping[str, Value]) -> Properties:
    """The inputs that go with what was read: those that there were, with the values that there are now.

    A document stays as the program wrote it; its drift shows in the outputs, which is what Diff compares.
    """
    fresh: Properties = {}
    unchanged: set[str] = set()
    by_name = {each.name: each for each in table}
    for name, before in old.items():
        entry = by_name.get(name)
        if entry is None or values.get(name) is None:
            continue
        now = values[name]
        if entry.normal:
            fresh[name] = before
        elif entry.kind is Kind.MAP and isinstance(before, dict):
            fresh[name] = {key: now[key] for key in before if key in now}
        elif entry.kind is Kind.OBJECT and isinstance(before, dict):
            fresh[name] = refreshed_inputs(entry.fields, before, now)
        elif entry.kind is Kind.OBJECTS and isinstance(before, list):
            fresh[name] = [refreshed_inputs(entry.fields, item, then) for item, then in zip(before, now, strict=False)]
        else:
            fresh[name] = now
        if fresh[name] == before:
            unchanged.add(name)
    if DEFAULTS in old:
        fresh[DEFAULTS] = [name for name in old[DEFAULTS] if name in unchanged]
    return fresh


def imported_inputs(table: tuple[Property, ...], values: Mapping[str, Value]) -> Properties:
    """The inputs that a program would give to get what was read: all that are not defaults."""
    found: Properties = {}
    for entry in inputs(*table):
        value = values.get(entry.name)
        if entry.kind is Kind.OBJECT and isinstance(value, dict):
            value = imported_inputs(entry.fields, value)
        elif entry.kind is Kind.OBJECTS and isinstance(value, list):
            value = [imported_inputs(entry.fields, item) for item in value]
        if entry.required or not (_absent(value) or value in (entry.default, {DEFAULTS: []})):
            found[entry.name] = value
    found[DEFAULTS] = []
    return found

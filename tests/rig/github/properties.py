"""Custom properties of repositories: what an organization defines, and the values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from .repositories import matching
from .routing import NOT_FOUND, Answer, Call, Refusal, failed, operation

if TYPE_CHECKING:
    from .state import Organization, Repository

_SCHEMA = "/orgs/{org}/properties/schema"
_PROPERTY = _SCHEMA + "/{custom_property_name}"
_VALUES = "/orgs/{org}/properties/values"
_OF_ONE = "/repos/{owner}/{repo}/properties/values"
_PERMISSION = "organization_custom_properties"
_TYPES = ("string", "single_select", "multi_select", "true_false", "url")


def _shown(call: Call, home: Organization, definition: dict[str, Any]) -> dict[str, Any]:
    name = definition["property_name"]
    url = f"{call.base}/orgs/{home.login}/properties/schema/{name}"
    shown = {"property_name": name, "url": url, "source_type": "organization", "value_type": "string"}
    defaults = {"required": False, "default_value": None, "description": None, "allowed_values": None}
    return shown | defaults | {"values_editable_by": "org_actors", "require_explicit_values": False} | definition


def _define(call: Call, home: Organization, name: str, given: dict[str, Any]) -> dict[str, Any]:
    if given.get("value_type") not in _TYPES:
        raise failed("CustomProperty", "Value type is not included in the list")
    known = ("value_type", "required", "default_value", "description", "allowed_values", "values_editable_by")
    definition = {"property_name": name} | {key: given[key] for key in known if key in given}
    home.custom_properties[name] = definition
    call.cloud.changed("properties.changed", home.login, name)
    return _shown(call, home, definition)


@operation("GET", _SCHEMA, scopes=("admin:org", "read:org", "write:org"), permission=_PERMISSION)
def list_properties(call: Call) -> Answer:
    """The properties that an organization defines."""
    home = call.organization
    return Answer(200, [_shown(call, home, definition) for definition in home.custom_properties.values()])


@operation("PATCH", _SCHEMA, scopes=("admin:org",), permission=_PERMISSION, level="admin", access="owner")
def define_properties(call: Call) -> Answer:
    """Define several properties."""
    home = call.organization
    call.need("properties")
    given = cast("list[dict[str, Any]]", call.sent("properties", list))
    return Answer(200, [_define(call, home, definition["property_name"], definition) for definition in given])


@operation("GET", _PROPERTY, scopes=("admin:org", "read:org", "write:org"), permission=_PERMISSION)
def get_property(call: Call) -> Answer:
    """One property."""
    home = call.organization
    return Answer(200, _shown(call, home, _definition(call, home)))


def _definition(call: Call, home: Organization) -> dict[str, Any]:
    definition = home.custom_properties.get(call.parameters["custom_property_name"])
    if definition is None:
        raise Refusal(404, NOT_FOUND)
    return definition


@operation("PUT", _PROPERTY, scopes=("admin:org",), permission=_PERMISSION, level="admin", access="owner")
def define_property(call: Call) -> Answer:
    """Define one property."""
    call.need("value_type")
    return Answer(200, _define(call, call.organization, call.parameters["custom_property_name"], call.body or {}))


@operation("DELETE", _PROPERTY, scopes=("admin:org",), permission=_PERMISSION, level="admin", access="owner")
def delete_property(call: Call) -> Answer:
    """Remove a property and its values."""
    home = call.organization
    name = _definition(call, home)["property_name"]
    del home.custom_properties[name]
    for repository in home.repositories.values():
        repository.properties.pop(name, None)
    call.cloud.changed("properties.changed", home.login, name)
    return Answer(204)


def _values(one: Repository) -> list[dict[str, Any]]:
    """The values of a repository; a property without a value shows its default, or null."""
    defined = one.organization.custom_properties
    values = {name: definition.get("default_value") for name, definition in defined.items()} | one.properties
    return [{"property_name": name, "value": value} for name, value in values.items()]


@operation("GET", _VALUES, scopes=("admin:org", "read:org", "write:org"), permission=_PERMISSION)
def list_values(call: Call) -> Answer:
    """The values of all repositories, or of those that `repository_query` finds."""
    seen = [repository for repository in call.organization.repositories.values() if call.caller.sees(repository)]
    found = matching(call.query.get("repository_query", ""), seen)
    shown, link = call.page(sorted(found, key=lambda repository: repository.id))
    entries = [
        {
            "repository_id": repository.id,
            "repository_name": repository.name,
            "repository_full_name": repository.full_name,
            "properties": _values(repository),
        }
        for repository in shown
    ]
    return Answer(200, entries, link)


@operation("PATCH", _VALUES, scopes=("admin:org",), permission=_PERMISSION, access="owner")
def set_values(call: Call) -> Answer:
    """Set values for up to 30 repositories, given by name."""
    home = call.organization
    call.need("repository_names", "properties")
    names = cast("list[str]", call.sent("repository_names", list))
    if len(names) > 30:
        raise failed("CustomPropertyValue", "At most 30 repositories at a time")
    chosen = [home.repository(name) for name in names]
    for repository in chosen:
        if repository is None:
            raise Refusal(404, NOT_FOUND)
        _set(call, repository)
    return Answer(204)


@operation("GET", _OF_ONE)
def list_values_of_one(call: Call) -> Answer:
    """The values of one repository."""
    return Answer(200, _values(call.repository()))


@operation("PATCH", _OF_ONE, scopes=("repo",), permission="repository_custom_properties")
def set_values_of_one(call: Call) -> Answer:
    """Set values of one repository."""
    one = call.repository(to_write=True)
    call.need("properties")
    _set(call, one)
    return Answer(204)


def _set(call: Call, one: Repository) -> None:
    defined = one.organization.custom_properties
    given = cast("list[dict[str, Any]]", call.sent("properties", list))
    for item in given:
        name, value = item["property_name"], item.get("value")
        several = cast("list[Any]", value if isinstance(value, list) else [value])
        if name not in defined:
            raise failed("CustomPropertyValue", f"Property '{name}' is not defined")
        allowed = defined[name].get("allowed_values")
        wrong = [choice for choice in several if allowed and choice not in (*allowed, None)]
        if wrong:
            raise failed("CustomPropertyValue", f"Value '{wrong[0]}' is not allowed for property '{name}'")
        if value is None:
            one.properties.pop(name, None)
        else:
            one.properties[name] = value
    call.cloud.changed("properties.changed", one.organization.login, one.name)

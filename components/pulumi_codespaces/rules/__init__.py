"""The rules of GitHub, AWS and docker, as pure functions over plain values: no Pulumi, no network."""

from __future__ import annotations


class RuleViolation(ValueError):
    """An argument breaks a rule of GitHub, AWS or docker.

    The message contains the argument, its value (never the value of a secret), the rule, its source and the way out.

    Attributes:
        argument: the property path of the argument, such as `secret_prefix` or
            `secrets.PAYMENTS_CONTAINER_REGISTRY_USER`; empty if no single argument is at fault.
    """

    def __init__(self, argument: str, message: str) -> None:
        self.argument = argument
        super().__init__(argument, message)

    def __str__(self) -> str:
        return str(self.args[1])

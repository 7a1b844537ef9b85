"""The platform program: a stack's configuration in, components out.

A platform repository's `__main__.py` is

    from pulumi_codespaces.program import deploy

    deploy()
"""

from .deploy import deploy

__all__ = ["deploy"]

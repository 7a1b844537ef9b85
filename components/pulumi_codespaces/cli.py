"""`codespaces`: tools for whoever reviews a change of registry access, and for the day after."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

import click

from .review.changes import RISKS
from .review.changes import review as review_of
from .review.digest import NoDigest, read_digest
from .review.render import as_json, as_markdown, as_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from .review.changes import Review

GATE = 3
"""The exit code where --fail-on found what it is for; 1 is a failed preview, 2 wrong use, as click has it."""
_FORMATS: dict[str, Callable[[Review], str]] = {"markdown": as_markdown, "text": as_text, "json": as_json}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pulumi-codespaces")
def main() -> None:
    """Which codespaces may pull from which registries: reviewed, checked, explained."""


@main.command()
@click.argument("preview", type=click.File(encoding="utf-8"), default="-")
@click.option(
    "--format", "form", type=click.Choice(list(_FORMATS)), default="markdown", show_default=True, help="What to print."
)
@click.option(
    "--fail-on",
    "gates",
    multiple=True,
    type=click.Choice(["any", *RISKS]),
    help="Exit with 3 if this risk is there; may be given again.",
)
@click.option("--max-key-age-days", type=click.IntRange(min=1), default=90, show_default=True)
def review(preview: TextIO, form: str, gates: tuple[str, ...], max_key_age_days: int) -> None:
    """Tell in sentences what a preview changes in who may pull from where.

    PREVIEW is what `pulumi preview --json --show-sames` printed; standard input by default. Without --show-sames it
    works too, but registries that stay as they are cannot be named. No secret value is ever printed.

    Exit codes: 0 reviewed; 1 the preview itself failed; 2 wrong use, or no preview; 3 a risk of --fail-on is there.
    """
    try:
        found = review_of(read_digest(preview.read()), max_key_age_days=max_key_age_days)
    except NoDigest as problem:
        raise click.UsageError(str(problem)) from None
    click.echo(_FORMATS[form](found), nl=False)
    if "failed-preview" in found.codes:
        sys.exit(1)
    if found.codes & set(gates) or ("any" in gates and found.codes):
        sys.exit(GATE)

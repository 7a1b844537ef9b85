"""The command `codespaces`: tools to review a change of registry access, and to check the access afterwards."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from ..rules import RuleViolation
from ..state.digest import NoDigest, read_digest
from ..state.export import exported
from ..state.stack import NoState, Stack
from . import access_table
from .access import report
from .review import RISKS
from .review import review as review_of
from .review.render import as_json, as_markdown, as_text
from .tables import print_blocks, print_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from .doctor.finding import Finding
    from .review import Review

GATE = 3
"""The exit code if a risk of --fail-on is present. 1 means a failed preview, and 2 wrong usage (click's own code)."""
_MAX_KEY_AGE_HELP = "Report a published key that is older than this number of days."
_FORMATS: dict[str, Callable[[Review], str]] = {"markdown": as_markdown, "text": as_text, "json": as_json}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pulumi-codespaces")
def main() -> None:
    """Review, list, verify and repair the access of codespaces to registries."""


@main.command()
@click.argument("preview", type=click.File(encoding="utf-8"), default="-")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_FORMATS)),
    default="markdown",
    show_default=True,
    help="The format of the output.",
)
@click.option(
    "--fail-on",
    "gates",
    multiple=True,
    type=click.Choice(["any", *RISKS]),
    help="Exit with code 3 if the preview has this risk. Repeat for several risks.",
)
@click.option("--max-key-age-days", type=click.IntRange(min=1), default=90, show_default=True, help=_MAX_KEY_AGE_HELP)
def review(preview: TextIO, form: str, gates: tuple[str, ...], max_key_age_days: int) -> None:
    """Describe how a preview changes the access to registries.

    PREVIEW is the output of `pulumi preview --json --show-sames`; standard input by default. Without --show-sames, the
    review cannot name registries that do not change. Secret values are never printed.

    Exit codes: 0 reviewed; 1 the preview failed; 2 wrong usage, or not a preview; 3 a risk of --fail-on.
    """
    try:
        result = review_of(read_digest(_text(preview)), max_key_age_days=max_key_age_days)
    except NoDigest as error:
        raise click.UsageError(str(error)) from None
    click.echo(_FORMATS[form](result), nl=False)
    if "failed-preview" in result.codes:
        sys.exit(1)
    if result.codes & set(gates) or ("any" in gates and result.codes):
        sys.exit(GATE)


_STACK_HELP = "The stack; by default the selected stack."
_CWD = click.option(
    "--cwd",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="The folder of the Pulumi project.",
)


@main.command()
@click.argument("states", metavar="[FILE]...", nargs=-1, type=click.File(encoding="utf-8"))
@click.option("--stack", "stacks", multiple=True, help=f"{_STACK_HELP} Repeat for several stacks.")
@_CWD
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--writers", is_flag=True, help="Ask GitHub who can write to each repository, and so read its secrets.")
def access(states: tuple[TextIO, ...], stacks: tuple[str, ...], folder: Path, form: str, *, writers: bool) -> None:
    """List which repositories may pull which images, and with which access key: a row per repository and registry.

    FILE is the output of `pulumi stack export`, or - for standard input. Without a FILE, the command exports each
    --stack itself. Secret values are never printed. --writers asks GitHub with the credentials of the stack's
    providers. A FILE has no tokens, so then it uses the credentials of the environment.

    Exit codes: 0 listed; 1 some writers are missing; 2 wrong usage, or not a state.
    """
    if states and stacks:
        raise click.UsageError("FILE and --stack cannot be combined; give one of them.")
    try:
        texts = [_text(file) for file in states] or [
            exported(stack, folder, show_secrets=writers) for stack in stacks or (None,)
        ]
        read = [Stack.read(text) for text in texts]
        rows, problems = report(read, datetime.now(timezone.utc), writers=writers, progress=_show_progress)
    except NoState as error:
        raise click.UsageError(str(error)) from None
    if form == "table":
        print_table(access_table.headers(writers=writers), access_table.table(rows, writers=writers))
    else:
        shown = access_table.as_csv if form == "csv" else access_table.as_json
        click.echo(shown(rows, writers=writers), nl=False)
    for problem in problems:
        click.echo(f"Error: {problem}", err=True)
    if problems:
        sys.exit(1)


@main.command()
@click.option("--stack", help=_STACK_HELP)
@_CWD
@click.option("--registry", "only", help="Verify only this registry: its component, its prefix or its host.")
@click.option("--image", "images", multiple=True, help="An image that must be readable. Repeat for several images.")
@click.option("--unlisted", help="An ECR repository that must not be readable; by default a name that does not exist.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def verify(
    stack: str | None, folder: Path, only: str | None, images: tuple[str, ...], unlisted: str | None, form: str
) -> None:
    """Log in with the credentials of a stack, as GitHub does when a codespace starts.

    An access key of Amazon ECR is swapped for a token, as GitHub does. The probe images, each --image and the ECR
    repositories that are listed by name must be readable. A push must be refused, and at Amazon ECR also a pull from
    a repository that is not listed. Secret values are decrypted in memory and never printed.

    Exit codes: 0 all checks passed; 1 a check failed; 2 wrong usage, or not a state.
    """
    # These modules take a moment to load, and `review` does not need them.
    from . import verification  # noqa: PLC0415

    try:
        registries = verification.read_registries(Stack.read(exported(stack, folder, show_secrets=True)))
        registries = verification.with_images(verification.select_registries(registries, only), images)
    except (NoState, RuleViolation) as error:
        raise click.UsageError(str(error)) from None
    verdicts = asyncio.run(verification.verify(registries, unlisted))
    if form == "json":
        click.echo(verification.as_json(verdicts), nl=False)
    else:
        print_table(["registry", "server", *verification.CHECKS], [verification.cells(verdict) for verdict in verdicts])
        for line in verification.notes(verdicts):
            click.echo(line)
    if not all(verdict.ok for verdict in verdicts):
        sys.exit(1)


@main.command()
@click.option("--stack", "stacks", multiple=True, help=f"{_STACK_HELP} Repeat for several stacks.")
@_CWD
@click.option("--json", "in_json", is_flag=True, help="Print a list of objects in JSON.")
@click.option("--max-key-age-days", type=click.IntRange(min=1), default=90, show_default=True, help=_MAX_KEY_AGE_HELP)
@click.option(
    "--unused-days",
    type=click.IntRange(min=1),
    default=90,
    show_default=True,
    help="Report a key that was not used for this number of days.",
)
def doctor(stacks: tuple[str, ...], folder: Path, max_key_age_days: int, unused_days: int, *, in_json: bool) -> None:
    """Find problems with the registry access of stacks, why they matter, and the commands that fix them.

    The doctor reads states, GitHub and AWS, and changes nothing. It uses the credentials of the stacks' providers for
    GitHub, and the credentials of the environment for AWS. A resource that it may not read is a finding `unseen`.
    Secret values are never printed.

    Exit codes: 0 no findings; 1 findings; 2 wrong usage, or not a state.
    """
    # These modules take a moment to load, and `review` does not need them.
    from .doctor import diagnosis, finding  # noqa: PLC0415

    try:
        findings = diagnosis.diagnose(
            [Stack.read(exported(stack, folder, show_secrets=True)) for stack in stacks or (None,)],
            datetime.now(timezone.utc),
            max_age_days=max_key_age_days,
            unused_days=unused_days,
            progress=_show_progress,
        )
    except NoState as error:
        raise click.UsageError(str(error)) from None
    if in_json:
        click.echo(finding.as_json(findings), nl=False)
    elif findings:
        print_blocks([_block(finding) for finding in findings], alarming="error")
    else:
        click.echo("No problems found.")
    if findings:
        sys.exit(1)


def _block(finding: Finding) -> tuple[str, list[tuple[str, str]]]:
    heading = f"{finding.severity} {finding.code}: {finding.resource}"
    return heading, [("what", finding.what), ("why", finding.why), ("fix", finding.fix)]


@main.group()
def plugin() -> None:
    """Install the provider plugin that the Pulumi CLI runs."""


@plugin.command("install")
def plugin_install() -> None:
    """Install the plugin into the CLI's plugin folder, for projects that do not name its folder in Pulumi.yaml.

    The plugin runs in the Python environment of this command. Nothing is downloaded. Run the command again after an
    upgrade, or after the environment moved.

    Exit codes: 0 installed; 1 the Pulumi CLI refused the plugin.
    """
    from .plugin_install import NotInstalled, install  # noqa: PLC0415 - it loads the Pulumi SDK

    try:
        click.echo(install())
    except NotInstalled as error:
        raise click.ClickException(str(error)) from None


def _text(file: TextIO) -> str:
    try:
        return file.read()
    except UnicodeDecodeError:
        # Windows PowerShell writes UTF-16 with >, and passes on text that it has decoded itself with |.
        raise click.UsageError(
            f"{file.name} is not UTF-8, the encoding of Pulumi's output; a shell wrote another encoding. In "
            'PowerShell, write the file with `cmd /c "pulumi ... > FILE"`, or use PowerShell 7.4 or newer.'
        ) from None


def _show_progress(text: str) -> None:
    click.echo(text, err=True)

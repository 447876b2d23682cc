"""The command line: one table of commands, and what each kind of failure exits with."""

from __future__ import annotations

import errno
import sys

import click

from zrokd import __version__
from zrokd.cli.lazy import LazyGroup
from zrokd.cli.output import FAILED, INTERRUPTED, MISUSED, UNREAD
from zrokd.errors import ConfigError, Misused, ZrokdError

_COMMANDS = {
    "enable": ("zrokd.cli.environment:enable", "Let this machine share, with an account token."),
    "disable": ("zrokd.cli.environment:disable", "Take that back."),
    "status": ("zrokd.cli.environment:status", "Show what this machine knows; asks nobody."),
    "overview": ("zrokd.cli.environment:overview", "Show everything of the account."),
    "share": ("zrokd.cli.share:share", "Share a web server, a port or a folder."),
    "access": ("zrokd.cli.access:access", "Open somebody's private share on this machine."),
    "agent": ("zrokd.cli.agent:agent", "Let the account share and open things on this machine from afar."),
    "create": ("zrokd.cli.things:create", "Reserve a name."),
    "modify": ("zrokd.cli.things:modify", "Change a name."),
    "delete": ("zrokd.cli.things:delete", "Give back a name, or end a share, an access or an environment."),
    "list": ("zrokd.cli.things:listing", "List names, namespaces, shares, accesses or environments."),
    "login": ("zrokd.cli.login:login", "Get a token by e-mail address and password."),
    "token": ("zrokd.cli.token:token", "Make and end tokens of the account, each good for so much and so long."),
    "run": ("zrokd.cli.run:run", "Run the daemon of a configuration file."),
    "check": ("zrokd.cli.check:check", "Check a configuration file; name every mistake."),
    "plugins": ("zrokd.cli.plugins:plugins", "Show installed plugins, and what a file makes of them."),
    "completion": ("zrokd.cli.completion:completion", "Print a shell's completion script."),
    "version": ("zrokd.cli.version:version", "Print the version."),
}

#: Of an output: its disk is full, it is above its quota, its terminal was closed.
_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EIO}


@click.group(
    cls=LazyGroup,
    table=_COMMANDS,
    plugins=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "--version", message="zrokd %(version)s")
def program() -> None:
    """Share a web server, a port or a folder from behind NAT, over a network that you host yourself.

    Exit codes: 0 done, 1 refused or failed, 2 the command line is wrong, or a file it names, 130 ended by force,
    141 nobody reads the output any more.
    """


def run_program(arguments: list[str] | None = None, *, last: bool = False) -> int:
    """Run a command line; its exit code. Errors are one sentence on standard error. `last`: the process ends then."""
    output = sys.stdout
    try:
        code = program.main(arguments, prog_name="zrokd", standalone_mode=False, obj={"last": last})
    except click.ClickException as error:
        _show(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        if isinstance(error, click.Abort) and error.__cause__ is None:  # that is how a no to a question comes
            line = "\n" if isinstance(error.__context__, EOFError | KeyboardInterrupt) else ""
            click.echo(f"{line}zrokd: nothing was done", err=True)
            return FAILED
        click.echo("zrokd: interrupted", err=True)
        return INTERRUPTED
    except ConfigError as error:
        from zrokd.config.render import render_problems

        click.echo(render_problems(error.problems), err=True, nl=False)
        return MISUSED
    except ZrokdError as error:
        click.echo(f"zrokd: {error}", err=True)
        return MISUSED if isinstance(error, Misused) else FAILED
    except SystemExit:
        if sys.stdout is output:
            raise
        return UNREAD  # click takes away an output that nobody reads, and ends the program
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        click.echo(f"zrokd: the output cannot be written: {error.strerror}", err=True)
        return FAILED
    return code if isinstance(code, int) else 0


def _show(error: click.ClickException) -> None:
    """One sentence, like every other failure; who used a command wrongly is told where its help is."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return
    click.echo(f"zrokd: {' '.join(error.format_message().split())}", err=True)
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        click.echo(f"help: {context.command_path} --help", err=True)

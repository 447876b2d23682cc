"""A click group whose commands are imported only when they are called."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping

import click


class LazyGroup(click.Group):
    """`table`: name -> ("module:attribute", one line of help). Unknown names may be commands of plugins."""

    def __init__(self, *args: object, table: Mapping[str, tuple[str, str]], plugins: bool = False, **kwargs: object):
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.table, self.plugins = table, plugins

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Ours in the order of the table, then those of plugins."""
        return [*self.table, *self._plugin_names()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None when there is none."""
        if cmd_name in self.table:
            module, _, attribute = self.table[cmd_name][0].partition(":")
            command = getattr(importlib.import_module(module), attribute)
            assert isinstance(command, click.Command)
            return _uncut(command)
        return self._plugin_command(ctx, cmd_name) if cmd_name in self._plugin_names() else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's; an unknown name is answered with the nearest known one."""
        if not ctx.resilient_parsing and args[0] not in self.list_commands(ctx):
            close = difflib.get_close_matches(args[0], self.list_commands(ctx), 1)
            hint = f" Did you mean {close[0]!r}?" if close else f" See {ctx.command_path} --help."
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The table, without importing what it names."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.table.items()])
        if self._plugin_names():
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(name, origin) for name, origin in self._plugin_names().items()])

    def _plugin_names(self) -> dict[str, str]:
        """Name -> distribution, from package metadata alone."""
        if not self.plugins:
            return {}
        from importlib.metadata import entry_points

        return {
            entry.name.partition(".")[2]: f"see zrokd {entry.name.partition('.')[2]} --help"
            + ("" if entry.dist is None or entry.dist.name == "zrokd" else f" (from {entry.dist.name})")
            for entry in sorted(entry_points(group="zrokd"), key=lambda each: each.name)
            if entry.name.startswith("command.")
        }

    def _plugin_command(self, ctx: click.Context, name: str) -> click.Command:
        from zrokd.host.modules import has_settings
        from zrokd.host.registry import Registry

        registry = Registry()
        ctx.obj = {**(ctx.obj or {}), "registry": registry}
        component = registry("command", name)
        settings = component.Settings() if has_settings(component) else None
        command = component(settings, None).configure()  # type: ignore[arg-type,attr-defined]
        assert isinstance(command, click.Command)
        return _uncut(command)


def _uncut(command: click.Command) -> click.Command:
    """The command, whose own ones are listed with their whole first sentence: click cuts it to one line."""
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        sentence, end, _ = " ".join((inner.help or "").partition("\n\n")[0].split()).partition(". ")
        inner.short_help = inner.short_help or sentence + end.strip()
        _uncut(inner)
    return command


class KindGroup(click.Group):
    """A group whose commands say a kind: who leaves it out is told where it goes."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's; what is no command of ours is taken for what should have stood behind one."""
        if not ctx.resilient_parsing and args[0] not in self.commands and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], self.commands, 1)
            rest = args[1:] if close else args
            meant = [" ".join([ctx.command_path, kind, *rest]) for kind in close or self.commands]
            ctx.fail(f"No such command {args[0]!r}. Did you mean: {', or '.join(meant)}?")
        return super().resolve_command(ctx, args)

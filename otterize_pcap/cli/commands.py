"""What every command has in common, however it was declared: its help and its usage errors.

`dress` gives a tree of commands both, so that a new command has them by itself.
"""

import typer
from typer.core import TyperCommand, TyperGroup

from otterize_pcap.cli.help_page import Parsed, help_page
from otterize_pcap.cli.terminal import write_error
from otterize_pcap.cli.usage_errors import (
    extra,
    in_our_words,
    no_command,
    refuse_nan,
    require_paths,
)
from otterize_pcap.errors import OtterizeError, UsageError


class _InOurWords:
    """A command whose help and errors are ours.

    It is mixed into the parser's classes, of whose methods the type checker knows nothing here.
    """

    params: list[Parsed]
    allow_extra_args: bool

    def get_help(self, ctx: Parsed) -> str:
        return help_page(self, ctx.command_path, self.get_params(ctx))  # type: ignore[attr-defined]

    def parse_args(self, ctx: Parsed, args: list[str]) -> list[str]:
        if ctx.resilient_parsing:  # a shell asks for completions
            return super().parse_args(ctx, args)  # type: ignore[misc, no-any-return]
        is_group = hasattr(self, "commands")
        if is_group and not args and self.no_args_is_help:  # type: ignore[attr-defined]
            write_error(self.get_help(ctx) + "\n")
            raise typer.Exit(UsageError.exit_code)
        given = list(args)
        ctx.allow_extra_args = True
        try:
            rest = super().parse_args(ctx, args)  # type: ignore[misc]
        except (OtterizeError, typer.Exit, typer.Abort):
            raise
        # The parser's own errors have no public class; what is none of them goes on as it is.
        except Exception as error:
            refused = in_our_words(error, self, ctx, given)
            if refused is None:
                raise
            raise refused from error
        if rest and not is_group:
            raise extra(rest, self, ctx.command_path)
        refuse_nan(self.params, ctx.params)
        require_paths(self.params, ctx.params)
        return rest  # type: ignore[no-any-return]


class OtterizeCommand(_InOurWords, TyperCommand):
    """A command."""


class OtterizeGroup(_InOurWords, TyperGroup):
    """A group of commands."""

    def resolve_command(self, ctx: Parsed, args: list[str]) -> Parsed:
        """The command that the first word names."""
        if not ctx.resilient_parsing and args[0] not in self.commands:
            raise no_command(args[0], self, ctx.command_path)
        return super().resolve_command(ctx, args)


def dress(root: typer.Typer, kind: type[OtterizeGroup] = OtterizeGroup) -> typer.Typer:
    """Give a tree of commands, whoever registered them, help and errors of ours."""
    root.info.cls = kind
    for command in root.registered_commands:
        command.cls = OtterizeCommand
    for group in root.registered_groups:
        group.cls = OtterizeGroup
        if group.typer_instance is not None:
            dress(group.typer_instance)
    return root

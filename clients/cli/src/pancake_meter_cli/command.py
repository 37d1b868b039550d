"""How a function becomes a command: with ``--profile`` and ``--json``, examples in its help, and failures shown."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final

import typer

from pancake_meter_cli import output
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.failures import Failure, unreachable

Run = Callable[..., None]

_ADDED: Final = (
    inspect.Parameter(
        "profile",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            str | None, typer.Option("--profile", help="The profile to use.", rich_help_panel="Common")
        ],
    ),
    inspect.Parameter(
        "as_json",
        inspect.Parameter.KEYWORD_ONLY,
        default=False,
        annotation=Annotated[bool, typer.Option("--json", help="Print JSON for programs.", rich_help_panel="Common")],
    ),
)


def group(name: str, text: str) -> typer.Typer:
    """Return the group of a noun's commands."""
    return typer.Typer(name=name, help=text, no_args_is_help=True, rich_markup_mode="rich")


def command(app: typer.Typer, name: str, *examples: str) -> Callable[[Run], Run]:
    """Register a function as a command. Its first argument is the ``Cli``; the others are options and arguments."""

    def register(function: Run) -> Run:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

        def run(*, context: typer.Context, profile: str | None, as_json: bool, **arguments: Any) -> None:
            cli = replace(
                context.obj if isinstance(context.obj, Cli) else Cli(),
                profile_name=profile,
                as_json=as_json,
            )
            try:
                function(cli, **arguments)
            except Failure as failure:
                raise cli.fail(failure) from failure
            except KeyError as error:
                # An answer of the API has what its page says; another program's has not.
                detail = f"the answer has no {error.args[0]!r}: is the profile's api_url the stack's ApiUrl?"
                raise cli.fail(unreachable("unexpected_answer", detail)) from error
            except KeyboardInterrupt:
                raise typer.Exit from None
            except BrokenPipeError:
                output.write_no_more()
                raise typer.Exit from None

        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
        run.__signature__ = inspect.Signature([context, *parameters, *_ADDED])  # type: ignore[attr-defined]
        run.__annotations__ = {}
        run.__doc__ = function.__doc__
        app.command(name, help=inspect.cleandoc(function.__doc__ or ""), epilog=_epilog(examples))(run)
        return function

    return register


def _epilog(examples: Sequence[str]) -> str | None:
    return "\n\n".join(["[bold]Examples[/bold]", *(f"pancake-meter {each}" for each in examples)]) if examples else None

"""The command line: `cape COMMAND`, one module a command, each with a `main(argv)` that `tools/` and the tests call.

Heavy imports wait inside the commands, so that `--help` is quick.
"""

import io
import shlex
import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from cape import __version__
from cape.errors import CapeError, UsageError

Number = TypeVar("Number", int, float)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Few-shot, category-agnostic pose estimation: click and name keypoints once, find them everywhere.",
)

_invocation: ContextVar[str] = ContextVar("invocation", default="")


def _tell_version(asked: bool) -> bool:
    if asked:
        typer.echo(f"cape {__version__}")
        raise typer.Exit
    return asked


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


def invocation() -> str:
    """The command line of the running command, as a result file quotes it."""
    return _invocation.get()


def listed(flag: str, text: str, kind: Callable[[str], Number] = int) -> list[Number]:
    """The numbers of a flag such as `--seeds 0,1,2`, each once.

    Raises:
        UsageError: It holds something else.
    """
    try:
        return list(dict.fromkeys(kind(each) for each in text.split(",")))
    except ValueError as error:
        raise UsageError(flag, expected="numbers with commas between them", got=text, fix="For example 1,2.") from error


def split_numbers(text: str) -> list[int]:
    """What `--splits` asks for.

    Raises:
        UsageError: Not numbers from 1 to 5.
    """
    numbers = listed("--splits", text)
    if not set(numbers) <= {1, 2, 3, 4, 5}:
        raise UsageError("--splits", expected="numbers from 1 to 5", got=text, fix="For example 1,2.")
    return numbers


def run(command: Callable[..., None], argv: Sequence[str] | None = None, *, name: str) -> int:
    """Run one command as a program of its own.

    Args:
        command: A typer command.
        argv: Arguments; None takes the process's.
        name: Of the script in tools/.

    Returns:
        Exit status: 0, or 1 after a `CapeError`, whose message goes to the terminal without a traceback.
    """
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command()(command)
    return _guarded(single, ["python", f"tools/{name}.py"], argv)


def main(argv: Sequence[str] | None = None) -> int:
    """The `cape` program."""
    from cape.commands.annotate import annotate
    from cape.commands.compare import compare
    from cape.commands.confidence import confidence
    from cape.commands.convert import convert
    from cape.commands.demo import demo
    from cape.commands.describe import describe
    from cape.commands.gallery import gallery
    from cape.commands.interventions import interventions
    from cape.commands.lift import lift
    from cape.commands.maps import maps
    from cape.commands.parts import parts
    from cape.commands.predict import predict
    from cape.commands.prompt import prompt
    from cape.commands.robustness import robustness
    from cape.commands.seal import seal
    from cape.commands.table import table
    from cape.commands.test import test
    from cape.commands.train import train
    from cape.commands.variance import variance

    if not app.registered_commands:
        using = (annotate, prompt, predict, lift, demo)
        studying = (train, test, table, robustness, variance, compare, maps)
        for command in (*using, *studying, confidence, interventions, parts, seal, gallery, describe, convert):
            app.command(name=command.__name__)(command)
    return _guarded(app, ["cape"], argv)


def _guarded(program: typer.Typer, prefix: list[str], argv: Sequence[str] | None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that knows ASCII alone still gets the figures
            stream.reconfigure(errors="backslashreplace")
    arguments = sys.argv[1:] if argv is None else list(argv)
    _invocation.set(shlex.join([*prefix, *arguments]))
    try:
        program(args=arguments, prog_name=" ".join(prefix))
    except CapeError as error:
        # One that crossed from a data-loading worker carries that process's traceback; its last line is the message.
        message = str(error) if error.expected else str(error).strip().splitlines()[-1].partition(": ")[2]
        console = Console(stderr=True, markup=False, highlight=False, emoji=False)
        console.print(f"{type(error).__name__}: ", style="bold red", end="")
        console.print(message, soft_wrap=True)
        return 1
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0

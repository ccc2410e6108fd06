"""Entry point of the command line: dispatch to commands, error output and exit codes."""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NoReturn

import click

from archbuilder.cli.console import Console, OutputClosedError, configure_streams
from archbuilder.cli.usage_errors import error_format_argument, usage_message
from archbuilder.diagnostics.errors import (
    ArchbuilderError,
    BlueprintError,
    ClusterError,
    LocatedError,
    RunInterruptedError,
    closest_match,
    quote,
)
from archbuilder.interrupts import EXIT_INTERRUPTED, exit_on_interrupt
from archbuilder.version import __version__

EXIT_BROKEN_PIPE: Final = 141
"""Exit code when the reader of the output is gone: 128 plus the number of SIGPIPE."""
DEBUG_VARIABLE: Final = "ARCHBUILDER_DEBUG"

COMMANDS: Final = (
    "new",
    "validate",
    "show",
    "compile",
    "inspect-data",
    "train",
    "evaluate",
    "predict",
    "generate",
    "sample",
    "launch",
    "expand",
    "list",
    "explain",
    "schema",
)
"""Names of the commands and their modules, in the order of the help."""


class _Application(click.Group):
    """A group that imports a command's module only when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        # "inspect-data" is the function inspect_data_command of the module inspect_data.
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"archbuilder.cli.{name}")
        command = getattr(module, f"{name}_command")
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        # click's own message does not suggest a similar command.
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = closest_match(name, COMMANDS)
            hint = f"; did you mean '{near}'?" if near else ""
            raise click.UsageError(f"unknown command {quote(name)}{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Application,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="To get started:  archbuilder new start.yaml  and then  archbuilder train start.yaml",
)
@click.version_option(__version__, message="archbuilder %(version)s")
@click.option("--debug", is_flag=True, help="Show tracebacks of internal errors.")
@click.pass_obj
def application(console: Console, debug: bool) -> None:  # noqa: FBT001 - click gives flags so
    """Compile YAML blueprints of neural networks into Keras models, and train them.

    BLUEPRINT is a file or the name of a blueprint in the library (see 'archbuilder list'). A
    variant may follow after a colon: resnet:50, my.yaml:tiny.
    """
    console.debug = debug or os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")


def run_command() -> NoReturn:
    """Run the command line of this process and exit."""
    code = main(exit_process=end_process)
    exit_on_interrupt()
    sys.exit(code)


def main(
    arguments: Sequence[str] | None = None, *, exit_process: Callable[[int], object] | None = None
) -> int:
    """Run a command and return its exit code.

    The code is 0 for success, 1 for a failed run, 2 for invalid input, and 75 for a run that was
    stopped and can be resumed.

    Args:
        arguments: the command line without the program's name; that of the process if None.
        exit_process: ends the process with an exit code. It is called instead of returning when
            Ctrl-C, a stop request or the loss of a worker has interrupted training.
    """
    configure_streams()
    words = tuple(sys.argv[1:] if arguments is None else arguments)
    console = Console(words, error_format_argument(words))
    try:
        # Without the standalone mode click neither prints errors nor exits: it raises them, and
        # returns the value of the command, or the code of Context.exit().
        result = application.main(
            args=list(console.arguments),
            prog_name="archbuilder",
            obj=console,
            standalone_mode=False,
        )
    # LocatedError is an ArchbuilderError too: the order of these two clauses matters.
    except (BlueprintError, LocatedError) as error:
        console.report_diagnostics(error.diagnostics)
        return error.exit_code
    except ArchbuilderError as error:
        console.print_error(str(error))
        # Returning would destroy TensorFlow's datasets together with the traceback. TensorFlow 2.21
        # then waits up to two minutes for threads that wait for other workers, and forever for
        # threads that wait for the GIL.
        if exit_process is not None and isinstance(error, ClusterError | RunInterruptedError):
            exit_process(error.exit_code)
        return error.exit_code
    except click.ClickException as error:
        return _show_usage(console, error)
    # click turns a KeyboardInterrupt into Abort, unless a second one interrupts it.
    except (click.Abort, KeyboardInterrupt) as error:
        # `archbuilder.train` adds a note on how to resume the run.
        for note in getattr(error.__cause__ or error, "__notes__", ()):
            console.print_error(note)
        if exit_process is not None:
            exit_process(EXIT_INTERRUPTED)
        return EXIT_INTERRUPTED
    except OutputClosedError:
        # Python flushes sys.stdout on exit, which would fail again and print a traceback. See "Note
        # on SIGPIPE" in the documentation of Python's `signal` module.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the last resort: no traceback reaches a user
        return _show_internal_error(console, error)
    return result if isinstance(result, int) else 0


def _show_usage(console: Console, error: click.ClickException) -> int:
    # Its message is the whole help: `archbuilder` without arguments.
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        console.print_stderr(error.format_message())
        return error.exit_code
    console.print_error(usage_message(error))
    # Not every ClickException has a context, and that of a UsageError may be None.
    context = getattr(error, "ctx", None)
    if isinstance(context, click.Context) and console.error_format == "text":
        if isinstance(error, click.MissingParameter):
            console.print_stderr(context.get_usage())
        console.print_stderr(f"For more information, try '{context.command_path} --help'.")
    return error.exit_code


def _show_internal_error(console: Console, error: Exception) -> int:
    """Print what a bug report needs: the type of the error, our last frames, and the versions."""
    if console.debug:
        traceback.print_exception(error)
    package = Path(__file__).resolve().parent.parent
    locations = []
    for frame in traceback.extract_tb(error.__traceback__):
        # relative_to raises ValueError for frames of other packages.
        with contextlib.suppress(ValueError):
            file = Path(frame.filename).resolve().relative_to(package)
            locations.append(f"{file.as_posix()}:{frame.lineno}")
    where = " < ".join(reversed(locations[-3:])) or "a library"
    versions = f"archbuilder {__version__}, Python {platform.python_version()}"
    console.print_error(
        "this is a bug in archbuilder, please report it:"
        f" {type(error).__name__} in {where} ({versions})"
    )
    if not console.debug:
        console.print_stderr("Run 'archbuilder --debug COMMAND' to see the traceback.")
    return ArchbuilderError.exit_code


def end_process(code: int) -> NoReturn:
    """End the process at once, without exit handlers and destructors."""
    # os._exit does not flush Python's buffers.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

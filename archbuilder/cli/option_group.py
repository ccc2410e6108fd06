"""Options of a command whose values it receives as one argument."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

_Command: TypeAlias = Callable[..., Any]
Decorator: TypeAlias = Callable[[_Command], _Command]


def with_options(function: _Command, *options: Decorator) -> _Command:
    """Return a command with options, which its help lists in this order."""
    # Decorators apply from the inside out.
    for option in reversed(options):
        function = option(function)
    return function


def option_group(name: str, make: Callable[..., object], *options: Decorator) -> Decorator:
    """Return a decorator that adds options to a command.

    The command receives what `make` returns for their values, which it takes by the names of its
    parameters, as one argument `name`.
    """
    parameters = tuple(inspect.signature(make).parameters)

    def decorate(function: _Command) -> _Command:
        # wraps also copies `__click_params__`, in which click keeps the options declared so far.
        @functools.wraps(function)
        def command(*args: object, **kwargs: object) -> object:
            values = {each: kwargs.pop(each) for each in parameters}
            return function(*args, **kwargs, **{name: make(**values)})

        return with_options(command, *options)

    return decorate

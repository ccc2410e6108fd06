"""The calls between blocks or functions: cycles, and what is used."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from archbuilder.diagnostics.span import Span


def find_cycles(
    call_graph: Mapping[str, Mapping[str, Span]],
) -> Iterator[tuple[tuple[str, ...], Span]]:
    """Yield each cycle once: its names, of which the last is the first, and its last call.

    Args:
        call_graph: The callees of each name, with the location of a call.
    """
    # A depth-first search, in which each back edge is a cycle. With an explicit stack, because a
    # file may have more blocks than Python allows frames.
    searched: set[str] = set()
    for root, root_callees in call_graph.items():
        stack: list[tuple[str, Iterator[str]]] = [(root, iter(root_callees))]
        path = [root]
        while stack:
            name, callees = stack[-1]
            callee = next((each for each in callees if each not in searched), None)
            if callee is None:
                searched.add(name)
                stack.pop()
                path.pop()
            elif callee in path:
                cycle = (*path[path.index(callee) :], callee)
                yield cycle, call_graph[name][callee]
            else:
                stack.append((callee, iter(call_graph.get(callee, {}))))
                path.append(callee)


def unused_roots(
    names: Iterable[str], callees: Mapping[str, Collection[str]], roots: Collection[str]
) -> list[str]:
    """Return those of some definitions that neither the roots nor what they call need.

    Those that only an unused one calls are left out: their caller is the cause. The calls have no
    cycles, which are errors.
    """
    used = set(roots)
    stack = list(used)
    while stack:
        added = set(callees.get(stack.pop(), ())) - used
        used |= added
        stack += added
    unused = [name for name in names if name not in used]
    indirect = {callee for name in unused for callee in callees.get(name, ())}
    return [name for name in unused if name not in indirect]

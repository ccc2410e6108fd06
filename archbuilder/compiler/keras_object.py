"""Objects of Keras that a recipe names: losses, metrics, optimizers and augmentation layers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from archbuilder import registry
from archbuilder.diagnostics.span import NO_FILE, Span
from archbuilder.plain_data import PlainData
from archbuilder.registry.signatures import ObjectKind
from archbuilder.yaml.nodes import MappingEntry, MappingNode, ScalarNode, Tree, to_plain


@dataclass(frozen=True, slots=True)
class KerasObject:
    """An object of Keras: its class, and the tree that names it, such as `{SGD: {momentum: 0.9}}`.

    The arguments have been checked against the registry. `keras_backend.build_object` makes the
    object.
    """

    kind: ObjectKind
    class_name: str
    """The class, also if the recipe has an alias such as `mse`; empty if there is no such class."""
    tree: Tree

    @classmethod
    def from_tree(cls, kind: ObjectKind, tree: Tree) -> KerasObject:
        """Return the object that a tree names."""
        config = to_plain(tree)
        name = next(iter(config), None) if isinstance(config, dict) else config
        class_name = registry.load().canonical_name(kind, name) if isinstance(name, str) else None
        return cls(kind, class_name or "", tree)

    @classmethod
    def from_name(cls, kind: ObjectKind, class_name: str) -> KerasObject:
        """Return an object without arguments, as the default of a setting."""
        return cls(kind, class_name, ScalarNode(class_name, NO_FILE))

    @property
    def span(self) -> Span:
        """Where the recipe names the object."""
        return self.tree.span

    @property
    def argument_entries(self) -> tuple[MappingEntry, ...]:
        """The arguments that are given by name, with their locations."""
        value = self.tree.entries[0].value if isinstance(self.tree, MappingNode) else None
        return value.entries if isinstance(value, MappingNode) else ()

    def argument_span(self, name: str) -> Span:
        """Return where the recipe gives an argument by name; the whole object if it does not."""
        spans = (each.value.span for each in self.argument_entries if each.key == name)
        return next(spans, self.span)

    def without_argument(self, name: str) -> KerasObject:
        """Return the object without an argument that is given by name."""
        if not isinstance(self.tree, MappingNode):
            return self
        entry = self.tree.entries[0]
        if not isinstance(entry.value, MappingNode):
            return self
        arguments = tuple(each for each in entry.value if each.key != name)
        value = replace(entry.value, entries=arguments)
        return replace(self, tree=replace(self.tree, entries=(replace(entry, value=value),)))

    @property
    def arguments(self) -> PlainData:
        """The arguments: a mapping by name, one value for the first argument, or None."""
        config = to_plain(self.tree)
        return next(iter(config.values()), None) if isinstance(config, dict) else None

    def argument(self, name: str, *, default: PlainData = None) -> PlainData:
        """Return an argument that is given by name, or else the default."""
        arguments = self.arguments
        return arguments.get(name, default) if isinstance(arguments, dict) else default

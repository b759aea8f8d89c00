"""Renders the public API as text, from the source alone, so that it is the same on every Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import griffe

from public_api.modules import MODULES

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = REPOSITORY / "packages" / "devbench-core" / "src"
FOLDER = Path(__file__).with_name("snapshot")
COMMAND = "uv run python tests/public_api"
INDENT = "    "
SPECIAL = (
    "__init__",
    "__call__",
    "__aenter__",
    "__aexit__",
    "__enter__",
    "__exit__",
    "__aiter__",
    "__iter__",
)
TOLD_DECORATORS = (
    "abstractmethod",
    "asynccontextmanager",
    "attrs.",
    "classmethod",
    "contextmanager",
    "deprecated",
    "final",
    "frozen",
    "overload",
    "runtime_checkable",
    "staticmethod",
)
"""What others, as the marks of the kit's tests, add is no part of how a thing is used."""
SAME = {"frozen": "attrs.frozen(kw_only=True)"}
"""What `devbench_core.values` makes is used as what attrs makes."""


def render(sources: Path = SOURCES, modules: Sequence[str] = MODULES) -> dict[str, str]:
    """Return the texts of all files by name: one for each package beneath the first, and one for its own modules."""
    loader = griffe.GriffeLoader(search_paths=[sources])
    for package in dict.fromkeys(module.partition(".")[0] for module in modules):
        loader.load(package)
    loader.resolve_aliases(implicit=False, external=False)
    renderer = _Renderer(loader, modules)
    files: dict[str, list[str]] = {}
    for module in sorted(modules):
        files.setdefault(_file_of(loader, module), []).append("\n".join(renderer.module(module)))
    return {name: "\n\n".join(texts) + "\n" for name, texts in files.items()}


def _file_of(loader: griffe.GriffeLoader, module: str) -> str:
    first, *rest = module.split(".")[:2]
    inner = ".".join([first, *rest])
    return f"{inner if loader.modules_collection[inner].is_init_module else first}.txt"


class _Renderer:
    def __init__(self, loader: griffe.GriffeLoader, modules: Sequence[str]) -> None:
        self._loader = loader
        self._public = frozenset(f"{module}.{name}" for module in modules for name in self._exports(module))
        self._told = frozenset(_path(loader.modules_collection[path]) for path in self._public)

    def _exports(self, module: str) -> list[str]:
        exports = self._loader.modules_collection[module].exports
        if exports is None:
            raise ValueError(f"{module} is public and has no __all__")
        return sorted(map(str, exports))

    def module(self, path: str) -> Iterator[str]:
        yield f"module {path}"
        module = self._loader.modules_collection[path]
        for name in self._exports(path):
            yield ""
            member = module.members[name]
            if isinstance(member, griffe.Alias) and not self._is_told_here(member):
                yield f"{name} = {member.target_path}"
            else:
                yield from self._object(name, _final(member))

    def _is_told_here(self, member: griffe.Alias) -> bool:
        """Tell whether what is exported from elsewhere is of ours, and not public where it is."""
        ours = member.target_path.partition(".")[0] in self._loader.modules_collection.members
        return ours and member.target_path not in self._public

    def _object(self, name: str, thing: griffe.Object) -> Iterator[str]:
        if isinstance(thing, griffe.Class):
            yield from self._class(name, thing)
        elif isinstance(thing, griffe.Function):
            yield from _function(name, thing)
        elif isinstance(thing, griffe.Attribute):
            yield _attribute(name, thing)

    def _class(self, name: str, thing: griffe.Class) -> Iterator[str]:
        yield from _decorators(thing)
        bases = ", ".join(map(str, thing.bases))
        yield f"class {name}({bases}):" if bases else f"class {name}:"
        told = [item for item in self._members(thing).items() if _is_told(*item)]
        fields = [
            item for item in told if _is_field(item[1])
        ]  # in their order, which is that of the arguments
        for member_name, member in [*fields, *sorted(item for item in told if item not in fields)]:
            yield from (INDENT + line for line in self._object(member_name, member))

    def _members(self, thing: griffe.Class) -> dict[str, griffe.Object]:
        """Return its own members and those of the bases that are not told by themselves."""
        inherited = {
            name: _final(member)
            for name, member in thing.inherited_members.items()
            if self._is_hidden(_final(member).parent)
        }
        return {**inherited, **{name: _final(member) for name, member in thing.members.items()}}

    def _is_hidden(self, base: object) -> bool:
        return isinstance(base, griffe.Class) and base.canonical_path not in self._told


def _path(member: griffe.Object | griffe.Alias) -> str:
    """Return where something is defined; of what is another library's, where it was imported from."""
    try:
        return member.canonical_path
    except griffe.AliasResolutionError as error:
        return error.alias.target_path


def _final(member: griffe.Object | griffe.Alias) -> griffe.Object:
    return member.final_target if isinstance(member, griffe.Alias) else member


def _is_told(name: str, member: griffe.Object) -> bool:
    if name.startswith("_") and name not in SPECIAL:
        return isinstance(member, griffe.Attribute) and "alias=" in str(
            member.value
        )  # an argument of __init__
    return not name.startswith("test_")  # the kit's clauses are added to with every release


def _is_field(member: griffe.Object) -> bool:
    return isinstance(member, griffe.Attribute) and "property" not in member.labels


def _decorators(thing: griffe.Class | griffe.Function) -> Iterator[str]:
    for decorator in thing.decorators:
        if str(decorator.value).startswith(TOLD_DECORATORS):
            yield f"@{SAME.get(str(decorator.value), decorator.value)}"


def _function(name: str, thing: griffe.Function) -> Iterator[str]:
    for each in thing.overloads or [thing]:
        yield from _decorators(each)
        yield f"{'async ' if 'async' in thing.labels else ''}def {each.signature(name=name)}"


def _attribute(name: str, thing: griffe.Attribute) -> str:
    kind = (
        f"{'writable ' if 'writable' in thing.labels else ''}property " if "property" in thing.labels else ""
    )
    annotation = f": {thing.annotation}" if thing.annotation is not None else ""
    is_fixed = "class-attribute" in thing.labels or "module-attribute" in thing.labels
    value = f" = {thing.value}" if is_fixed and thing.value is not None else ""
    return f"{kind}{name}{annotation}{value}"

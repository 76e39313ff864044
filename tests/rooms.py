"""The rooms of the house, from the code: which folder imports which, and on what floor each one is.

A room is a folder or a module directly in one of the packages. It stands on the floor above all that it
imports. ``python -m tests.rooms`` writes the drawing into ``docs/architecture.md``; ``make lint`` checks that
it is true, and that neither rooms nor files import each other in a circle.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("rag", "tasks", "cli")
OTHERS = ("api", "beat", "bench", "workers")
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- rooms: drawn by python -m tests.rooms -->\n", "<!-- end of rooms -->\n"

Rooms = Mapping[str, set[str]]
"""The rooms of a package by name, each with those that it imports."""


def rooms_of(package: str) -> Rooms:
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        room = _room_of(package, path.relative_to(ROOT).with_suffix("").parts)
        if room:
            found.setdefault(room, set()).update(_imported(package, path))
    return {room: (imported & found.keys()) - {room} for room, imported in found.items()}


def floors_of(rooms: Rooms) -> list[list[str]]:
    """The rooms floor by floor, the ground first. Raises ValueError for rooms that import each other."""
    floors: list[list[str]] = []
    below: set[str] = set()
    while left := rooms.keys() - below:
        floor = sorted(room for room in left if rooms[room] <= below)
        if not floor:
            raise ValueError(f"rooms import each other in a circle: {', '.join(sorted(left))}")
        floors.append(floor)
        below.update(floor)
    return floors


def files() -> Rooms:
    """Every module of ours by its dotted name, each with those that it imports, also within a function."""
    parts = (path for part in (*PACKAGES, *OTHERS) for path in (ROOT / part).rglob("*.py"))
    found = {_dotted(path): path for path in parts}
    imported = {name: set(_names(path)) for name, path in found.items()}
    return {
        name: {each if each in found else each.rpartition(".")[0] for each in names} & found.keys() - {name}
        for name, names in imported.items()
    }


def drawing() -> str:
    """A table a package: its floors from the top one down."""
    parts = []
    for package in PACKAGES:
        rooms = rooms_of(package)
        floors, arrows = floors_of(rooms), sum(map(len, rooms.values()))
        lines = [
            f"{level:>2} │ {' · '.join(floor)}" for level, floor in reversed(list(enumerate(floors, start=1)))
        ]
        title = f"{package}/: {len(rooms)} rooms on {len(floors)} floors, {arrows} arrows, all of them down"
        parts.append("\n".join([title, *lines]))
    return "```\n" + "\n\n".join(parts) + "\n```\n"


def _room_of(package: str, parts: tuple[str, ...]) -> str | None:
    """The room of a module; None for the package's own ``__init__``."""
    inside = [part for part in parts if part != "__init__"]
    return inside[1] if len(inside) > 1 and inside[0] == package else None


def _imported(package: str, path: Path) -> Iterator[str]:
    for name in _names(path):
        if room := _room_of(package, tuple(name.split("."))):
            yield room


def _names(path: Path) -> Iterator[str]:
    """Dotted names of all that a module imports; of ``from a import b`` it is ``a.b``."""
    for node in _executed(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _dotted(path: Path) -> str:
    return ".".join(part for part in path.relative_to(ROOT).with_suffix("").parts if part != "__init__")


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from _executed(node)


def main(*options: str) -> int:
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    drawn = f"{before}{BEGIN}\n{drawing()}\n{END}{rest.partition(END)[2]}"
    floors_of(files())
    if "--check" in options:
        if drawn != page:
            sys.stderr.write(f"{PAGE.name} draws other rooms than the code has: python -m tests.rooms\n")
        return int(drawn != page)
    PAGE.write_text(drawn, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

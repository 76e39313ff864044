"""``make lint``: what changes something is named by an imperative verb; a participle names a value.

A function whose name begins with a past participle may neither return nothing, nor call something for its
effect alone, nor set what is not its own. ``python -m tests.naming`` prints each that does, and ends with 1.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PARTS = ("rag", "tasks", "workers", "beat", "api", "cli", "bench")
IRREGULAR = {
    *("begun", "bought", "brought", "built", "caught", "chosen", "died", "done", "drawn", "driven"),
    *("fallen", "felt", "found", "forgotten", "frozen", "given", "gone", "got", "grown", "handed"),
    *("heard", "held", "hidden", "kept", "known", "laid", "led", "left", "lent", "lost", "made"),
    *("meant", "met", "paid", "said", "seen", "sent", "shown", "sold", "spent", "spoken", "stood"),
    *("struck", "sunk", "swept", "sworn", "taken", "taught", "told", "thought", "thrown", "torn"),
    *("understood", "undone", "withdrawn", "woken", "won", "worn", "written"),
}
VERBS = {"bed", "embed", "exceed", "feed", "heed", "need", "proceed", "red", "reembed", "seed", "weed"}
VALUES = frozenset({"property", "cached_property", "contextmanager", "asynccontextmanager"})
CHECKS = ("check", "must", "require")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def is_participle(name: str) -> bool:
    word = name.strip("_").split("_")[0]
    return word in IRREGULAR or (word.endswith("ed") and word not in VERBS)


def changes_something(function: Function) -> bool:
    if function.returns is not None and ast.unparse(function.returns) == "None":
        return True
    own = {
        node.id for node in _body(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return any(_changes(node, own) for node in _body(function))


def _body(function: Function) -> Iterator[ast.AST]:
    """Everything within, but for functions in it."""
    rest = list(ast.iter_child_nodes(function))
    while rest:
        node = rest.pop()
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            rest += ast.iter_child_nodes(node)


def _changes(node: ast.AST, own: set[str]) -> bool:
    if isinstance(node, ast.Expr):
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        return isinstance(call, ast.Call) and _root(call) not in own | {"log"} and not _is_check(call.func)
    if isinstance(node, ast.Assign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(
            isinstance(each, ast.Attribute | ast.Subscript) and _root(each) not in own for each in targets
        )
    return False


def _root(node: ast.expr) -> str | None:
    """The name that an expression such as ``a.b().c[d]`` begins with."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def _is_check(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name.strip("_").startswith(CHECKS)


def misnamed(path: Path) -> Iterator[str]:
    """A line each."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function) and is_participle(node.name) and changes_something(node):
            decorators = {ast.unparse(each).partition("(")[0] for each in node.decorator_list}
            if not decorators & VALUES:
                yield f"{path}:{node.lineno}: {node.name} changes something: name it by an imperative verb"


def main() -> int:
    """The exit status: 1 when a function is misnamed."""
    paths = (path for part in PARTS for path in sorted((ROOT / part).rglob("*.py")))
    lines = [line for path in paths for line in misnamed(path)]
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())

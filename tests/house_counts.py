"""How well a reader finds their way, in numbers: `python -m tests.house_counts` prints them.

Files in the roots, modules and imports of accounting with its circles, public functions of one word, and functions
that take `now` but begin with a verb that is not agreed on. tests/bench/test_files_passed.py counts files per flow.
"""

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp

from tests.product import APPS

ROOT = Path(__file__).resolve().parent.parent
VERBS = frozenset({
    "get", "list", "find", "create", "update", "delete", "start", "record", "apply", "post", "allocate", "void",
    "refund", "cancel", "expire", "retry", "schedule", "plan", "send", "receive", "verify", "connect", "disconnect",
    "sync", "import", "export", "parse", "render", "check", "is", "has",
})  # fmt: skip
ENTRANCES = ("views", "api", "handlers", "tasks", "webhooks")


def list_modules(app: str) -> list[Path]:
    """The modules of an app, migrations left out."""
    return sorted(path for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts)


def list_functions(path: Path) -> Iterator[ast.FunctionDef]:
    """Its public top-level functions and methods."""
    tree = ast.parse(path.read_text())
    bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
    for node in (node for body in bodies for node in body):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node


def is_entrance(path: Path) -> bool:
    """Whether a request, a message or a clock calls what stands there."""
    return path.stem in ENTRANCES or path.stem.endswith(("_views", "_api")) or "management" in path.parts


def find_circle(edges: dict[str, set[str]]) -> str:
    """One circle of imports, or "none"."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return " > ".join(error.args[1])
    return "none"


def describe_imports(app: str) -> str:
    """How many modules an app has, how many imports between them, and whether modules or folders import in a circle."""
    graph = grimp.build_graph(app, include_external_packages=False)
    modules = {m for m in graph.modules if "migrations" not in m.split(".")}
    edges = {m: graph.find_modules_directly_imported_by(m) & modules for m in modules}
    folders: dict[str, set[str]] = {}
    for module, imported in edges.items():
        # The root's handlers.py only lists those of the folders.
        if module != f"{app}.handlers":
            here = module.split(".")[1:2] or [app]
            folders.setdefault(here[0], set()).update({(m.split(".")[1:2] or [app])[0] for m in imported} - set(here))
    circles = f"circle of modules: {find_circle(edges)}, of folders: {find_circle(folders)}"
    return f"{app}: {len(modules)} modules, {sum(map(len, edges.values()))} imports, {circles}"


def main() -> int:
    """Print the numbers."""
    for app in ("accounting", "payments"):
        print(f"{app}/ root: {len(list((ROOT / app).glob('*.py')))} files")
    print(describe_imports("accounting"))
    one_word, with_now, strange = 0, 0, set()
    for path in (path for app in APPS for path in list_modules(app)):
        for function in list_functions(path):
            one_word += "_" not in function.name
            takes_now = any(a.arg == "now" for a in [*function.args.args, *function.args.kwonlyargs])
            if takes_now and not is_entrance(path):
                with_now += 1
                if function.name.split("_")[0] not in VERBS:
                    strange.add(function.name)
    print(f"public functions and methods of one word: {one_word}")
    print(f"functions that take now: {with_now}, of them with another verb: {len(strange)}")
    print("  verbs: " + " ".join(sorted({name.split("_")[0] for name in strange})))
    return 0


if __name__ == "__main__":
    sys.exit(main())

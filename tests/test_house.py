"""The house rules that no linter knows: sizes, first lines, words and numbers that must not be there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# What a clone does not hold, or what a tool writes.
FOREIGN = {"var", "staticfiles", "migrations", "__pycache__", "node_modules"}
OUR_HIDDEN = {".ci", ".github", ".gitignore", ".dockerignore", ".env.example"}
MODULE, FUNCTION, VIEW, TASK, PAGE, PARTIAL = 400, 50, 25, 8, 120, 40
# Files that hold views.
VIEWS = re.compile(r"(?:^|_)(?:views|api)\.py$")
# Where amounts are computed, stored or said. Floats there are seconds, in the functions named below, or what a
# vendor's SDK asks for.
MONEY = (
    "wisepay/money.py",
    "wisepay/forms.py",
    "quotes/**/*.py",
    "payments/**/*.py",
    "accounting/**/*.py",
    "psa/**/*.py",
)
FLOATS_ALLOWED = {
    ("accounting/ledgers/parsing.py", "read_number"),
    ("accounting/ledgers/quickbooks/errors.py", "get_pause"),
    ("accounting/ledgers/xero/shapes.py", "convert_to_float"),
    ("accounting/mirror/reader.py", "__init__"),
    ("accounting/posting/sender.py", "get_retry_delay"),
    ("payments/gateways/stripe/client.py", "verify_webhook"),
    ("payments/operations/services.py", "get_retry_delay"),
    ("payments/receipts.py", "write_text"),
    ("psa/connectwise/psa.py", "write_amount"),
}
# Words that are no names here; docs/glossary.md says how the thing is called.
REPLACED = frozenset({
    "desk", "desks", "drain", "drains", "draining", "drained", "promise", "promises", "promised", "promising", "paper",
    "papers", "hear", "hears", "heard", "hearing", "speak", "speaks", "speaking", "keeping", "doubt", "doubts", "voter",
    "voters", "letter", "letters", "checkup", "heed", "heeds", "governor", "lane", "lanes", "talk", "talks", "door",
    "doors", "conversation", "conversations", "walk", "walks", "sentence", "sentences", "guard", "guards", "room",
    "rooms", "kept", "held", "told", "led", "steer", "steering", "journey", "journeys", "shopper", "shelf", "shelves",
})  # fmt: skip
# What Python and import-linter call things.
THEIRS = frozenset({"ascii_letters", "kept", "walk"})
LATER = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|NotImplemented" + r"Error)\b")
# A machine's own folders, and hosts or addresses that things are downloaded from.
ELSEWHERE = re.compile(
    r"(?<![\w.<>{}*])/(?:root|work|home/\w+|Users/\w+)/"
    r"|files\.python" + r"hosted\.org|pypi\." + r"org/simple|registry\.npm" + r"js|--extra-index" + r"-url"
    r"|https?://\S+\.(?:whl|tar\.gz|tgz|deb|zip)\b"
)
TEXTS = {".py", ".html", ".txt", ".css", ".js", ".md", ".toml", ".yml", ".yaml", ".lock", ".svg", ".json", ""}


def ours(*patterns: str) -> list[Path]:
    """Our files that match, in order."""
    found = {path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}
    return sorted(path for path in found if not any(is_foreign(part) for part in path.relative_to(ROOT).parts))


def is_foreign(part: str) -> bool:
    """Whether a folder of this name, or a hidden one, is none of ours."""
    return part in FOREIGN or (part.startswith(".") and part not in OUR_HIDDEN)


def name_of(path: Path) -> str:
    """The path as people say it."""
    return path.relative_to(ROOT).as_posix()


def lines_of(path: Path) -> int:
    """How long a file is."""
    return len(path.read_text().splitlines())


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Its lines, decorators not counted."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def too_long(path: Path, most: int) -> list[str]:
    """The functions of a module that are longer than this."""
    return [f"{name_of(path)}:{f.lineno} {f.name} has {length(f)} lines" for f in functions(path) if length(f) > most]


MODULES = ours("*.py", "**/*.py")
TEMPLATES = ours("templates/**/*.html", "sandbox/templates/**/*.html")


def test_there_is_something_to_judge() -> None:
    assert len(MODULES) > 150
    assert len(TEMPLATES) > 40


def test_no_module_is_longer_than_400_lines() -> None:
    assert [f"{name_of(m)} has {lines_of(m)} lines" for m in MODULES if lines_of(m) > MODULE] == []


def test_no_function_is_longer_than_50_lines() -> None:
    assert [line for module in MODULES for line in too_long(module, FUNCTION)] == []


def test_no_view_is_longer_than_25_lines() -> None:
    views = [m for m in MODULES if VIEWS.search(m.name) and "sandbox" not in m.parts and "tests" not in m.parts]
    assert len(views) >= 20
    assert [line for module in views for line in too_long(module, VIEW)] == []


def test_no_task_is_longer_than_8_lines() -> None:
    assert [line for module in MODULES if module.name == "tasks.py" for line in too_long(module, TASK)] == []


def test_every_module_says_in_its_first_line_what_lives_there() -> None:
    silent = []
    for module in MODULES:
        docstring = ast.get_docstring(ast.parse(module.read_text())) or ""
        if module.read_text().strip() and len(docstring.split("\n")[0]) < 12:
            silent.append(name_of(module))
    assert silent == []


def test_every_package_says_in_its_first_line_what_lives_there() -> None:
    packages = {module.parent for module in MODULES if module.parent != ROOT and module.parent.name != "commands"}
    expected = {p for p in packages if p.name != "management" and "templatetags" not in p.parts}
    missing = [name_of(p) for p in sorted(expected) if not (p / "__init__.py").exists()]
    assert missing == []


def test_no_page_template_is_longer_than_120_lines() -> None:
    assert [f"{name_of(t)} has {lines_of(t)} lines" for t in TEMPLATES if lines_of(t) > PAGE] == []


def test_no_partial_is_longer_than_40_lines() -> None:
    texts = "\n".join(template.read_text() for template in TEMPLATES)
    included = set(re.findall(r"{%-?\s*include\s+[\"']([^\"']+)", texts))
    partials = [t for t in TEMPLATES if any(name_of(t).endswith(f"templates/{name}") for name in included)]
    assert len(partials) >= 8
    assert [f"{name_of(t)} has {lines_of(t)} lines" for t in partials if lines_of(t) > PARTIAL] == []


def floats_in(path: Path) -> list[str]:
    """Where a module of money names the type float or writes one, but for seconds and in the functions that may."""
    text = path.read_text()
    tree, lines = ast.parse(text), text.splitlines()
    allowed = {
        id(inner)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and (name_of(path), function.name) in FLOATS_ALLOWED
        for inner in ast.walk(function)
    }
    return [
        f"{name_of(path)}:{node.lineno}"
        for node in ast.walk(tree)
        if id(node) not in allowed
        and "seconds" not in (lines[node.lineno - 1] if isinstance(node, ast.expr) else "")
        and (
            (isinstance(node, ast.Name) and node.id == "float")
            or (isinstance(node, ast.Constant) and isinstance(node.value, float))
        )
    ]


def test_amounts_are_never_floats() -> None:
    modules = ours(*MONEY)
    assert len(modules) >= 150
    assert [line for module in modules for line in floats_in(module)] == []


@pytest.mark.parametrize("rule", [LATER, ELSEWHERE], ids=["nothing is put off", "nothing points at a machine"])
def test_no_file_holds_words_that_must_not_stay(rule: re.Pattern[str]) -> None:
    files = [p for p in ours("*", "**/*") if p.suffix in TEXTS]
    hits = [
        f"{name_of(path)}:{number} {line.strip()[:80]}"
        for path in files
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if rule.search(line) and "vendored" not in path.parts and not path.name.endswith(".min.js")
    ]
    assert hits == []


def identifiers(path: Path) -> Iterator[tuple[int, str]]:
    """Every name that a module gives or uses, with its line; names of tests are sentences."""
    for node in ast.walk(ast.parse(path.read_text())):
        for field in ("id", "attr", "arg", "name"):
            name = getattr(node, field, None)
            if isinstance(name, str) and not name.startswith("test_"):
                yield getattr(node, "lineno", 0), name


def parts_of(name: str) -> set[str]:
    """The words of a name, between underscores and capitals, in small letters."""
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def test_nothing_is_called_by_a_word_that_the_glossary_replaced() -> None:
    names = {
        f"{name_of(m)}:{line} {n}"
        for m in MODULES
        for line, n in identifiers(m)
        if n not in THEIRS and parts_of(n) & REPLACED
    }
    files = {name_of(p) for p in [*MODULES, *TEMPLATES] if parts_of(p.stem) & REPLACED}
    assert sorted(names | files) == []


VENDORS = re.compile(r"\b(?:Xero|QuickBooks|Intuit)\b")
VENDORS_OWN = {"ledgers", "gateways", "providers", "commands"}  # adapters, and what an operator reads


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """Every text of several words in a module that is no docstring, with its line."""
    tree = ast.parse(path.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings):
        if isinstance(node.value, str) and " " in node.value.strip():
            yield node.lineno, node.value


def test_no_sentence_outside_the_adapters_names_one_accounting_package() -> None:
    apps = ("accounting", "connections", "merchants", "payers", "payments", "quotes", "wisepay")
    modules = [path for path in ours(*(f"{app}/**/*.py" for app in apps)) if not VENDORS_OWN & set(path.parts)]
    found = [(path, line, text) for path in modules for line, text in texts_of(path) if VENDORS.search(text)]
    assert [f"{name_of(path)}:{line} {text}" for path, line, text in found] == []


def is_transaction(node: ast.expr) -> bool:
    """Whether a decorator or a `with` opens a transaction or requires one."""
    target = node.func if isinstance(node, ast.Call) else node
    return isinstance(target, ast.Name) and target.id.startswith("transaction")


def open_cursors(node: ast.AST, *, is_inside: bool = False) -> Iterator[int]:
    """The lines of the calls of `.iterator()` that no transaction surrounds."""
    if isinstance(node, ast.FunctionDef):
        is_inside = any(is_transaction(decorator) for decorator in node.decorator_list)
    elif isinstance(node, ast.With):
        is_inside = is_inside or any(is_transaction(item.context_expr) for item in node.items)
    elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "iterator" and not is_inside:
        yield node.lineno
    for child in ast.iter_child_nodes(node):
        yield from open_cursors(child, is_inside=is_inside)


def test_a_cursor_is_kept_open_only_within_a_transaction() -> None:
    assert list(open_cursors(ast.parse("def f():\n    for row in rows.iterator():\n        pass"))) == [2]
    assert list(open_cursors(ast.parse("@transaction_required\ndef f():\n    return rows.iterator(5)"))) == []
    product = [path for path in MODULES if path.relative_to(ROOT).parts[0] not in ("tests", "sandbox")]
    found = [f"{name_of(path)}:{line}" for path in product for line in open_cursors(ast.parse(path.read_text()))]
    assert found == [], "PgBouncer ends a cursor with its statement: read_in_batches of wisepay/cursors.py"

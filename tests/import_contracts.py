"""The import contract inside every app: urls > views > forms > services, and adapters know no models."""

from dataclasses import dataclass

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

URLS, VIEWS, FORMS, SERVICES, MODELS = range(5, 0, -1)
ENTRANCES = (
    "admin",
    "admin_site",
    "api",
    "handlers",
    "tasks",
    "views",
    "webhooks",
)  # what a request, a message or a clock calls
FORM_NAMES = ("forms", "filters", "listings", "lists")  # a list is the form of its filters, and what it leaves
ADAPTERS = {"ledgers", "gateways", "providers"}


@dataclass(frozen=True, slots=True)
class Violation:
    """An import that goes up, or from one room's pages to another's."""

    importer: str
    imported: str
    reason: str


def get_level(module: str) -> int:
    """How high a module stands in its app, by its name."""
    parts = module.split(".")
    name = parts[-1]
    if name in ("apps", "urls", "portal_urls") or "management" in parts:
        return URLS
    if ADAPTERS & set(parts):
        return SERVICES
    if name in ENTRANCES or name.endswith(("_views", "_api")):
        return VIEWS
    if name in FORM_NAMES or name.endswith(("_forms", "_lists")):
        return FORMS
    return MODELS if "models" in parts else SERVICES


def is_page(module: str) -> bool:
    """Whether a module holds views."""
    name = module.rpartition(".")[2]
    return name in ("views", "api") or name.endswith(("_views", "_api"))


def find_violation(importer: str, imported: str) -> Violation | None:
    """What is wrong with one import, if anything is."""
    if get_level(imported) > max(get_level(importer), SERVICES):
        return Violation(importer, imported, "goes up")
    if is_page(importer) and is_page(imported) and importer.rpartition(".")[0] != imported.rpartition(".")[0]:
        return Violation(importer, imported, "is between views of two rooms")
    if ADAPTERS & set(importer.split(".")) and get_level(imported) == MODELS:
        return Violation(importer, imported, "lets an adapter know models")
    return None


class OrderContract(Contract):
    """Imports inside the apps go down, by the names that Django's modules have."""

    apps = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Judge every import between modules of the named apps."""
        apps = set(self.apps)  # type: ignore[call-overload]
        ours = {m for m in graph.modules if m.split(".")[0] in apps and "migrations" not in m.split(".")}
        found = [
            violation
            for importer in sorted(ours)
            for imported in sorted(graph.find_modules_directly_imported_by(importer) & ours)
            if (violation := find_violation(importer, imported))
        ]
        return ContractCheck(kept=not found, metadata={"violations": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each import that is not allowed."""
        for violation in check.metadata["violations"]:
            output.print_error(f"{violation.importer} -> {violation.imported}: {violation.reason}", bold=False)

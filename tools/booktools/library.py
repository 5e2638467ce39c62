"""The library `src/softmax_lib`, made from the `#@save` cells of the English sections."""

import ast
import builtins
import copy
import re
import symtable
import tomllib
from pathlib import Path

from . import project
from .project import Problem
from .sources import MARK, Source, is_docstring, python, read

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
GENERATED = "# Made by `make sync` from {}; do not edit it here."


def folder() -> Path:
    return project.ROOT / "src" / "softmax_lib"


def module_name(page: str) -> str:
    return page.replace("-", "_")


def tree(path: Path) -> ast.Module:
    """A module's tree; a syntax error is reported with its place."""
    try:
        return ast.parse(project.read(path))
    except SyntaxError as error:
        raise Problem(f"{project.show(path)}:{error.lineno}: {error.msg} → correct the code") from None


# ---- one module per section -----------------------------------------------------------------


def parse(source: Source, index: int) -> ast.Module:
    """A code cell's tree; a syntax error is reported with its place in the file."""
    try:
        return ast.parse(python(source.code[index].source))
    except SyntaxError as error:
        place = source.place(index, error.lineno)
        raise Problem(f"{place}: cell {index + 1}: {error.msg} → correct the code") from None


def bound_names(statement: ast.stmt) -> list[str]:
    """The names that a top-level definition or assignment gives to the library."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        methods = any("add_to_class" in ast.unparse(decorator) for decorator in statement.decorator_list)
        return [] if methods else [statement.name]
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    return [node.id for target in targets if target for node in ast.walk(target) if isinstance(node, ast.Name)]


def free_names(code: str) -> set[str]:
    """The names that a module uses and does not define itself."""

    def used(table):
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (table.get_type() == "module" or symbol.is_global()):
                yield symbol.get_name()
        for child in table.get_children():
            yield from used(child)

    module = symtable.symtable(code, "module", "exec")
    own = {symbol.get_name() for symbol in module.get_symbols() if symbol.is_assigned() or symbol.is_namespace()}
    return set(used(module)) - own - set(dir(builtins)) - {"__name__", "__file__"}


def section_imports(source: Source) -> dict[str, ast.stmt]:
    """The names imported at the top level of the section's cells, each with an import of just that name."""
    imports = {}
    for index, cell in enumerate(source.code):
        if "import" not in cell.source:
            continue
        try:
            tree = ast.parse(python(cell.source))
        except SyntaxError:
            continue  # not a saved cell: its own execution will complain
        for node in tree.body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    single = copy.copy(node)
                    single.names = [alias]
                    imports.setdefault(name, single)
    return imports


def written_imports(imports: list[ast.stmt]) -> str:
    """Import lines, those from one module in one line."""
    lines: dict[str, list[str]] = {}
    for node in imports:
        start, _, name = ast.unparse(node).rpartition("import ")
        lines.setdefault(start or name, []).append(name)
    return "\n".join(f"{start if start != names[0] else ''}import {', '.join(names)}" for start, names in lines.items())


def saved(source: Source) -> list[int]:
    """Which of a section's code cells are saved."""
    return [i for i, cell in enumerate(source.code) if cell.source.partition("\n")[0].strip() == MARK]


def described(source: Source) -> dict[str, str]:
    """The names that a section saves, each with its docstring's first line in the section's language."""
    definitions = [node for index in saved(source) for node in parse(source, index).body if hasattr(node, "name")]
    return {node.name: (ast.get_docstring(node) or "").partition("\n")[0] for node in definitions}


def module(source: Source) -> tuple[str, dict[str, str]] | None:
    """The module of a section, and where the source defines each of its public names."""
    bodies, names = [], {}
    for index in saved(source):
        lines = source.code[index].source.split("\n")
        for node in parse(source, index).body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                lines[node.lineno - 1 : node.end_lineno] = [None] * (node.end_lineno - node.lineno + 1)
                continue
            place = source.place(index, node.lineno)
            if not isinstance(node, DEFINITIONS) and not is_docstring(node):
                raise Problem(f"{place}: a saved cell holds definitions only → move this line to another cell")
            for name in bound_names(node):
                if name in names:
                    raise Problem(f"{place}: `{name}` is saved here and in {names[name]} → keep one")
                names[name] = place
        bodies.append("\n".join(line for line in lines[1:] if line is not None).strip("\n"))
    if not bodies:
        return None
    body = "\n\n\n".join(bodies)
    imports, missing = section_imports(source), free_names(body)
    needed = [node for name, node in imports.items() if name in missing]
    if unknown := sorted(missing - set(imports)):
        raise Problem(
            f"{project.show(source.path)}: its saved cells use `{'`, `'.join(unknown)}`, which no saved cell"
            " of the section defines or imports → save that cell too, or write sl.NAME"
        )
    title = re.search(r"^# (.*)|\Z", source.cells[0].source, re.MULTILINE)[1] or source.page
    header = f'"""What the section “{title}” saves."""\n{GENERATED.format(project.show(source.path))}\n'
    parts = [header, *([written_imports(needed) + "\n"] if needed else []), "\n" + body + "\n"]
    return "\n".join(parts), {name: place for name, place in names.items() if not name.startswith("_")}


# ---- the package ----------------------------------------------------------------------------

INIT = '''\
"""The library of the book “Softmax, Step by Step”: each function is explained in the section that saves it.

Nothing is loaded before it is used: a name's module is imported when the name is first asked for.
"""
{generated}

from importlib import import_module

__version__ = {version!r}

_MODULES = {{
{table}
}}

__all__ = list(_MODULES)


def __getattr__(name):
    if name not in _MODULES:
        raise AttributeError(f"module {{__name__!r}} has no attribute {{name!r}}")
    module = import_module(_MODULES[name], __name__)
    value = module if name == "plt" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({{*globals(), *_MODULES}})
'''


def public_names(path: Path) -> list[str]:
    """The `__all__` of a hand-written module, read without importing it."""
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def files() -> dict[Path, str]:
    """Every generated file of the library with the text it should have."""
    made, homes, places = {}, {"plt": "matplotlib.pyplot"}, {"plt": "the library itself"}

    def offer(name: str, home: str, place: str) -> None:
        if name in homes:
            raise Problem(f"{place}: `{name}` is saved here and in {places[name]} → keep one")
        homes[name], places[name] = home, place

    for page in project.sections():
        source = read(project.source_edition(), page)
        if result := module(source):
            made[folder() / f"{module_name(page)}.py"], names = result
            for name, place in names.items():
                offer(name, f".{module_name(page)}", place)
    for path in sorted(folder().glob("_*.py")):
        if path.name != "__init__.py":
            for name in public_names(path):
                offer(name, f".{path.stem}", project.show(path))
    pyproject = project.ROOT / "pyproject.toml"
    version = tomllib.loads(project.read(pyproject))["project"]["version"] if pyproject.exists() else "0"
    table = "\n".join(f'    "{name}": "{home}",' for name, home in homes.items())
    generated = GENERATED.format(f"the sections in book/{project.source_edition()}")
    made[folder() / "__init__.py"] = INIT.format(generated=generated, version=version, table=table)
    return made


def stale(made: dict[Path, str]) -> list[Path]:
    """Generated modules whose section is gone."""
    start = GENERATED.partition("{")[0]
    return [path for path in sorted(folder().glob("*.py")) if path not in made and start in project.read(path)]


def write(made: dict[Path, str]) -> list[Path]:
    """Bring the library's files up to date; the ones that changed."""
    gone = stale(made)
    for path in gone:
        path.unlink()
    return gone + [path for path, text in made.items() if project.write(path, text)]

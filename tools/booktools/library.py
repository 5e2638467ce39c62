"""The library `src/softmax_lib`, made from the `#@save` cells of the English sections."""

import ast
import copy
import re
from pathlib import Path

from . import project
from .project import Problem, show
from .sources import DOCUMENTED, MARK, Source, is_docstring, python, read

DEFINITIONS = (*DOCUMENTED, ast.Assign, ast.AnnAssign)
GENERATED = "# Made by `make sync` from {}; do not edit it here."


def folder() -> Path:
    return project.ROOT / "src" / "softmax_lib"


def module_name(page: str) -> str:
    return page.replace("-", "_")


# ---- one module per section


def parse(source: Source, index: int) -> ast.Module:
    """A code cell's tree; a syntax error is reported with its place in the file."""
    try:
        return ast.parse(python(source.code[index].source))
    except SyntaxError as error:
        raise Problem(f"{source.place(index, error.lineno)}: {error.msg} → correct the code") from None


def bound_names(statement: ast.stmt) -> list[str]:
    """The names that a top-level definition or assignment gives to the library."""
    if isinstance(statement, DOCUMENTED):
        methods = any("add_to_class" in ast.unparse(decorator) for decorator in statement.decorator_list)
        return [] if methods else [statement.name]
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    return [node.id for target in targets if target for node in ast.walk(target) if isinstance(node, ast.Name)]


def section_imports(source: Source) -> dict[str, ast.stmt]:
    """The names imported at the top level of the section's cells, each with an import of just that name."""
    imports: dict[str, ast.stmt] = {}
    for cell in source.code:
        if "import" not in cell.source:
            continue
        try:
            tree = ast.parse(python(cell.source))
        except SyntaxError:
            continue  # not a saved cell: its own execution will complain
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    single = copy.copy(node)
                    single.names = [alias]
                    imports.setdefault(alias.asname or alias.name.partition(".")[0], single)
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
    tops = [node for index in saved(source) for node in parse(source, index).body if isinstance(node, DOCUMENTED)]
    return {node.name: (ast.get_docstring(node) or "").partition("\n")[0] for node in tops if bound_names(node)}


def addresses(cell: str) -> list[str]:
    """What a saved cell defines, as `softmax_lib.NAME`; a method stands behind its class."""
    if cell.partition("\n")[0].strip() != MARK:
        return []
    names = []
    for node in ast.parse(python(cell)).body:
        names += bound_names(node)
        for call in getattr(node, "decorator_list", []):
            if isinstance(call, ast.Call) and not bound_names(node):  # @add_to_class(Class)
                names.append(f"{ast.unparse(call.args[0])}.{node.name}")  # type: ignore[attr-defined]
    return [f"softmax_lib.{name}" for name in names]


def title(source: Source) -> str:
    match = re.search(r"^# (.*)", source.cells[0].source, re.MULTILINE)
    return match[1] if match else source.page


def explained(lines: list[str], node: ast.stmt, where: str) -> None:
    """Say at the end of a definition's docstring where the book explains it."""
    if isinstance(node, DOCUMENTED) and bound_names(node) and is_docstring(node.body[0]):
        last, quotes = node.body[0].end_lineno or 1, '"""'
        if (text := lines[last - 1]).rstrip().endswith(quotes):
            indent = " " * node.body[0].col_offset
            lines[last - 1] = f"{text.rstrip()[:-3].rstrip()}\n\n{indent}{where}\n{indent}{quotes}".lstrip("\n")


def module(source: Source) -> tuple[str, dict[str, str]] | None:
    """The module of a section, and where the source defines each of its public names."""
    bodies: list[str] = []
    names: dict[str, str] = {}
    used: set[str] = set()
    methods: dict[str, str] = {}
    where = f"Explained in “{title(source)}”:\n    {project.setting('html', 'baseurl')}{source.page}.html"
    for index in saved(source):
        lines: list[str] = source.code[index].source.split("\n")
        tree = parse(source, index)
        for node in reversed(tree.body):
            if isinstance(node, ast.Import | ast.ImportFrom):
                del lines[node.lineno - 1 : node.end_lineno]
                continue
            if not isinstance(node, DEFINITIONS) and not is_docstring(node):
                place = source.place(index, node.lineno)
                raise Problem(f"{place}: a saved cell holds definitions only → move this line to another cell")
            explained(lines, node, where)
        for name in [name for node in tree.body for name in bound_names(node)]:
            if name in names:
                raise Problem(f"{source.place(index)}: `{name}` is saved here and in {names[name]} → keep one")
            names[name] = source.place(index)
        methods |= {node.name: source.place(index) for node in tree.body if isinstance(node, DOCUMENTED) and not bound_names(node)}
        used |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        mark = f"# {show(source.path)}, cell {index + 1}"
        bodies.append(mark + "\n" + "\n".join(lines[1:]).strip("\n"))
    if both := sorted(set(names) & set(methods)):
        raise Problem(f"{methods[both[0]]}: this method would hide `{both[0]}` of {names[both[0]]} → write it inside its class")
    if not bodies:
        return None
    needed = [node for name, node in section_imports(source).items() if name in used - set(names)]
    public = {name: place for name, place in names.items() if not name.startswith("_")}
    parts = [
        f'"""What the section “{title(source)}” saves."""\n{GENERATED.format(show(source.path))}',
        written_imports(needed),
        f"__all__ = {list(public)!r}".replace("'", '"') + "\n",
        "\n\n\n".join(bodies) + "\n",
    ]
    return "\n\n".join(filter(None, parts)), public


# ---- the package

INIT = '''\
"""The library of the book “Softmax, Step by Step”: each function is explained in the section that saves it.

Nothing is loaded before it is used: `__init__.pyi` says which module holds a name.
"""
{generated}

import lazy_loader

__version__ = "{version}"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
'''


def parsed(path: Path) -> ast.Module:
    """The tree of a hand-written file; a syntax error is reported with its place."""
    try:
        return ast.parse(project.read(path))
    except SyntaxError as error:
        raise Problem(f"{show(path)}:{error.lineno}: {error.msg} → correct the code") from None


def public_names(path: Path) -> list[str]:
    """The `__all__` of a hand-written module, read without importing it."""
    for node in parsed(path).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def files() -> dict[Path, str]:
    """Every generated file of the library with the text it should have."""
    made: dict[Path, str] = {}
    homes: dict[str, str] = {}  # name: where it is saved
    stub: list[str] = []

    def offer(module: str, names: dict[str, str]) -> None:
        for name, place in names.items():
            if name in homes:
                raise Problem(f"{place}: `{name}` is saved here and in {homes[name]} → keep one")
            homes[name] = place
        if names:
            stub.append(f"from .{module} import " + ", ".join(f"{name} as {name}" for name in names))

    for page in project.sections():
        source = read(project.source_edition(), page)
        if result := module(source):
            made[folder() / f"{module_name(page)}.py"], names = result
            offer(module_name(page), names)
    for path in sorted(folder().glob("_*.py")):
        if path.name != "__init__.py":
            offer(path.stem, dict.fromkeys(public_names(path), show(path)))
    version = project.pyproject().get("project", {}).get("version", "0")
    generated = GENERATED.format(f"the sections in book/{project.source_edition()}")
    made[folder() / "__init__.py"] = INIT.format(generated=generated, version=version)
    made[folder() / "__init__.pyi"] = "\n".join([generated, "", *stub, ""])
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

"""How much code there is: lines without blanks, comments and docstrings, and the ceilings of pyproject.toml."""

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

from . import library, project, sources
from .project import show

NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def code_lines(text: str) -> int:
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (*sources.DOCUMENTED, ast.Module)) and node.body and sources.is_docstring(node.body[0]):
            lines -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return len(lines)


def counts() -> dict[str, tuple[int, int, int, int]]:
    """By folder: the lines of all its files and of its longest, and the ceilings of both."""
    ceilings = project.pyproject().get("tool", {}).get("booktools", {}).get("ceilings", {})
    found = {}
    for folder, (most, each) in ceilings.items():
        lines = [code_lines(project.read(path)) for path in sorted(Path(project.ROOT, folder).glob("*.py")) if library.parsed(path)]
        found[folder] = sum(lines), max(lines, default=0), most, each
    return found


def failures() -> Iterator[str]:
    """No folder holds more code than its ceiling, no file either, and no saved cell more than 25 lines."""
    for folder, (total, longest, most, each) in counts().items():
        if total > most or longest > each:
            place = f"pyproject.toml:1: {folder} has {total} lines of code, its longest file {longest}; the ceilings are {most} and {each}"
            yield f"{place} → take some out, or raise the ceiling openly"
    for page in project.sections():
        source = sources.read(project.source_edition(), page)
        for index in library.saved(source):
            library.parse(source, index)
            if (lines := code_lines(sources.python(source.code[index].source))) > 25:
                yield f"{source.place(index)} saves {lines} lines of code → at most 25: give each piece its own cell"


def report() -> int:
    """Print the counts as a table."""
    for folder, (total, longest, most, each) in counts().items():
        print(f"{show(project.ROOT / folder):24} {total:5} of {most:5}   longest file {longest:4} of {each:4}")
    return 0

"""What the tools know about the project: where things are, which editions and pages there are."""

import contextlib
import csv
import io
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import tomllib
import yaml

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"


class Problem(Exception):
    """Something a person has to mend: its text says where it is and what to do."""


def use(root: Path) -> None:
    """Work on the project in another folder (tests make small ones)."""
    global ROOT, BOOK
    ROOT, BOOK = Path(root), Path(root) / "book"
    config.cache_clear()
    pages.cache_clear()
    table.cache_clear()


def show(path: Path) -> str:
    """A path as messages name it: relative to the project."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def read(path: Path) -> str:
    """A text file, without a byte order mark."""
    try:
        return path.read_text("utf-8").lstrip("\ufeff")
    except FileNotFoundError:
        raise Problem(f"{show(path)}:1: the file is missing → write it; every edition has all pages of _toc.yml") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise Problem(f"{show(path)}:{line}: a character is not in UTF-8 → save the file as UTF-8") from None
    except OSError as error:
        raise Problem(f"{show(path)}:1: it cannot be read ({error.strerror}) → put a text file in its place") from None


def write(path: Path, text: str) -> bool:
    """Write a file whole or not at all, and only if that changes it; whether it did."""
    if path.exists() and path.read_text("utf-8", errors="replace") == text:
        return False
    new = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(text, "utf-8", newline="\n")
        os.replace(new, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink()
        raise Problem(f"{show(path)}:1: it cannot be written ({error.strerror}) → make room or get leave for it, then do the same again") from None
    return True


def parse_yaml(text: str, path: Path, first: int = 1) -> dict[str, Any]:
    """Settings, from a file or from that part of it that begins in line `first`."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, why = first + (mark.line if mark else 0), getattr(error, "problem", None) or "it cannot be read"
        raise Problem(f"{show(path)}:{line}: {why} → correct the YAML there") from None
    if not isinstance(values, dict):
        raise Problem(f"{show(path)}:{first}: these are no settings (`name: value`) → correct the YAML there")
    return values


def pyproject() -> dict[str, Any]:
    """The settings of `pyproject.toml`; a small book needs none."""
    path = ROOT / "pyproject.toml"
    try:
        return tomllib.loads(read(path)) if path.exists() else {}
    except tomllib.TOMLDecodeError as error:
        raise Problem(f"{show(path)}:{line_in(error)}: {error} → correct the TOML there") from None


def line_in(error: Exception) -> str:
    """The line that an error names in its words."""
    return match[1] if (match := re.search(r"at line (\d+)", str(error))) else "1"


@cache
def table(path: Path) -> dict[str, Any]:
    """A table of words in a YAML file, read once, for pages ask for it again and again."""
    return parse_yaml(read(path), path)


def split_front_matter(text: str, path: Path) -> tuple[dict[str, Any], str]:
    """The settings above a page, and the page; cells want settings that say they are cells."""
    match = re.match(r"---\n(.*?)^---\n", text, re.DOTALL | re.MULTILINE)
    front = parse_yaml(match[1], path, 2) if match else {}
    body = text[match.end() :] if match else text
    if front.get("file_format") != "mystnb" and re.search(r"^(`{3,}|:{3,})\{code-cell\}", body, re.MULTILINE):
        cure = "correct the front matter: lines `---`, `file_format: mystnb`, `---`"
        raise Problem(f"{show(path)}:1: the page has cells, and its first lines do not say so → {cure}")
    return front, body


@cache
def config() -> dict[str, Any]:
    """The book's configuration, `_config.yml`."""
    return parse_yaml(read(ROOT / "_config.yml"), ROOT / "_config.yml")


def setting(*keys: str) -> Any:
    """An entry of `_config.yml` that the tools cannot do without."""
    value: Any = config()
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    if not value:
        raise Problem(f"_config.yml:1: it has no `{': '.join(keys)}` → write it")
    return value


def editions() -> dict[str, dict[str, Any]]:
    """The editions by folder name; the first is the one the others translate."""
    table = setting("sphinx", "config", "editions")
    if not isinstance(table, dict) or not all(isinstance(row, dict) and row.get("language") for row in table.values()):
        raise Problem("_config.yml:1: each of its `editions` is a folder's name and its settings, `language` among them → correct it")
    return table


def source_edition() -> str:
    return next(iter(editions()))


def translations() -> list[str]:
    return list(editions())[1:]


def repository() -> str:
    """The address of the repository, without a trailing slash."""
    return setting("repository", "url").rstrip("/")


def on_paper(edition: str, ending: str) -> str:
    """The name of an edition's PDF or EPUB."""
    return f"{repository().rpartition('/')[2]}-{edition}.{ending}"


@cache
def pages() -> list[str]:
    """Every page of the book in reading order, by file name without its ending."""
    path = ROOT / "_toc.yml"
    toc = parse_yaml(read(path), path)
    try:
        chapters = [chapter for part in toc.get("parts", [toc]) for chapter in part["chapters"]]
        return [toc["root"], *(chapter["file"] for chapter in chapters)]
    except (KeyError, TypeError):
        raise Problem("_toc.yml:1: it has no `root`, or no `chapters` of `file: NAME` → write them") from None


def is_section(page: str) -> bool:
    """Sections have cells and therefore a notebook; the other pages are text alone."""
    path = source(source_edition(), page)
    if split_front_matter(read(path), path)[0].get("file_format") == "mystnb":
        return True
    if path.with_suffix(".ipynb").exists():  # or sync would delete what the section saved
        raise Problem(f"{show(path)}:1: it has a notebook and no cells → bring back its text, or delete the notebook")
    return False


def sections() -> list[str]:
    """The pages that have a notebook beside them."""
    return [page for page in pages() if is_section(page)]


def source(edition: str, page: str) -> Path:
    """The Markdown source of a page."""
    return BOOK / edition / f"{page}.md"


def notebook(edition: str, page: str) -> Path:
    """The executed notebook beside a page's source."""
    return source(edition, page).with_suffix(".ipynb")


def terms() -> list[dict[str, str]]:
    """The rows of the term table, `book/terms.csv`; words that are not there are empty."""
    path = BOOK / "terms.csv"
    rows = list(csv.DictReader(io.StringIO(read(path)), restval=""))
    if rows and source_edition() not in rows[0]:
        raise Problem(f"{show(path)}:1: there is no column {source_edition()} → write it, and commas between columns")
    return [dict.fromkeys(editions(), "") | row for row in rows]

"""What the tools know about the project: where things are, which editions and pages there are."""

import csv
import os
from functools import cache
from pathlib import Path

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


def read_yaml(path: Path) -> dict:
    """A file of settings. Raises Problem where it is no YAML."""
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Problem(f"{show(path)}:{line}: {error.problem} → correct the YAML there") from None


@cache
def config() -> dict:
    """The book's configuration, `_config.yml`."""
    return read_yaml(ROOT / "_config.yml")


def editions() -> dict[str, dict]:
    """The editions by folder name; the first is the one the others translate."""
    return config()["sphinx"]["config"]["editions"]


def source_edition() -> str:
    return next(iter(editions()))


def translations() -> list[str]:
    return list(editions())[1:]


def repository() -> str:
    """The address of the repository, without a trailing slash."""
    return config()["repository"]["url"].rstrip("/")


@cache
def pages() -> list[str]:
    """Every page of the book in reading order, by file name without its ending."""
    toc = read_yaml(ROOT / "_toc.yml")
    chapters = [chapter for part in toc.get("parts", [toc]) for chapter in part["chapters"]]
    return [toc["root"], *(chapter["file"] for chapter in chapters)]


def is_section(page: str) -> bool:
    """Sections have cells and therefore a notebook; the other pages are text alone."""
    path = source(source_edition(), page)
    return path.exists() and "file_format: mystnb" in path.read_text("utf-8")[:400]


def sections() -> list[str]:
    """The pages that have a notebook beside them."""
    return [page for page in pages() if is_section(page)]


def source(edition: str, page: str) -> Path:
    """The Markdown source of a page."""
    return BOOK / edition / f"{page}.md"


def terms() -> list[dict]:
    """The rows of the term table, `book/terms.csv`."""
    with open(BOOK / "terms.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def show(path: Path) -> str:
    """A path as messages name it: relative to the project."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def notebook(edition: str, page: str) -> Path:
    """The executed notebook beside a page's source."""
    return source(edition, page).with_suffix(".ipynb")


def write(path: Path, text: str) -> bool:
    """Write a file whole or not at all, and only if that changes it; whether it did."""
    if path.exists() and path.read_text("utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, "utf-8", newline="\n")
    os.replace(new, path)
    return True

"""What the finished site has beside its pages: one style sheet of what they use, a map, a page for lost readers."""

import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import tinycss2
from sphinx.application import Sphinx

from . import interface, project

THEME = ("styles/theme.css", "styles/pydata-sphinx-theme.css")  # the theme's templates name these
GLYPHS = re.compile(r"Font ?Awesome|Font\\ Awesome|--fa-", re.IGNORECASE)  # book.css draws the few icons of the book


def finish(app: Sphinx, site: Path) -> None:
    pages = [path.read_text("utf-8") for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]
    loaded = {src.rpartition("_static/")[2] for page in pages for src in re.findall(r'<script[^>]* src="([^"?]*)', page)}
    scripts = [path.read_text("utf-8") for name in loaded if (path := site / "_static" / name).exists()]
    sheets = [*THEME, *(str(sheet.filename).removeprefix("_static/") for sheet in app.builder._css_files)]  # type: ignore
    project.write(site / "_static/style.css", style_sheet(site / "_static", sheets, pages, scripts))
    project.write(site / "sitemap.xml", site_map())
    project.write(site / "404.html", lost(app))


# ---- the style sheet


def style_sheet(static: Path, sheets: list[str], pages: list[str], scripts: list[str]) -> str:
    """All style sheets in one, without the rules for what no page has and no script can make: a fifth of their size."""
    used = {word for script in scripts for word in re.findall(r"[\w-]+", script)} | {"html", "root"}
    for page in pages:
        used |= {word for names in re.findall(r'\s(?:class|id)="([^"]*)"', page) for word in names.split()}
        used |= set(re.findall(r"<([a-z][\w-]*)", page))
    css = "".join(rule for sheet in sheets for rule in kept(rules(static, sheet), used))
    asks = re.compile(r"var\(\s*(--[\w-]+)")
    elsewhere = {name for text in [*pages, *scripts] for name in asks.findall(text)}
    while (shorter := without_lost(css, elsewhere.union(asks.findall(css)))) != css:
        css = shorter
    return css


def without_lost(css: str, asked: set[str]) -> str:
    """Without the properties that nothing asks for, and the rules that hold nothing else."""
    value = r"""(?:"[^"]*"|'[^']*'|\([^()]*\)|[^;{}"'(])*"""
    css = re.sub(rf"(?<=[{{;])\s*(--[\w-]+)\s*:{value}(?:;|(?=\}}))", lambda match: match[0] if match[1] in asked else "", css)
    return re.sub(r"(?<=[{};])[^{};]+\{\s*\}", "", css)


def rules(static: Path, sheet: str) -> Iterator[Any]:
    """The rules of a style sheet and of those it imports; addresses in it start from _static."""
    text = (static / sheet).read_text("utf-8")
    moved = lambda match: f"url({match[1]}{posixpath.normpath(posixpath.join(posixpath.dirname(sheet), match[2]))}"  # noqa: E731
    text = re.sub(r"""url\((["']?)(?!data:|#|[a-z]+:)([^)"']+)""", moved, text)
    for rule in tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True):
        if rule.type == "at-rule" and rule.lower_at_keyword == "import":
            name = next(token.value for token in rule.prelude if token.type == "string")
            yield from rules(static, posixpath.normpath(posixpath.join(posixpath.dirname(sheet), name)))
        else:
            yield rule


def kept(rules: Iterable[Any], used: set[str]) -> Iterator[str]:
    for rule in rules:
        if rule.type == "qualified-rule":
            content = " ".join(tinycss2.serialize(rule.content).split())
            selectors = [text for text in selectors_of(rule.prelude, used) if not GLYPHS.search(content)]
            if selectors and content:
                yield f"{','.join(selectors)}{{{content}}}\n"
        elif rule.type == "at-rule" and rule.lower_at_keyword in ("media", "supports"):
            inside = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
            if text := "".join(kept(inside, used)):
                yield f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{text}}}\n"
        elif rule.type == "at-rule" and rule.lower_at_keyword != "charset" and not GLYPHS.search(rule.serialize()):
            yield rule.serialize() + "\n"


def selectors_of(prelude: list[Any], used: set[str]) -> Iterator[str]:
    """The selectors, of those between commas, whose tags, classes and ids are in use; what is in :is(), :not() counts not."""
    commas = [-1, *(at for at, token in enumerate(prelude) if token == ","), len(prelude)]
    for start, end in zip(commas, commas[1:]):
        tokens = prelude[start + 1 : end]
        names = {token.value for at, token in enumerate(tokens)
                 if token.type == "hash" or token.type == "ident" and (at == 0 or tokens[at - 1] != ":")}
        if names <= used:
            yield tinycss2.serialize(tokens).strip()


# ---- for search engines, and for readers of an address that is no more


def site_map() -> str:
    """Every page in every edition, each with its address in the others."""
    base, made = project.setting("html", "baseurl"), []
    for page in project.pages():
        urls = {edition: f"{base}{interface.folder(edition)}{page}.html" for edition in project.editions()}
        others = "".join(
            f'<xhtml:link rel="alternate" hreflang="{interface.language(edition)}" href="{escape(url)}"/>' for edition, url in urls.items()
        )
        made += [f"<url><loc>{escape(url)}</loc>{others}</url>\n" for url in urls.values()]
    spaces = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:xhtml="http://www.w3.org/1999/xhtml"'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset {spaces}>\n{"".join(made)}</urlset>\n'


def lost(app: Sphinx) -> str:
    """The server shows this page at any address, so that its links are whole."""
    base = project.setting("html", "baseurl")
    editions = [
        {"lang": interface.language(edition), "url": base + interface.folder(edition), "words": interface.words(edition)}
        for edition in project.editions()
    ]
    return app.builder.templates.render("404.html", {"editions": editions, "base": base})  # type: ignore[attr-defined]

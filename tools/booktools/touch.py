"""The figures to touch: a still picture with a caption everywhere, and in the website a drawing that answers.

`{touch} NAME` places the picture `book/figures/touch-NAME.svg`. On the page the script `book/figures/touch/NAME.js`
takes its place; the words it shows are those of the edition in `book/figures/touch/words.yml`.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.directives.patches import Figure

from . import project

PLACE = re.compile(r'(?s)(<figure class="[^"]*\btouch-([\w-]+)[^"]*"[^>]*>\s*)(<svg\b.*?</svg>|<img\b[^>]*>)(?=\s*<figcaption)')


def setup(app: Sphinx) -> None:
    app.add_directive("touch", Touch)
    app.connect("builder-inited", write_scripts)
    app.connect("html-page-context", set_stage, priority=600)  # when the pictures are part of the page


class Touch(Figure):
    """A figure like others, whose picture knows that it can be touched."""

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        self.arguments[0] = f"../figures/touch-{name}.svg"
        made = super().run()
        for figure in made:
            if isinstance(figure, nodes.figure):
                figure["touch"] = name
                figure["classes"].append(f"touch-{name}")
        return made


def folder() -> Path:
    return project.BOOK / "figures" / "touch"


def modules() -> dict[str, str]:
    """The source of each figure's module, by name."""
    return {path.stem: project.read(path) for path in sorted(folder().glob("*.js")) if path.stem != "common"}


def words(name: str, *editions: str) -> dict[str, str]:
    """What a figure says, with what all figures say; a later edition's words come before those of an earlier one."""
    table = project.table(folder() / "words.yml")
    return {key: word for edition in editions for part in ("all", name) for key, word in table.get(part, {}).get(edition, {}).items()}


def script(module: str, common: str, said: dict[str, str], name: str) -> str:
    """A module and what it imports as one classic script: from a file, browsers load no modules."""
    common, module = (
        re.sub(r"^export (?:default )?", "", re.sub(r"^import [^;]*;\n", "", text, flags=re.M), flags=re.M) for text in (common, module)
    )
    table = json.dumps(said, ensure_ascii=False)
    begin = f"for (const root of document.querySelectorAll('[data-touch=\"{name}\"]')) start(root, {table}, root.firstElementChild);"
    return f'(() => {{\n"use strict";\n{common}{{\n{module}{begin}\n}}\n}})();\n'


def write_scripts(app: Sphinx) -> None:
    if app.builder.format == "html" and (found := modules()):
        common = project.read(folder() / "common.js")
        for name, module in found.items():
            made = script(module, common, words(name, project.source_edition(), app.config.edition), name)
            project.write(Path(app.outdir, "_static", "touch", f"{name}.js"), made)


def invitation(node: nodes.Element, edition: str, url: str) -> list[str]:
    """For a reader's notebook, where nothing answers: a link from a figure to touch to its place on the page."""
    if "touch" not in node:
        return []
    return [f"[{words(node['touch'], project.source_edition(), edition)['link']}]({url}#{node['ids'][0]})"]


def set_stage(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Give the picture a place that the script finds, and the page the script."""
    context["body"] = PLACE.sub(r'\1<div class="touch" data-touch="\2">\3</div>', context.get("body", ""))
    for name in dict.fromkeys(re.findall('<div class="touch" data-touch="([^"]*)">', context["body"])):
        app.add_js_file(f"touch/{name}.js", loading_method="defer")


def failures() -> Iterator[str]:
    """Every figure has its picture, and in every edition the words that its module asks for, and no others."""
    table = project.show(folder() / "words.yml")
    for name, module in modules().items():
        if not (folder().parent / f"touch-{name}.svg").exists():
            yield f"{project.show(folder() / name)}.js:1: it has no still picture → draw book/figures/touch-{name}.svg"
        asked = set(re.findall(r"\bwords\.(\w+)", module)) | {"link"}
        for edition in project.editions():
            said = words(name, edition)
            for key in sorted(asked - {key for key, word in said.items() if word}):
                yield f"{table}:1: `{name}` asks for `{key}`, which edition {edition} does not say → write it"
            for key in sorted(set(said) - set(words("all", edition)) - asked):
                yield f"{table}:1: `{name}` never says `{key}` of edition {edition} → take it out"

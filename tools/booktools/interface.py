"""What each page of the site says and carries around its text, in the edition's language."""

import gettext
import html
import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import locale
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinxcontrib.bibtex.plugin import register_plugin
from sphinxcontrib.bibtex.style.referencing import PersonStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle

from . import plots, project, sources

Context = dict[str, Any]
OFFER = "This page is also in %s."  # what a first visitor is told in that language


def setup(app: Sphinx) -> None:
    app.add_config_value("edition_name", "", "html")
    app.add_post_transform(OutputPrompts)
    app.connect("config-inited", translate_interface, priority=900)
    app.connect("config-inited", cite_in_words, priority=900)
    app.connect("builder-inited", write_interface_script)
    app.connect("html-page-context", add_definitions)
    app.connect("html-page-context", inline_drawings)
    app.connect("html-page-context", add_edition_links)
    app.connect("html-page-context", add_buttons, priority=900)


class Words(dict[str, str]):
    """English → the edition's words; what the table lacks stays English."""

    def __missing__(self, english: str) -> str:
        return english


def words(edition: str) -> Words:
    """What the theme, its extensions and the book's own parts say in English, though the edition has another language."""
    return Words(project.table(project.BOOK / "templates/interface.yml").get(edition, {}))


def translate_interface(app: Sphinx, config: Any) -> None:
    """Let the edition's words come before those of the message catalogues."""
    table = words(config.edition)

    class Said(gettext.NullTranslations):
        def gettext(self, message: str) -> str:
            return table.get(message) or super().gettext(message)

    for catalog in ("sphinx", "booktheme", "exercise"):  # Sphinx, the theme, sphinx-exercise
        translator = Said()
        translator.add_fallback(locale.translators.get(("general", catalog)) or gettext.NullTranslations())
        locale.translators["general", catalog] = translator
    app.translator = locale.translators["general", "sphinx"]  # the templates' own


def cite_in_words(app: Sphinx, config: Any) -> None:
    """Name the authors of a reference with the edition's “and” and “et al.”."""
    table = words(config.edition)
    persons = {field: table[english] for field, english in (("sep2", "and"), ("other", "et al.")) if english in table}
    style: Any = lambda: AuthorYearReferenceStyle(person=PersonStyle(**persons))  # type: ignore[arg-type]  # noqa: E731
    register_plugin("sphinxcontrib.bibtex.style.referencing", "edition", style, force=True)


class OutputPrompts(SphinxPostTransform):
    """What is folded behind a question (tag hide-output) is called output, and not code."""

    default_priority = 190  # before myst-nb writes the prompts, at 199
    formats = ("html",)

    def run(self, **_: Any) -> None:
        table = words(self.config.edition)
        for node in self.document.findall(nodes.container):
            if node.get("hide_mode") == "output":
                for key, said in (("prompt_show", "Show the output"), ("prompt_hide", "Hide the output")):
                    node[key] = table[said]


def write_interface_script(app: Sphinx) -> None:
    """The same words for what the copy button's script and the theme's fixed markup say."""
    if app.builder.format != "html":
        return
    script = (project.BOOK / "templates/interface.js").read_text("utf-8")
    table = json.dumps(words(app.config.edition), ensure_ascii=False)
    (Path(app.outdir) / "_static").mkdir(parents=True, exist_ok=True)
    (Path(app.outdir) / "_static" / "interface.js").write_text(script.replace("WORDS", table), "utf-8")
    app.add_js_file("interface.js", priority=800)


# ---- what each page gets


def folder(edition: str) -> str:
    """Where an edition stands in the site: the source edition at its root."""
    return "" if edition == project.source_edition() else f"{edition}/"


def add_edition_links(app: Sphinx, page: str, template: str, context: Context, doctree: Any) -> None:
    """The same page in every edition, for the template: name, language, address from here and in the web."""
    up = "../" * (page.count("/") + bool(folder(app.config.edition)))
    context["edition_links"] = [
        {
            "name": row["edition_name"],
            "lang": language(edition),
            "here": edition == app.config.edition,
            "offer": words(edition)[OFFER].replace("%s", row["edition_name"]),
            "close": words(edition)["Close"],
            "href": f"{up}{folder(edition)}{page}.html",
            "url": f"{project.setting('html', 'baseurl')}{folder(edition)}{page}.html",
        }
        for edition, row in project.editions().items()
    ]


def language(edition: str) -> str:
    """Its code, as pages give it."""
    return project.editions()[edition]["language"].replace("_", "-")


def colab(edition: str, notebook: str) -> str:
    """The address at which Colab opens a notebook of the published site."""
    place = project.repository().removeprefix("https://github.com/")
    return f"https://colab.research.google.com/github/{place}/blob/gh-pages/{folder(edition)}{notebook}"


def add_buttons(app: Sphinx, page: str, template: str, context: Context, doctree: Any) -> None:
    """The buttons above a page: Colab, the reader's notebook and a print, the repository and the page's source."""
    _ = locale.get_translation("booktheme")
    edition = app.config.edition
    sections = [page] if page in project.pages() and project.is_section(page) else []
    buttons = []

    def link(url: str, text: str, tooltip: str, icon: str, label: str) -> Any:
        return {"url": url, "text": text, "tooltip": tooltip, "icon": icon, "label": label}

    downloads = [link(f"notebooks/{name}.ipynb", ".ipynb", _("Download notebook file"), "fas fa-code",
                      "download-notebook-button") for name in sections]
    if "<slide-mark" in context.get("body", ""):  # tools/booktools/slides.py
        said = words(edition)["Slides"]
        downloads.append(link(f"slides/{page}.html", said, said, "fas fa-display", "slides-button"))
    downloads.append(link("", ".pdf", _("Print to PDF"), "fas fa-file-pdf", "print-button"))
    for ending in ("pdf", "epub"):  # in the web, for only the published site has them
        said, url = words(edition)["The whole book"], project.setting("html", "baseurl") + project.on_paper(edition, ending)
        downloads.append(link(url, f"{said} .{ending}", said, "fas fa-file-pdf", f"book-{ending}-button"))
    for name in sections:
        buttons.append(link(colab(edition, f"notebooks/{name}.ipynb"), "Colab",
                            _("Launch on Colab"), "_static/images/logo_colab.png", "colab-button"))
    buttons.append({"tooltip": _("Download this page"), "icon": "fas fa-download", "buttons": downloads})
    github = project.repository()
    source = [link(github, _("Repository"), _("Source repository"), "fas fa-code-branch", "source-repository-button")]
    if page in project.pages():
        branch = project.setting("repository", "branch")
        source.append(link(f"{github}/edit/{branch}/book/{edition}/{page}.md", _("Suggest edit"),
                           _("Suggest edit"), "fas fa-pencil-alt", "source-edit-button"))
    buttons.append({"tooltip": _("Source repositories"), "icon": "fas fa-code-branch", "buttons": source})
    context["header_buttons"] = buttons


def add_definitions(app: Sphinx, page: str, template: str, context: Context, doctree: Any) -> None:
    """A link to the glossary carries the term's definition, which the style sheet shows when one points at it."""
    places = dict(app.env.get_domain("std").objects)  # type: ignore[attr-defined]
    if "body" not in context or page == "glossary" or not (source := project.source(app.config.edition, "glossary")).exists():
        return
    says = {
        places["term", term][1]: definition
        for term, definition in sources.definitions(project.read(source)).items()
        if ("term", term) in places
    }

    def link(match: re.Match[str]) -> str:
        definition = says.get(match[2])
        return f'{match[1]} data-definition="{html.escape(definition)}"' if definition else match[1]

    context["body"] = re.sub(r'(<a class="reference internal" href="glossary\.html#([^"]*)")', link, context["body"])


def inline_drawings(app: Sphinx, page: str, template: str, context: Context, doctree: Any) -> None:
    """The diagrams of book/figures and the plots of the cells become part of the page, so that they have its colours."""
    files = {name: Path(app.srcdir, uri) for uri, name in app.builder.images.items()}
    table = plots.words(app.config.edition)

    def drawing(match: re.Match[str]) -> str:
        path = files.get(match[2]) or Path(app.outdir, "_images", match[2])
        if path.suffix != ".svg" or not path.exists():
            return match[0]
        svg, says = path.read_text("utf-8"), (re.search(r'alt="([^"]*)"', match[0]) or ["", ""])[1]
        if "Matplotlib" not in svg:
            role = "group" if "<a " in svg else "img"  # what is in a picture cannot be reached
            return svg.replace("<svg ", f'<svg class="diagram" role="{role}" aria-label="{says}" ', 1)
        made, unknown = plots.in_page(svg, f"p{match.start()}", html.unescape(says), table)
        for word in unknown:
            logging.getLogger(__name__).warning("a plot says “%s”, which book/figures/words.yml lacks → add it there", word, location=page)
        return made

    if "body" in context:
        context["body"] = re.sub(r'<img [^>]*src="([^"]*_images/)([\w.-]+)"[^>]*>', drawing, context["body"])

"""The Sphinx extension that makes one build of the book give every edition.

The build started at the root builds the source edition; it starts one process for each translation, waits
for them and puts their pages under the edition's folder of the site.
"""

import atexit
import fcntl
import gettext
import hashlib
import html
import json
import os
import re
import shutil
import subprocess
import sys
import unicodedata
from importlib.metadata import distribution
from pathlib import Path

import docutils.languages
import docutils.parsers.rst.languages
import yaml
from docutils import nodes
from docutils.statemachine import StringList
from jupyter_cache import get_cache
from myst_nb.core.execute import ExecutionError
from myst_nb.core.execute.cache import NotebookClientCache
from sphinx import locale
from sphinx.application import ENV_PICKLE_FILENAME
from sphinx.domains.std import Glossary
from sphinx.util.docutils import SphinxDirective
from sphinxcontrib.bibtex.plugin import register_plugin
from sphinxcontrib.bibtex.style.referencing import PersonStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle

from booktools import library, pairs, project, search, sections

TEMPLATES = project.BOOK / "templates"
MATHJAX = "mathjax/tex-chtml.js"  # with the fonts beside it, all that the book's equations need


def setup(app):
    here = Path(app.srcdir)
    if here == project.ROOT:
        begin(app)
    if not whole(app).exists():
        Path(app.doctreedir, ENV_PICKLE_FILENAME).unlink(missing_ok=True)
    whole(app).unlink(missing_ok=True)
    # docutils would take the folder book/vi, which is on the path, for its own module of Vietnamese words
    for importer in (docutils.languages.LanguageImporter, docutils.parsers.rst.languages.RstLanguageImporter):
        importer.packages = importer.packages[:1]
    app.add_config_value("editions", {}, "html")
    app.add_config_value("edition", project.source_edition(), "env")
    app.add_config_value("edition_name", "", "html")
    app.add_config_value("look", look(), "html")
    execute_one_at_a_time()
    app.add_search_language(search.Vietnamese)
    app.add_search_language(search.Chinese)
    app.add_directive("term-table", TermTable)
    app.add_directive("library-table", LibraryTable)
    app.connect("config-inited", translate_interface, priority=900)
    app.connect("config-inited", cite_in_words, priority=900)
    app.connect("builder-inited", write_interface_script)
    app.connect("source-read", depend_on_notebook)
    app.connect("html-page-context", add_definitions)
    app.connect("html-page-context", inline_diagrams)
    app.connect("html-page-context", add_edition_links)
    app.connect("html-page-context", add_buttons, priority=900)
    app.connect("build-finished", remember_success)
    app.connect("build-finished", explain_failed_cell, priority=950)
    app.setup_extension("booktools.readers")
    if here == project.ROOT:
        app.connect("builder-inited", start_translations)
        app.connect("build-finished", finish_translations, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


# ---- one build, every edition


def begin(app):
    """Turn the build of the root into the build of the source edition."""
    try:
        check_sources()
    except project.Problem as problem:
        sys.exit(f"\n{problem}")
    edition = project.source_edition()
    app.srcdir = app.confdir = type(app.srcdir)(project.BOOK / edition)
    for key, value in settings(edition, Path(app.outdir).parent).items():
        old = app.config.overrides.get(key)
        app.config.overrides[key] = {**old, **value} if isinstance(old, dict) else value


def check_sources():
    """Every edition has every page of `_toc.yml`, and all can be read, as the table of terms can."""
    missing = [
        project.show(project.source(edition, page))
        for edition in project.editions()
        for page in project.pages()
        if not project.source(edition, page).exists()
    ]
    if missing:
        sys.exit(
            f"Missing: {', '.join(missing)}. Every edition needs every page of _toc.yml: "
            "write it, or take its line out of _toc.yml."
        )
    for edition in project.editions():
        for page in project.pages():
            project.read(project.source(edition, page))
    project.terms()


def settings(edition, build):
    """The Sphinx settings of one edition: its row of the table, and what follows from its folder's name."""
    inside = edition != project.source_edition()
    baseurl = project.config()["html"]["baseurl"]
    return {
        **project.editions()[edition],
        "edition": edition,
        "html_baseurl": f"{baseurl}{edition}/" if inside else baseurl,
        "mathjax_path": f"../../_static/{MATHJAX}" if inside else MATHJAX,
        "nb_execution_cache_path": str(build / ".jupyter_cache"),
    }


def digest(*files):
    return hashlib.sha1(b"".join(str(file).encode() + file.read_bytes() for file in sorted(files))).hexdigest()


def look():
    """A fingerprint of what every page is made with: when it changes, all pages are written again."""
    return digest(Path(__file__), *TEMPLATES.rglob("*.*"), *(project.BOOK / "static").rglob("*.*"),
                  *project.BOOK.glob("figures/*.svg"), *project.BOOK.glob("*/glossary.md"))


def fingerprint(edition, options):
    """Of everything an edition is built from: an edition that was built from the same is not built again."""
    shared = [project.ROOT / "_config.yml", project.ROOT / "_toc.yml", *project.BOOK.glob("*.*")]
    tools = Path(__file__).parent.glob("*.py")
    sources = [path for path in (project.BOOK / edition).rglob("*.*") if path.is_file()]
    return digest(*shared, *tools, *sources) + look() + json.dumps([options, sys.version])


def start_translations(app):
    """Fill the cache of executed cells from the notebooks, then start the builds of the other editions."""
    build, cache = Path(app.outdir).parent, Path(app.config.nb_execution_cache_path)
    try:
        pairs.fill_cache(cache)
    except project.Problem as problem:
        sys.exit(f"\n{problem}")
    get_cache(str(cache)).db  # makes the file before several processes want it
    app.translations = {}
    if app.builder.name != "html":
        return
    options = {
        "nitpicky": app.config.nitpicky,
        "warningiserror": app.warningiserror or app.keep_going,
        "keep_going": app.keep_going,
    }
    for edition in project.translations():
        stamp, made = build / edition / "stamp", fingerprint(edition, options)
        (build / edition).mkdir(exist_ok=True)
        if app.fresh_env_used or not stamp.exists() or not (Path(app.outdir) / edition).exists():
            stamp.write_text("", "utf-8")
        if stamp.read_text("utf-8") == made:
            continue
        arguments = json.dumps({**options, "freshenv": bool(app.fresh_env_used)})
        with open(build / edition / "log.txt", "w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "booktools.editions", edition, str(build), arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join([str(project.BOOK), *sys.path]),
                    "PYTHONIOENCODING": "utf-8",
                },
            )
        atexit.register(process.kill)
        app.translations[edition] = process, made


def build_translation(edition, build, nitpicky, **options):
    """Build one translation in this process; its messages go to stderr, nothing else is printed."""
    from jupyter_book.sphinx import build_sphinx

    overrides = {
        **settings(edition, build),
        "nitpicky": nitpicky,
        "external_toc_path": str(project.ROOT / "_toc.yml"),
        "latex_individualpages": False,
    }
    result = build_sphinx(
        project.BOOK / edition,
        build / edition / "html",
        doctreedir=build / edition / ".doctrees",
        noconfig=True,
        path_config=project.ROOT / "_config.yml",
        confoverrides=overrides,
        quiet=True,
        **options,
    )
    return 0 if result == 0 else 1


def finish_translations(app, error):
    """Wait for the translations; show what they had to say; a translation that failed fails the build."""
    build, site = Path(app.outdir).parent, Path(app.outdir)
    for edition, (process, made) in app.translations.items():
        failed = process.wait() != 0
        log = (build / edition / "log.txt").read_text("utf-8", errors="replace").strip()
        if log:
            print(f"\nbook/{edition}:\n{log}", file=sys.stderr)
        if failed:
            print(f"\nThe edition book/{edition} was not built: see its messages above.", file=sys.stderr)
            app.statuscode = 1
        elif not error:
            shutil.rmtree(site / edition, ignore_errors=True)
            shutil.copytree(build / edition / "html", site / edition)
            if (build / edition / ".doctrees" / "whole").exists():  # else there were warnings
                (build / edition / "stamp").write_text(made, "utf-8")
    if app.builder.name == "html" and not error:
        copy_mathjax(site / "_static" / "mathjax")
        for useless in site.rglob("_static/**/*.map"):  # 10 MB that only the theme's makers need
            useless.unlink()


def copy_mathjax(target):
    """MathJax's one script and its fonts, from the package sphinx-mathjax-offline, so that pages need no network."""
    script = target / Path(MATHJAX).name
    if script.exists():
        return
    source = Path(distribution("sphinx-mathjax-offline").locate_file("sphinx-mathjax-offline/static/mathjax"))
    for part in ("output/chtml/fonts/woff-v2", "input/tex/extensions"):  # loaded when a page needs them
        shutil.copytree(source / part, target / part, dirs_exist_ok=True)
    shutil.copy(source / script.name, script)


def execute_one_at_a_time():
    """Editions with the same code would otherwise run it, and write it to their one cache, at the same time."""
    run = NotebookClientCache.start_client

    def locked(client):
        with open(Path(client.nb_config.execution_cache_path) / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            run(client)

    if run.__name__ != "locked":
        NotebookClientCache.start_client = locked


def depend_on_notebook(app, page, source):
    """A page is read again when its notebook was executed anew."""
    notebook = Path(app.env.doc2path(page)).with_suffix(".ipynb")
    if notebook.exists():
        app.env.note_dependency(str(notebook))


def whole(app):
    """The file that says that the last build came to its end, without errors and warnings.

    Without it the next build reads everything again: Sphinx alone would forget warnings, and pass, and of a
    build that was cut off it would miss the search index or keep pages that were not written again.
    """
    return Path(app.doctreedir, "whole")


def remember_success(app, error):
    if not error and not app._warncount:
        whole(app).touch()


def explain_failed_cell(app, error):
    """A cell that fails ends the build: say which one, in place of Sphinx's traceback."""
    if not isinstance(error, ExecutionError):
        return
    path, cause = Path(str(error)), error.__cause__
    _, _, rest = str(cause).partition("------------------\n")
    cell, _, _ = rest.partition("\n------------------")
    before, found, _ = path.read_text("utf-8").partition(cell)
    place = f", line {before.count(chr(10)) + 1}, cell {before.count('{code-cell}')}" if cell and found else ""
    what = f"{cause.ename}: {cause.evalue}" if hasattr(cause, "ename") else str(cause)
    sys.exit(f"\n{project.show(path)}{place}: the cell below failed with {what}\n\n{cell}\n")


# ---- the words of the interface


def words(edition):
    """What the theme and its extensions say in English though the edition has another language: English → edition."""
    return yaml.safe_load((TEMPLATES / "interface.yml").read_text("utf-8")).get(edition, {})


def translate_interface(app, config):
    """Let the edition's words come before those of the message catalogues."""
    table = words(config.edition)

    class Words(gettext.NullTranslations):
        def gettext(self, message):
            return table.get(message) or super().gettext(message)

    for catalog in ("sphinx", "booktheme", "exercise"):  # Sphinx, the theme, sphinx-exercise
        translator = Words()
        translator.add_fallback(locale.translators.get(("general", catalog)) or gettext.NullTranslations())
        locale.translators["general", catalog] = translator
    app.translator = locale.translators["general", "sphinx"]  # the templates' own


def cite_in_words(app, config):
    """Name the authors of a reference with the edition's “and” and “et al.”."""
    table = words(config.edition)
    persons = {field: table[english] for field, english in (("sep2", "and"), ("other", "et al.")) if english in table}
    register_plugin("sphinxcontrib.bibtex.style.referencing", "edition",
                    lambda: AuthorYearReferenceStyle(person=PersonStyle(**persons)), force=True)


def write_interface_script(app):
    """The same words for the scripts of the page: the search results and the copy button."""
    if app.builder.format != "html":
        return
    script = (TEMPLATES / "interface.js").read_text("utf-8")
    table = json.dumps(words(app.config.edition), ensure_ascii=False)
    (Path(app.outdir) / "_static").mkdir(parents=True, exist_ok=True)
    (Path(app.outdir) / "_static" / "interface.js").write_text(script.replace("WORDS", table), "utf-8")
    app.add_js_file("interface.js", priority=800)


# ---- what each page gets


def folder(edition):
    """Where an edition stands in the site: the source edition at its root."""
    return "" if edition == project.source_edition() else f"{edition}/"


def add_edition_links(app, page, template, context, doctree):
    """The same page in every edition, for the template: name, language, address from here and in the web."""
    up = "../" * (page.count("/") + bool(folder(app.config.edition)))
    context["edition_links"] = [
        {
            "name": row["edition_name"],
            "lang": row["language"].replace("_", "-"),
            "here": edition == app.config.edition,
            "href": f"{up}{folder(edition)}{page}.html",
            "url": f"{project.config()['html']['baseurl']}{folder(edition)}{page}.html",
        }
        for edition, row in project.editions().items()
    ]


def add_buttons(app, page, template, context, doctree):
    """The buttons above a page: Colab, the reader's notebook and a print, the repository and the page's source."""
    _ = locale.get_translation("booktheme")
    edition = app.config.edition
    sections = [page] if page in project.pages() and project.is_section(page) else []
    github = project.repository()
    buttons = []

    def link(url, text, tooltip, icon, label):
        return {"type": "link", "url": url, "text": text, "tooltip": tooltip, "icon": icon, "label": label}

    downloads = [link(f"notebooks/{name}.ipynb", ".ipynb", _("Download notebook file"), "fas fa-code",
                      "download-notebook-button") for name in sections]
    downloads.append({"type": "javascript", "javascript": "window.print()", "text": ".pdf",
                      "tooltip": _("Print to PDF"), "icon": "fas fa-file-pdf", "label": "download-pdf-button"})
    for name in sections:
        notebook = f"{github.removeprefix('https://github.com/')}/blob/gh-pages/{folder(edition)}notebooks/{name}.ipynb"
        buttons.append(link(f"https://colab.research.google.com/github/{notebook}", "Colab",
                            _("Launch on Colab"), "_static/images/logo_colab.png", "colab-button"))
    buttons.append({"type": "group", "tooltip": _("Download this page"), "icon": "fas fa-download",
                    "label": "download-buttons", "buttons": downloads})
    source = [link(github, _("Repository"), _("Source repository"), "fas fa-code-branch", "source-repository-button")]
    if page in project.pages():
        branch = project.config()["repository"]["branch"]
        source.append(link(f"{github}/edit/{branch}/book/{edition}/{page}.md", _("Suggest edit"),
                           _("Suggest edit"), "fas fa-pencil-alt", "source-edit-button"))
    buttons.append({"type": "group", "tooltip": _("Source repositories"), "icon": "fas fa-code-branch",
                    "label": "source-buttons", "buttons": source})
    context["header_buttons"] = buttons


# ---- the glossary


class TermTable(SphinxDirective):
    """`{term-table}`: the terms of `book/terms.csv`, each with its definition, given here, and in other languages."""

    has_content = True

    def run(self):
        self.env.note_dependency(str(project.BOOK / "terms.csv"))
        edition = self.config.edition
        definitions = sections.definitions("\n".join(self.content))
        terms = {}  # a word may stand for two English terms
        for row in project.terms():
            terms.setdefault(row.get(edition) or row[project.source_edition()], []).append(row)
        order = sorted(terms, key=lambda term: sort_key(term, edition))
        lines = StringList([line for term in order for line in (term, "    -", "")], "terms.csv")
        made = Glossary(
            self.name, [], {}, lines, self.lineno, self.content_offset, "", self.state, self.state_machine
        ).run()
        for term, definition in zip(order, [d for n in made for d in n.findall(nodes.definition)]):
            definition.children = []
            if term in definitions:
                definition += nodes.paragraph("", definitions[term])
            definition += [self.translations(row, edition) for row in terms[term]]
        return made

    def translations(self, row, edition):
        paragraph = nodes.paragraph(classes=["term-languages"])
        for other, settings_ in project.editions().items():
            if other != edition and row.get(other):
                lang = settings_["language"].replace("_", "-")
                paragraph += nodes.inline("", settings_["edition_name"], classes=["term-language", f"language-{lang}"])
                paragraph += nodes.Text(" ")
                paragraph += nodes.inline("", row[other], classes=["term-word", f"language-{lang}"])
                paragraph += nodes.Text(" ")
        return paragraph


def add_definitions(app, page, template, context, doctree):
    """A link to the glossary carries the term's definition, which the style sheet shows when one points at it."""
    places = app.env.get_domain("std").objects
    if "body" not in context or page == "glossary" or not (source := project.source(app.config.edition, "glossary")).exists():
        return
    says = {
        places["term", term][1]: definition
        for term, definition in sections.definitions(project.read(source)).items()
        if ("term", term) in places
    }

    def link(match):
        definition = says.get(match[2])
        return f'{match[1]} data-definition="{html.escape(definition)}"' if definition else match[1]

    context["body"] = re.sub(r'(<a class="reference internal" href="glossary\.html#([^"]*)")', link, context["body"])


def inline_diagrams(app, page, template, context, doctree):
    """The drawings of book/figures become part of the page, so that their lines have the colour of its text."""

    def drawing(match):
        path = project.BOOK / "figures" / f"{match[1]}.svg"
        if not path.exists():
            return match[0]
        says = re.search(r'alt="([^"]*)"', match[0])
        return path.read_text("utf-8").replace("<svg ", f'<svg class="diagram" role="img" aria-label="{says[1]}" ', 1)

    if "body" in context:
        context["body"] = re.sub(r'<img [^>]*src="[^"]*_images/([\w-]+)\.svg"[^>]*>', drawing, context["body"])


class LibraryTable(SphinxDirective):
    """`{library-table}`: the names that each section saves, with the first lines of their docstrings.

    With the name of a hand-written module as its argument: that module's names.
    """

    optional_arguments = 1

    def run(self):
        if self.arguments:
            names = library.public_names(library.folder() / f"{self.arguments[0]}.py")
            lines = [", ".join(f"`{name}`" for name in names)]
        else:
            lines = []
            for page in project.sections():
                self.env.note_dependency(str(project.source(self.config.edition, page)))
                if names := library.described(sections.read(self.config.edition, page)):
                    lines += [f"{{ref}}`{page}`", ""]
                    for name, says in names.items():
                        plain = re.sub(r"([\\`*_\[\]<$])", r"\\\1", says)
                        lines += [f"`{name}`", f": {plain}", ""]
        made = nodes.container(classes=["library"])
        self.state.nested_parse(StringList(lines, "library"), self.content_offset, made)
        return [made]


def sort_key(term, edition):
    """Chinese by pinyin, which is the order of GB 18030's common characters; Vietnamese and English by letter."""
    if edition == "zh":
        return list(term.lower().encode("gb18030"))
    tones = "\u0300\u0301\u0303\u0309\u0323"
    letters = "".join(c for c in unicodedata.normalize("NFD", term.lower()) if c not in tones)
    alphabet = " aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
    return [alphabet.find(letter) for letter in unicodedata.normalize("NFC", letters)]


if __name__ == "__main__":
    sys.exit(build_translation(sys.argv[1], Path(sys.argv[2]), **json.loads(sys.argv[3])))

"""The directives of the book: the glossary's table of terms, and the library's of names."""

import re
import unicodedata
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.domains.std import Glossary
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import _make_id

from . import library, project, sources


class TermTable(SphinxDirective):
    """`{term-table}`: the terms of `book/terms.csv`, each with its definition, given here, and in other languages."""

    has_content = True

    def run(self) -> list[Any]:
        self.env.note_dependency(str(project.BOOK / "terms.csv"))
        edition = self.config.edition
        definitions = sources.definitions("\n".join(self.content))
        terms: dict[str, list[dict[str, str]]] = {}  # a word may stand for two English terms
        for row in project.terms():
            terms.setdefault(row.get(edition) or row[project.source_edition()], []).append(row)
        order = sorted(terms, key=lambda term: sort_key(term, edition))
        lines = StringList([line for term in order for line in (term, "    -", "")], "terms.csv")
        made = Glossary(
            self.name, [], {}, lines, self.lineno, self.content_offset, "", self.state, self.state_machine
        ).run()
        standard = self.env.domains["std"]
        for term, name in zip(order, [n for m in made for n in m.findall(nodes.term)]):
            name["ids"] = [_make_id(f"term-{row[project.source_edition()]}") for row in terms[term]]
            standard.objects["term", term] = standard._terms[term.lower()] = (self.env.docname, name["ids"][0])  # type: ignore[attr-defined]
        for term, definition in zip(order, [d for n in made for d in n.findall(nodes.definition)]):
            definition.children = []
            if term in definitions:
                definition += nodes.paragraph("", definitions[term])
            definition += [self.translations(row, edition) for row in terms[term]]
        return made

    def translations(self, row: dict[str, str], edition: str) -> Any:
        paragraph = nodes.paragraph(classes=["term-languages"])
        for other, settings_ in project.editions().items():
            if other != edition and row.get(other):
                lang = settings_["language"].replace("_", "-")
                paragraph += nodes.inline("", settings_["edition_name"], classes=["term-language", f"language-{lang}"])
                paragraph += nodes.Text(" ")
                paragraph += nodes.inline("", row[other], classes=["term-word", f"language-{lang}"])
                paragraph += nodes.Text(" ")
        return paragraph


class LibraryTable(SphinxDirective):
    """`{library-table}`: the names that each section saves, with the first lines of their docstrings.

    With the name of a hand-written module as its argument: that module's names.
    """

    optional_arguments = 1

    def run(self) -> list[Any]:
        pages: dict[str, str] = {}
        if self.arguments:
            names = library.public_names(library.folder() / f"{self.arguments[0]}.py")
            written = f"{project.repository()}/blob/{project.setting('repository', 'branch')}/src/softmax_lib/{self.arguments[0]}.py"
            lines = [", ".join(f"[`{name}`]({written})" for name in names)]
        else:
            lines = []
            for page in project.sections():
                self.env.note_dependency(str(project.source(self.config.edition, page)))
                if described := library.described(sources.read(self.config.edition, page)):
                    lines += [f"{{doc}}`{page}`", ""]
                    pages |= dict.fromkeys(described, page)
                    for name, says in described.items():
                        plain = re.sub(r"([\\`*_\[\]<$])", r"\\\1", says)
                        lines += [f"`{name}`", f": {plain}", ""]
        made = nodes.container(classes=["library"])
        self.state.nested_parse(StringList(lines, "library"), self.content_offset, made)
        for term in made.findall(nodes.term):
            cell = f"{pages[term.astext()]}.html#softmax_lib.{term.astext()}"  # labels would not tell SGD from sgd
            term[:] = [nodes.reference("", "", *term.children, internal=True, refuri=cell)]
        return [made]


def sort_key(term: str, edition: str) -> list[int]:
    """Chinese by pinyin, which is the order of GB 18030's common characters; Vietnamese and English by letter."""
    if edition == "zh":
        return list(term.lower().encode("gb18030"))
    tones = "\u0300\u0301\u0303\u0309\u0323"
    letters = "".join(c for c in unicodedata.normalize("NFD", term.lower()) if c not in tones)
    alphabet = " aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
    return [alphabet.find(letter) for letter in unicodedata.normalize("NFC", letters)]

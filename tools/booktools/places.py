"""The places of a page that links lead to: all editions share their ids, so that a reader who changes editions
stays where they are."""

from itertools import pairwise
from typing import Any

from docutils import nodes
from markdown_it import MarkdownIt
from sphinx.transforms import SphinxTransform
from sphinx_exercise.nodes import solution_node

from . import library, project


def headings(page: str) -> list[str]:
    """The ids of a page's headings, made from the English ones as docutils would."""
    path = project.source(project.source_edition(), page)
    tokens = MarkdownIt().parse(project.split_front_matter(project.read(path), path)[1])
    return [nodes.make_id(text.content) for mark, text in pairwise(tokens) if mark.type == "heading_open" and not mark.level]


class SharedIds(SphinxTransform):
    """Name sections by the English headings, solutions by their exercises and saved cells by what they define."""

    default_priority = 700  # after docutils has given ids and labels, before Sphinx collects them

    def apply(self, **_: Any) -> None:
        page = self.env.docname
        self.env.note_dependency(str(project.source(project.source_edition(), page)))
        for solution in self.document.findall(solution_node):
            solution["ids"] = [f"solution-{solution['target_label']}"]
        english = iter(headings(page))
        for section in self.document.findall(nodes.section):
            labels = [self.document.nameids[name] for name in section["names"] if self.document.nametypes.get(name)]
            if isinstance(section.next_node(), nodes.title):
                section["ids"] = list(dict.fromkeys([next(english, section["ids"][0]), *labels]))
            else:  # sphinx-exercise gives the contents of all exercises one id
                section["ids"] = [f"{section.parent['ids'][0]}-content"]
        for cell in self.document.findall(nodes.container):
            if cell.get("nb_element") == "cell_code" and (code := next(cell.findall(nodes.literal_block), None)):
                cell["ids"] += library.addresses(code.astext())

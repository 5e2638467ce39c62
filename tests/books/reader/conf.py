"""The configuration of both editions: the folder's name says which this is."""

from pathlib import Path

edition = Path(__file__).parent.name
language, reader_note, words = {
    "en": ("en", "A page of *Softmax*: <{url}>", ("Fig.", "Table", "Section")),
    "zh": ("zh_CN", "本页出自《Softmax》：<{url}>", ("图", "表", "第")),
}[edition]
exclude_patterns = ["_build", "expected"]
extensions = ["myst_nb", "sphinx_exercise", "sphinxcontrib.bibtex", "booktools.readers"]
bibtex_bibfiles = ["references.bib"]
numfig = True
numfig_format = {kind: f"{word} %s" for kind, word in zip(("figure", "table", "section"), words)}
math_numfig = True
html_baseurl = f"https://example.org/{edition}/"
myst_enable_extensions = ["dollarmath", "colon_fence"]
nb_execution_mode = "force"


def setup(app):
    app.add_config_value("edition", edition, "env")  # as booktools.editions does

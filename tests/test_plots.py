"""Plots as parts of the page: the edition's words, the page's colours, one panel to a row."""

import io
import re
from types import SimpleNamespace

import matplotlib
import pytest
from booktools import interface, plots
from matplotlib.figure import Figure

WORDS = {"epoch": "轮次", "train loss": "训练损失"}


def svg(columns=1, grid=False):
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "softmax"}):
        figure = Figure(figsize=(6, 3))
        for number, axes in enumerate(figure.subplots(1, columns, squeeze=False).flat):
            axes.plot([1, 2], [3, 4], "o-", label="train loss")
            axes.set_xlabel("epoch" if number == 0 else "lr = 0.1")
            axes.set_ylabel(r"$\hat y = \mathbf{Xw}$")
            axes.legend(loc="lower right")
            if grid:
                axes.axis("off")
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def test_words_of_the_edition():
    made, unknown = plots.in_page(svg(), "p1", "a curve <&", WORDS)
    assert {"轮次", "训练损失"} <= set(re.findall(r"<text[^>]*>([^<]+)", made)) and "epoch" not in made
    assert unknown == [] and 'aria-label="a curve &lt;&amp;"' in made
    assert "".join(re.findall(r"<tspan[^>]*>([^<]+)", made)).endswith("Xw")  # in the order of reading, not of drawing
    assert plots.in_page(svg(), "p1", "", {"epoch": "epoch"})[1] == ["train loss"]


def test_a_word_that_no_edition_has_is_named(tmp_path, monkeypatch):
    said, logger = [], SimpleNamespace(warning=lambda text, *words, **place: said.append((text % words, place)))
    monkeypatch.setattr(interface.logging, "getLogger", lambda name: logger)
    config, builder = SimpleNamespace(edition="vi"), SimpleNamespace(images={})
    (tmp_path / "_images").mkdir()
    (tmp_path / "_images/a.svg").write_text(svg().replace("train loss", "no word"), "utf-8")
    app, context = SimpleNamespace(config=config, builder=builder, srcdir=tmp_path, outdir=tmp_path), {"body": '<img src="_images/a.svg">'}
    interface.inline_drawings(app, "page", "", context, None)
    assert said == [("a plot says “no word”, which book/figures/words.yml lacks → add it there", {"location": "page"})] and "<svg" in context["body"]


def test_colours_and_fonts_of_the_page():
    made, _ = plots.in_page(svg(), "p1", "", WORDS)
    assert "#1f77b4" not in made and "#000000" not in made and "font-family" not in made and "var(--plot-1)" in made
    assert len(made) < len(svg()) / 1.5


@pytest.mark.parametrize("columns, grid, pieces", [(1, False, 1), (3, False, 3), (3, True, 1)])
def test_a_panel_to_a_row_and_every_reference_kept(columns, grid, pieces):
    made, _ = plots.in_page(svg(columns, grid), "p1", "says", WORDS)
    assert made.count("<svg ") == pieces and made.count("says") == 1
    ids = re.findall(r' id="([^"]*)"', made)
    assert len(ids) == len(set(ids)) and set(re.findall(r'(?:href="|url\()#([\w-]+)', made)) == set(ids)

"""What a page says of itself to the browser, to search engines and where its address is shared; and its folds."""

import hashlib
import html
import math
import re
from pathlib import Path
from urllib.parse import urlencode

from docutils import nodes
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont
from sphinx.application import Sphinx

from . import interface, project

SIZE = (1200, 630)  # what the sites where addresses are shared ask for
CJK = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei", "PingFang SC", "Microsoft YaHei")


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", describe, priority=900)


def describe(app: Sphinx, page: str, template: str, context: interface.Context, doctree: nodes.document | None) -> None:
    """The words for the head of the page, the link to ask about it, and its folded parts."""
    edition = app.config.edition
    title = " ".join(html.unescape(re.sub(r"<[^>]*>", "", context.get("title", ""))).split())
    context["full_title"] = app.config.html_title if page == app.config.root_doc else f"{title} · {app.config.html_title}"
    context["look"] = app.config.look[:8]
    context["metatags"] = re.sub(r'<meta name="viewport"[^>]*>\s*', "", context.get("metatags", ""))  # the theme has it
    context["site_root"] = "../" * (page.count("/") + bool(interface.folder(edition)))
    if "body" in context:
        roles = re.compile(r'(<div\b[^>]*?) role="(?:list|doc-biblioentry)"')  # one of docutils' is out of use, one wrong
        context["body"] = fold(roles.sub(r"\1", context["body"]))
    if not doctree or page not in project.pages():
        return
    context["description"] = description(doctree)
    context["card"] = app.config.html_baseurl + card(Path(app.outdir), page, title, app.config.html_title)
    said = interface.words(edition)["My question about this page:"]
    question = {"title": f"[{edition}] {title}: ", "body": f"{context['pageurl']}\n\n{said}\n"}
    context["ask_url"] = f"{project.repository()}/issues/new?{urlencode(question)}"


def description(doctree: nodes.document, longest: int = 200) -> str:
    """The first sentences of the page, as many as fit."""
    text = next((" ".join(paragraph.astext().split()) for paragraph in doctree.findall(nodes.paragraph)), "")
    if len(text) <= longest:
        return text
    ends = [match.end() for match in re.finditer(r"[.?!](?= )|[。？！]", text[:longest])]
    return text[: ends[-1]] if ends else text[: longest - 1].rpartition(" ")[0] + "…"


def fold(body: str) -> str:
    """Admonitions of class dropdown become <details>: folded without a script, found by the browser's search."""
    title, ends, made = '<p class="admonition-title">', [], []
    for part in re.split(rf"(?s)(<div\b[^>]*>(?:\s*{title}.*?</p>)?|</div>)", body):
        if part.startswith("<div") and title in part and re.match(r'<div class="(?=[^"]*\bdropdown\b)', part):
            part = part.replace("<div", "<details", 1).replace(title, '<summary class="admonition-title">')
            part = re.sub("</?a\\b[^>]*>", "", part).removesuffix("</p>") + "</summary>"  # a button holds no link
            ends.append("</details>")
        elif part.startswith("<div"):
            ends.append("</div>")
        elif part == "</div>":
            part = ends.pop()
        made.append(part)
    return "".join(made)


# ---- the picture that stands for a page where its address is shared


def card(out: Path, page: str, title: str, book: str) -> str:
    """Draw it, if it is not there yet; its address in the edition."""
    name = f"_static/cards/{page}-{hashlib.sha1((title + book).encode()).hexdigest()[:8]}.png"
    if not (out / name).exists():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        draw_card(project.pages().index(page), title, book).save(out / name, optimize=True)
    return name


def draw_card(number: int, title: str, book: str) -> Image.Image:
    """The bars of a softmax, another one high on each page, and the title where a font can write it."""
    picture = Image.new("P", SIZE, 0)
    picture.putpalette([255, 255, 255, 23, 109, 232, 190, 210, 244, 30, 35, 45, 100, 108, 120])
    draw = ImageDraw.Draw(picture)
    logits = [2.7 if bar == number % 12 else math.cos(2.4 * bar) for bar in range(12)]
    whole = sum(map(math.exp, logits))
    for bar, logit in enumerate(logits):
        left, top = 80 + 88 * bar, 560 - 600 * math.exp(logit) / whole
        draw.rounded_rectangle((left, top, left + 64, 560), 8, fill=1 if bar == number % 12 else 2)
    font = font_for(title + book)
    if font:
        lines = wrap(title, ImageFont.truetype(font, 64), SIZE[0] - 160)
        draw.multiline_text((80, 70), "\n".join(lines), fill=3, font=ImageFont.truetype(font, 64), spacing=16)
        if title != book:
            draw.text((80, 92 + 84 * len(lines)), book, fill=4, font=ImageFont.truetype(font, 36))
    return picture


def font_for(text: str) -> str | None:
    """A font with the letters of the text, if this computer has one: Matplotlib's own lacks Chinese."""
    chinese = bool(re.search(r"[\u3400-\u9fff]", text))
    for name in CJK if chinese else ("DejaVu Sans",):
        try:
            return font_manager.findfont(name, fallback_to_default=False)
        except ValueError:
            continue
    return None


def wrap(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Lines that fit; Chinese may end one after any sign, other writing after a word."""
    lines = [""]
    for piece in re.findall(r"[\u3000-\u9fff\uff00-\uffef]|[^\s\u3000-\u9fff\uff00-\uffef]+\s*|\s+", text):
        if font.getlength(lines[-1] + piece.rstrip()) > width and lines[-1] and piece not in "，。？！：；":
            lines.append("")
        lines[-1] += piece
    return lines

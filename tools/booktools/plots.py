"""The plots of the cells as parts of the page: in its font and colours, with the edition's words, a panel to a row on phones."""

import copy
import re
import unicodedata
from xml.etree import ElementTree

from . import project

Element = ElementTree.Element
ALIKE = re.compile(r"[\W\d_]*|.*=.*")  # what no language changes: numbers, signs, `lr = 0.1`
# Matplotlib's colours, and what the style sheet paints instead: told apart by everyone, on white and on black.
COLOURS = {
    "#000000": "currentColor", "#ffffff": "var(--pst-color-background)", "#b0b0b0": "var(--pst-color-border)",
    "#1f77b4": "var(--plot-1)", "#ff7f0e": "var(--plot-2)", "#ff0000": "var(--plot-2)", "#2ca02c": "var(--plot-3)",
    "#008000": "var(--plot-3)", "#d62728": "var(--plot-4)", "#bf00bf": "var(--plot-4)",
}  # fmt: skip


def words(edition: str) -> dict[str, str]:
    """What stands in the plots, and what an edition calls it."""
    return {english: row.get(edition, english) for english, row in project.table(project.BOOK / "figures/words.yml").items()}


def in_page(svg: str, name: str, says: str, table: dict[str, str]) -> tuple[str, list[str]]:
    """An SVG of Matplotlib's as HTML, and the words that the table lacks.

    `name` begins its ids, `says` is its text alternative.
    """
    root = plain(svg)
    unknown = translate(root, table)
    figure = next(group for group in root.iter("g") if group.get("id") == "figure_1")
    figure.remove(figure[0])  # the white behind everything
    axes = [group for group in figure if group.get("id", "").startswith("axes_")]
    framed = [group for group in axes if group[0].get("id", "").startswith("patch_")]  # a grid of pictures has no frames
    panels = beside_each_other(framed)
    for group in framed:
        paint(group)
    shorten(root)
    alone = [root] if len(panels) < 2 else [cut(root, figure, panels, place) for place in range(len(panels))]
    made = [piece(part, f"{name}-{place}", "" if place else says) for place, part in enumerate(alone)]
    return made[0] if len(made) == 1 else f'<span class="panels">{"".join(made)}</span>', unknown


def plain(svg: str) -> Element:
    """An SVG of Matplotlib's without namespaces and metadata."""
    root = ElementTree.fromstring(svg)
    shared = Element("defs")  # markers and frames, which any of the panels may use
    for element in list(root.iter()):
        element.tag = element.tag.rpartition("}")[2]
        for key in list(element.attrib):
            element.set(key.rpartition("}")[2], element.attrib.pop(key))
        for child in list(element):
            if child.tag.endswith("}defs"):
                shared.extend(part for part in child if not part.tag.endswith("}style"))
            if child.tag.endswith(("}defs", "}metadata")):
                element.remove(child)
    for part in shared.iter():
        part.tag = part.tag.rpartition("}")[2]
    root.insert(0, shared)
    return root


# ---- words


def translate(root: Element, table: dict[str, str]) -> list[str]:
    """Put the table's words in; where a legend's grow, its frame grows with them."""
    unknown = []
    for text in root.iter("text"):
        join(text)
    for group in root.iter("g"):
        if group.get("id", "").startswith("legend_"):
            texts = [text.text or "" for text in group.iter("text")]
            longest = max(width(table.get(text, text)) for text in texts)
            widen(group, max(0, longest - max(map(width, texts))))
    for text in root.iter("text"):
        if text.text and not ALIKE.fullmatch(text.text):
            if text.text not in table:
                unknown.append(text.text)
            text.text = table.get(text.text, text.text)
    return unknown


def width(words: str) -> float:
    """About how wide words are at ten pixels, in a font as wide as Matplotlib's."""
    return sum(10.2 if unicodedata.east_asian_width(letter) in "WF" else 5.8 for letter in words)


def widen(legend: Element, by: float) -> None:
    """Move a legend's frame to the left by what its words have become longer."""
    frame = next(path for path in legend.iter("path"))
    left, right, top, bottom = bounds(frame)
    frame.set("d", f"M {left} {bottom} L {right + by} {bottom} L {right + by} {top} L {left} {top} z")
    if by and left > 90:  # not one at the left edge
        legend.set("transform", f"translate({-by} 0)")


def join(text: Element) -> None:
    """Letters that Matplotlib placed one by one, as words again: the page's font has other widths."""
    text.text = (text.text or "").strip()
    letters = []
    for span in text.findall("tspan"):
        style = span.get("style", "")
        size, bold = re.search(r"font-size: ([\d.]+)", style), "font-weight: 700" in style
        looks = {"font-size": size[1] if size else "10", "font-weight": "bold" if bold else "normal"}
        places = map(float, span.get("x", "0").split())
        letters += [(x, float(span.get("y", "0")), looks, letter) for x, letter in zip(places, span.text or "")]
        text.remove(span)
    level, last = 0.0, None
    for _, y, looks, letter in sorted(letters, key=lambda letter: letter[0]):
        if last is None or abs(y - level) > 1.5 or last.get("font-weight") != looks["font-weight"]:
            last = ElementTree.SubElement(text, "tspan", {"dy": f"{y - level:.1f}", **looks})
            level = y
        last.text = (last.text or "") + letter


# ---- looks


def bounds(path: Element) -> tuple[float, float, float, float]:
    """How far a path reaches: left, right, top, bottom."""
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", path.get("d", ""))]
    return min(numbers[::2]), max(numbers[::2]), min(numbers[1::2]), max(numbers[1::2])


def box(axes: Element) -> tuple[float, float, float, float]:
    """Where the frame of a plot stands."""
    return bounds(axes[0][0])


def paint(axes: Element) -> None:
    """No white behind a plot; words on a picture keep their colour, for the picture keeps its own."""
    left, right, top, bottom = box(axes)
    axes[0][0].set("style", "fill: none")
    if next(axes.iter("image"), None) is not None:
        for text in (text for group in axes for text in group.findall("text")):
            if left < float(text.get("x", 0)) < right and top < float(text.get("y", 0)) < bottom:
                text.set("fill", "white" if "#ffffff" in text.get("style", "") else "black")


def colour(found: re.Match[str]) -> str:
    """A colour as the page paints it; a grey as a share of the colour of its text."""
    red, green, blue = (int(found[0][at : at + 2], 16) for at in (1, 3, 5))
    if found[0] not in COLOURS and red == green == blue:
        return f"color-mix(in srgb, currentColor {100 - red * 100 // 255}%, transparent)"
    return COLOURS.get(found[0], found[0])


def shorten(root: Element) -> None:
    """Colours by the style sheet's names, fonts from the page, two decimals, nothing that does nothing."""
    for element in root.iter():
        for key in [key for key in ("d", "x", "y", "transform") if key in element.attrib]:
            value = re.sub(r"-?\d+\.\d+", lambda number: f"{round(float(number[0]), 2):g}", element.attrib.pop(key))
            if value := " ".join(re.sub(r"rotate\(-?0 [^)]*\)", "", value).split()):
                element.set(key, value)
        if style := element.attrib.pop("style", ""):
            style = re.sub(r"font-family: [^;]*;? ?|stroke-dashoffset: 0; ", "", style)
            style = re.sub(r"fill: [^;]*;? ?", "", style) if element.get("fill") else style
            element.set("style", re.sub(r"#\w{6}", colour, style).strip("; "))
        element.text, element.tail = (part if part and part.strip() else "" for part in (element.text, element.tail))
    for element in root.iter():
        if len(styles := {child.get("style") if child.tag == "use" else None for child in element}) == 1 and None not in styles:
            element.set("style", styles.pop() or "")  # a cloud of points has one colour
            for child in element:
                del child.attrib["style"]


# ---- panels


def beside_each_other(axes: list[Element]) -> list[list[Element]]:
    """The plots of a figure from left to right, each with its scale of colours; those of two rows stay together."""
    panels: list[list[Element]] = []
    for group in axes:
        left, right, _, _ = box(group)
        if panels and (right - left < 40 or left < box(panels[-1][0])[1]):
            panels[-1].append(group)
        else:
            panels.append([group])
    return panels


def cut(root: Element, figure: Element, panels: list[list[Element]], place: int) -> Element:
    """The figure with one of its panels alone, from the frame before it to the frame after it."""
    _, _, right, height = map(float, root.get("viewBox", "").split())
    left = box(panels[place - 1][-1])[1] + 6 if place else 0.0
    right = box(panels[place][-1])[1] + 8 if place + 1 < len(panels) else right
    whole, figure[:] = figure[:], panels[place]
    alone = copy.deepcopy(root)
    figure[:] = whole
    alone.attrib |= {"viewBox": f"{left:g} 0 {right - left:g} {height:g}", "width": f"{right - left:g}pt"}
    return alone


def piece(root: Element, name: str, says: str) -> str:
    """One SVG as the page holds it: as high as its width asks, its ids its own."""
    places = {value.strip("url(#)") for part in root.iter() for value in (part.get("href", ""), part.get("clip-path", "")) if value}
    for unused in [part for part in root[0] if part.get("id") not in places]:
        root[0].remove(unused)
    for element in root.iter():
        if (own := element.attrib.pop("id", "")) in places:
            element.set("id", f"{name}{own}")
        for key in ("href", "clip-path"):
            if (place := element.get(key, "")).startswith(("#", "url(#")):
                element.set(key, place.replace("#", f"#{name}", 1))
    for key in ("version", "height"):
        root.attrib.pop(key, None)
    root.attrib |= {"class": "plot", "role": "img", "aria-label": says} if says else {"class": "plot", "aria-hidden": "true"}
    return ElementTree.tostring(root, "unicode")

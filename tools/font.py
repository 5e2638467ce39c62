"""Make the font of the formulas, book/static/fonts/formulas.woff2, from NewCMMath-Book.otf of New Computer Modern.

    .venv/bin/python tools/font.py NewCMMath-Book.otf

The font stands at https://ctan.org/pkg/newcomputermodern. What is changed brings it nearer to what TeX does with it.
"""

import sys
from pathlib import Path
from typing import Any

from fontTools import subset
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.transformPen import TransformPen
from fontTools.ttLib import TTFont

CHARACTERS = """
20-7E A0 AC AF B1 B7 D7 F7 131 237 2C6 2C7 2D8-2DC 391-3A9 3B1-3C9 3D1 3D5 3D6 3F0 3F1 3F5 2013 2016 2026 2032
2061-2063 2102 210B 210E 2110 2112 2113 2115 2119-211B 211D 2124 212C 2130 2131 2133 2190-2194 21A6 21D0-21D4 27F6
2200 2202-2209 220F 2211-2213 2217 2218 221A 221D 221E 2223-222B 2234 223C 2243 2245 2248 2260 2261 2264 2265 226A
226B 2282 2283 2286 2287 2295 2297 2299 22A4 22A5 22C5 22EE 22EF 22F1 2308-230B 23DE 23DF 27E8 27E9 1D400-1D4B5
1D538-1D551 1D6E2-1D755 1D7CE-1D7D7
"""
ITALIC = [0x210E, *range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C)]
WIDTH = 500  # of all parentheses, where the largest would have 875

font: Any = TTFont(sys.argv[1])
font["cmap"].tables = [table for table in font["cmap"].tables if table.format == 12]
characters, math = font.getBestCmap(), font["MATH"].table

# A prime of the size for exponents, for no browser asks for it; and a norm's bars as far apart as TeX's.
for table in font["cmap"].tables:
    table.cmap |= {0x2032: "minute.st", 0x2016: characters[0x2225]}

# TeX's own heights of scripts; with these a subscript is no lower because its letter has a hat.
math.MathConstants.SubscriptShiftDown.Value = 150
math.MathConstants.SubscriptBaselineDropMin.Value = -50
math.MathConstants.SuperscriptBaselineDropMax.Value = 386

# The room on the right that a slanted letter has in TeX: P] and T( do not touch.
corrections = math.MathGlyphInfo.MathItalicsCorrectionInfo
slanted = {characters[letter] for letter in ITALIC if letter in characters}
for glyph, correction in zip(corrections.Coverage.glyphs, corrections.ItalicsCorrection):
    if glyph in slanted:
        width, bearing = font["hmtx"][glyph]
        font["hmtx"][glyph] = width + correction.Value, bearing

# Chromium gives each parenthesis the room of the largest, so all get the same width and stand in its middle.
shapes, outlines = font.getGlyphSet(), font["CFF "].cff[0].CharStrings
for glyph, variants in zip(math.MathVariants.VertGlyphCoverage.glyphs, math.MathVariants.VertGlyphConstruction):
    if glyph in (characters[ord("(")], characters[ord(")")]):
        whole = [[record.VariantGlyph] for record in variants.MathGlyphVariantRecord if record.VariantGlyph != glyph]
        for names in [*whole, [part.glyph for part in variants.GlyphAssembly.PartRecords]]:
            bounds = [outlines[name].calcBounds(shapes) for name in names]
            shift = (WIDTH - min(left for left, *_ in bounds) - max(right for _, _, right, _ in bounds)) / 2
            for name in names:
                pen = T2CharStringPen(WIDTH, shapes)
                shapes[name].draw(TransformPen(pen, (1, 0, 0, 1, shift, 0)))
                outlines[name] = pen.getCharString(outlines[name].private, outlines[name].globalSubrs)
                font["hmtx"][name] = WIDTH, 0

for record in font["name"].names:  # a changed font has a name of its own
    if record.nameID in (1, 3, 4, 6):
        record.string = "Formulas"
subsetter = subset.Subsetter(subset.Options(layout_features=[], hinting=False))
subsetter.populate(unicodes=subset.parse_unicodes(CHARACTERS.replace("\n", " ")))
subsetter.subset(font)
font.flavor = "woff2"
font.save(Path(__file__).parents[1] / "book/static/fonts/formulas.woff2")

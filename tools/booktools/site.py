"""What must hold of the finished site: each link between its pages leads somewhere, drawings' links too."""

import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote

TARGET = re.compile(r"""<[a-zA-Z][^<>]*?\s(?:id|name)=["']([^"']*)["']""")
ID = re.compile(r"""<[a-zA-Z][^<>]*?\sid=["']([^"']*)["']""")
LINK = re.compile(r"""<(?:a|img|script|link|source|use|image)\s[^<>]*?(?:href|src)=["']([^"']*)["']""")
BODY = re.compile(r"(?s)<(script|style|pre)\b[^>]*>.*?</\1>")  # what only looks like links


def failures(site: Path) -> Iterator[str]:
    pages = {path: path.read_text("utf-8") for path in sorted(site.rglob("*.html")) if "_static" not in path.parts}
    anchors = {path: {unescape(name) for name in TARGET.findall(text)} for path, text in pages.items()}
    for path, text in pages.items():
        for name, times in Counter(ID.findall(BODY.sub("", text))).items():
            if times > 1:
                yield f"{path.relative_to(site)}: {times} elements have the id `{name}` → give headings and labels of a page different names"
        for link in dict.fromkeys(unescape(link) for link in LINK.findall(BODY.sub("", text))):
            file, _, anchor = link.partition("#")
            if re.match(r"[a-z][a-z+.-]*:|//", link) or path.name in ("search.html", "genindex.html") and not file:
                continue
            target = (path.parent / unquote(file.partition("?")[0])).resolve() if file else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                yield f"{path.relative_to(site)}: the link `{link}` leads to no file → correct it"
            elif anchor and target in anchors and unquote(anchor) not in anchors[target]:
                yield f"{path.relative_to(site)}: the link `{link}` leads to no place on its page → correct it"

"""How the translations sound, in numbers, page by page: `.venv/bin/python tests/thermometer.py [COMMIT]`.

Vietnamese: pronouns (nó, ấy, thứ, chỗ, cái) and *thì* per 1,000 syllables; Chinese: 就 and ； per 1,000
characters, and characters to a clause. With a commit the same of its pages stands beside. A thermometer: no
sentence is bent to please it.
"""

import re
import subprocess
import sys
from pathlib import Path

BOOK = Path(__file__).resolve().parents[1] / "book"
NOT_PROSE = re.compile(  # front matter, code, formulas, options, comments, roles' targets, addresses
    r"(?s)\A---\n.*?\n---\n|^(`{3,})\{code-cell\}.*?^\1$|\$\$.*?\$\$|^`{3,}\{math\}.*?^`{3,}$|^```\w*\n.*?^```$"
    r"|\$[^$\n]+\$|`[^`\n]*`|^:\w+:.*?$|\{[\w:]+\}|\]\([^)]*\)|<[^>]*>|^\([\w-]+\)=$", re.MULTILINE
)


def prose(text):
    text = re.sub(r"\{term\}`([^`<]*?)(?: <[^`]*>)?`", r"\1", text)
    return NOT_PROSE.sub(" ", text)


def vietnamese(text):
    syllables = re.findall(r"[^\W\d_]+", text.lower())
    share = 1000 / max(1, len(syllables))
    return [share * sum(map(syllables.count, ("nó", "ấy", "thứ", "chỗ", "cái"))), share * syllables.count("thì")]


def chinese(text):
    characters = len(re.findall(r"[\u4e00-\u9fff]", text))
    share = 1000 / max(1, characters)
    marks = len(re.findall("[，。；：？！]", text))
    return [share * text.count("就"), share * text.count("；"), characters / max(1, marks)]


def numbers(values):
    return "".join(f"{value:8.1f}" for value in values)


def main(commit=None):
    for edition, measure, heads in (("vi", vietnamese, "pronouns thì"), ("zh", chinese, "就 ； clause")):
        print(f"{edition:32}{heads}" + f"      in {commit}: the same" * bool(commit))
        for path in sorted((BOOK / edition).glob("*.md")):
            if path.stem in ("glossary", "references", "library"):
                continue
            line = f"  {path.stem:30}" + numbers(measure(prose(path.read_text("utf-8"))))
            if commit:
                found = subprocess.run(["git", "show", f"{commit}:./{edition}/{path.name}"], cwd=BOOK, capture_output=True)
                line += "    " + (numbers(measure(prose(found.stdout.decode("utf-8")))) if not found.returncode else "not there")
            print(line)


if __name__ == "__main__":
    main(*sys.argv[1:])

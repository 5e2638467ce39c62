"""The commands: `python -m booktools sync | check | adopt FILE.ipynb | translated [LANG/]PAGE… | pdf`."""

import argparse
import os
import sys
from pathlib import Path

from . import checks, frameworks, pairs, project, size, sources
from .project import Problem


def sync(everything: bool = False) -> int:
    changed, problems = pairs.sync(everything)
    for line in [f"wrote {path}" for path in changed] + problems:
        print(line)
    if problems:
        print(f"make sync: {len(problems)} thing{'s' * (len(problems) > 1)} to mend, listed above.")
        return 1
    done = f"{len(changed)} file{'s' * (len(changed) > 1)} brought" if changed else "everything was"
    print(f"make sync: {done} up to date.")
    return 0


def adopt(notebook: str, force: bool) -> int:
    pairs.adopt(Path(notebook), force)
    print(f"{notebook} was brought over to its .md")
    return sync()


def translated(names: list[str]) -> int:
    """A page alone stands for all its translations. The notebooks are brought up to date, too."""
    for name in names:
        for path in [Path(name)] if "/" in name else [Path(edition, name) for edition in project.translations()]:
            sources.record_translation(path.parent.name, path.stem)
    print(f"Recorded as saying what the English text says now: {', '.join(names)}.")
    return sync()


def pdf() -> int:
    from . import paper  # Sphinx and Typst: no other command waits for them

    return paper.report()


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="booktools", description=__doc__.split("`")[0].strip(" :"))
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("sync", help="bring library, translations' code and notebooks up to date")
    command.add_argument("--execute-all", action="store_true", help="run every notebook, changed or not")
    command.set_defaults(run=lambda given: sync(given.execute_all))
    command = commands.add_parser("check", help="the fast checks")
    command.set_defaults(run=lambda given: checks.report())
    command = commands.add_parser("size", help="how many lines of code there are")
    command.set_defaults(run=lambda given: size.report())
    command = commands.add_parser("frameworks", help="run the scripts of book/frameworks that have changed")
    command.set_defaults(run=lambda given: frameworks.run())
    command = commands.add_parser("settings", help="whether _toc.yml can be read, before a build fails at it")
    command.set_defaults(run=lambda given: 0 if project.pages() else 1)
    command = commands.add_parser("pdf", help="a PDF and an EPUB of each edition, from what the build wrote")
    command.set_defaults(run=lambda given: pdf())
    command = commands.add_parser("adopt", help="bring the edit of a notebook over to its .md")
    command.add_argument("notebook")
    command.add_argument("--force", action="store_true", help="even where that overwrites an edit of the .md")
    command.set_defaults(run=lambda given: adopt(given.notebook, given.force))
    command = commands.add_parser("translated", help="record that translations say what the English says now")
    command.add_argument("pages", nargs="+", metavar="[LANG/]PAGE")
    command.set_defaults(run=lambda given: translated(given.pages))
    arguments = parser.parse_args(words)
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]  # whatever the locale
    try:
        return arguments.run(arguments)
    except Problem as problem:
        print(problem)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; no file was left half-written.", flush=True)
        os._exit(130)


if __name__ == "__main__":
    sys.exit(main())

"""The Sphinx extension that makes one build of the book give every edition.

The build started at the root builds the source edition; it starts one process for each translation, waits
for them, puts their pages under the edition's folder of the site, and compares what the editions say.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

from sphinx.application import ENV_PICKLE_FILENAME, Sphinx

from booktools import directives, documents, finish, formulas, frameworks, head, interface, places, project, search, site, touch


def setup(app: Sphinx) -> dict[str, bool]:
    at_root = Path(app.srcdir) == project.ROOT
    if at_root:
        app.lock = alone(Path(app.outdir).parent)  # type: ignore[attr-defined]
        begin(app)
    if not whole(app).exists():
        Path(app.doctreedir, ENV_PICKLE_FILENAME).unlink(missing_ok=True)
    whole(app).unlink(missing_ok=True)
    app.add_config_value("editions", {}, "html")
    app.add_config_value("edition", project.source_edition(), "env")
    app.add_config_value("tools", fingerprint(*Path(__file__).parent.glob("*.py")), "env")  # then pages are read again, too
    app.add_config_value("look", look(), "html")
    app.add_directive("term-table", directives.TermTable)
    app.add_directive("library-table", directives.LibraryTable)
    app.add_transform(places.SharedIds)
    interface.setup(app)
    formulas.setup(app)
    search.setup(app)
    touch.setup(app)
    frameworks.setup(app)
    head.setup(app)
    app.setup_extension("booktools.readers")
    app.setup_extension("booktools.paper")
    app.setup_extension("booktools.slides")
    app.connect("config-inited", read_pairs, priority=900)
    app.connect("source-read", depend_on_notebook)
    app.connect("build-finished", remember_success)
    if at_root:
        app.connect("builder-inited", start_translations)
        app.connect("build-finished", finish_translations, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def alone(folder: Path) -> IO[str] | None:
    """Wait until no other build writes into the folder. The file that comes back is the lock: none can begin while it is open."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / "lock", "w")
    except OSError as error:
        sys.exit(f"\n{project.show(folder)} cannot be written ({error.strerror}) → build in a folder of yours")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Another build of the book is running here; this one waits for its end.", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def begin(app: Sphinx) -> None:
    """Turn the build of the root into the build of the source edition, if all editions can be read."""
    try:
        for edition in project.editions():
            for page in project.pages():
                project.read(project.source(edition, page))
        project.terms()
        edition = project.source_edition()
        app.srcdir = app.confdir = type(app.srcdir)(project.BOOK / edition)
        for key, value in settings(edition).items():
            old = app.config.overrides.get(key)
            app.config.overrides[key] = {**old, **value} if isinstance(old, dict) else value
    except project.Problem as problem:
        sys.exit(f"\n{problem}")


def settings(edition: str) -> dict[str, Any]:
    """The Sphinx settings of one edition: its row of the table, and what follows from its folder's name."""
    return {
        **project.editions()[edition],
        "edition": edition,
        "html_baseurl": project.setting("html", "baseurl") + interface.folder(edition),
    }


def fingerprint(*files: Path) -> str:
    """When it changes, what was made with these files is made again."""
    return hashlib.sha1(b"".join(project.show(file).encode() + file.read_bytes() for file in sorted(files))).hexdigest()


def look() -> str:
    """The fingerprint of what every page is written with."""
    files = [path for folder in ("templates", "static", "figures") for path in (project.BOOK / folder).rglob("*.*")]
    return fingerprint(*files, *project.BOOK.glob("*/glossary.md"))


def read_pairs(app: Sphinx, config: Any) -> None:
    """Have myst-nb read a section's source with the outputs that its pair holds, and run nothing."""
    sections = [project.source(config.edition, page) for page in project.sections()]
    config.nb_custom_formats = {str(path): ["booktools.pairs.executed", {"path": str(path)}] for path in sections}


def depend_on_notebook(app: Sphinx, page: str, source: list[str]) -> None:
    """A page is read again when its notebook was executed anew."""
    notebook = Path(app.env.doc2path(page)).with_suffix(".ipynb")
    if notebook.exists():
        app.env.note_dependency(str(notebook))


def whole(app: Sphinx) -> Path:
    """The file that says that the last build came to its end, without errors and warnings.

    Without it the next build reads everything again: Sphinx alone would forget warnings, and pass, and of a
    build that was cut off it would miss the search index or keep pages that were not written again.
    """
    return Path(app.doctreedir, "whole")


def remember_success(app: Sphinx, error: Exception | None) -> None:
    if not error and not app._warncount:
        whole(app).touch()


# ---- the other editions


def start_translations(app: Sphinx) -> None:
    """Start the builds of the other editions."""
    app.translations = {}  # type: ignore[attr-defined]
    if app.builder.name != "html":
        return
    options = {
        "nitpicky": app.config.nitpicky,
        "warningiserror": app.warningiserror or app.keep_going,
        "keep_going": app.keep_going,
        "freshenv": bool(app.fresh_env_used),
    }
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    for edition in project.translations():
        build = Path(app.outdir).parent / edition
        build.mkdir(exist_ok=True)
        with open(build / "log.txt", "w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "booktools.editions", edition, str(build), json.dumps(options)],
                stdout=log,
                stderr=log,
                stdin=subprocess.PIPE,  # which closes when this build ends, in whatever way
                env={**os.environ, "PYTHONPATH": paths, "PYTHONIOENCODING": "utf-8"},
            )
        app.translations[edition] = process  # type: ignore[attr-defined]


def build_translation(edition: str, build: Path, nitpicky: bool, **options: bool) -> int:
    """Build one translation in this process; its messages go to stderr, nothing else is printed."""
    from jupyter_book.sphinx import build_sphinx

    overrides = {
        **settings(edition),
        "nitpicky": nitpicky,
        "external_toc_path": str(project.ROOT / "_toc.yml"),
        "latex_individualpages": False,
    }
    result = build_sphinx(
        project.BOOK / edition,
        build / "html",
        doctreedir=build / ".doctrees",
        noconfig=True,
        path_config=project.ROOT / "_config.yml",
        confoverrides=overrides,
        quiet=True,
        **options,
    )
    return 0 if result == 0 else 1


def finish_translations(app: Sphinx, error: Exception | None) -> None:
    """Wait for the translations; show what they had to say, and what the finished book gets wrong."""
    build, out = Path(app.outdir).parent, Path(app.outdir)
    for edition, process in app.translations.items():  # type: ignore[attr-defined]
        failed = process.wait() != 0
        if log := (build / edition / "log.txt").read_text("utf-8", errors="replace").strip():
            print(f"\nbook/{edition}:\n{log}", file=sys.stderr)
        if failed:
            print(f"\nThe edition book/{edition} was not built: see its messages above.", file=sys.stderr)
            app.statuscode = 1
        elif not error:
            shutil.rmtree(out / edition, ignore_errors=True)
            shutil.copytree(build / edition / "html", out / edition)
    if app.builder.name == "html" and not error and not app.statuscode:
        for useless in out.rglob("_static/**/*.map"):  # 10 MB that only the theme's makers need
            useless.unlink()
        finish.finish(app, out)
        trees = {edition: build / edition / ".doctrees" for edition in project.translations()}
        failures = [*documents.failures({project.source_edition(): Path(app.doctreedir), **trees}), *site.failures(out)]
        if failures:
            print("", *failures, f"The book has {len(failures)} faults, listed above.", sep="\n", file=sys.stderr)
            app.statuscode = int(app.warningiserror or app.keep_going)


if __name__ == "__main__":
    threading.Thread(target=lambda: os._exit(len(os.read(0, 1)) + 1), daemon=True).start()  # ends with the build that started it
    sys.exit(build_translation(sys.argv[1], Path(sys.argv[2]), **json.loads(sys.argv[3])))

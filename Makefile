# What can be done here: make book, make test, and the rest of the list that `make help` prints.
.DEFAULT_GOAL := help
.PHONY: help book pdf test check unit notebooks data margins bench serve sync adopt translated frameworks lock clean

# One thread for each notebook and test, for they run side by side; whoever asks for more has them wait
# asleep: threads that spin while they wait slow each other down more than tenfold on few cores.
OMP_NUM_THREADS ?= 1
OMP_WAIT_POLICY ?= passive
export OMP_NUM_THREADS OMP_WAIT_POLICY
# Names and texts are in UTF-8, whatever the computer's language is set to.
export PYTHONUTF8 := 1
# Python keeps what it has compiled: without that each of the hundreds of processes compiles PyTorch anew.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python
BOOKTOOLS := PYTHONPATH=tools $(BIN)/python -m booktools
# What the site is made of.
BOOK := book src tools _config.yml _toc.yml CITATION.cff .venv/ready
PYTEST := $(BIN)/python -m pytest -q -rs -n auto
# The first of these Pythons that is 3.11, 3.12 or 3.13.
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1 - \2/p' $(MAKEFILE_LIST)

# Sphinx would take half a minute to find that nothing has changed; so what was built is asked first.
book: .venv/ready  ## build the three editions into _build/html
	@if [ -e _build/html/index.html ] && [ -e _build/built ] && \
		[ -z "$$(find $(BOOK) -newer _build/built -not -path '*__pycache__*' -print -quit)" ]; then exit; fi; \
	mkdir -p _build && rm -f _build/built && touch _build/begun && $(BOOKTOOLS) settings && \
	$(BIN)/jupyter-book build . -W -n --keep-going && mv _build/begun _build/built
	@echo "The book is ready: open _build/html/index.html, or run make serve."

pdf: book  ## make a PDF and an EPUB of each edition in _build/pdf
	@$(BOOKTOOLS) pdf

test: .venv/ready  ## prove the book: the three parts below, each to its end
	@failed=; for part in check unit notebooks; do \
		echo "make $$part …"; $(MAKE) --no-print-directory $$part || failed="$$failed $$part"; done; \
	if [ -n "$$failed" ]; then echo "make test: failed in$$failed, as shown above; each runs alone too."; exit 1; fi; \
	echo "All is well: the checks, the unit tests and every cell of every notebook pass."

check: .venv/ready  ## part 1: the fast checks of sources, notebooks and library
	@$(BIN)/ruff check --quiet && $(BIN)/codespell && $(BIN)/mypy --no-error-summary
	@$(BOOKTOOLS) check

unit: data  ## part 2: the tests of library, tools and site
	@$(PYTEST) --dist loadfile tests  # what a file makes for its tests, a small book or a PDF, is made once

notebooks: data  ## part 3: every cell of every notebook, or of one: make notebooks NB=book/en/NAME.ipynb
	@$(PYTEST) --dist loadfile --nbval --nbval-current-env --nbval-cell-timeout 600 "$(or $(NB),book)"

data: .venv/ready  # fetched once, before two processes want it
	@$(BIN)/python -c 'import softmax_lib; softmax_lib.fashion_mnist_root()'

margins: data  ## measure the room of all assertions on trained results, over ten seeds (half an hour)
	@$(BIN)/python tests/margins.py

bench: data book  ## measure the book beside what one would do without it (two hours), or some rows: make bench ROWS=import
	@PYTHONPATH=src:tools $(BIN)/python tests/bench.py $(ROWS)

serve: book  ## look at the book on http://localhost:8000
	@$(BIN)/python -m http.server --bind localhost --directory _build/html 8000

sync: .venv/ready  ## bring the library, the notebooks and the translations' code up to date
	@$(BOOKTOOLS) sync

adopt: .venv/ready  ## take over the edits of a notebook: make adopt NB=book/en/NAME.ipynb
	@$(BOOKTOOLS) adopt "$(NB)" $(if $(FORCE),--force)

translated: .venv/ready  ## record that a translation was looked at: make translated PAGE=vi/NAME
	@$(BOOKTOOLS) translated "$(PAGE)"

frameworks: .venv/ready  ## run the scripts of book/frameworks that have changed, each in an environment of its own
	@$(BOOKTOOLS) frameworks

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --custom-compile-command "make lock"
lock: .venv/ready  ## pin the newest versions of what pyproject.toml names: requirements.txt, and requirements.lock with hashes
	@$(LOCK) --upgrade --group book pyproject.toml -o requirements.txt
	@$(LOCK) --generate-hashes requirements.txt -o requirements.lock

clean:  ## remove what was made: the site and the environment
	rm -rf _build .venv

# What the lock names, with its hashes; another build of PyTorch (UV_TORCH_BACKEND=cpu) has others, and fewer parts.
PINNED := $(if $(UV_TORCH_BACKEND),--group book --requirements pyproject.toml --constraints requirements.txt,\
	--require-hashes --requirements requirements.lock)

.venv/ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed, and none was found."; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version); the first time this takes a few minutes."
	@mkdir -p .venv || { echo "This folder cannot be written: clone the book to one of yours."; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python cannot make environments here; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement .venv/uv.lock
	@$(UV) $(PINNED)
	@$(UV) --no-deps --editable .
	@touch $@

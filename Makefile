# What can be done here: make book, make test, and the rest of the list that `make help` prints.
.DEFAULT_GOAL := help
.PHONY: help book test serve sync check adopt translated lock clean

# One thread for each notebook and test: they run side by side, and sums come out alike on every machine.
export OMP_NUM_THREADS := 1

BIN := .venv/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python
BOOKTOOLS := PYTHONPATH=book $(BIN)/python -m booktools
# The first of these Pythons that is 3.11, 3.12 or 3.13.
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1 - \2/p' $(MAKEFILE_LIST)

book: .venv/ready  ## build the three editions into _build/html
	@$(BIN)/jupyter-book build . -W -n --keep-going
	@echo "The book is ready: open _build/html/index.html, or run make serve."

test: check  ## prove the book: the fast checks, the unit tests, every cell of every notebook
	@$(BIN)/python -c 'import softmax_lib; softmax_lib.fashion_mnist_root()'
	@$(BIN)/python -m pytest -q -n auto --dist loadgroup tests
	@$(BIN)/python -m pytest -q -n auto --dist loadfile --nbval --nbval-current-env \
		--nbval-cell-timeout 600 --nbval-sanitize-with tests/nbval.cfg book
	@echo "All is well: the checks, the unit tests and every cell of every notebook pass."

serve: book  ## look at the book on http://localhost:8000
	@$(BIN)/python -m http.server --bind localhost --directory _build/html 8000

sync: .venv/ready  ## bring the library, the notebooks and the translations' code up to date
	@$(BOOKTOOLS) sync

check: .venv/ready  ## the fast checks alone
	@$(BOOKTOOLS) check

adopt: .venv/ready  ## take over the edits of a notebook: make adopt NB=book/en/NAME.ipynb
	@$(BOOKTOOLS) adopt $(NB) $(if $(FORCE),--force)

translated: .venv/ready  ## record that a translation was looked at: make translated PAGE=vi/NAME
	@$(BOOKTOOLS) translated $(PAGE)

lock: .venv/ready  ## pin the newest versions of requirements.in in requirements.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --upgrade \
		--custom-compile-command "make lock" requirements.in -o requirements.txt

clean:  ## remove what was made: the site and the environment
	rm -rf _build .venv

.venv/ready: requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed, and none was found."; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version); the first time this takes a few minutes."
	@$(PYTHON) -m venv .venv || { echo "Python cannot make environments here; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' requirements.txt)"
	@$(UV) --requirements requirements.txt
	@$(UV) --no-deps --editable .
	@touch $@

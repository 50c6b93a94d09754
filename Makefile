# What one can do here. `make demo` and `make test` work alone on a fresh machine.
VENV ?= .venv
PY = $(VENV)/bin/python
DATA ?=
PROJECT ?=

.PHONY: install demo annotate web test soak check format clean

install:            ## build .venv with everything pinned
	@tools/install.sh

demo: install       ## 1-shot predictions on real pictures: a table, and an overlay in outputs/ (DATA=dir for your own)
	@$(VENV)/bin/cape demo $(if $(DATA),--annotations "$(DATA)")

annotate: web       ## the annotator with a drawn sample project (PROJECT=dir for your own)
	@$(VENV)/bin/cape annotate $(if $(PROJECT),"$(PROJECT)",outputs/annotate --sample)

web: install        ## build the annotator's page, with Node 20.19 or newer (from the Python package if need be)
	@PYTHON=$(PY) tools/web.sh

# A process a core, each with one thread: two that share cores by threads would wait for each other.
test: install web   ## all tests (a few minutes)
	@OMP_NUM_THREADS=1 $(PY) -m pytest --numprocesses logical --dist worksteal

soak: install       ## the long tests (many minutes)
	@$(PY) -m pytest -m soak

check: install      ## format, lint, types, architecture
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/basedpyright
	@$(PY) -m pytest -q tests/test_architecture.py

format: install     ## rewrite the sources as `make check` wants them
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

clean:              ## remove what the commands above made
	rm -rf $(VENV) outputs build dist *.egg-info .pytest_cache .ruff_cache .hypothesis

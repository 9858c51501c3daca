VENV := .venv
PIP := $(VENV)/bin/pip --disable-pip-version-check -q

.PHONY: demo test check

$(VENV)/demo: pyproject.toml
	python3 -m venv $(VENV)
	$(PIP) install -e . && touch $@

$(VENV)/dev: pyproject.toml
	python3 -m venv $(VENV)
	$(PIP) install torch==2.13.0
	$(PIP) install -e ".[train,dev]" && touch $@

demo: $(VENV)/demo
	$(VENV)/bin/radsmith demo

test: $(VENV)/dev
	$(VENV)/bin/python -m pytest -q

check: $(VENV)/dev
	$(VENV)/bin/ruff check . && $(VENV)/bin/mypy

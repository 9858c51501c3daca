VENV := .venv
PIP := $(VENV)/bin/pip --disable-pip-version-check -q

.PHONY: demo studio test check bench docs

$(VENV)/demo: pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(PIP) install -c constraints.txt -e . && touch $@

$(VENV)/serve: pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(PIP) install -c constraints.txt -e ".[serve]" && touch $@

$(VENV)/dev: pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(PIP) install torch==2.13.0
	$(PIP) install -c constraints.txt -e ".[train,serve,postgres,import,diffusers,privacy,release,dev]" && touch $@

demo: $(VENV)/demo
	$(VENV)/bin/radsmith demo

studio: $(VENV)/serve
	$(VENV)/bin/radsmith serve

test: $(VENV)/dev
	$(VENV)/bin/python -m pytest -q

check: $(VENV)/dev
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -q tests/test_layers.py

bench: $(VENV)/dev
	$(VENV)/bin/python benchmarks/speed.py
	$(VENV)/bin/python benchmarks/editing.py

docs: $(VENV)/dev
	$(VENV)/bin/python docs/build.py

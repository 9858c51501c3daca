VENV := .venv
PIP := $(VENV)/bin/pip --disable-pip-version-check -q
PYTHON := $(VENV)/bin/python

.PHONY: demo studio test quick check wheel bench docs site lock

$(VENV)/demo: pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(PIP) install -c constraints.txt -e . && touch $@

$(VENV)/serve: pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(PIP) install -c constraints.txt -e ".[serve]" && touch $@

$(VENV)/quick: pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(PIP) install -U "pip>=25.1"
	$(PIP) install -c constraints.txt -e ".[serve,import,teach]" --group test && touch $@

$(VENV)/dev: pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(PIP) install -U "pip>=25.1"
	$(PIP) install torch==2.13.0
	$(PIP) install -c constraints.txt -e ".[train,serve,review,sso,postgres,import,diffusers,privacy,release,teach]" --group dev && touch $@

demo: $(VENV)/demo
	$(VENV)/bin/radsmith demo

studio: $(VENV)/serve
	$(VENV)/bin/radsmith serve

test: $(VENV)/dev
	$(PYTHON) -m pytest -q

# What needs neither torch nor a browser, in two minutes
quick: $(VENV)/quick
	$(PYTHON) -m pytest -q -n auto -m "not torch and not slow" --ignore tests/server --ignore tests/training

check: $(VENV)/dev
	$(VENV)/bin/ruff check --output-format concise . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy
	$(PYTHON) -m pytest -q tests/test_layers.py

# The wheel alone, in an empty environment, away from the checkout
wheel: $(VENV)/dev
	$(PYTHON) packaging/try_wheel.py

bench: $(VENV)/dev
	$(PYTHON) benchmarks/speed.py
	$(PYTHON) benchmarks/editing.py

docs: $(VENV)/dev
	$(PYTHON) docs/build.py

site: $(VENV)/dev
	$(PYTHON) docs/build.py && $(VENV)/bin/zensical build --strict

lock: $(VENV)/dev
	$(PYTHON) packaging/lock.py

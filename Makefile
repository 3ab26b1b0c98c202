# Everything a person runs by hand. Needs make and Python 3.12 or newer; the rest comes from the locks.

PYTHON := $(shell for python in python3.13 python3.12 python3.14 python3; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' 2>/dev/null \
	&& { echo $$python; break; }; done)
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.12 --generate-hashes --no-header
PRODUCT := wisepay merchants connections payers payments accounting quotes psa deploy
# The type checker's Django plugin loads the settings; nothing is connected to.
SETTINGS := SECRET_KEY=lint WISEPAY_SECRET_KEYS=k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= \
	DATABASE_URL=postgresql://localhost/lint REDIS_URL=redis://localhost/0 \
	PUBLIC_URL=http://localhost ALLOWED_HOSTS=localhost

.PHONY: help deps demo manage test bench lighthouse lint bandit security format messages lock pin clean

help:
	@echo "make demo   Wise-Pay with a practice world; ARGS=\"--port 9000\" is passed on,"
	@echo "            as is ARGS=\"--accounting quickbooks\""
	@echo "make manage an operator's command beside the running demo: ARGS=\"doctor\""
	@echo "make test   the tests; ARGS=\"tests/quotes -k expired\" chooses some,"
	@echo "            THOROUGH=1 runs every case of long tables as well"
	@echo "make bench  calls used against the lower bound"
	@echo "make lighthouse  Lighthouse over the payers' pages; needs npx and Chromium, RUNS=1 is quicker"
	@echo "make lint   style, types, layers"
	@echo "make security  bandit, generated requests to every API, every path for everybody"
	@echo "make deps   only install what all of these need"
	@echo "make format write the style"
	@echo "make messages  collect the sentences for translators (needs GNU gettext)"
	@echo "make lock   choose newer versions of the dependencies"
	@echo "make pin    write the digests of the images into the container files"
	@echo "make clean  throw away the demo's data and every cache"

deps: .venv/dev.stamp

demo: .venv/demo.stamp
	@$(BIN)/python -m sandbox.harness.demo $(ARGS)

manage: .venv/demo.stamp
	@$(BIN)/python -m sandbox.harness.manage $(ARGS)

test: .venv/dev.stamp
	@$(BIN)/python -m sandbox.harness.testing $(ARGS)

bench: .venv/dev.stamp
	@$(BIN)/python -m sandbox.harness.testing -n 0 -p no:randomly -s tests/bench $(ARGS)

lighthouse: .venv/dev.stamp
	@$(BIN)/python -m tests.lighthouse

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(SETTINGS) $(BIN)/mypy .
	$(BIN)/lint-imports

bandit: .venv/dev.stamp
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive $(PRODUCT)

# Bandit over the product; generated requests to every published API; every path for everybody.
security: bandit
	@$(BIN)/python -m sandbox.harness.testing -q tests/security tests/merchants/test_access.py tests/merchants/test_foreign_rows.py \
		tests/wisepay/test_response_policy.py tests/wisepay/personal_data/test_table.py $(ARGS)

format: .venv/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

messages: .venv/dev.stamp
	@command -v xgettext >/dev/null || { echo "GNU gettext was not found: it collects the sentences."; exit 1; }
	$(SETTINGS) $(BIN)/python manage.py makemessages --all --keep-pot --add-location file \
		--ignore "sandbox/*" --ignore "tests/*" --ignore "var/*" --ignore "staticfiles/*"

pin: .venv/dev.stamp
	@$(BIN)/python deploy/pin_images.py

lock: | $(BIN)/python
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	$(COMPILE) --upgrade --output-file requirements.lock
	$(COMPILE) --upgrade --extra demo --constraint requirements.lock --output-file requirements-demo.lock
	$(COMPILE) --upgrade --all-extras --constraint requirements-demo.lock --output-file requirements-dev.lock

clean:
	rm -rf var staticfiles .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path "./.venv/*" -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.12 or newer (with venv) was found."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/demo.stamp: requirements-demo.lock | $(BIN)/python
	$(PIP_INSTALL) -r requirements-demo.lock
	@touch $@

.venv/dev.stamp: requirements-dev.lock | $(BIN)/python
	$(PIP_INSTALL) -r requirements-dev.lock
	@touch $@ .venv/demo.stamp

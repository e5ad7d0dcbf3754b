# Two commands: `make demo` runs the sample province, `make test` runs every test. `make help` lists the rest.
SHELL := /bin/bash
.DELETE_ON_ERROR:
PYTHON ?= python3
UV := .tools/bin/uv
PY := .venv/bin/python
unexport PYTHONDONTWRITEBYTECODE # containers set it; each start would compile every package anew, for two seconds
WEB := meetings/web
PEER := tests/conformance/peer
RIVALS := tests/bench/peers
WEB_SOURCES := $(shell find $(WEB)/src $(WEB)/public $(WEB)/scripts -type f 2>/dev/null) $(wildcard $(WEB)/*.json $(WEB)/*.ts $(WEB)/*.html)

unreached = { echo "Packages from $(1) could not be installed; is the network there? Details: $(2)"; exit 1; }

.PHONY: help demo test stories parts check format types lock clean bench-idp bench-live soak-idp faults
help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: .stamp-python meetings/static/index.html ## run the sample province (ports 8400, 8500, 8600) until Ctrl-C
	@exec $(PY) -m deploy.cli demo

test: .stamp-python meetings/static/index.html ## run every test, on SQLite and PostgreSQL, and in Chromium
	@$(PY) -m deploy.prepare_tests
	@$(MAKE) -j2 --no-print-directory parts stories

parts:
	$(PY) -m pytest -n 2 --dist worksteal --ignore tests/flows $(PYTEST)

# Chromium mostly waits, so these go beside the others; what they say is shown whole when they end.
stories:
	@{ (cd $(WEB) && $(CURDIR)/deploy/node npm run --silent test) && $(PY) -m pytest -n 0 -p no:randomly tests/flows $(PYTEST); } > .tools/stories.log 2>&1; \
		told=$$?; cat .tools/stories.log; exit $$told

bench-idp: .stamp-python ## measure idp against two other providers; BENCH="--quick", "--only sso", "--no-peers"
	@exec $(PY) -m tests.bench.idp $(BENCH)

bench-live: .stamp-python ## measure sockets and ballots against other servers; BENCH="--quick", "--only fan-out,votes"
	@exec $(PY) -m tests.bench.live $(BENCH)

faults: .stamp-python meetings/static/index.html ## break the service in every way of docs/promises.md; FAULTS="--only F1,F9", "--tier a", "--seed 7"
	@$(PY) -m tests.faults.needed
	@exec $(PY) -m tests.faults $(FAULTS)

soak-idp: .stamp-python ## half of idp's peak load for MINUTES=120: no error, no memory that grows
	@exec $(PY) -m tests.bench.soak $(or $(MINUTES),120)

check: .stamp-python meetings/static/index.html ## format, lint, types, import contracts
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	cd $(WEB) && $(CURDIR)/deploy/node npm run --silent check

format: .stamp-python ## put the Python code in form
	.venv/bin/ruff format . && .venv/bin/ruff check --fix .

types: .stamp-python $(WEB)/node_modules/.stamp ## write the web app's types anew from the routes
	cd $(WEB) && $(CURDIR)/deploy/node npm run --silent types

lock: | $(UV) ## resolve the lock files anew; neither names an address
	$(UV) pip compile pyproject.toml --group dev --universal --generate-hashes --no-header -q -o requirements.lock
	for one in $(WEB) $(PEER) $(RIVALS); do (cd $$one && $(CURDIR)/deploy/node npm install --package-lock-only --no-audit --no-fund); done
	for one in $(WEB) $(PEER) $(RIVALS); do $(PYTHON) -c 'import json, pathlib; p = pathlib.Path("'$$one'/package-lock.json"); d = json.loads(p.read_text()); [one.pop("funding", None) for one in d["packages"].values()]; p.write_text(json.dumps(d, indent=2, ensure_ascii=False) + "\n")'; done

clean: ## remove what was built and installed here; the data in var/ stay
	rm -rf .venv .tools .stamp-python $(WEB)/node_modules $(PEER)/node_modules $(RIVALS)/node_modules meetings/static idp/static/fonts docs_store/fonts/*.ttf

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Python 3.11 or newer is needed: apt-get install python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python cannot make virtual environments: apt-get install python3-venv"; exit 1; }
	@echo "1/4 Installing uv"
	@$(PYTHON) -m venv .tools
	@.tools/bin/pip install -qq --retries 1 --disable-pip-version-check 'uv>=0.13,<0.14' 2> .tools/pip.log || $(call unreached,PyPI,.tools/pip.log)

.stamp-python: pyproject.toml requirements.lock | $(UV)
	@echo "2/4 Installing Python packages (some minutes on a slow line)"
	@$(UV) venv -q .venv --python $(PYTHON) --allow-existing
	@$(UV) pip sync -q --require-hashes requirements.lock --python $(PY) 2> .tools/uv.log || $(call unreached,PyPI,.tools/uv.log)
	@$(UV) pip install -q --no-deps --no-build-isolation -e . --python $(PY)
	@touch $@

$(WEB)/node_modules/.stamp: $(WEB)/package-lock.json | .stamp-python
	@echo "3/4 Installing web packages"
	@cd $(WEB) && $(CURDIR)/deploy/node npm ci --loglevel error --no-audit --no-fund > $(CURDIR)/.tools/npm.log 2>&1 || $(call unreached,npm,.tools/npm.log)
	@touch $@

meetings/static/index.html: $(WEB)/node_modules/.stamp $(WEB_SOURCES)
	@echo "4/4 Building the web app"
	@cd $(WEB) && $(CURDIR)/deploy/node npm run --silent build -- --logLevel error
	@touch $@

# Two commands for a fresh clone: `make demo` and `make test`. Both build .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# `any`, `required` or `forbidden`: what the tests shall run with, or end.
COMPILED ?= any
PINS = scripts/packaging/test-requirements.txt
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Images of Python forbid bytecode: each of the tests' hundreds of processes would compile us anew,
# 0.25 s of CPU time each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo unit-cluster unit-recording unit-commands unit-reading coverage test test-newest test-oldest test-pure rule-tests check lint types unit venv clean fixtures bench fuzz examples oracle soak dist binary binary-test sbom audit verify-pins pins reference man site workflows newcomer page-libraries bench-layouts bench-growth bench-workers

venv: $(VENV)/.installed

# What tests, lint and types run with, and the package itself: it is compiled while these run.
$(VENV)/.pinned: $(PINS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r $(PINS)
	touch $@

$(VENV)/.installed: $(VENV)/.pinned pyproject.toml $(wildcard otterize_pcap/*/*.px?)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: venv
	$(BIN)/otterize intents list fixtures/tutorial-before

test: check

check: $(VENV)/.pinned
	$(MAKE) --no-print-directory --output-sync=target --jobs=3 lint types unit

lint: $(VENV)/.pinned
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.pinned
	$(BIN)/mypy

# Four at once, on two processors: what records real traffic, or asks a browser, mostly waits, and
# what reads it computes. Lint and types run beside them.
CLUSTER = tests/cluster
RECORDING = tests/lab tests/render tests/hostile
COMMANDS = tests/cli tests/compare tests/intents tests/docs tests/packaging tests/policies \
  tests/anonymise
PARTS = unit-cluster unit-recording unit-commands unit-reading
unit: venv
	$(MAKE) --no-print-directory --output-sync=target --jobs=$(words $(PARTS)) $(PARTS)

unit-cluster: TESTED = $(CLUSTER)
unit-recording: TESTED = $(RECORDING)
unit-commands: TESTED = $(COMMANDS)
unit-reading: TESTED = $(addprefix --ignore=,$(CLUSTER) $(RECORDING) $(COMMANDS))
$(PARTS): venv
	$(BIN)/python -m pytest --compiled=$(COMPILED) $(TESTED)

# Which lines no test runs; the tests take 1.6 times as long with it.
coverage: venv
	$(BIN)/python -m pytest --compiled=$(COMPILED) --cov --cov-report=term:skip-covered

# The same tests with the newest version of everything that pyproject.toml allows.
test-newest:
	$(PYTHON) -m venv --clear $(VENV)-newest
	$(VENV)-newest/bin/python -m pip install --quiet --upgrade --editable '.[test]'
	touch $(VENV)-newest/.pinned $(VENV)-newest/.installed
	$(MAKE) unit VENV=$(VENV)-newest

# And with the oldest; needs Python 3.11, for which all of them have wheels.
test-oldest:
	$(PYTHON) -m venv --clear $(VENV)-oldest
	$(PYTHON) scripts/packaging/ranges.py oldest > $(VENV)-oldest/requirements.txt
	$(VENV)-oldest/bin/python -m pip install --quiet -r $(VENV)-oldest/requirements.txt
	$(VENV)-oldest/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(VENV)-oldest/.pinned $(VENV)-oldest/.installed
	$(MAKE) unit VENV=$(VENV)-oldest

# Those of the rules, with which `.ci/run` runs the next target: ten seconds.
rule-tests:
	@echo tests/connections tests/resolve tests/snapshot tests/table/test_rows.py \
	  tests/lab/test_scenarios.py

# And without the compiled part, from a copy that has none; TESTS names some of them.
test-pure: venv
	rm -rf build/pure
	mkdir -p build/pure
	git ls-files -z | tar --create --null --files-from=- | tar --extract --directory=build/pure
	cd build/pure && $(abspath $(BIN))/python -m pytest --compiled=forbidden $(TESTS)

# Needs root, iproute2, nftables and tcpdump; all traffic stays in namespaces of its own.
fixtures:
	$(PYTHON) scripts/lab/record.py -o fixtures

# Up to 36 million packets a case, five runs of everything: hours, and 25 GB under benchmarks/data.
bench: venv
	$(BIN)/python benchmarks/compare.py

# How everything grows: 12 minutes, a C compiler, and 9 GB under benchmarks/data.
bench-growth: venv
	$(BIN)/python benchmarks/growth.py

# Workers against threads, and what merging takes: ten minutes.
bench-workers: venv
	$(BIN)/python benchmarks/workers.py

# Needs clang with libFuzzer. An hour, of which half at the lowest priority.
fuzz: venv
	PYTHON=$(BIN)/python fuzz/build.sh
	PYTHON=$(BIN)/python fuzz/run.sh 1800
	OTTERIZE_MUTATIONS=10000 OTTERIZE_FIRST_MUTATION=$$(date +%s) \
	  $(BIN)/python -m pytest -q tests/hostile/test_document_mutation.py

# The laws again, with new examples each time and more of them where a law takes a number.
examples: venv
	MORE_KNOWLEDGE_EXAMPLES=20 $(BIN)/python -m pytest -q -m hypothesis --hypothesis-profile=new

# 200 nodes at once, 2 GiB pulled, what each capture profile keeps of real traffic, every failure of
# every request, and 100 captures with signals at random moments.
soak: venv
	OTTERIZE_SOAK=1 $(BIN)/python -m pytest tests/cluster/capture/test_soak.py \
	  tests/cluster/capture/test_profile_shares.py tests/cluster/capture/test_api_failures.py \
	  tests/cluster/capture/test_random_signals.py -q -s

# Ask tshark what is in the captures that are here, and compare it with what we say.
oracle: venv
	$(BIN)/python scripts/oracle.py

# sdist and this machine's wheel, built twice and compared.
dist: venv
	$(BIN)/python scripts/packaging/build_dist.py
	OTTERIZE_TEST_BUILT=1 $(BIN)/python -m pytest tests/packaging/test_release.py -q

# dist/otterize, one file, and the same as a directory in a tar.gz. Needs root; ten minutes at first.
binary: dist
	bash scripts/packaging/build_binary.sh

binary-test: venv
	OTTERIZE_TEST_BUILT=1 $(BIN)/python -m pytest tests/packaging/test_binary.py -q

# What the binary is made of (after `make binary`), and whether any of it has known holes.
RELEASE_TOOLS = build/release-tools/bin
$(RELEASE_TOOLS)/.installed: scripts/packaging/release-tools.txt
	$(PYTHON) -m venv build/release-tools
	$(RELEASE_TOOLS)/python -m pip install --quiet --require-hashes -r $<
	touch $@

sbom: $(RELEASE_TOOLS)/.installed
	mkdir -p build dist
	$(RELEASE_TOOLS)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
	  --output-file build/python.cdx.json scripts/packaging/binary-requirements.txt
	$(PYTHON) scripts/packaging/sbom.py

audit: $(RELEASE_TOOLS)/.installed
	$(RELEASE_TOOLS)/pip-audit --strict --disable-pip --require-hashes \
	  -r scripts/packaging/binary-requirements.txt

# Whether tags and digests that are pinned lead where they say, as their publishers answer.
verify-pins:
	$(PYTHON) scripts/packaging/verify_pins.py

# Newer versions of all that the releases are built from, and of all that tests run with.
pins:
	bash scripts/packaging/pin.sh

# Layout libraries on made clusters: crossings and time. Needs npm; twenty minutes.
bench-layouts:
	cd benchmarks/layouts && npm ci --silent && node measure.mjs

# The JavaScript that is kept in the repository, from npm again.
page-libraries:
	$(PYTHON) scripts/packaging/page_libraries.py

reference: venv
	$(BIN)/python scripts/site/reference.py docs/reference.md build/man/otterize.1

man: reference

# The workflow files and the wheels' configuration, by the tools that read them; needs npm.
workflows: $(RELEASE_TOOLS)/.installed
	bash scripts/packaging/check_workflows.sh $(RELEASE_TOOLS)

# The site of docs/, under build/site.
site: reference
	$(PYTHON) -m venv build/docs-tools
	build/docs-tools/bin/python -m pip install --quiet --require-hashes \
	  -r scripts/packaging/docs-tools.txt
	build/docs-tools/bin/mkdocs build --strict

# A fresh Debian with nothing but python3 and make: clone, make demo, make test. Needs root.
newcomer: dist
	bash scripts/packaging/newcomer.sh

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

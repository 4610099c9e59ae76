# Two commands for a fresh clone: `make demo` and `make test`. Both build .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test check lint types unit venv clean fixtures bench fuzz oracle soak

venv: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml $(wildcard otterize_pcap/*.pyx otterize_pcap/*.pxi)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

demo: venv
	$(BIN)/otterize intents list fixtures/tutorial-before

test: check

check: lint types unit

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: venv
	$(BIN)/mypy

unit: venv
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered

# Needs root, iproute2, nftables and tcpdump; all traffic stays in namespaces of its own.
fixtures:
	$(PYTHON) scripts/lab/record.py -o fixtures

# 10 million packets a case, five runs of everything: an hour, and 13 GB under benchmarks/data.
bench: venv
	$(BIN)/python benchmarks/compare.py

# Needs clang with libFuzzer. Half an hour, at the lowest priority.
fuzz: venv
	$(BIN)/python -m pip install --quiet 'Cython>=3.1'
	PYTHON=$(BIN)/python fuzz/build.sh
	PYTHON=$(BIN)/python fuzz/run.sh 1800

# 200 nodes at once, 2 GiB pulled, and what each capture profile keeps of real traffic.
soak: venv
	OTTERIZE_SOAK=1 $(BIN)/python -m pytest tests/cluster/test_soak.py \
	  tests/cluster/test_profile_shares.py -q -s

# Ask tshark what is in the captures that are here, and compare it with what we say.
oracle: venv
	$(BIN)/python scripts/oracle.py

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Two commands do everything on a machine with git, make and Python 3.11:  make demo   and   make test
# Before a release,  make test-long  runs every test with every extra, Lava and N-MNIST: about half an hour.
PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/.ready
# Tests marked long and all others; fewer reasons to skip one.
LONG := -m "" --allowed-skips tests/allowed_skips_long.txt
TEACHERS := tests/ckd/models/test_teacher.py

.PHONY: demo test test-long test-lowest test-newest docs sbom lint types format bench clean

demo: $(READY)
	$(BIN)/python examples/01_main_job/main_job.py

test: $(READY) lint types
	$(BIN)/python -m pytest

test-long: .venv-long/.ready .venv-vision/.ready
	.venv-vision/bin/python -m pytest $(LONG) $(TEACHERS)
	.venv-long/bin/python -m pytest $(LONG) --ignore $(TEACHERS)

# The oldest of everything that pyproject.toml allows, and the newest that there is.
test-lowest test-newest: test-%: .venv-%/.ready
	.venv-$*/bin/python -m pytest --override-ini filterwarnings=

# The documentation site, in build/site. The variable silences advice about another program; with --quiet, --strict sees no
# warning.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo 'written: build/site/index.html'

# What is installed, with versions and licenses, as CycloneDX.
sbom: $(READY) .venv-sbom/.ready
	mkdir -p dist
	.venv-sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-file dist/sbom.json $(BIN)/python

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/pyright

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	$(BIN)/python -m benchmarks.simulators --quick

clean:
	rm -rf .venv .venv-*

# An environment is its extras under constraints. torchvision wants a torch of its own, so it gets an environment of its own.
.venv/.ready: EXTRAS := dev
.venv-long/.ready: EXTRAS := dev,interop,cluster
# sinabs asks for a nir older than ours, for its files; its modules do without.
.venv-long/.ready: AFTERWARDS = .venv-long/bin/python -m pip install --quiet --no-deps sinabs==3.1.3 pbr samna
.venv-vision/.ready: EXTRAS := dev,vision
.venv-vision/.ready: CONSTRAINTS := constraints-vision.txt
CONSTRAINTS := constraints.txt

.venv-lowest/.ready: RESOLUTION := lowest-direct
.venv-newest/.ready: RESOLUTION := highest -c constraints.txt
.venv-lowest/.ready .venv-newest/.ready: $(READY) pyproject.toml
	$(BIN)/uv venv --quiet --no-config --clear --python $(PYTHON) $(@D)
	UV_FIND_LINKS="$$PIP_FIND_LINKS" $(BIN)/uv pip install --quiet --no-config --python $(@D) --resolution $(RESOLUTION) -e '.[dev]'
	touch $@

.venv-sbom/.ready:
	$(PYTHON) -m venv .venv-sbom
	.venv-sbom/bin/python -m pip install --quiet 'cyclonedx-bom>=7,<8'
	touch $@

%/.ready: pyproject.toml constraints.txt constraints-vision.txt
	$(PYTHON) -m venv $*
	$*/bin/python -m pip install --quiet --upgrade pip
	$*/bin/python -m pip install --quiet -c $(CONSTRAINTS) -e '.[$(EXTRAS)]'
	$(AFTERWARDS)
	touch $@

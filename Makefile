# make train   sets up .venv, trains the default configuration on the embedded data set, and evaluates it
# make test    sets up .venv, runs the test suite
# make clusters   tests sweeps on a SLURM and a Ray that it starts (needs root, and Debian's slurm-wlm and munge), and
#              one run on several processes, and the processes of hydra/launcher=joblib
# make hydra-next   tests sweeps on the newest pre-release of Hydra, in an environment of its own
# make image-steps   runs the pip commands of the Dockerfile in an empty environment (minutes, 2 GB)
# make lint    format, lint and type checks            make lock    writes requirements.lock anew (needs uv)
# make bench   measures speed and memory beside nnAudio, librosa, mir_eval and bare loops: docs/speed.md (quarter of an hour)

SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: setup train test image-steps clusters lint types lock bench hydra-next clean

PYTHON ?= python3
# The one place that pins torch: the index decides whether it is the CPU or the CUDA build.
TORCH := torch==2.13.0
VENV := .venv
PY := $(VENV)/bin/python
# Overrides for the main job: make train ARGS="backbone=lstm seed=1"
ARGS ?=

setup: $(VENV)/.installed

# torch comes first, with its own dependencies, so that the lock file serves CPU and CUDA machines alike.
# The rest is installed as locked and without dependencies: tinysoundfont asks for pyaudio, which needs a
# compiler and a system library, and is not used.
$(VENV)/.installed: requirements.lock pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Ricercar needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1). Set PYTHON=python3.12, say."; exit 1; }
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --requirement requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

train: setup
	$(PY) train.py $(ARGS)

test: setup
	$(PY) -m pytest $(ARGS)

clusters: setup
	$(PY) -m pip install --quiet --disable-pip-version-check --constraint requirements.lock submitit==1.5.4 cloudpickle==3.1.2 ray==2.60.0
	RICERCAR_CLUSTERS=1 $(PY) -m pytest --dist loadfile tests/cluster tests/harness/test_team.py $(ARGS)
	RICERCAR_CLUSTERS=1 $(PY) -m pytest tests/harness/test_{launchers,faults,trackers}.py -k loky $(ARGS)

hydra-next: setup
	.ci/hydra-next $(ARGS)

image-steps:
	.ci/image-steps

bench: setup
	$(PY) bench/everything.py $(ARGS)

lint: setup
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(MAKE) types

# The repository root is the package, whatever the folder is called.
types: setup
	@mkdir -p $(VENV)/typed && ln -sfn ../.. $(VENV)/typed/ricercar
	MYPYPATH=$(VENV)/typed $(PY) -m mypy $(addprefix --package ricercar.,data models metrics tasks significance harness comparison use) $(addprefix --module ricercar.,train eval predict export leaderboard frozen systems)

# The two at the end are there for the weights in them: what they ask for is not used, and could not be had.
lock:
	printf '%s\ntorchvision==0.28.0\n' '$(TORCH)' > .constraints.tmp
	printf '%s; sys_platform == "never"\n' pyaudio boto3 azure-storage-blob google-cloud-storage paramiko > .overrides.tmp
	uv pip compile pyproject.toml --extra dev --extra render --extra mirdata --extra search --extra encoders --extra export --extra serve --universal --python-version 3.11 --no-header --no-annotate \
	  --constraint .constraints.tmp --override .overrides.tmp --no-emit-package torch $(addprefix --no-emit-package ,pyaudio boto3 azure-storage-blob google-cloud-storage paramiko) \
	  | grep --invert-match --extended-regexp '^(nvidia-|cuda-|triton|azure-)|never' \
	  | cat - <(printf 'basic-pitch==0.4.0\ntorchcrepe==0.0.24\n') | LC_ALL=C sort > requirements.lock
	rm .constraints.tmp .overrides.tmp

clean:
	rm -rf $(VENV)

# Labelled images in, a report out. `make help` says how; helpers/commands.toml says what each word takes.
PYTHON ?= python3
ready  := .venv/.ready
run    := .venv/bin/python

# A name that is misspelt, or that only other words take, would be ignored in silence.
asked := $(firstword $(wildcard $(run)) $(PYTHON)) -m helpers
given := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(filter-out PYTHON -%,$(name))))
wrong := $(if $(given),$(shell $(asked) names '$(MAKECMDGOALS)' $(given) 2>/dev/null))
ifneq ($(wrong),)
  $(error $(wrong))
endif

# What was given reaches the recipe through the environment, so blanks and quotes in it are harmless.
words := report explain look study compare train data test bench kill lab explore runs clean

.PHONY: help setup $(words)
.DELETE_ON_ERROR:

help:
	@$(asked) help
	@echo 'make setup    make .venv from requirements.txt (the others do so when needed)'

setup: $(ready)

$(ready): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "make: this needs Python 3.11 to 3.13, and '$(PYTHON)' is not one of these;" \
	         "name one with make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo 'Installing the packages of requirements.txt into .venv; the first time this takes some minutes.'
	$(PYTHON) -m venv .venv
	$(run) -m pip install --quiet --disable-pip-version-check --no-compile -r requirements.txt
	$(run) -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@$(run) -m compileall -q -j 0 .venv/lib >/dev/null || true  # pip would take one core for it; not all are Python 3
	@touch $@

$(words): $(ready)
	@$(run) -m helpers make $@ $(foreach name,$(given),$(name)="$$$(name)")

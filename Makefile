# Checks and tests of fleetauth.twofactor. `make help` lists the targets.
#
# .venv has the oldest supported ansible-core and all tools. Commands run with another core go through tests/gates/core, which also says what
# happens on a machine that has no Python for it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export VIRTUAL_ENV := $(CURDIR)/.venv
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.venv/collections
# ansible wants UTF-8; this locale is there on every Debian.
export LC_ALL := C.UTF-8
export PYTHONDONTWRITEBYTECODE := 1
# Tests write many small files and make them last: in memory that costs nothing.
export PYTEST_DEBUG_TEMPROOT := /dev/shm

CORE := tests/gates/core
# Beside the oldest one. The files under tests/requirements say which releases these are.
OTHER_CORES := newest 2.20 2.21

# The longest first, since two run at a time.
LINTERS := sanity-oldest sanity-newest importer ansible-lint sanity-2.20 sanity-2.21 docs mypy changelog ruff shellcheck yamllint

# How many commands a target runs at the same time where it has several. make test, which runs targets side by side, sets 1.
JOBS := 2
SIDE_BY_SIDE = $(MAKE) --no-print-directory --jobs=$(JOBS) --keep-going --output-sync=target

# Tests that log in mostly wait, so several run at once, each with hosts of its own.
WORKERS := -n 4

# For more arguments to pytest and molecule, such as ARGS="-k rotate -x".
ARGS ?=

# What make test runs alone, with what it needs, in pytest's words: TESTS="tests/login -k emergency" or TESTS="path::name". Empty: everything.
TESTS ?=

.PHONY: help
help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target what; do printf '  %-16s %s\n' "$$target" "$$what"; done

.PHONY: check
check: setup-check ## ruff, mypy, yamllint and unit tests with the oldest core, in half a minute; needs neither root nor Debian packages
	@$(SIDE_BY_SIDE) unit-oldest lint-mypy lint-ruff lint-yamllint
	@echo "check: all well"

.PHONY: test
test: ## everything, with one table at the end; TESTS="tests/login -k emergency" or TESTS="path::name": these alone; as root
	@tests/gates/test $(TESTS)

.PHONY: setup
setup: ## what everything else needs: Debian packages, and a virtual environment for each ansible-core
	@tests/gates/setup

.PHONY: setup-check
setup-check:
	@tests/gates/setup check

.PHONY: images
images: setup ## the images of the lab's hosts, where they are not there yet; as root
	tests/lab/lab build $$(PYTHONPATH=tests/lab python -c 'from lablib.definitions import IMAGES; print(*IMAGES)')

.PHONY: lint
lint: setup ## all linters; one alone: make lint-mypy
	@$(SIDE_BY_SIDE) $(LINTERS:%=lint-%)
	@echo "lint: $(words $(LINTERS)) linters, all well: $(LINTERS)"

.PHONY: lint-sanity-oldest
lint-sanity-oldest:
	tests/gates/sanity oldest

.PHONY: $(OTHER_CORES:%=lint-sanity-%)
$(OTHER_CORES:%=lint-sanity-%): lint-sanity-%:
	$(CORE) $* tests/gates/sanity $*

.PHONY: lint-importer
lint-importer:
	tests/gates/importer

.PHONY: lint-ansible-lint
lint-ansible-lint:
	tests/gates/ansible_lint

.PHONY: lint-docs
lint-docs:
	tests/gates/docs

.PHONY: lint-mypy
lint-mypy:
	tests/gates/mypy

.PHONY: lint-changelog
lint-changelog:
	tests/gates/changelog

.PHONY: lint-ruff
lint-ruff:
	ruff check --output-format concise
	ruff format --check

.PHONY: lint-shellcheck
lint-shellcheck:
	git ls-files --cached --others --exclude-standard -z | xargs -0 awk 'FNR == 1 && /^#!.*[\/ ](ba)?sh$$/ { print FILENAME } { nextfile }' | xargs shellcheck

.PHONY: lint-yamllint
lint-yamllint:
	yamllint --strict .

.PHONY: format
format: setup ## write Python the way that lint wants it
	ruff check --fix
	ruff format

.PHONY: unit
unit: setup ## unit tests with each core, and what runs on hosts imported with the oldest Python
	@$(SIDE_BY_SIDE) unit-oldest unit-oldest-python $(OTHER_CORES:%=unit-%)

.PHONY: unit-oldest
unit-oldest:
	pytest -n 2 $(ARGS) tests/unit

.PHONY: $(OTHER_CORES:%=unit-%)
$(OTHER_CORES:%=unit-%): unit-%:
	$(CORE) $* pytest $(ARGS) tests/unit

.PHONY: unit-oldest-python
unit-oldest-python:
	tests/gates/oldest_python

.PHONY: lab-test
lab-test: setup ## tests of the lab itself; as root
	pytest $(ARGS) tests/lab

.PHONY: molecule
molecule: setup ## the molecule scenario "default" with the oldest core; as root
	molecule test -s default $(ARGS)

.PHONY: molecule-newest
molecule-newest: setup ## the same with the newest core
	$(CORE) newest molecule test -s default $(ARGS)

.PHONY: molecule-truenas
molecule-truenas: setup ## the molecule scenario "truenas", on stand-ins of four TrueNAS releases; as root
	molecule test -s truenas $(ARGS)

.PHONY: login
login: setup ## real logins over SSH to Debian hosts; as root
	pytest $(WORKERS) $(ARGS) tests/login

.PHONY: enrolment
enrolment: setup ## store, sheets and first logins, also in a browser; pictures in artifacts/; ARGS=--short leaves out what takes minutes; as root
	pytest -n 2 --dist loadfile $(ARGS) tests/enrolment

.PHONY: status
status: setup ## the fleet's report in a browser and from hosts; pictures in artifacts/; as root
	pytest $(ARGS) tests/status

.PHONY: trust
trust: setup ## hosts that answer with lies, to the oldest and the newest core; as root
	pytest $(ARGS) tests/trust

.PHONY: automation
automation: setup ## the execution environment, ansible-runner and ansible-pull; as root
	pytest $(ARGS) tests/automation

.PHONY: truenas
truenas: setup ## the same modules on stand-ins of eight TrueNAS releases; ARGS=--short for the essentials; as root
	pytest -n 8 $(ARGS) tests/truenas tests/login_truenas

.PHONY: truenas-calls
truenas-calls: setup ## of these only the calls to the middleware, without logins
	pytest -n 3 $(ARGS) tests/truenas

.PHONY: fleet
fleet: setup ## site over 100 hosts, three of them faulty; batches; FLEET_HOSTS=6 for a small one; as root
	pytest $(ARGS) tests/fleet

.PHONY: readme
readme: setup ## README, followed to the letter by somebody with an empty folder; as root
	pytest $(ARGS) tests/readme

.PHONY: bench
bench: setup ## what things cost, in pings, over 40 and 100 hosts; takes a quiet machine; as root
	python tests/bench/bench.py $(ARGS)

.PHONY: lockout
lockout: setup ## hostile starting points: refused, or handled and logged in through; ARGS=--short for a sample; as root
	pytest $(WORKERS) $(ARGS) tests/lockout

.PHONY: killsweep
killsweep: setup ## a change killed at every point; ARGS=--short for a sample; as root
	python tests/killsweep/killsweep.py $(ARGS)

.PHONY: doors
doors: setup ## every door, tried with single factors after everything that may happen to a host; ARGS=--short for each drift once; as root
	PYTHONPATH=tests/lab python -m tests.doors.doors $(ARGS)

.PHONY: soak
soak: setup ## 200 logins on each host while tokens and policy change; ARGS=--short for fewer; as root
	pytest -n 2 $(ARGS) tests/soak

.PHONY: fuzz
fuzz: setup ## 100,000 examples of files, parsed and written back; ARGS=--short for 2,000
	pytest -n 2 $(ARGS) tests/fuzz

.PHONY: leaks
leaks: setup ## a run of everything, and a search of everything for secrets; ARGS=--short leaves out those without pipelining; as root
	python tests/leaks/leaks.py $(ARGS)

.PHONY: demo
demo: setup ## a small fleet, from nothing to codes at the login; as root
	tests/demo/demo

.PHONY: changelog
changelog: setup ## CHANGELOG.md for the version in galaxy.yml, from the fragments
	tests/gates/changelog --write

.PHONY: pins
pins: ## renew tests/requirements/constraints.txt
	tests/gates/pins

.PHONY: clean
clean: ## remove what these targets made here, the lab's cached images not included
	rm -rf .ansible .build .hypothesis .mypy_cache .pytest_cache .ruff_cache .venv .venv-* artifacts tests/output
	find . -name __pycache__ -prune -exec rm -rf {} +

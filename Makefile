# The one door to citypulse. `make` alone lists what it can do.
# Variables may stand on the command line (`make demo RATE=500`) or in the environment.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

ifeq ($(strip $(CITYPULSE_HOME)),)
override CITYPULSE_HOME := $(CURDIR)/.citypulse
endif
export CITYPULSE_HOME
BIN := $(CITYPULSE_HOME)/venv/bin
CONTROL := @control/bootstrap.sh && "$(BIN)/citypulse-control"
# What only looks at, or ends, what there is: on an empty machine there is nothing, and nothing is set up for it.
IF_THERE = @test -e "$(BIN)/citypulse-control" || { echo "Nothing is set up in $(CITYPULSE_HOME) yet: make demo does it."; \
  exit 0; }; control/bootstrap.sh && "$(BIN)/citypulse-control"

.PHONY: help
help: ## this list
	@echo "citypulse: what cities say on X, counted live. Begin with: make demo"
	@echo
	@sed -nE 's/^([a-z][a-z-]*):.*## (.*)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'
	@echo
	@echo "Variables: CITYPULSE_HOME=dir (state), PORT_OFFSET=n (all ports), WORKERS=n (Spark workers),"
	@echo "           VARS=file.yml (any variable of the roles, such as kafka_properties)"

##@ Run
.PHONY: demo up status logs verify down clean
demo: ## set up, start, feed, wait, verify, show  [TWEETS=file COUNTRIES="CA GB" SHIFT=now RATE=n DURATION=3m KEEP=1]
	$(CONTROL) demo

up: ## start the servers; with X_BEARER_TOKEN_FILE=file COUNTRIES="CA GB" the live run on X too
	$(CONTROL) up

status: ## every service: state, process, memory, and what those of a run say of their health
	$(IF_THERE) status

logs: ## follow a service's log: make logs SERVICE=kafka1 (without SERVICE: the list; in a pipe: its last 50 lines)
	$(IF_THERE) logs

verify: ## ledgers and recount: nothing lost, no number wrong  [RUN=demo]
	$(IF_THERE) verify

down: ## stop everything in order; topics, tables, checkpoint and journal stay
	$(IF_THERE) down

clean: ## delete this checkout's state (says what), after asking; YES=1 does not ask
	@test -e "$(CITYPULSE_HOME)" || { echo "Nothing to delete: $(CITYPULSE_HOME) does not exist."; exit 0; }; \
	  control/bootstrap.sh && "$(BIN)/citypulse-control" clean

##@ Build and prove
.PHONY: archives dashboards board-assets pictures locks test loadtest fault faults lint fresh
archives: ## fetch and check everything that gets installed, into the cache shared by all clones
	$(CONTROL) archives

dashboards: ## write the dashboards anew from their code
	@control/bootstrap.sh --dev && "$(CITYPULSE_HOME)/dev/bin/python" -W ignore -m citypulse.dashboards.build

board-assets: ## rebuild the chart library and map that the board serves (needs npm)
	@services/board/assets/build.sh

pictures: ## take the pictures of README and docs of a demo that has run  [PAGE=page that a demo names]
	@control/bootstrap.sh --dev && "$(CITYPULSE_HOME)/dev/bin/python" docs/pictures/take.py $(if $(PAGE),"$(PAGE)")

locks: ## write every lock anew after a change of a pin or a pom
	@control/bootstrap.sh --dev && control/lock.sh

test: ## unit tests, then the whole pipeline on real servers of its own (TURNS=all: its longest ones too)
	@control/bootstrap.sh --dev && TURNS=$(TURNS) tests/run.sh

loadtest: ## load, proof, and what each process used of its limit, in a report  [RATE=n DURATION=3m LAST=1]
	$(CONTROL) loadtest

fault: ## one fault of the catalogue, on real servers  NAME=producer-killed (without NAME: what there is)
	@control/bootstrap.sh --dev && tests/faults/run.sh "$(NAME)"

faults: ## every fault of the catalogue, with a report (most of an hour)
	@control/bootstrap.sh --dev && tests/faults/run.sh all

lint: ## ruff, mypy, ansible-lint, yamllint, shellcheck
	@control/bootstrap.sh --dev && control/lint.sh

fresh: ## the README's commands in an empty Debian 12 root (needs root and debootstrap)
	@tests/fresh/run.sh

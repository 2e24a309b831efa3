# `make help` lists what there is to do.
.DEFAULT_GOAL := help
.PHONY: help run test unit pythons check format bench images test-deploy faults cluster audit fuzz release lock clean
BIN := .venv/bin
WORKERS ?= 2

help:  ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 13

run:  ## install what is missing, then start Tutti here (Ctrl-C stops it)
	@compose/install.sh run
	@exec $(BIN)/tutti up

# CI has no GPU: the tests for one are not part of its run, so that there every skip is an error.
test:  ## install what the tests need and run them all (make test ARGS="-k ledger")
	@compose/install.sh test
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(if $(CI),-m "not gpu") $(ARGS)

unit:  ## the tests that need no server (make unit ARGS="-k ledger")
	@compose/install.sh test
	TEST_SERVERS=off $(BIN)/python -m pytest tests/unit -n $(WORKERS) --dist worksteal -m "not server and not gpu" $(ARGS)

pythons:  ## the same on each Python from 3.11 to 3.14 that is here
	@compose/install.sh test
	@tests/pythons.sh $(ARGS)

check:  ## lint, types and layers
	@compose/install.sh test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format:  ## put the code into its form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench:  ## every figure that the README states
	@compose/install.sh test
	$(BIN)/python -m bench

images:  ## build the container images with podman or docker (make images ARGS="worker-cuda")
	@compose/containers/build.sh $(ARGS)

test-deploy:  ## build the images, run compose.yaml, kill and upgrade its parts (no part of `make test`)
	@compose/install.sh test
	@compose/install.sh deploy
	TEST_DEPLOY=on $(BIN)/python -m pytest tests/deploy $(ARGS)

faults:  ## the fault runs: real kills, at least 20 times each
	@compose/install.sh test
	$(BIN)/python -m tests.faults

cluster:  ## eleven hosts on this machine, as docs/operating.md builds them (make cluster ARGS="--minutes 10")
	@compose/install.sh test
	@exec $(BIN)/python -m tests.cluster $(ARGS)

audit:  ## vulnerabilities, calls, nginx, file modes (make audit ADVISORIES=osv.json without a network)
	@compose/install.sh test
	$(BIN)/python -m tests.security.audit $(if $(ADVISORIES),--advisories $(ADVISORIES))

fuzz:  ## feed the parsers at the borders with odd input (make fuzz MINUTES=60)
	@compose/install.sh test
	$(BIN)/python -m tests.security.fuzz --minutes $(or $(MINUTES),5)

release:  ## source, wheel, bill of materials and hashes into dist/
	@compose/install.sh test
	@compose/release.sh

lock:  ## write the lock files anew from pyproject.toml
	compose/lock.sh

clean:  ## remove what was installed (songs and logs stay)
	rm -rf .venv .tools

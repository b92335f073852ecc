# The only entry point: `make` prints what there is. The work is in dev-cluster/ and in Cargo.

SHELL := /bin/bash
CACHE := $(or $(CHATBOT_CACHE),$(HOME)/.cache/chatbot-operator)
STATE := $(or $(CHATBOT_STATE),/var/lib/chatbot-dev)
CARGO_TARGET_DIR ?= $(CACHE)/target
export CARGO_TARGET_DIR
# Real engines for tests: the programs of each in a folder.
export CHATBOT_TEST_MYSQLD_ROOT ?= $(CACHE)/rootfs/mysql-9.7
export CHATBOT_TEST_REDIS_ROOT ?= $(CACHE)/rootfs/redis-8.0
export CHATBOT_TEST_KAFKA_ROOT ?= $(CACHE)/rootfs/kafka-4.4.0
export CHATBOT_TEST_DOCUMENTDB_ROOT ?= $(CACHE)/rootfs/postgres-documentdb-17-0.107.0-ferretdb-2.7.0
export CHATBOT_TEST_FERRETDB_ROOT ?= $(CACHE)/rootfs/ferretdb-2.7.0
# How programs are compiled: for the cluster `dev` unless told otherwise, as for tests; what is measured is a release.
bench: PROFILE ?= release
export PROFILE
PROGRAMS = KUBECONFIG=$(STATE)/kubeconfig PATH=$(CACHE)/bin:$$PATH

.DEFAULT_GOAL := help
.PHONY: help run up cluster images deploy down status url logs mysql redis kubectl helm env secrets test test-fast reliability bench footprint generate

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## the whole product in one process, no root and no server needed (ARGS="--listen 127.0.0.1:8081")
	@cargo run --locked -q --bin chatbot -- standalone --data-dir $(CURDIR)/chatbot-data $(ARGS)

up: ## from nothing to a chat system that answers (NODES=3, or 1; CLUSTER=kind|packages)
	@dev-cluster/up

cluster: ## the cluster alone: nodes, DNS, storage, metrics; starts again what has died
	@dev-cluster/cluster

images: ## build the images and load them into the cluster (WHAT=engines|ours for a part, PROFILE=release)
	@dev-cluster/images $(WHAT)

deploy: ## install the operator, apply a ChatbotDeployment (SAMPLE=file NAMESPACE=chatbot), wait until it is Ready
	@dev-cluster/deploy

down: ## remove everything that up made, but not the cache
	@dev-cluster/down

status: ## what runs: processes, nodes, pods, chat systems
	@dev-cluster/status

url: ## the address of the chat system
	@dev-cluster/url

logs: ## the end of the cluster's logs (OF="kubelet-node1.log …" for some)
	@dev-cluster/logs $(OF)

mysql: ## a MySQL shell in the primary (NAMESPACE=chatbot)
	@dev-cluster/mysql

redis: ## a Redis shell in the primary (NAMESPACE=chatbot)
	@dev-cluster/redis

kubectl: ## kubectl on this cluster: make kubectl ARGS="get pods -A"
	@$(PROGRAMS) kubectl $(ARGS)

helm: ## helm on this cluster: make helm ARGS="list -A"
	@$(PROGRAMS) helm $(ARGS)

env: ## what to eval in a shell to use this cluster: eval "$(make env)"
	@echo 'export KUBECONFIG=$(STATE)/kubeconfig PATH=$(CACHE)/bin:$$PATH CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)'

secrets: ## write the secrets that compose.yaml reads, where they are missing
	@dev-cluster/compose-secrets

test: ## every check and test, the ones on a real cluster too (brings it up)
	@dev-cluster/test all

test-fast: ## every check and test that needs no cluster
	@dev-cluster/test fast

reliability: ## write docs/reliability.md from what the last run of the tests on the cluster measured
	@dev-cluster/reliability

bench: ## measure a deployment of processes, and write docs/benchmarks.md (PROFILE=dev, NOTE=…, ARGS="--rate 50")
	@dev-cluster/images rootfs
	@cargo build --locked -q --workspace --bins --profile $(PROFILE)
	@cargo run --locked -q --profile $(PROFILE) --bin chatbot-bench -- --markdown docs/benchmarks.md \
		--json $(CARGO_TARGET_DIR)/benchmarks.json --note "$(NOTE)" $(ARGS)

footprint: ## measure a whole system on the cluster at rest, and write docs/footprint.md (NOTE=…)
	@dev-cluster/footprint

generate: ## write the generated files again: the CRD, the operator's rights, the API's description
	@cargo build -q --workspace --bins
	@cargo run -q --bin generate
	@cargo run -q --bin chatbot-operator -- rbac >charts/chatbot-operator/files/rules.yaml
	@cargo run -q --bin chatbot -- openapi >docs/openapi.json

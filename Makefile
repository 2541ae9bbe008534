# Leat's build. `make up` and `make test` need nothing but Go, git, make and a C
# compiler: everything else is built by the rules below, from Go modules.

SHELL := /bin/bash
.DEFAULT_GOAL := build

# Static binaries, which run in an empty container. The packages of the main module are
# all compiled in that way, those of tests too, so that none is compiled twice but for the
# race detector.
export CGO_ENABLED := 0

LDFLAGS := -s -w

# Leat's own version. It is never stamped into k8s.io/component-base, which would take
# it for that of Kubernetes and turn features off by it.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo v0.0.0-dev)
SERVER_LDFLAGS := $(LDFLAGS) -X github.com/leat-dev/leat/pkg/version.version=$(VERSION)

# How many Kustomizations `make bench` makes.
N ?= 100

# The control plane of local clusters and of the tests. It is a module of its own,
# so that the main module never links k8s.io/kubernetes.
KUBERNETES_VERSION := v1.37.1
DEVCLUSTER_LDFLAGS := $(LDFLAGS) -X k8s.io/component-base/version.gitVersion=$(KUBERNETES_VERSION)

SERVER_BINARIES := bin/leat-apiserver bin/leat-build
DEV_BINARIES := $(SERVER_BINARIES) bin/gitserver bin/devcluster bin/kubectl

GO_SOURCES := $(shell find cmd pkg test -name '*.go' 2>/dev/null) go.mod go.sum
DEVCLUSTER_SOURCES := $(shell find hack/devcluster -name '*.go' -o -name 'go.*' -path 'hack/devcluster/*' 2>/dev/null)
TOOLS_SOURCES := $(wildcard hack/tools/go.* hack/tools/*/*.go)

.PHONY: help
help: ## Print what can be made.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

.PHONY: build
build: $(SERVER_BINARIES) ## Build leat-apiserver and its build worker.

bin/leat-apiserver: $(GO_SOURCES)
	@hack/build.sh $@ . '4 minutes' -ldflags '$(SERVER_LDFLAGS)' ./cmd/leat-apiserver

bin/leat-build: $(GO_SOURCES)
	@hack/build.sh $@ . 'half a minute' -ldflags '$(LDFLAGS)' ./cmd/leat-build

bin/gitserver: $(GO_SOURCES)
	@hack/build.sh $@ . 'half a minute' -ldflags '$(LDFLAGS)' ./test/gitserver/cmd/gitserver

# Kubernetes $(KUBERNETES_VERSION), from source.
bin/devcluster: $(DEVCLUSTER_SOURCES)
	@CGO_ENABLED=1 hack/build.sh $@ hack/devcluster '7 minutes' -trimpath -ldflags '$(DEVCLUSTER_LDFLAGS)' .

bin/kubectl: bin/devcluster
	@ln -sf devcluster $@

.PHONY: up
up: $(DEV_BINARIES) ## Start a local control plane with Leat and a demo repository in it.
	@hack/up.sh

.PHONY: down
down: ## Stop what `make up` started. WIPE=1 forgets its data too.
	@hack/down.sh $(if $(WIPE),--wipe)

.PHONY: test
test: $(DEV_BINARIES) ## Run every test: unit, integration and end to end.
	@hack/test.sh

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME=60 seconds, looking for inputs that reach new code.
	@FUZZ_COVERAGE=1 hack/fuzz.sh $(or $(FUZZTIME),60)

.PHONY: bench
bench: $(DEV_BINARIES) ## Measure Leat beside the limit of this machine; writes bench.json. N=100.
	@go run ./test/bench -n $(N) -out bench.json

.PHONY: generate
generate: ## Generate deep copies, OpenAPI, clients, informers and listers.
	@hack/update-codegen.sh

.PHONY: verify
verify: verify-format verify-vet verify-lint verify-generated verify-tidy verify-licences verify-monitoring ## All checks besides the tests.

.PHONY: verify-format verify-vet verify-lint verify-generated verify-tidy verify-licences verify-monitoring
verify-format:
	@out=$$(gofmt -l cmd pkg test hack); if [ -n "$$out" ]; then echo "not formatted by gofmt:"; echo "$$out"; exit 1; fi

verify-vet:
	@go vet ./...
	@cd hack/devcluster && CGO_ENABLED=1 go vet -trimpath ./...
	@cd hack/monitoring && go vet ./...

verify-lint: bin/golangci-lint
	@bin/golangci-lint run ./...

verify-generated:
	@hack/verify-codegen.sh

verify-tidy:
	@for m in . hack/devcluster hack/tools hack/monitoring; do (cd $$m && go mod tidy -diff) || { echo "$$m: go.mod is not tidy: run go mod tidy there"; exit 1; }; done

verify-licences: bin/licences
	@bin/licences ./cmd/leat-apiserver ./cmd/leat-build

verify-monitoring: bin/monitoring
	@bin/monitoring artifacts/monitoring/*

bin/golangci-lint: hack/tools/go.mod hack/tools/go.sum
	@hack/build.sh $@ hack/tools '2 minutes' -ldflags '$(LDFLAGS)' github.com/golangci/golangci-lint/v2/cmd/golangci-lint

bin/licences: $(TOOLS_SOURCES)
	@cd hack/tools && go build -o ../../bin/licences ./licences

bin/monitoring: $(wildcard hack/monitoring/*)
	@hack/build.sh $@ hack/monitoring 'half a minute' -ldflags '$(LDFLAGS)' .

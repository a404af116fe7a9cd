# Every target is a few lines; longer work lives in .ci/. "make" alone lists them.
.DEFAULT_GOAL := help
.PHONY: help run build release test check generate bench fuzz e2e cluster kernels model evaluation known

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## build, then start sensor, server and console here (flags: make run ARGS="--host")
	@bin/kingsnake up $(ARGS)

build: ## build bin/kingsnake; nothing but Go is needed
	@.ci/need-go
	@CGO_ENABLED=0 go build -trimpath -o bin/kingsnake ./cmd/kingsnake

release: ## build what a release ships: static binaries for amd64 and arm64, with checksums, in bin/
	@.ci/release

test: ## install what tests need, run all of them (STRICT=1 also fails on a skip that is not allowed)
	@.ci/setup test
	@.ci/test

check: ## format, lint, drift of generated files, fuzz seeds, benchmarks once, arm64
	@.ci/setup check
	@.ci/check

generate: ## rebuild what is generated and committed: BPF objects, event types, console bundle
	@.ci/setup generate
	@go generate ./...

bench: ## run the benchmarks, ten times each (PKG=./normalize/... narrows)
	@go test -run '^$$' -bench . -benchmem -count 10 $(or $(PKG),./...)

fuzz: ## run every fuzz target for a while (TIME=30s each, PKG=./normalize narrows)
	@.ci/fuzz $(or $(TIME),30s) $(PKG)

e2e: ## the tests with a real kernel, real containers and a real browser only
	@.ci/setup test
	@.ci/test -only alone

cluster: ## the tests with a real Kubernetes whose only node this is (KUBECONFIG=admin's CRI=socket IMAGE=name MANIFESTS=folder of static pods)
	@KINGSNAKE_KUBECONFIG=$(KUBECONFIG) KINGSNAKE_CRI=$(CRI) KINGSNAKE_IMAGE=$(IMAGE) KINGSNAKE_MANIFESTS=$(MANIFESTS) \
		go test -count=1 -v -run 'TestARealAPI|TestPodsOfARealCluster' ./workload/kube ./deploy/e2e

kernels: ## the sensor's tests in virtual machines with Debian's kernels (ARGS="-run Kernels/5.10", or "-tests REGEXP", or -long)
	@.ci/setup test
	@KINGSNAKE_E2E=1 go test -count=1 -timeout=4h -v ./deploy/kernels $(ARGS)

model: ## train the embedded model anew on CORPUS=folder, and write its card
	@.ci/model $(CORPUS)

evaluation: ## measure on CORPUS=folder, every way there is, and write docs/evaluation/ (without: draw again)
	@.ci/evaluation $(CORPUS)

known: ## build the embedded index of known files anew, from the packages in .ci/known-packages
	@.ci/known

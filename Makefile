# pbt: `make run` shows what it does, `make check` is all the checks there are.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0
SEED ?= 1
VENV := build/venv

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# --- the main job ---------------------------------------------------------------

.PHONY: run
run: bin/pbt ## train 16 networks on handwritten digits: PBT beside random search (SEED=1)
	@./examples/digits/quickstart.sh $(SEED)

.PHONY: build
build: bin/pbt ## build bin/pbt

# The dashboard: files that the binary carries.
WEB_FILES := $(shell git ls-files -co --exclude-standard web/src web/index.html web/package.json web/package-lock.json web/vite.config.ts web/tsconfig.json web/scripts 2>/dev/null)
web/node_modules/.done: web/package-lock.json
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@
web/dist/.done: web/node_modules/.done $(WEB_FILES)
	cd web && npm run --silent build
	@touch $@

GO_FILES := $(shell git ls-files -co --exclude-standard '*.go' '*.sql' 'cmd/pbt/template' 'examples/digits/data' 2>/dev/null) go.mod go.sum
bin/pbt: $(GO_FILES) web/dist/.done
	CGO_ENABLED=0 go build -tags web -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o $@ ./cmd/pbt

# --- the checks -----------------------------------------------------------------

.PHONY: check
check: tools build lint web browser python experiments results-check experiments-smoke test api sinks-files laws fuzz simulate ## everything that CI runs

.PHONY: tools
tools: # what the tests need of Debian: a C compiler, sqlite3, Chromium, PyTorch for the examples and the pages, their data
	@missing=""; \
	for t in gcc:gcc sqlite3:sqlite3 python3:python3 git:git patch:patch chromium:chromium; do command -v $${t%%:*} >/dev/null || missing="$$missing $${t##*:}"; done; \
	[ -e /usr/include/stdlib.h ] || missing="$$missing libc6-dev"; \
	[ -e /usr/share/datasets/fashion-mnist ] || missing="$$missing dataset-fashion-mnist"; \
	/usr/bin/python3 -c 'import torch' 2>/dev/null || missing="$$missing python3-torch"; \
	python3 -c 'import ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	if [ -n "$$missing" ]; then \
	  echo "installing:$$missing"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi

.PHONY: lint
lint: ## gofmt, go vet, staticcheck
	@bad=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); if [ -n "$$bad" ]; then echo "not gofmt'ed: $$bad"; exit 1; fi
	go vet ./...
	go vet -tags lawless ./machine ./sim
	go run $(STATICCHECK) ./...

.PHONY: test
test: bin/pbt $(VENV)/.done ## all tests, with the race detector: packages, examples, docs, crashes of the real binary
	go test -race -timeout 20m ./...

.PHONY: web
web: web/node_modules/.done ## the dashboard: types, linter, unit tests
	cd web && npm run --silent lint && npm test --silent

.PHONY: browser
browser: bin/pbt web/node_modules/.done ## the dashboard in Chromium, against a real run that is steered, killed and resumed
	cd web && npm run --silent e2e

# --- the Python client ------------------------------------------------------------

$(VENV)/.done: python/requirements-dev.txt examples/requirements.txt experiments/requirements.txt
	python3 -m venv --clear $(VENV)
	$(VENV)/bin/pip install -q --disable-pip-version-check $(addprefix -r ,$^)
	@touch $@

.PHONY: python
python: bin/pbt $(VENV)/.done ## the Python client: ruff, mypy, pytest
	cd python && ../$(VENV)/bin/ruff format --check . && ../$(VENV)/bin/ruff check . && ../$(VENV)/bin/mypy
	cd python && ../$(VENV)/bin/python -m pytest -q
	$(VENV)/bin/ruff check examples && $(VENV)/bin/ruff format --check examples

# --- the paper's experiments: experiments/README.md -----------------------------

HARNESS := cd experiments && ../$(VENV)/bin/python -m harness

.PHONY: experiments
experiments: bin/pbt $(VENV)/.done # the experiments' harness: ruff, mypy, pytest
	cd experiments && ../$(VENV)/bin/ruff format --check . && ../$(VENV)/bin/ruff check . && ../$(VENV)/bin/mypy
	cd experiments && PYTHONPATH=$(CURDIR)/python/src ../$(VENV)/bin/python -m pytest -q

.PHONY: experiments-smoke
experiments-smoke: bin/pbt $(VENV)/.done ## every experiment from nothing at a tiny budget
	$(HARNESS) smoke

EXPERIMENTS := $(patsubst experiments/%/domain.toml,experiment-%,$(wildcard experiments/*/domain.toml))
.PHONY: $(EXPERIMENTS)
$(EXPERIMENTS): experiment-%: bin/pbt $(VENV)/.done
	$(HARNESS) run $* $(if $(SEEDS),--seeds $(SEEDS)) $(if $(VARIANT),--variant $(VARIANT)) && ../$(VENV)/bin/python -m harness summarize $*

SURROGATE := experiments/policies/results
.PHONY: policies
policies: ## every policy on fifteen surrogate families, in nine sizes (half an hour of one core)
	mkdir -p $(SURROGATE)
	for members in 8 16 40; do for segments in 20 40 80; do \
	  go run ./experiments/policies/surrogate -seeds 400 -members $$members -segments $$segments -out $(SURROGATE)/surrogate-$$members-$$segments.json || exit 1; done; done

.PHONY: results
results: $(VENV)/.done # summaries, figures and the documents' numbers, anew from the records
	$(HARNESS) summarize && ../$(VENV)/bin/python -m harness fill

.PHONY: results-check
results-check: $(VENV)/.done ## recompute every committed summary, figure and number from the raw records
	$(HARNESS) check
	go run ./experiments/policies/surrogate -check $(SURROGATE)/*.json

.PHONY: python-torch
python-torch: ## pbt.torch with Debian's torch (apt-get install python3-torch python3-venv)
	/usr/bin/python3 -m venv --system-site-packages build/venv-torch
	build/venv-torch/bin/pip install -q --disable-pip-version-check pytest==9.2.0
	cd python && ../build/venv-torch/bin/python -m pytest -q -m torch tests/test_torch.py tests/test_schedulers.py

.PHONY: wheel
wheel: bin/pbt $(VENV)/.done ## build/wheel/pbt_engine-*.whl: the Python client with the binary inside
	PBT_WHEEL_BINARY=$(CURDIR)/bin/pbt $(VENV)/bin/pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation -w build/wheel ./python
	@ls build/wheel

# What asks the API and reads the sinks' files, inside `make check`.
READERS := build/venv-readers
$(READERS)/.done: api/requirements-test.txt sinks/requirements-files.txt
	python3 -m venv --clear $(READERS)
	$(READERS)/bin/pip install -q --disable-pip-version-check $(addprefix -r ,$^)
	@touch $@

# Debian's Prometheus, unpacked and not installed: installing it would start it.
PROMETHEUS := build/prometheus
$(PROMETHEUS)/.done:
	rm -rf $(PROMETHEUS) && mkdir -p $(PROMETHEUS)
	cd $(PROMETHEUS) && { apt-get -o APT::Sandbox::User=root download -qq prometheus || { apt-get update -qq && apt-get -o APT::Sandbox::User=root download -qq prometheus; }; }
	cd $(PROMETHEUS) && dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin && rm prometheus_*.deb
	@touch $@

.PHONY: api
api: $(READERS)/.done $(PROMETHEUS)/.done ## the HTTP API: Schemathesis and a real Prometheus ask the real binary
	PBT_SCHEMATHESIS=$(CURDIR)/$(READERS)/bin/schemathesis PBT_PROMETHEUS=$(CURDIR)/$(PROMETHEUS)/usr/bin \
	  go test -count=1 -timeout 10m -run 'TestTheDescriptionHolds|TestPrometheusTakesTheMetrics' ./cmd/pbt

.PHONY: sinks-files
sinks-files: $(READERS)/.done ## the files of the sinks and of pbt export, read by a real TensorBoard and Arrow
	PBT_SINKS_PYTHON=$(CURDIR)/$(READERS)/bin/python go test -count=1 -timeout 10m ./sinks/tensorboard ./sinks/table

GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
.PHONY: audit
audit: web/node_modules/.done ## known vulnerabilities of what pbt is made of (asks vuln.go.dev and npm's registry)
	go run $(GOVULNCHECK) -tags web ./cmd/pbt
	cd web && npm audit

SINKS := build/venv-sinks
$(SINKS)/.done: sinks/requirements-test.txt sinks/requirements-files.txt
	python3 -m venv --clear $(SINKS)
	$(SINKS)/bin/pip install -q --disable-pip-version-check -r $<
	@touch $@

.PHONY: sinks
sinks: $(SINKS)/.done ## the sinks against a real TensorBoard, MLflow, W&B (offline) and Arrow
	PBT_SINKS_PYTHON=$(CURDIR)/$(SINKS)/bin/python go test -count=1 -timeout 20m ./sinks/...

.PHONY: laws
laws: ## break each law on purpose: the simulator must notice
	go test -tags lawless -run 'TestEachLawIsCaught' ./sim

# package:target:executions; a count and not a time, so that a slow machine does the same
FUZZ := .:FuzzSpace:20000 .:FuzzHypersJSON:50000 .:FuzzScoreJSON:50000 ./config:FuzzParse:5000 ./config:FuzzFromJSON:5000 \
        ./config:FuzzSplitCommand:50000 ./machine:FuzzDecode:50000 ./journal:FuzzOpen:1500 ./trainer:FuzzQuoteNonFinite:20000 ./protocol:FuzzFromTrainer:50000 ./trainer:FuzzSession:30000 ./checkpoint:FuzzDecodeManifest:20000
FUZZFACTOR ?= 1
.PHONY: fuzz
fuzz: ## every fuzz target, briefly (FUZZFACTOR=1)
	@for f in $(FUZZ); do IFS=: read -r package target count <<<"$$f"; \
	  echo "fuzz $$package $$target"; \
	  go test -run '^$$' -fuzz "^$$target$$" -fuzztime $$((count * $(FUZZFACTOR)))x -fuzzminimizetime 10x $$package || exit 1; \
	done

SIM_SEEDS ?= 3000
.PHONY: simulate
simulate: bin/pbt # thousands of clusters, inside `make check`
	bin/pbt sim --seeds $(SIM_SEEDS)

.PHONY: sim
sim: SIM_SEEDS = 100000
sim: simulate ## many more simulated clusters (SIM_SEEDS=100000)

.PHONY: bench
bench: ## the benchmarks, results in benchmarks/results
	go run ./benchmarks

PEERS := build/peers
$(PEERS)/.done: benchmarks/peers/requirements.txt
	python3 -m venv --clear $(PEERS)
	$(PEERS)/bin/pip install -q --disable-pip-version-check -r $<
	@touch $@

.PHONY: bench-peers
bench-peers: bin/pbt $(PEERS)/.done ## pbt beside Ray Tune: the same no-op Python trainer under both
	$(PEERS)/bin/python benchmarks/peers/facts.py
	python3 benchmarks/peers/bench.py --out benchmarks/results/peers-$(shell date +%F)-$(shell nproc)cores.json

.PHONY: clean
clean: ## remove what is built
	rm -rf bin build web/dist web/node_modules

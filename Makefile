# pbt: `make run` shows what it does, `make check` is all the checks there are.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

.PHONY: build
build: bin/pbt ## build bin/pbt

GO_FILES := $(shell git ls-files '*.go' '*.sql' 'cmd/pbt/template' 'examples/digits/data' 2>/dev/null) go.mod go.sum
bin/pbt: $(GO_FILES)
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o $@ ./cmd/pbt

# Everything a person needs is here; the scripts say what they do before they do it.

.PHONY: help run build test soak
.DEFAULT_GOAL := help

help: ## Shows this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' Makefile

run: ## Installs what is missing, builds, and serves demo data on http://127.0.0.1:7880
	@scripts/run

build: ## Builds the web app and the release binary
	@scripts/build

test: ## Runs every test in its short form: Rust, web, browsers, LiveKit's SDK
	@scripts/test

soak: ## Runs the long forms: churn, long classes, repeated kills
	@scripts/soak

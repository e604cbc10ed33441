# Andante's targets. `make help` lists them.

SHELL := /bin/bash
CARGO ?= cargo
CLIENTS := target/clients
DENY := target/tools/bin/cargo-deny

.PHONY: help run test shipped check deny fmt bench setup vendor services clients peer

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

run: vendor ## Build, and start on http://127.0.0.1:3000 with SQLite and the queues in memory
	$(CARGO) run --release

test: vendor setup shipped ## Install what the tests need, and run them all
	$(CARGO) test --workspace -- --test-threads=6

shipped: vendor ## The program as it is shipped, for the tests: theirs has more linked in
	$(CARGO) build --bin andante
	mkdir -p target/shipped && cp target/debug/andante target/shipped/

check: vendor deny ## Formatting, clippy and the documentation, with warnings as errors; and `deny`
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --all-targets --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --exclude fake-whatsapp --no-deps --document-private-items

deny: $(DENY) ## What is linked in: its licences, where it comes from, and what is known against it
	$(DENY) check licenses bans sources
	@if timeout 60 $(DENY) fetch db >/dev/null 2>&1; then $(DENY) check advisories; \
	else echo "The database of advisories can't be reached: they were not checked."; fi

$(DENY):
	$(CARGO) install --quiet --locked --root target/tools --version 0.20.2 cargo-deny

fmt: ## Format the source
	$(CARGO) fmt --all

bench: vendor services peer ## Print the table of figures (takes about three quarters of an hour)
	$(CARGO) bench --bench bench

setup: services clients ## Install the services and clients that the tests use

vendor: static/vendor/licences.txt ## Fetch what the pages use of other people's work

static/vendor/licences.txt: vendor/package-lock.json vendor/copy.mjs vendor/modules.js
	@missing=; command -v node >/dev/null || missing="$$missing nodejs"; command -v npm >/dev/null || missing="$$missing npm"; \
	if [ -n "$$missing" ]; then \
		echo "Installing:$$missing"; \
		as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
		$$as_root apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive $$as_root apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi
	@cd vendor && npm ci --silent --ignore-scripts && node copy.mjs

# Each program the tests run, and the Debian package that brings it.
services:
	@missing=; need() { command -v "$$1" >/dev/null || [ -x "$$1" ] || missing="$$missing $$2"; }; \
	need redis-server redis-server; need chromium chromium; need chromedriver chromium-driver; \
	need node nodejs; need npm npm; need curl curl; need python3 python3; need wrk wrk; \
	python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$$missing python3-venv"; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	fc-list 2>/dev/null | grep -q . || missing="$$missing fontconfig fonts-dejavu-core"; \
	if [ -n "$$missing" ]; then \
		echo "Installing:$$missing"; \
		as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
		$$as_root apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive $$as_root apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi

# The Python clients in an environment of their own, the Node ones beside their scripts.
clients: services
	@[ -d tests/clients/node_modules/socket.io-client -a -d tests/clients/node_modules/baileys -a -d tests/clients/node_modules/axe-core -a -d tests/clients/node_modules/typescript ] || (cd tests/clients && npm ci --silent)
	@[ -x $(CLIENTS)/bin/python ] || python3 -m venv $(CLIENTS)
	@$(CLIENTS)/bin/python -c 'import requests, schemathesis' 2>/dev/null || $(CLIENTS)/bin/python -m pip install -q -r tests/clients/requirements.txt

# What the table of figures compares with.
peer: services
	@[ -d benches/peer/node_modules/bullmq ] || (cd benches/peer && npm ci --silent)

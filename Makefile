# Everything a person types. Each target does its own set-up; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
BENCH_ARGS ?=
DEMO_ARGS ?=
SOAK_ARGS ?=

.PHONY: help demo test build lint lint-all asan tsan lab fuzz soak bench bench-full bench-report fmt clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## install what is missing, build, and run the shop in a mesh, with figures
	@tools/setup.sh build demo
	@tools/build.sh release weft weft-proxy
	@python3 examples/shop/demo.py --bin build/release/src/app $(DEMO_ARGS)

test: ## install what is missing, build, and run all tests; ends with `N passed, N failed`
	@tools/setup.sh build test
	@tools/build.sh dev
	@python3 tools/run_tests.py build/dev --e2e

build: ## build the programs as shipped (build/release/src/app)
	@tools/setup.sh build
	@tools/build.sh release weft weft-proxy

lint: ## the checks that take seconds, and clang-tidy on the files changed since WEFT_LINT_BASE (default: main or HEAD~1)
	@tools/setup.sh build lint
	@tools/build.sh dev weft_proto
	@tools/lint.sh changed

lint-all: ## the same over every file
	@tools/setup.sh build lint
	@tools/build.sh dev weft_proto
	@tools/lint.sh all

asan: ## all unit tests and scenarios under the address and undefined-behaviour sanitizers
	@tools/setup.sh build test
	@tools/build.sh asan
	@python3 tools/run_tests.py build/asan

tsan: ## the tests of threaded code under the thread sanitizer
	@tools/setup.sh build test
	@tools/build.sh tsan $$(tools/threaded_tests.sh)
	@python3 tools/run_tests.py build/tsan --only $$(tools/threaded_tests.sh)

lab: ## draw the pictures of docs/lab anew: what balancing and resilience do on a simulated mesh
	@tools/setup.sh build test
	@tools/build.sh dev lab_test
	@WEFT_LAB_DRAW=1 build/dev/tests/lab/lab_test --gtest_brief=1

fuzz: ## every fuzz target for FUZZ_SECONDS (60) in total
	@tools/setup.sh build test
	@tools/build.sh asan fuzzers
	@python3 tools/run_fuzz.py build/asan --seconds $(FUZZ_SECONDS)

soak: ## load for 25 minutes, with memory watched; a table of checks (SOAK_ARGS="--scale 0.05" for two minutes)
	@tools/setup.sh build test
	@tools/build.sh release weft weft-proxy
	@python3 tests/soak/soak.py --bin build/release/src/app --out build/soak/results.json $(SOAK_ARGS)

bench: ## Weft beside haproxy, nginx, Envoy and no proxy at all, some minutes; writes build/bench/results.json
	@tools/setup.sh build bench
	@tools/build.sh release weft weft-proxy
	@python3 tests/bench/get_envoy.py >/dev/null
	@python3 tests/bench/bench.py --bin build/release/src/app --out build/bench $(BENCH_ARGS)

bench-full: ## the same with more rows and more rounds
	@$(MAKE) bench BENCH_ARGS="--full $(BENCH_ARGS)"

bench-report: ## write the last bench's table and picture into docs/
	@python3 tests/bench/report.py build/bench/results.json docs

fmt: ## format the C++ sources
	@tools/setup.sh lint
	@git ls-files '*.cc' '*.h' | xargs clang-format-19 -i

clean: ## remove everything that was built
	@rm -rf build

# SPDX-License-Identifier: MIT
# Thin targets over the CMake presets (CMakePresets.json). `make help` lists them.
#
#   PRESET=dev      another preset than release
#   LIBTORCH=DIR    an existing LibTorch (the folder torch/ of a PyTorch wheel) instead of .venv
#   SLOW=1          make test: also the tests with the label slow
#   GPU=1           make test: also those that need a GPU
#   JOBS=N          parallel jobs; default: one for each core

PRESET ?= release
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
SLOW ?=
GPU ?=
export PRESET JOBS SLOW GPU LIBTORCH
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := all
.PHONY: all setup demo test check bench format tidy help clean

all: setup ## set up what is missing and build; the program is build/release/medaug
	@scripts/build.sh

setup: ## install the packages and LibTorch that are missing, nothing else
	@scripts/setup.sh

demo: all ## made-up data, training, generation, augmentation, contact sheet: under 10 minutes
	@scripts/demo.sh

test: all ## build and run the fast tests (SLOW=1: the slow ones too; GPU=1)
	@scripts/test.sh

check: setup ## what CI runs: format, build, all tests that need no GPU
	@scripts/format.sh --check
	@scripts/build.sh
	@SLOW=1 scripts/test.sh

bench: setup ## build and run the benchmarks
	@scripts/bench.sh

format: setup ## format the sources in place
	@scripts/format.sh

tidy: setup ## clang-tidy over what differs from origin/main (scripts/tidy.sh --all: everything)
	@scripts/tidy.sh

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

clean: ## remove build/ and demo/; .venv and runs/ stay
	rm -rf build demo

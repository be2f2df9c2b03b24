# What people and CI type; Meson does the building. `make help` lists it. Link-time optimisation is
# worth a twentieth of the CPU time of a small request.
BUILD ?= build
PYTHON ?= /usr/bin/python3
MESON ?= meson
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
FUZZ_SECONDS ?= 60
HTTPS ?= :8443
HTTP ?= :8080
MESON_FLAGS ?= -Db_lto=true
PYTEST_FLAGS ?=

# From here on each recipe is one shell that stops at the first failure.
SHELL := bash
.ONESHELL:
.SHELLFLAGS := -euc

.PHONY: build build-or-deps deps run test unit flow libssl-records asan static tidy format fuzz cover bench check \
	manual install uninstall clean cross matrix help
.DEFAULT_GOAL := build

build:       ## build/gardien; says which packages are missing, installs none
	@tools/deps --check build
	tools/deps --check libraries
	tools/setup $(BUILD) $(MESON_FLAGS)
	ninja -C $(BUILD) gardien

deps:        ## install the packages that building and testing take
	@tools/deps build libraries test check

build-or-deps:
	@tools/deps build libraries
	$(MAKE) --no-print-directory build

run: build-or-deps ## install what is missing, serve examples/site at https://localhost:8443 and http://localhost:8080
	@GARDIEN_MAKE_RUN=1 exec $(BUILD)/gardien serve examples/site --https $(HTTPS) --http $(HTTP)

test:        ## install what is missing, run every test: units, fuzzers' corpora, flows with real clients
	@tools/deps build libraries test
	tools/setup $(BUILD) $(MESON_FLAGS)
	ninja -C $(BUILD)
	$(MESON) test -C $(BUILD) --print-errorlogs --no-rebuild
	PYTHON=$(PYTHON) tools/flow $(BUILD)/gardien $(PYTEST_FLAGS)

unit:        ## the fast half of the tests
	@tools/deps build libraries
	tools/setup $(BUILD) $(MESON_FLAGS)
	ninja -C $(BUILD)
	$(MESON) test -C $(BUILD) --print-errorlogs --no-rebuild

flow: build-or-deps ## the other half; PYTEST_FLAGS='-k proxy -x' picks
	@tools/deps test
	PYTHON=$(PYTHON) tools/flow $(BUILD)/gardien $(PYTEST_FLAGS)

libssl-records: ## the TLS tests of a program whose records are libssl's throughout
	@tools/deps --check build libraries test
	tools/setup build-libssl -Down_records=false
	ninja -C build-libssl gardien tests/unit/tls/test_session tests/unit/tls/test_staple
	$(MESON) test -C build-libssl --print-errorlogs --no-rebuild 'tls session' 'tls staple'
	GARDIEN=$(CURDIR)/build-libssl/gardien $(PYTHON) -m pytest -q -p no:cacheprovider tests/flow/test_tls.py

asan:        ## every test under AddressSanitizer and UBSan
	@PATIENCE=3 $(MAKE) --no-print-directory test BUILD=build-asan \
		MESON_FLAGS='-Db_sanitize=address,undefined -Db_lundef=false'

static:      ## what can be told without running: layers, style, layout, no warning of gcc or clang
	@tools/deps build libraries check
	tools/check-layers --compile
	tools/check-style
	tools/check-functions
	tools/check-names
	tools/check-syntax
	tools/format --check
	CC=gcc tools/setup build-gcc -Dwerror=true
	ninja -C build-gcc --quiet all micro
	CC=clang tools/setup build-clang -Dwerror=true
	ninja -C build-clang --quiet
	echo "static: nothing found"

check:       ## exactly what CI runs
	@.ci/run

tidy:        ## clang-tidy
	@tools/deps build libraries tidy
	CC=clang tools/setup build-clang -Dwerror=true
	ninja -C build-clang --quiet
	tools/tidy build-clang

format:      ## clang-format over the tree
	@tools/deps check
	tools/format

fuzz:        ## libFuzzer, FUZZ_SECONDS=60 for each fuzzer; FUZZERS='http1 yaml' picks
	@tools/deps build libraries fuzz
	CC=clang tools/setup build-fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false
	ninja -C build-fuzz
	tools/fuzz build-fuzz $(FUZZ_SECONDS) $(FUZZERS)

cross:       ## build-cross: the programs for Windows (by mingw-w64) and macOS (by zig, where npm is)
	@tools/deps build cross
	for system in $$(tools/cross/setup --systems); do
	    tools/cross/setup $$system build-cross/$$system -Dwerror=true
	    ninja -C build-cross/$$system
	done

matrix:      ## build and test without each optional library; tools/matrix NAME picks
	@tools/deps build libraries test
	tools/matrix

cover:       ## lines that units and corpora reach, a file a line
	@tools/deps build libraries cover
	CC=gcc tools/setup build-cover -Db_coverage=true -Doptimization=0
	ninja -C build-cover
	$(MESON) test -C build-cover --print-errorlogs --no-rebuild
	tools/cover build-cover

bench: build-or-deps ## CPU and memory against nginx, h2o, HAProxy, Caddy, lighttpd; BENCH='--quick' picks
	@tools/deps bench
	$(PYTHON) bench/run --gardien $(BUILD)/gardien $(BENCH)
	$(PYTHON) bench/why --gardien $(BUILD)/gardien
	[ -n "$(BENCH)" ] || $(PYTHON) bench/scan --gardien $(BUILD)/gardien

manual: build ## build/gardien.1, the manual page
	@tools/manual $(BUILD)/gardien >$(BUILD)/gardien.1

install: manual ## into DESTDIR and PREFIX, with manual, service and first settings
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)' tools/install $(BUILD)

uninstall:   ## remove what install brought; settings and state stay
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)' tools/install --remove

clean:       ## forget everything built: build, all folders build-*, the benchmark's own
	rm -rf build build-*/ bench/work
	find tests bench -name __pycache__ -prune -exec rm -rf {} +

help:
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## */make \1\t/' | expand -t 16

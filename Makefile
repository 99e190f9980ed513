# The entry points; CMake does the work (see CMakePresets.json).
JOBS ?= $(shell nproc)
SEEDS ?= 100000
DESTDIR ?=
prefix ?= /usr/local

.PHONY: help run check debug alarm-drill test soak bench format lint deb install uninstall clean
.DEFAULT_GOAL := help

help:
	@echo 'make run      builds flowrelay and shows an event on its way, from a producer to a server'
	@echo 'make alarm-drill  raises each alarm of the example rules once, against the development server'
	@echo 'make check    what changes most: units, lint, 1000 simulated lives'
	@echo 'make debug    a debug build of the programs, in build/dev/bin'
	@echo 'make test     everything: all tests, both compilers, the sanitizers, short fuzz runs'
	@echo 'make soak     randomized crash, power-cut and whole-relay simulation tests, $$(SEEDS) seeds: $(SEEDS)'
	@echo 'make bench    the benchmarks'
	@echo 'make lint     the rules of the house, and clang-tidy where it is installed'
	@echo 'make format   lays out the sources with clang-format-19'
	@echo 'make install  installs under $$(DESTDIR)$$(prefix), which is $(DESTDIR)$(prefix)'
	@echo 'make uninstall  removes what was installed, and says what is left'
	@echo 'make deb      builds the Debian packages in build/deb, and checks them with lintian'
	@echo 'make clean    removes build/'

run:
	@cmake/install-debian-packages.sh build
	@cmake --preset demo -Wno-dev > /dev/null
	@cmake --build --preset demo -j $(JOBS) --target flowrelayd flowrelay flowrelay-devserver
	@config/examples/demo.sh build/demo/bin

alarm-drill:
	@cmake/install-debian-packages.sh build test
	@cmake --preset release -Wno-dev > /dev/null
	@cmake --build --preset release -j $(JOBS) --target flowrelayd flowrelay flowrelay-devserver
	@config/examples/alarm-drill build/release/bin

check:
	@cmake/install-debian-packages.sh build test
	@cmake --preset ci -Wno-dev > /dev/null
	@cmake --build --preset ci -j $(JOBS)
	@ctest --preset ci -L 'unit|lint' -E simulation -j $$((4 * $(JOBS)))
	@FLOWRELAY_SEEDS=1000 build/ci/bin/simulation --gtest_brief=1

debug:
	@cmake/install-debian-packages.sh build
	@cmake --preset dev -Wno-dev > /dev/null
	@cmake --build --preset dev -j $(JOBS) --target flowrelayd flowrelay flowrelay-devserver

test:
	@cmake/install-debian-packages.sh build test deb
	@tests/run-all.sh $(JOBS)

soak:
	@cmake/install-debian-packages.sh build test
	@cmake --preset ci -D FLOWRELAY_SOAK_SEEDS=$(SEEDS) > /dev/null
	@cmake --build --preset ci -j $(JOBS) --target soak

bench:
	@cmake/install-debian-packages.sh build bench
	@cmake --preset bench > /dev/null
	@cmake --build --preset bench -j $(JOBS) --target bench

lint:
	@cmake/install-debian-packages.sh build test
	@tests/lint/run.sh $(JOBS)

format:
	@git ls-files -z '*.hpp' '*.cpp' | xargs -0 -r clang-format-19 -i

deb:
	@cmake/install-debian-packages.sh build deb
	@tests/package/build.sh build/deb

install:
	@cmake/install-debian-packages.sh build
	@cmake --preset release -Wno-dev -DCMAKE_INSTALL_PREFIX='$(prefix)' > /dev/null
	@cmake --build --preset release -j $(JOBS) --target flowrelayd flowrelay flowrelay-devserver catalog man
	@DESTDIR='$(DESTDIR)' cmake --install build/release

uninstall:
	@cmake/uninstall.sh build/release/install_manifest.txt '$(DESTDIR)'

clean:
	@rm -rf build

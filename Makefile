# SPDX-License-Identifier: MIT
# A front for people who want to type one word; the build is Meson's.
BUILD   ?= build
SWTDX   := $(BUILD)/tools/swtdx

.PHONY: all help setup run host-kernel host-packaged test lint cover bench bench-workloads stress fuzz prove mutants reproducible compilers fidelity locks explore kvm-requests kvm-selftests qemu install deb clean threads linux

# The library and the tools, in $(BUILD). Who waits at a terminal sees how far it is.
all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) $$([ -t 1 ] || echo --quiet)

# What can be typed here. The comment above a target is its help.
help:
	@awk '/^# / { text = text substr($$0, 2) } /^[a-z-]+:/ { if (text) printf "%-13s%s\n", substr($$1, 1, length($$1) - 1), text } !/^#/ { text = "" }' Makefile

# What building needs is there, or installed; each target asks for its own besides.
setup:
	@scripts/setup build

# No path of this machine in what is built: the same bytes wherever the sources are.
$(BUILD)/build.ninja: | setup
	@CFLAGS="$$CFLAGS -ffile-prefix-map=$(CURDIR)=." meson setup $(BUILD) >/dev/null

# The demonstration: a TD from power-on to quote.
run: all
	@scripts/setup build run
	@scripts/run $(BUILD)

# A Linux kernel that can be a TDX host, built once and kept: LINUX=TREE builds your own.
host-kernel:
	@scripts/setup build kernel
	@scripts/host-kernel "" $(LINUX)

# Debian's newest packaged kernel, which boots as an ordinary host: for the test boot_host_backports.
host-packaged:
	@scripts/guest-kernel build/guest-backports trixie-backports

# The five mailing-list threads on a real kernel, before and after (docs/threads-live.md).
threads: all
	@scripts/setup build run kernel
	@scripts/threads $(BUILD)

# LINUX=TREE: that tree's TDX host code, compiled as a program and put to work on the module, without a boot.
linux: all
	@linux/check $(BUILD) $(or $(LINUX),$(error LINUX=TREE says which Linux tree))

# Every test, with ASan and UBSan, the threaded ones again with TSan; lint first.
test:
	@scripts/setup build run test
	@scripts/test

# Arrows between rooms (scripts/arrows), lines of 100 columns, clang-format.
lint: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet libswtdx.so.0 tools/swtdx
	@scripts/lint $(BUILD)

# Which lines and branches the tests execute, by folder.
cover:
	@scripts/setup build run test cover
	@scripts/cover

# What a user waits for, beside its peers.
bench:
	@scripts/setup build run bench
	@scripts/bench
bench-workloads:
	@scripts/setup build run bench
	@scripts/bench workloads

# Eight vCPUs at random for a minute, under TSan.
stress:
	@scripts/setup build test
	@scripts/stress

# Ten minutes for each parser, ten million calls for the module.
fuzz:
	@scripts/setup build fuzz
	@scripts/fuzz

# The proofs in proofs/, by CBMC: the system's, or Debian 13's kept in build-prove.
prove:
	@scripts/prove

# Plants faults one at a time, and prints which net catches which.
mutants:
	@scripts/setup build test
	@scripts/mutants

# The same bytes from two folders.
reproducible: setup
	@scripts/reproducible

# No warning by any compiler that is here.
compilers:
	@scripts/setup build test
	@scripts/compilers

# docs/fidelity.md from the code and its vectors.
fidelity: all
	@$(BUILD)/tools/fidelity tests/vectors > docs/fidelity.md

# docs/kvm-requests.md from the tables.
kvm-requests: all
	@$(SWTDX) kvm --list > docs/kvm-requests.md

# An unmodified QEMU in whole boots on the simulated /dev/kvm: 1, 2 and 4 vCPUs, then ROUNDS (10) in a row.
qemu: all
	@scripts/setup build run test
	@scripts/qemu $(BUILD) $(ROUNDS)

# Linux's own tests of KVM against the simulated one: LINUX=TREE.
kvm-selftests: all
	@scripts/kvm-selftests $(SWTDX) $(LINUX)

# docs/locks.md and .svg from executed code.
locks: all
	@$(SWTDX) locks --markdown > docs/locks.md
	@$(SWTDX) locks --svg > docs/locks.svg

# docs/explore.md from every schedule of two processors.
explore: all
	@$(SWTDX) explore --pairs --markdown > docs/explore.md

# The libraries, headers, tool and man pages.
install: all
	@meson install -C $(BUILD)

# Debian packages for 12 and 13, tried in systems of their own.
deb:
	@scripts/deb

# Removes every build folder.
clean:
	rm -rf build build-*

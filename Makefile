# SPDX-License-Identifier: MIT
# A front for people who want to type one word; the build is Meson's.
BUILD   ?= build
SWTDX   := $(BUILD)/tools/swtdx
OVMF    ?= /usr/share/ovmf/OVMF.fd

.PHONY: all setup run test bench stress fuzz fidelity locks explore install clean

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

# Debian packages the project needs; installs only what is missing.
setup:
	@scripts/setup

$(BUILD)/build.ninja: | setup
	@meson setup $(BUILD) >/dev/null

run: setup all
	@scripts/run $(BUILD)

test: setup
	@scripts/test

bench: setup
	@scripts/bench

# Eight vCPUs at random for a minute, under TSan.
stress: setup
	@scripts/stress

# Ten minutes for each parser, ten million calls for the module.
fuzz: setup
	@scripts/fuzz

# Documents made from the code.
fidelity: all
	@$(BUILD)/tools/fidelity tests/vectors > docs/fidelity.md

locks: all
	@$(SWTDX) locks --markdown > docs/locks.md
	@$(SWTDX) locks --svg > docs/locks.svg

explore: all
	@$(SWTDX) explore --pairs --markdown > docs/explore.md

install: all
	@meson install -C $(BUILD)

clean:
	rm -rf build build-*

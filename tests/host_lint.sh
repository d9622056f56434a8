#!/bin/sh
# SPDX-License-Identifier: MIT
# Demands on the host library that are about its text, its types and its symbols.
# Usage: host_lint.sh DIRECTORY_OF_LIBRARIES [CC]
set -u
libs=$(realpath "$1") cc=${2:-cc}
cd "$(dirname "$0")/.."
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
failed=0

# The prototypes of the typed calls, one a line.
tr '\n\t' '  ' <include/swtdx/host.h | grep -oE 'struct tdx_status tdh_[a-z0-9_]+\([^)]*\)' >"$tmp/protos"

S0_01_no_parameter_is_named_after_a_register() {
	[ "$(wc -l <"$tmp/protos")" -gt 35 ] || return 1
	! grep -wE 'r[abcd]x|r[sd]i|r[89]|r1[0-5]' "$tmp/protos"
}

# The golden registers are of all calls, and no other layer makes registers of addresses.
S0_04_every_call_has_golden_registers() {
	grep -oE 'tdh_[a-z0-9_]+' "$tmp/protos" | while read -r f; do
		grep -q "\b$f(" tests/host_calls.def || echo "$f: not in host_calls.def"
	done >"$tmp/missing"
	[ ! -s "$tmp/missing" ] || { cat "$tmp/missing"; return 1; }
}
S0_04_registers_are_packed_in_one_layer() {
	! grep -rnE 'keyid_shift|tdx_rax\(|\.rax = TDH_|\.rcx = .*(tdr|tdvpr)' src/vmm
}

# Compiles: yes. The same with one argument of another kind: no.
compiles() {
	printf '#include <swtdx/host.h>\nvoid f(const struct tdx_cpu *p, const struct tdx_td *td, const struct tdx_vp *vp, tdx_hpa_t page, tdx_gpa_t g, uint64_t u, void *va) {\n\t(void)!(%s).raw; (void)td; (void)vp; (void)page; (void)g; (void)u; (void)va; (void)p;\n}\n' "$1" >"$tmp/t.c"
	"$cc" -std=gnu17 -Werror -Iinclude -fsyntax-only "$tmp/t.c" 2>/dev/null
}
S0_02_a_word_of_another_kind_does_not_compile() {
	compiles 'tdh_mem_page_aug(p, td, g, TDX_LEVEL_4K, page, 0)' || return 1
	for bad in 'page, TDX_LEVEL_4K, page' 'g, TDX_LEVEL_4K, g' 'g, TDX_LEVEL_4K, va' \
		'g, TDX_LEVEL_4K, u' 'u, TDX_LEVEL_4K, page'; do
		! compiles "tdh_mem_page_aug(p, td, $bad, 0)" || return 1
	done
	compiles 'tdh_vp_flush(p, vp)' && ! compiles 'tdh_vp_flush(p, td)' && ! compiles 'tdh_vp_flush(p, page)' &&
		compiles 'tdh_phymem_page_reclaim(p, page, 0)' && ! compiles 'tdh_phymem_page_reclaim(p, va, 0)' &&
		! compiles 'tdh_phymem_page_reclaim(p, g, 0)'
}

# A result that nobody looks at is a warning, and warnings are errors.
S0_05_every_call_adds_a_type_or_a_duty() {
	# Without any of these a wrapper is no better than the raw call; these are of the whole module, and one bit or nothing.
	! grep -vE 'struct tdx_(td|vp|host|field_value)|hpa_t|gpa_t' "$tmp/protos" |
		grep -vE 'tdh_phymem_cache_wb|tdh_sys_((lp_)?shutdown|update|disable)'
}

# Contention is judged in one place here, that of key configuration, and no page is tried again.
S0_09_busy_is_judged_in_one_place() {
	[ "$(grep -rn 'tdx_is_busy(' src/host | wc -l)" = 1 ] && grep -q 'tdx_is_busy(' src/host/call.c
}

visible() { nm -D --defined-only "$libs/$1" | awk '{ print $3 }' | sed 's/@.*//' | sort; }

S0_06_the_raw_call_is_not_exported() {
	for l in libswtdx-host-vmm.so libswtdx-host-admin.so libswtdx-host-mce.so; do
		visible $l | grep -q '^tdh_' || return 1
		! visible $l | grep -E 'host_call|seamcall_(insn|port)' || return 1
	done
	# A client of the library cannot have it either, nor ask for a leaf by number.
	for f in host_call host_call_key tdx_seamcall; do
		printf 'void %s(void);\nint main(void) { %s(); return 0; }\n' $f $f >"$tmp/raw.c"
		! "$cc" "$tmp/raw.c" -L"$libs" -lswtdx-host-vmm -o "$tmp/raw" 2>/dev/null || return 1
	done
	! grep -nE '\bleaf\b' "$tmp/protos"
}

S0_07_each_consumer_sees_its_own_calls() {
	visible libswtdx-host-vmm.so | grep -qx tdh_mem_page_aug &&
		! visible libswtdx-host-vmm.so | grep -E '^tdh_sys_|^tdx_host_(init|enable)$' &&
		visible libswtdx-host-admin.so | grep -qx tdh_sys_rd &&
		! visible libswtdx-host-admin.so | grep -E '^tdh_(mem|vp|mng|mr|phymem)_' &&
		[ "$(visible libswtdx-host-mce.so | grep -E '^tdh_|^tdx_host_' | tr '\n' ' ')" = \
			'tdh_phymem_page_rdmd tdx_host_is_pamt tdx_host_page_is_private ' ] || return 1
	# Each call is one consumer's, and the monitor makes do with a monitor's but where it brings up.
	for l in vmm admin mce; do visible libswtdx-host-$l.so; done | sort >"$tmp/all"
	for f in $(grep -oE 'tdh_[a-z0-9_]+' "$tmp/protos"); do
		[ "$(grep -cx "$f" "$tmp/all")" = 1 ] || { echo "$f: not of one consumer"; return 1; }
	done
	visible libswtdx-host-vmm.so >"$tmp/vmm"
	for f in $(ls src/vmm/*.c | grep -v '/vmm\.c$'); do
		grep -ohE '\b(tdh|tdx_host)_[a-z0-9_]+\(' "$f" | tr -d '('
	done | sort -u | comm -23 - "$tmp/vmm" >"$tmp/beyond"
	[ ! -s "$tmp/beyond" ] || { cat "$tmp/beyond"; return 1; }
}

S0_08_builds_without_a_monitor() {
	mkdir -p "$tmp/inc/swtdx" "$tmp/src" || return 1
	for h in types status leaf structs state port host seamldr module_update; do cp include/swtdx/$h.h "$tmp/inc/swtdx/"; done
	cp -r src/arch src/abi src/host "$tmp/src/"
	for f in "$tmp"/src/host/*.c; do
		"$cc" -std=gnu17 -ffreestanding -mgeneral-regs-only -Wall -Wextra -Werror -DSWTDX_SHORT_NAMES -I"$tmp/inc" -I"$tmp/src" \
			-c "$f" -o "$tmp/o.o" || return 1
	done
}

S0_15_no_header_names_the_global_keyid() {
	! grep -rnE 'global_(hkid|keyid)' include/ && ! visible libswtdx-host-vmm.so | grep -i global
}

S0_20_pages_are_cleared_in_one_place() {
	[ "$(grep -rn -- '->direct_clear(' src/host src/vmm | wc -l)" = 1 ]
}

S1_11_there_is_no_second_layer_of_calls() {
	[ "$(grep -rln -- '->seamcall(' src/host | sort | tr '\n' ' ')" = 'src/host/call.c src/host/vp.c ' ] &&
		! grep -rn -- '->seamcall(' src/vmm src/measure tools
}

for t in S0_01_no_parameter_is_named_after_a_register S0_04_every_call_has_golden_registers \
	S0_04_registers_are_packed_in_one_layer S0_09_busy_is_judged_in_one_place S0_02_a_word_of_another_kind_does_not_compile \
	S0_05_every_call_adds_a_type_or_a_duty S0_06_the_raw_call_is_not_exported \
	S0_07_each_consumer_sees_its_own_calls S0_08_builds_without_a_monitor \
	S0_15_no_header_names_the_global_keyid S0_20_pages_are_cleared_in_one_place \
	S1_11_there_is_no_second_layer_of_calls; do
	if $t; then echo "ok $t"; else echo "FAILED $t"; failed=1; fi
done
exit $failed

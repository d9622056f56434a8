#!/bin/sh
# SPDX-License-Identifier: MIT
# What a program gets of an installed library, in a root of its own: headers that compile as strict
# C and C++, all functions they declare, shared and static, no names but theirs, and no way to what is
# not for it. By gcc and by clang, those there are.
# Usage: installed.sh BUILD
set -u
build=$(realpath "$1")
cd "$(dirname "$0")/installed" || exit 99
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
failed=0
root=$tmp/root

ninja -C "$build" installed >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
DESTDIR=$root meson install -C "$build" --no-rebuild --quiet >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
pc=$(dirname "$(find "$root" -name swtdx.pc)")
lib=$(dirname "$pc")
export PKG_CONFIG_SYSROOT_DIR="$root" PKG_CONFIG_PATH="$pc" LD_LIBRARY_PATH="$lib"
headers=$(cd "$root" && find . -path '*/swtdx/*.h' | sed 's#.*/swtdx/##' | sort)

# The private dependencies are the system's, not the root's.
own() { pkg-config "$@" | tr ' ' '\n' | sed "s#^-L$root/usr/lib/.*#&#"; }
cflags=$(own --cflags swtdx)
shared="-L$lib -lswtdx"
static="$lib/libswtdx.a $(pkg-config --static --libs-only-l swtdx | sed 's/-lswtdx\b//g') -lpthread"

strict='-pedantic -Wall -Wextra -Werror'
c_standards='c11 c17 gnu17'

headers_are_strict() {
	for h in $headers; do
		printf '#include <swtdx/%s>\nint main(void) { return 0; }\n' "$h" >"$tmp/one.c"
		cp "$tmp/one.c" "$tmp/one.cc"
		for s in $c_standards; do
			$cc -std=$s $strict $cflags -fsyntax-only "$tmp/one.c" || { echo "$h: -std=$s"; return 1; }
		done
		$cxx -std=c++17 $strict -Wpedantic $cflags -fsyntax-only "$tmp/one.cc" || { echo "$h: C++17"; return 1; }
	done
}

# Two kernels' worth of headers in one program, twice each.
headers_go_together() {
	{ for i in 1 2; do for h in $headers; do echo "#include <swtdx/$h>"; done; done; echo 'int x;'; } >"$tmp/all.c"
	cp "$tmp/all.c" "$tmp/all.cc"
	$cc -std=c11 $strict $cflags -c "$tmp/all.c" -o "$tmp/all.o" && $cxx -std=c++17 $strict $cflags -c "$tmp/all.cc" -o "$tmp/all.o"
}

# Every function that the headers declare is there: all their addresses in one program.
declared() {
	for h in $headers; do echo "#include <swtdx/$h>"; done >"$tmp/decl.c"
	gcc -std=c17 $cflags -aux-info "$tmp/aux" -fsyntax-only "$tmp/decl.c"
	sed -n 's#^/\* [^ ]*/swtdx/[^ ]*:NC \*/ extern [^(]*[ *]\([a-z0-9_]*\) (.*#\1#p' "$tmp/aux" | sort -u
}
functions_are_all_there() {
	declared >"$tmp/names"
	[ "$(wc -l <"$tmp/names")" -gt 280 ] || { wc -l "$tmp/names"; return 1; }
	{ for h in $headers; do echo "#include <swtdx/$h>"; done
		echo 'typedef void any(void); static any *volatile const all[] = {'
		sed 's/.*/(any *)&,/' "$tmp/names"
		echo '}; int main(void) { for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++) if (!all[i]) return 1; return 0; }'
	} >"$tmp/functions.c"
	$cc -std=c17 $cflags -c "$tmp/functions.c" -o "$tmp/functions.o" &&
		$cc "$tmp/functions.o" $shared -o "$tmp/functions" && "$tmp/functions" &&
		$cc "$tmp/functions.o" $static -o "$tmp/functions" && "$tmp/functions"
}

# And nothing else is: names that a program may have too.
public() { grep -vxFf "$tmp/names" | grep -vxE "${1:-}"; }
no_other_names() {
	declared >"$tmp/names"
	for a in swtdx swtdx-host swtdx-guest; do
		nm -g --defined-only "$lib/lib$a.a" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u | public >"$tmp/more"
		[ ! -s "$tmp/more" ] || { echo "lib$a.a:" $(cat "$tmp/more"); return 1; }
	done
	nm -D --defined-only "$lib/libswtdx.so" | awk '{ print $3 }' | sort -u | public >"$tmp/more"
	[ ! -s "$tmp/more" ] || { echo "libswtdx.so:" $(cat "$tmp/more"); return 1; }
}

# A TD's life by a program that has every internal name of the library for itself.
own_names() {
	nm "$build/libswtdx-inside.a" 2>/dev/null | awk '$2 ~ /^[TDRBV]$/ { print $3 }' | sort -u >"$tmp/inside"
	declared >"$tmp/names"
	{ echo '#include <stdlib.h>'; grep -vxFf "$tmp/names" "$tmp/inside" | grep -xE '[a-z][a-z0-9_]*' |
		sed 's/.*/void &(void); void &(void) { abort(); }/'; } >"$tmp/own_names.h"
	[ "$(wc -l <"$tmp/own_names.h")" -gt 1000 ]
}
run_life() { # compiler, flags...
	"$@" -o "$tmp/life" && "$tmp/life" >"$tmp/mrtd" && [ "$(wc -c <"$tmp/mrtd")" = 97 ] && cat "$tmp/mrtd" >>"$tmp/mrtds"
}
a_td_lives() {
	own_names || return 1
	for s in $c_standards; do
		run_life $cc -std=$s $strict $cflags life.c $shared || { echo "-std=$s, shared"; return 1; }
	done
	run_life $cc -std=c11 $strict $cflags -DOWN_NAMES -I"$tmp" life.c $shared || { echo "own names, shared"; return 1; }
	run_life $cc -std=c11 $strict $cflags -DOWN_NAMES -I"$tmp" life.c $static || { echo "own names, static"; return 1; }
	cp life.c "$tmp/life.cc"
	run_life $cxx -std=c++17 $strict $cflags "$tmp/life.cc" $shared || { echo "C++, shared"; return 1; }
	run_life $cxx -std=c++17 $strict $cflags "$tmp/life.cc" $static || { echo "C++, static"; return 1; }
	[ "$(sort -u "$tmp/mrtds" | wc -l)" = 1 ]
}

# A kernel's, a monitor's and a verifier's words beside ours, before and after them.
words_of_its_own() {
	for h in $headers; do echo "#include <swtdx/$h>"; done >"$tmp/all_headers.h"
	cp own_words.c "$tmp/own_words.cc"
	for after in '' -DAFTER; do
		for s in $c_standards; do
			$cc -std=$s -D_GNU_SOURCE $strict $after $cflags -I"$tmp" -I. -c own_words.c -o "$tmp/own.o" || return 1
		done
		$cxx -std=c++17 $strict $after $cflags -I"$tmp" -I. -c "$tmp/own_words.cc" -o "$tmp/own_cc.o" || return 1
	done
	for l in "$shared" "$static"; do
		$cc "$tmp/own.o" $l -o "$tmp/own" && "$tmp/own" || { echo "linked with $l"; return 1; }
		$cxx "$tmp/own_cc.o" $l -o "$tmp/own" && "$tmp/own" || { echo "C++, linked with $l"; return 1; }
	done
}

# Must compile as it is, and must not with what it is not for.
abuse_does_not_compile() {
	for f in monitor_abuse kinds_abuse; do
		for s in c11 c17; do
			$cc -std=$s $strict $cflags -c $f.c -o "$tmp/o.o" || return 1
			! $cc -std=$s $cflags -DABUSE -c $f.c -o "$tmp/o.o" 2>"$tmp/err" || { echo "$f.c compiles"; return 1; }
		done
		grep -qE 'incomplete|incompatible|undefined type' "$tmp/err" || { cat "$tmp/err"; return 1; }
	done
}

a_consumer_links_its_own_calls() {
	$cc -std=c11 $strict $(own --cflags swtdx-host-mce) mce.c -L"$lib" -lswtdx-host-mce -o "$tmp/mce" &&
		[ "$("$tmp/mce")" = '0 TDX_SUCCESS' ] || return 1
	! $cc -std=c11 $cflags -DBEYOND mce.c -L"$lib" -lswtdx-host-mce -o "$tmp/mce" 2>"$tmp/err" &&
		grep -q tdh_phymem_page_reclaim "$tmp/err"
}

# One kernel that is both host and guest, without a C library, at an address of its own.
a_kernel_links_both() {
	$cc -std=c11 $strict -ffreestanding -nostdinc -isystem "$($cc -print-file-name=include)" -mgeneral-regs-only -mno-red-zone \
		-mcmodel=kernel -fno-pic -fno-stack-protector $cflags -c host_guest.c -o "$tmp/k.o" || return 1
	$cc -std=gnu11 $strict -ffreestanding -nostdinc -DOWN_TYPES $cflags -fsyntax-only host_guest.c || { echo "types of its own"; return 1; }
	for order in "swtdx-host swtdx-guest" "swtdx-guest swtdx-host"; do
		libs=
		for l in $order; do libs="$libs $(pkg-config --libs-only-l $l)"; done
		ld -r -o "$tmp/kernel.o" "$tmp/k.o" -L"$lib" $libs || return 1
		nm -u "$tmp/kernel.o" | awk '{ print $2 }' | grep -vxE 'mem(cpy|set|move|cmp)|_GLOBAL_OFFSET_TABLE_' >"$tmp/u"
		[ ! -s "$tmp/u" ] || { cat "$tmp/u"; return 1; }
		! readelf -rW "$tmp/kernel.o" | grep -E 'GOTPC|GOTTPOFF|TLSGD' || return 1
		! objdump -d "$tmp/kernel.o" | grep -q '%[xyz]mm' || return 1
	done
}

# A manual page of each function leads to its header's.
functions_have_pages() {
	declared >"$tmp/names"
	man=$(dirname "$(find "$root" -name swtdx_host.3)")
	while read -r f; do [ -e "$man/$f.3" ] || echo "$f"; done <"$tmp/names" >"$tmp/more"
	[ ! -s "$tmp/more" ] || { echo "no page:" $(cat "$tmp/more"); return 1; }
	command -v man >/dev/null || return 0
	for p in "$man"/swtdx_*.3; do
		[ -z "$(man --warnings=w -E UTF-8 -l -Tutf8 "$p" 2>&1 >/dev/null)" ] || { echo "$p"; return 1; }
	done
}
if functions_have_pages; then echo "ok functions_have_pages"; else echo "FAILED functions_have_pages"; failed=1; fi

for cc in gcc clang; do
	command -v $cc >/dev/null || continue
	cxx=g++ && [ $cc = gcc ] || cxx=clang++
	command -v $cxx >/dev/null || continue
	for t in headers_are_strict headers_go_together functions_are_all_there no_other_names a_td_lives words_of_its_own \
		abuse_does_not_compile a_consumer_links_its_own_calls a_kernel_links_both; do
		if $t; then echo "ok $t ($cc)"; else echo "FAILED $t ($cc)"; failed=1; fi
	done
done
exit $failed

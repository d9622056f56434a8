#!/bin/sh
# SPDX-License-Identifier: MIT
# scripts/before-kernel with a tree of three files: a gcc that looks for the next one in PATH, as ccache does, is no
# loop; of two that want the kernel at once one builds it; what is edited is what is compiled.
# before_kernel.sh SOURCE
set -eu
source=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() {
	echo "before_kernel: $*" >&2
	cat "$dir/out" "$dir/err" "$dir/err.other" "$dir/kept/before.new/log" >&2 2>/dev/null
	exit 1
}
for tool in make flock; do
	command -v $tool >/dev/null || { echo "before_kernel: no $tool"; exit 77; }
done

tree=$dir/tree kvm=$dir/kept/build/arch/x86/kvm
mkdir -p "$tree/arch/x86/kvm/vmx" "$kvm/vmx" "$dir/path" "$dir/real"
echo kernel >"$dir/kept/vmlinux"
echo "include $tree/Makefile" >"$dir/kept/build/Makefile"
: >"$kvm/x86.o"
: >"$kvm/vmx/tdx.o"
sed -n "s/^edit tdx.c '\([^']*\)' .*/\1/p" "$source/scripts/before-kernel" >"$tree/arch/x86/kvm/vmx/tdx.c"
sed -n "s/^edit x86.c '\([^']*\)' .*/\1/p" "$source/scripts/before-kernel" >"$tree/arch/x86/kvm/x86.c"
cat >"$tree/Makefile" <<END
prepare:
	gcc --version
vmlinux:
	echo vmlinux >>$dir/built
	gcc -c $tree/arch/x86/kvm/vmx/tdx.c >\$(O)/vmlinux
END
# A compiler that shows what it compiles, and one before it in PATH that gives everything to the next.
cat >"$dir/real/gcc" <<'END'
#!/bin/sh
[ "$1" = -c ] || exit 0
while [ $# -gt 1 ]; do shift; done
cat "$1"
END
cat >"$dir/path/gcc" <<END
#!/bin/sh
IFS=:
for folder in \$PATH; do
	[ "\$folder" = "$dir/path" ] || [ ! -x "\$folder/gcc" ] || exec "\$folder/gcc" "\$@"
done
END
chmod 755 "$dir/real/gcc" "$dir/path/gcc"

before() {
	(
		ulimit -t 10
		PATH=$dir/path:$dir/real:$PATH exec sh "$source/scripts/before-kernel" "$dir/kept"
	)
}
before >"$dir/other" 2>"$dir/err.other" &
before >"$dir/out" 2>"$dir/err" || fail "exit $?"
wait $! || fail "the other: exit $?"
[ "$(cat "$dir/out")" = "$dir/kept/before/vmlinux" ] || fail "it says something else"
cmp "$dir/out" "$dir/other" || fail "the other says something else"
[ "$(wc -l <"$dir/built")" = 1 ] || fail "it is built twice"
grep -q '#include "busy.h"' "$dir/kept/before/vmlinux" || fail "what is compiled is not what is edited"
[ "$(cat "$dir/kept/vmlinux")" = kernel ] || fail "the kernel itself is another"

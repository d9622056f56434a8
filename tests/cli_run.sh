#!/bin/sh
# SPDX-License-Identifier: MIT
# swtdx run: a TD from Debian's OVMF.fd, every page back; wrong images give one line and no hash.
set -eu
swtdx=$1
image=${OVMF:-/usr/share/ovmf/OVMF.fd}
[ -f "$image" ] || exit 77
mrtd=4c7206f0f483c524f12c366c711e9049030a8d47c471ee5aa9c4999a08de4057fb887fed0744d5631a212967fb231c47
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "cli_run: $*" >&2
	exit 1
}

refused() { # what is said, then the options
	said=$1
	shift
	if "$swtdx" run --engine native --quiet "$@" "$image" >"$dir/out" 2>"$dir/err"; then fail "run $*: not refused"; fi
	[ "$(wc -l <"$dir/err")" = 1 ] && grep -qF -- "$said" "$dir/err" || fail "run $*: $(cat "$dir/err")"
}
refused 'is not LEAF[.SUBLEAF]:REGISTER=VALUE' --cpuid 7.0:ebx
refused 'is not for the TD'"'"'s creator to choose' --cpuid 0x1f.9:eax=1
refused 'of ebx the TD'"'"'s creator chooses' --cpuid 7.0:ebx=0x20
refused 'the module takes bits of' --xfam 0x1
refused 'the same power of two of vCPUs' --vcpus 6 --dies 2
refused 'is not BASE+SIZE' --memory-map 1M-2M
refused 'begins before the range before it ends' --memory-map 1M+1G,512M+1G
refused 'is not of whole pages' --memory-map 1M+1000
refused 'is not SIZE/WAYS of one of four caches' --caches 48K/12
refused 'is no cache' --caches 48K/11,32K/8,2M/16,60M/15
for args in "" "--vcpus 2" "--vcpus 8 --dies 2 --cpus 4" "--cpuid 7.0:ebx=0x108 --xfam 0xe7" "--packages 2 --cpus 4" "--huge-pages" \
	"--cpu granite-rapids --la57" "--memory-map 1M+1G,2G+512M,4G+2G" "--erratum partial-write" \
	"--caches 48K/12,64K/8,1M/16,30M/15"; do
	# shellcheck disable=SC2086
	"$swtdx" run --engine native --quiet $args "$image" >"$dir/out" || fail "run $args: exit $?"
	grep -q '^cache duties that the host forgot: 0$' "$dir/out" || fail "a cache duty was forgotten"
	grep -q '^owned by the module at the end: 0 pages; dirty lines under a freed KeyID: 0;' "$dir/out" ||
		fail "run $args: pages left"
	grep -q '^guest: private page is zero again$' "$dir/out" || fail "run $args: the guest did not finish"
done
known=$(sha256sum "$image" | cut -c1-64)
if [ "$known" = 7b456907dd0786d415999e801a1ac4637b8ed4d7cf5378cfc6edbe5e574dd773 ]; then
	grep -q "^MRTD   $mrtd\$" "$dir/out" || fail "the MRTD is another"
fi
measured=$("$swtdx" measure "$image" | sed -n 's/^mrtd *//p')
grep -q "^MRTD   $measured\$" "$dir/out" || fail "measure and run disagree"

head -c 100000 "$image" >"$dir/short"
if "$swtdx" run --quiet "$dir/short" >"$dir/out" 2>"$dir/err"; then fail "a truncated image ran"; fi
[ "$(wc -l <"$dir/err")" = 1 ] || fail "a truncated image: not one line"
[ ! -s "$dir/out" ] || fail "a truncated image: something on stdout"
code=0
"$swtdx" run --memory 3 "$image" >/dev/null 2>&1 || code=$?
[ "$code" = 2 ] || fail "--memory 3: exit $code"
code=0
"$swtdx" run "$dir/none" >/dev/null 2>&1 || code=$?
[ "$code" = 3 ] || fail "no image: exit $code"

# JSON: what the report says, and nothing where the guest took none.
"$swtdx" run --engine native --quiet --json "$image" >"$dir/json" 2>/dev/null || fail "run --json: exit $?"
python3 - "$dir/json" "$measured" <<'END' || fail "JSON of run"
import json, sys
r = json.load(open(sys.argv[1]))
assert r["simulated"] and r["mrtd"] == sys.argv[2] and len(r["rtmr"]) == 4 and r["coherency"] == []
assert r["pages_running"]["REG"] > 0 and not any(r["pages_at_end"].values())
END

# The trace of a run: whole, and every page given back in it.
"$swtdx" run --engine native --quiet --trace "$dir/run.tdxtrace" "$image" >"$dir/out" || fail "run --trace: exit $?"
"$swtdx" replay "$dir/run.tdxtrace" >"$dir/text" || fail "the trace is not whole"
grep -q 'TDH.PHYMEM.PAGE.RECLAIM .* -> TDX_SUCCESS' "$dir/text" || fail "no page comes back in the trace"
"$swtdx" run --engine native --quiet --trace - "$image" 2>"$dir/err" >"$dir/piped" || fail "run --trace -: exit $?"
"$swtdx" replay --check - <"$dir/piped" >"$dir/out" || fail "the trace from standard output: $(cat "$dir/out")"
if "$swtdx" run --engine native --quiet --trace /no/such/directory/x "$image" >"$dir/out" 2>&1; then
	fail "a trace that cannot be written goes unnoticed"
fi

#!/bin/sh
# SPDX-License-Identifier: MIT
# The verbs measure, quote and report as a user meets them: what is printed where, how they end.
# Usage: cli_evidence.sh SWTDX RECORDED_REPORT ASK_QUOTE
set -u
swtdx=$1
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
export SWTDX_STATE="$dir/state"
failed=0

# ends STATUS NAME COMMAND...: runs with output in $dir/out and $dir/err.
ends() {
	want=$1 name=$2
	shift 2
	"$@" >"$dir/out" 2>"$dir/err" </dev/null
	got=$?
	if [ $got -ne "$want" ]; then
		echo "not ok: $name: exit $got, not $want: $(head -n1 "$dir/err")"
		failed=1
	fi
}

says() { # says FILE PATTERN NAME
	grep -q -e "$2" "$dir/$1" || { echo "not ok: $3: no '$2' in $1"; failed=1; }
}

silent() { # silent FILE NAME
	[ ! -s "$dir/$1" ] || { echo "not ok: $2: $1 is not empty"; failed=1; }
}

one_line() {
	[ "$(wc -l <"$dir/err")" -eq 1 ] || { echo "not ok: $1: not one line on stderr"; failed=1; }
}

"$2" >"$dir/report.bin"

ends 2 "measure without an image" "$swtdx" measure
silent out "measure without an image"
ends 2 "measure in an unknown order" "$swtdx" measure --order any image
ends 3 "measure a file that is not there" "$swtdx" measure "$dir/none"
one_line "measure a file that is not there"
ends 1 "measure nothing" "$swtdx" measure -
silent out "measure nothing"
one_line "measure nothing"
ovmf=/usr/share/ovmf/OVMF.fd
if [ -r $ovmf ]; then
	ends 0 "measure OVMF" "$swtdx" measure $ovmf
	says out "^mrtd  *[0-9a-f]\{96\}$" "measure OVMF"
	silent err "measure OVMF"
	ends 0 "measure OVMF as JSON" "$swtdx" measure --json --order section $ovmf
	says out '"schema": "swtdx.measure/1"' "measure OVMF as JSON"
	says out '"order": "section"' "measure OVMF as JSON"
	head -c 1000000 $ovmf >"$dir/cut"
	ends 1 "measure OVMF cut at its end" "$swtdx" measure "$dir/cut"
	silent out "measure OVMF cut at its end"
	tail -c 1000000 $ovmf >"$dir/cut"
	ends 1 "measure OVMF cut at its beginning" "$swtdx" measure "$dir/cut"
	silent out "measure OVMF cut at its beginning"
	one_line "measure OVMF cut at its beginning"
	says err "section 0 (BFV) at offset 0x" "measure OVMF cut at its beginning"
	ends 2 "measure a boot without a kernel" "$swtdx" measure --boot direct --firmware $ovmf
	ends 2 "measure a boot's disk without a boot" "$swtdx" measure --disk $ovmf $ovmf
	ends 1 "measure a boot of what is no kernel" "$swtdx" measure --boot direct --firmware $ovmf --kernel $ovmf
	says err "not a PE image" "measure a boot of what is no kernel"
	ends 3 "measure a boot of a kernel that is not there" "$swtdx" measure --boot uki --firmware $ovmf --kernel "$dir/none"
	printf 'QFI\373rest' >"$dir/qcow2"
	ends 1 "measure a boot from a qcow2 image" "$swtdx" measure --boot uki --firmware $ovmf --disk "$dir/qcow2"
	says err "format qcow2: raw ones are read" "measure a boot from a qcow2 image"
	head -c 100000 /dev/zero >"$dir/empty"
	ends 1 "measure a boot from an empty disk" "$swtdx" measure --boot uki --firmware $ovmf --disk "$dir/empty"
	says err "no EFI system partition" "measure a boot from an empty disk"
	ends 2 "measure a boot by GRUB from a disk alone" "$swtdx" measure --boot grub --firmware $ovmf --disk "$dir/empty"
	ends 3 "measure with a platform that is not there" "$swtdx" measure --boot uki --firmware $ovmf --disk "$dir/empty" --platform "$dir/none"
	ends 3 "measure to a full disk" sh -c "'$swtdx' measure $ovmf >/dev/full"
else
	echo "skipped: $ovmf is not installed"
fi

ends 0 "report of a TDREPORT" "$swtdx" report "$dir/report.bin"
says out "^verdict  *verified$" "report of a TDREPORT"
says out "^simulated  *yes" "report of a TDREPORT"
ends 1 "report of zeros" sh -c "head -c 4000 /dev/zero | '$swtdx' report -"
ends 0 "quote" "$swtdx" quote --output "$dir/quote.bin" "$dir/report.bin"
says err "simulated" "quote"
ends 0 "report of a quote" "$swtdx" report "$dir/quote.bin"
says out "^verdict  *verified$" "report of a quote"
ends 0 "quote of version 5" "$swtdx" quote --version 5 --output "$dir/quote5.bin" "$dir/report.bin"
ends 0 "report of a quote of version 5" "$swtdx" report "$dir/quote5.bin"
says out "^verdict  *verified$" "report of a quote of version 5"
says out "version 5, a TD's report, TDX 1.5; PCK certificate chain" "report of a quote of version 5"
says out "^tee_tcb_svn2 " "report of a quote of version 5"
ends 2 "quote of version 6" "$swtdx" quote --version 6 "$dir/report.bin"
# Collateral, and what can be wrong with it.
ends 0 "collateral" "$swtdx" quote --collateral "$dir/good"
ends 0 "quote with collateral" "$swtdx" report --collateral "$dir/good" "$dir/quote5.bin"
says out "^tcb  *UpToDate$" "quote with collateral"
says out "^verdict  *verified$" "quote with collateral"
ends 0 "quote with collateral as JSON" "$swtdx" report --json --collateral "$dir/good/collateral.json" "$dir/quote.bin"
says out '"status": "UpToDate"' "quote with collateral as JSON"
for fault in revoked revoked-ca expired expired-pck wrong-fmspc wrong-identity bad-signature; do
	ends 0 "collateral: $fault" "$swtdx" quote --fault $fault --collateral "$dir/$fault" --output "$dir/faulty" "$dir/report.bin"
	ends 1 "quote against collateral: $fault" "$swtdx" report --collateral "$dir/$fault" "$dir/faulty"
	says out "^verdict  *refused: " "quote against collateral: $fault"
done
# What a platform's owner can mend without an update is left to the relying party: status 0.
while read -r code fault status; do
	ends 0 "collateral: $fault" "$swtdx" quote --fault "$fault" --collateral "$dir/$fault"
	ends "$code" "quote of a platform: $fault" "$swtdx" report --collateral "$dir/$fault" "$dir/quote.bin"
	says out "^tcb  *$status$" "quote of a platform: $fault"
	says out "^tcb.advisory  *SWTDX-SA-00001$" "quote of a platform: $fault"
done <<'EOF'
0 sw-hardening-needed SWHardeningNeeded
0 configuration-needed ConfigurationNeeded
0 configuration-and-sw-hardening-needed ConfigurationAndSWHardeningNeeded
1 out-of-date OutOfDate
1 out-of-date-configuration-needed OutOfDateConfigurationNeeded
1 revoked-tcb Revoked
EOF
ends 0 "collateral: old QE" "$swtdx" quote --fault old-qe --collateral "$dir/old-qe"
ends 1 "quote of an old QE" "$swtdx" report --collateral "$dir/old-qe" "$dir/quote.bin"
says out "^tcb.qe  *OutOfDate" "quote of an old QE"
ends 0 "collateral: old module" "$swtdx" quote --fault old-module --collateral "$dir/old-module"
ends 1 "quote of a TD of an old module" "$swtdx" report --collateral "$dir/old-module" "$dir/quote.bin"
says out "^tcb.module  *TDX_01 OutOfDate" "quote of a TD of an old module"
ends 3 "collateral that is not there" "$swtdx" report --collateral "$dir/none" "$dir/quote.bin"
mkdir "$dir/nothing"
ends 1 "no collateral" "$swtdx" report --collateral "$dir/nothing" "$dir/quote.bin"
says out "collateral: missing: " "no collateral"
cp -r "$dir/good" "$dir/unsigned"
rm "$dir/unsigned/collateral.json" "$dir/unsigned/tcbSignChain.pem"
ends 1 "collateral without its signer" "$swtdx" report --collateral "$dir/unsigned" "$dir/quote.bin"
says out "collateral: missing: the certificate that signs TCB info" "collateral without its signer"
ends 2 "an unknown fault" "$swtdx" quote --fault any --collateral "$dir/any"
# The service on a socket.
"$swtdx" quote --version 5 --serve "$dir/socket" --count 2 2>"$dir/served" &
server=$!
ends 0 "quote from a socket" "$3" "$dir/socket" "$dir/report.bin"
cp "$dir/out" "$dir/asked.bin"
ends 1 "quote of a changed TDREPORT from a socket" sh -c "head -c 1000 '$dir/report.bin' | '$3' '$dir/socket' -"
wait $server || { echo "not ok: the service on a socket did not end well"; failed=1; }
[ ! -e "$dir/socket" ] || { echo "not ok: the socket is left"; failed=1; }
ends 0 "report of a quote from a socket" "$swtdx" report "$dir/asked.bin"
says out "version 5" "report of a quote from a socket"
says out "^verdict  *verified$" "report of a quote from a socket"
echo precious >"$dir/file"
ends 3 "a socket where a file is" "$swtdx" quote --serve "$dir/file"
[ "$(cat "$dir/file")" = precious ] || { echo "not ok: a file was overwritten"; failed=1; }
# As people have them.
hex() { od -An -v -tx1 "$1" | tr -d ' \n'; }
{ printf 0x; hex "$dir/quote.bin"; echo; } >"$dir/hex"
ends 0 "quote in hexadecimal" "$swtdx" report "$dir/hex"
says out "^unwrapped from  *hexadecimal$" "quote in hexadecimal"
says out "^verdict  *verified$" "quote in hexadecimal"
base64 "$dir/quote5.bin" >"$dir/base64"
ends 0 "quote in base64" "$swtdx" report "$dir/base64"
says out "^unwrapped from  *base64$" "quote in base64"
printf '{"hash_algorithm":"raw","quote":"0x%s","event_log":"[]"}' "$(hex "$dir/quote.bin")" >"$dir/json"
ends 0 "quote in JSON" "$swtdx" report "$dir/json"
says out "^unwrapped from  *JSON member quote, hexadecimal$" "quote in JSON"
{ printf HCLA; head -c 28 /dev/zero; cat "$dir/report.bin"; head -c 500 /dev/zero; } >"$dir/hcl"
ends 0 "TDREPORT in an HCL report" "$swtdx" report "$dir/hcl"
says out "^unwrapped from  *Azure HCL report$" "TDREPORT in an HCL report"
mkdir "$dir/tsm"
cp "$dir/quote.bin" "$dir/tsm/outblob"
echo tdx_guest >"$dir/tsm/provider"
ends 0 "quote in a configfs-tsm directory" "$swtdx" report "$dir/tsm"
says out "^unwrapped from  *configfs-tsm directory, outblob$" "quote in a configfs-tsm directory"
mkdir "$dir/no-request"
ends 1 "a directory without a request" "$swtdx" report "$dir/no-request"
says err "a directory without outblob" "a directory without a request"
# Written in ways that no tool writes, but people do.
od -An -v -tx1 "$dir/quote.bin" | tr -s ' \n' '::' >"$dir/written"
ends 0 "quote with colons" "$swtdx" report "$dir/written"
hex "$dir/quote.bin" | sed 's/../0x&, /g' >"$dir/written"
ends 0 "quote as numbers of C" "$swtdx" report "$dir/written"
od -Ax -tx1 "$dir/quote.bin" >"$dir/written"
ends 0 "quote as od writes it" "$swtdx" report "$dir/written"
says out "^unwrapped from  *a dump$" "quote as od writes it"
{ echo "-----BEGIN QUOTE-----"; base64 "$dir/quote.bin"; echo "-----END QUOTE-----"; } >"$dir/written"
ends 0 "quote in armour" "$swtdx" report "$dir/written"
says out "^unwrapped from  *a word in other text, base64$" "quote in armour"
{ printf 'quote: 0x'; hex "$dir/quote.bin"; echo ' (end)'; } >"$dir/written"
ends 0 "quote with a label" "$swtdx" report "$dir/written"
printf '{"quote":"%s"' "$(hex "$dir/quote.bin")" >"$dir/written"
ends 0 "quote in JSON that is cut" "$swtdx" report "$dir/written"
printf 'eyJhbGciOiJub25lIn0.eyJ0ZHhfbXJ0ZCI6IjAwMDAwMDAwMDAwMDAwMDAifQ.c2ln' >"$dir/written"
ends 1 "a token" "$swtdx" report "$dir/written"
says err "an attestation token (JWT)" "a token"
printf 'nothing but words, none of which is a quote: %0200d' 0 >"$dir/written"
ends 1 "text" "$swtdx" report "$dir/written"
says err "neither a TDREPORT nor a quote" "text"
ends 1 "collateral in place of a quote" "$swtdx" report "$dir/good/tcbInfo.json"
says err "collateral, which swtdx report --collateral" "collateral in place of a quote"
head -c 3 "$dir/quote.bin" >"$dir/cut"
ends 1 "three bytes" "$swtdx" report "$dir/cut"
says err "3 bytes, which are too few" "three bytes"
head -c 5 "$dir/quote.bin" >"$dir/cut"
ends 1 "quote cut at 5" "$swtdx" report "$dir/cut"
says err "offset 0x5: quote: it ends there" "quote cut at 5"
head -c 2000 "$dir/quote.bin" >"$dir/cut"
ends 1 "quote cut in its signature data" "$swtdx" report "$dir/cut"
says out "refused: offset 0x7d0: quote: it ends there" "quote cut in its signature data"
# What it is its header says: cut, it is a quote that ends there.
head -c 100 "$dir/quote.bin" >"$dir/cut"
ends 1 "quote cut at 100" "$swtdx" report "$dir/cut"
says err "offset 0x64: quote: it ends there" "quote cut at 100"
head -c 1024 "$dir/quote.bin" >"$dir/cut"
ends 1 "quote cut at the size of a TDREPORT" "$swtdx" report "$dir/cut"
says out "^rtmr0 " "quote cut at the size of a TDREPORT"
says out "^verdict  *refused: offset 0x400: quote: it ends there" "quote cut at the size of a TDREPORT"
{ printf '\003\000\002\000'; head -c 428 /dev/zero; } >"$dir/sgx"
ends 1 "an SGX quote" "$swtdx" report --no-verify "$dir/sgx"
says out "^kind  *SGX quote" "an SGX quote"
says out "^mrenclave " "an SGX quote"
ends 0 "root of the service" "$swtdx" quote --root
cp "$dir/out" "$dir/root.pem"
says out "BEGIN CERTIFICATE" "root of the service"
ends 0 "report under a named root" env SWTDX_STATE=/nonexistent "$swtdx" report --root "$dir/root.pem" "$dir/quote.bin"
openssl x509 -in "$dir/root.pem" -outform DER -out "$dir/root.der" 2>/dev/null && {
	ends 0 "report under a root in DER" env SWTDX_STATE=/nonexistent "$swtdx" report --root "$dir/root.der" "$dir/quote.bin"
	ends 3 "report under what is no root" "$swtdx" report --root "$dir/report.bin" "$dir/quote.bin"
}
ends 0 "report as JSON" "$swtdx" report --json "$dir/quote.bin"
says out '"verdict": "verified"' "report as JSON"
says out '^    "SEPT_VE_DISABLE"' "report as JSON"
ends 0 "root of another service" "$swtdx" quote --state "$dir/other" --root
cp "$dir/out" "$dir/other.pem"
ends 1 "report under another root" "$swtdx" report --root "$dir/other.pem" "$dir/quote.bin"
says out "^verdict  *refused: " "report under another root"
ends 3 "report without any root" "$swtdx" report --state "$dir/empty" "$dir/quote.bin"
ends 0 "report without verifying" "$swtdx" report --state "$dir/empty" --no-verify "$dir/quote.bin"
says out "^verdict  *not checked$" "report without verifying"
{ cat "$dir/report.bin" | head -c 600; printf 'x'; tail -c 423 "$dir/report.bin"; } >"$dir/bad.bin"
ends 1 "report of a changed TDREPORT" "$swtdx" report "$dir/bad.bin"
says out "^verdict  *refused: .*TDINFO" "report of a changed TDREPORT"
ends 1 "quote of a changed TDREPORT" "$swtdx" quote --output "$dir/no.bin" "$dir/bad.bin"
[ ! -e "$dir/no.bin" ] || { echo "not ok: a changed TDREPORT was quoted"; failed=1; }
[ "$(stat -c %a "$dir/state/quote-service.pem")" = 600 ] || { echo "not ok: others may read the keys"; failed=1; }
echo broken >"$dir/state/quote-service.pem"
ends 3 "quote with a broken service" "$swtdx" quote --root
says err "not a quote service" "quote with a broken service"
[ $failed -eq 0 ] && echo "ok"
exit $failed

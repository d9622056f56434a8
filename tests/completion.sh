#!/bin/bash
# SPDX-License-Identifier: MIT
# The completion script completes every verb, every option of each, and what options take; and the
# manual page of each verb describes every option that its --help lists, and no other.
# Usage: completion.sh SWTDX SCRIPT MAN_DIRECTORY
set -u
tests=$(realpath "$(dirname "$0")")
swtdx=$(realpath "$1") script=$2 man=$3
fail() { echo "FAIL: $*"; exit 1; }
completions=$(sh "$script" "$swtdx") || fail "the script fails"
eval "$completions"
complete_words() {
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
	_swtdx
	echo " ${COMPREPLY[*]} "
}
completes() { # WORD, then the command line so far
	local wanted=$1
	shift
	case $(complete_words "$@") in *" $wanted "*) ;; *) fail "no $wanted after: $*" ;; esac
}
for verb in $("$swtdx" --help | sed -n 's/^  \([a-z][a-z]*\)  *.*/\1/p'); do
	completes "$verb" swtdx "${verb:0:2}"
	[ "$verb" = help ] && continue
	listed=$("$swtdx" "$verb" --help | grep -o '^  \(-[a-z], \)\?--[a-z0-9-]*' | grep -o -e '--.*' | sort)
	[ "$(echo "$listed" | wc -l)" -gt 1 ] || fail "$verb --help lists no options"
	for option in $listed; do
		completes "$option" swtdx "$verb" "$option"
	done
	described=$(sed -n '/^\*-/p' "$man/swtdx-$verb.1.scd" | grep -o -e '\*--[a-z0-9-]*\*' | tr -d '*' | sort -u)
	missing=$(comm -3 <(echo "$listed") <(printf '%s\n' "$described" --help | sort -u))
	[ -z "$missing" ] || fail "$verb: only in one of --help and the manual page:" $missing
done
completes --perfetto swtdx replay --per
completes page-aug-2m swtdx locks page-aug
completes page-aug-2m swtdx explore --pairs page-aug
completes explore swtdx help exp
completes native swtdx run --engine n
completes clearwater-forest swtdx run --cpu c # the last of a long list
completes section swtdx measure --order s
completes td-ctls swtdx decode td
completes status swtdx decode st
dir=$(mktemp -d) && cd "$dir" || exit 1
trap 'rm -rf "$dir"' EXIT
touch 'a name.vec'
COMP_WORDS=(swtdx record -o t a) COMP_CWORD=4
_swtdx
[ "${COMPREPLY[0]}" = 'a name.vec' ] || fail "a name with a blank is torn apart: ${COMPREPLY[*]}"
completes 'a name.vec' swtdx run --trace a
completes TDH.MEM.PAGE.AUG swtdx decode TDH.MEM.PAGE.AU
completes TDX_OPERAND_BUSY swtdx decode TDX_OPERAND_B

# The other shells: what their scripts know, and that the shells, those there are, understand them.
here=$(dirname "$script")
for shell in zsh fish; do
	made=$(sh "$here/$shell-completion" "$swtdx") || fail "$shell-completion fails"
	for verb in $("$swtdx" --help | sed -n 's/^  \([a-z][a-z]*\)  *.*/\1/p'); do
		grep -q "\b$verb\b" <<<"$made" || fail "$shell: no $verb"
		[ "$verb" = help ] && continue
		for option in $("$swtdx" "$verb" --help | grep -o '^  \(-[a-z], \)\?--[a-z0-9-]*' | grep -o -e '--.*'); do
			grep -qe "\(-l \|--\)${option#--}\b" <<<"$made" || fail "$shell: no $option"
		done
	done
	grep -q 'TDH.MEM.PAGE.AUG' <<<"$made" && grep -q 'TDX_OPERAND_BUSY' <<<"$made" || fail "$shell: no names to decode"
	! command -v $shell >/dev/null || $shell -n <(echo "$made") || fail "$shell does not understand it"
done

# And the shells themselves complete.
ln -s "$swtdx" swtdx
export PATH="$PWD:$PATH"
if command -v fish >/dev/null; then
	sh "$here/fish-completion" "$swtdx" >swtdx.fish
	fish_completes() { # WORD LINE
		HOME=$PWD fish --no-config -c "source swtdx.fish; complete -C '$2'" | cut -f1 | grep -qx -e "$1" || fail "fish: no $1 after: $2"
	}
	fish_completes decode 'swtdx dec'
	fish_completes TDX_OPERAND_BUSY 'swtdx decode TDX_OPERAND_B'
	fish_completes --engine 'swtdx run --eng'
	fish_completes native 'swtdx run --engine n'
fi
if command -v zsh >/dev/null; then
	sh "$here/zsh-completion" "$swtdx" >_swtdx
	zsh_completes() { HOME=$PWD zsh -f "$tests/complete.zsh" "$PWD" "$2" "$1" || fail "zsh: no $1 after: $2"; }
	zsh_completes 'swtdx decode' 'swtdx dec'
	zsh_completes TDX_OPERAND_BUSY_HOST_PRIORITY 'swtdx decode TDX_OPERAND_BUSY_H'
	zsh_completes --engine 'swtdx run --eng'
	zsh_completes native 'swtdx run --engine n'
fi
exit 0

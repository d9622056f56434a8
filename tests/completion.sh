#!/bin/bash
# SPDX-License-Identifier: MIT
# The completion script completes every verb and an option of each.
set -u
swtdx=$1 script=$2
fail() { echo "FAIL: $*"; exit 1; }
completions=$(sh "$script" "$swtdx") || fail "the script fails"
eval "$completions"
complete_words() {
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
	_swtdx
	echo " ${COMPREPLY[*]} "
}
for verb in $("$swtdx" --help | sed -n 's/^  \([a-z][a-z]*\)  *.*/\1/p'); do
	case $(complete_words swtdx "${verb:0:2}") in *" $verb "*) ;; *) fail "$verb is not completed" ;; esac
	[ "$verb" = help ] && continue
	case $(complete_words swtdx "$verb" --he) in *" --help "*) ;; *) fail "$verb --help is not completed" ;; esac
done
case $(complete_words swtdx replay --per) in *" --perfetto "*) ;; *) fail "no --perfetto" ;; esac
case $(complete_words swtdx locks page-aug) in *" page-aug-2m "*) ;; *) fail "no cases of locks" ;; esac
case $(complete_words swtdx help exp) in *" explore "*) ;; *) fail "no verbs after help" ;; esac

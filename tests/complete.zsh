# SPDX-License-Identifier: MIT
# What zsh makes of a line and a tab, on a terminal of its own: exit status 0 as soon as WANTED stands there.
# Usage: zsh -f complete.zsh DIRECTORY_OF__swtdx LINE WANTED
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PROMPT= RPROMPT=; unsetopt zle_bracketed_paste; autoload -Uz compinit; fpath=(${(q)1} \$fpath); compinit -u -D; bindkey '^I' complete-word; print RE''ADY"
seen=
setopt extendedglob
wait_for() { # PATTERN: for half a minute
	local line plain
	repeat 300; do
		while zpty -r -t shell line; do seen+=$line; done
		# the words alone: no colours, no bells
		plain=${seen//$'\e'\[[0-9;?]#[a-zA-Z]/}
		plain=${plain//[[:cntrl:]]/}
		[[ $plain == *$1* ]] && return 0
		sleep 0.05
	done
	return 1
}
wait_for READY || { print -r -- "zsh does not start: $seen"; exit 1 }
seen=
zpty -w -n shell "$2"$'\t'
wait_for "$3" || { print -r -- "$2: $seen"; exit 1 }
zpty -d shell

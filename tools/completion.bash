# shellcheck shell=bash
# Completion of memhist, memhist-candles and memhist-exporter in bash. Commands, options and what kind
# of argument an option takes are what the program's own --help says, so that this file lists none
# of them; it knows some words that options take.

# Of a program, or of a command of it: "--option ARGUMENT" for each option, or "--option".
_memhist_options() {
	"$@" --help 2>/dev/null | sed -n -E 's/^ +(-[a-zA-Z], )?(--[a-z.-]+)([= ]([A-Z]+))?( .*)?$/\2 \4/p'
}

_memhist_commands() {
	"$1" --help 2>/dev/null | sed -n -E 's/^  ([a-z]+)  +[A-Z].*/\1/p'
}

# The words that an option takes; nothing where these are not known.
_memhist_words() {
	case $1 in
	--collector.backend) echo auto bpf bpf-seq procfs ;;
	--groups.windows) echo 1m 15m 1m,15m none ;;
	--log.level) echo debug info warn error ;;
	--format) echo json csv tsv openmetrics sqlite ;;
	--by) echo identity command ;;
	--unit) echo KiB MiB bytes ;;
	--lang) echo en ja zh ;;
	esac
}

_memhist() {
	local program=$1 word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local options argument words command=()

	COMPREPLY=()
	[[ $word == = ]] && word=
	[[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD - 2]}
	if [[ ${program##*/} == memhist ]]; then
		if ((COMP_CWORD == 1)); then
			mapfile -t COMPREPLY < <(compgen -W "$(_memhist_commands "$program") help --help --version" -- "$word")
			return
		fi
		command=("${COMP_WORDS[1]}")
		if [[ ${command[0]} == help ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$(_memhist_commands "$program")" -- "$word")
			return
		fi
	fi
	options=$(_memhist_options "$program" "${command[@]}")
	argument=$(awk -v option="$before" '$1 == option { print $2; exit }' <<<"$options")
	words=$(_memhist_words "$before")
	if [[ $argument && $words ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
	elif [[ $argument == DIR ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
	elif [[ ! $argument && $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(cut -d ' ' -f 1 <<<"$options")" -- "$word")
	fi
	# nothing: then files, since what is left is often one
}

complete -o default -F _memhist memhist memhist-candles memhist-exporter

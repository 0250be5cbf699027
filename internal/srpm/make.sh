#!/bin/bash -p
# SPDX-License-Identifier: Apache-2.0
#
# make, and the compilers, as %build sees them in a proof. make compiles nothing: it notes
# in which kernel's tree it works, and what the files of the patch hold there at that time,
# and ends well. A compiler does its work, unless another make has started it, which came
# in by a path that is not this one's.
here=$(dirname "$(readlink -f "$0")") || exit 2
proof=${here%/*}
name=${0##*/}

# The program that this one stands in for.
real() {
	while read -r path; do
		[ "$(readlink -f "$path")" = "$here/make" ] || exec "$path" "$@"
	done < <(type -aP "$name")
	exit 127
}

# The kernel's tree that a directory is in, or was made for by O=; nothing where it is in none.
tree_of() {
	local d=$1 source
	while :; do
		if [ -f "$d/Makefile" ]; then
			source=$(sed -n 's/^KERNELSRC *:= *//p; s/^include \(\/.*\)\/Makefile$/\1/p' "$d/Makefile" | head -n 1)
			[ -z "$source" ] || d=$source
			# A boot loader's Makefile has these lines, too.
			if grep -q '^VERSION *=' "$d/Makefile" && grep -q '^PATCHLEVEL *=' "$d/Makefile" && [ -d "$d/fs" ] && [ ! -d "$d/board" ]; then
				(cd "$d" && pwd -P)
				return
			fi
		fi
		case $d in '' | /) return ;; esac
		d=$(dirname "$d")
	done
}

note() { # KIND [ARGUMENT...]
	local kind=$1 tree at sum uname to
	shift
	at=$(pwd -P)
	tree=$(tree_of "$at")
	uname=
	to=$proof/calls/$(date +%s%N).$$
	{
		if [ -n "$tree" ]; then
			uname=$(sed -n 's/^EXTRAVERSION[ \t]*=[ \t]*//p' "$tree/Makefile" | head -n 1)
			[ -z "${extra+set}" ] || uname=$extra
			for f in "$tree"/localversion*; do
				[ ! -f "$f" ] || uname=$uname$(head -c 200 "$f" | tr -d '\0')
			done
			[ ! -f "$tree/.config" ] || uname=$uname$(sed -n 's/^CONFIG_LOCALVERSION="\(.*\)"$/\1/p' "$tree/.config" | head -n 1)
			uname=$uname$localversion
		fi
		printf '%s\0' "$kind" "$at" "$tree" "$uname"
		while IFS= read -r f; do
			sum=-
			if [ -n "$tree" ] && [ -f "$tree/$f" ]; then
				sum=$(sha256sum <"$tree/$f") && sum=${sum%% *}
			fi
			printf '%s\0' "$sum"
		done <"$proof/files"
		printf '%s\0' "$name" "$@"
	} >"$to.new" && mv "$to.new" "$to" || exit 2
}

localversion=
case $name in
make | gmake) ;;
*)
	[ -n "${MAKELEVEL-}" ] || real "$@"
	note compile "$@"
	exit 1
	;;
esac

all=("$@") kind= outside= output= file=
while [ $# -gt 0 ]; do
	case $1 in
	-v | --version | -h | --help) real "${all[@]}" ;;
	-C | --directory | -[!-]*C) cd -- "${2-}" || exit 2; shift ;;
	-C?*) cd -- "${1#-C}" || exit 2 ;;
	--directory=*) cd -- "${1#*=}" || exit 2 ;;
	-f | -[!-]*f | --file | --makefile) file=${2-}; shift ;;
	-f?*) file=${1#-f} ;;
	--file=* | --makefile=*) file=${1#*=} ;;
	-[IoW] | --include-dir | --old-file | --assume-old | --what-if | --new-file | --assume-new) shift ;;
	-j | -l | -[!-]*[jl] | --jobs | --load-average) [[ ${2-} =~ ^[0-9.]+$ ]] && shift ;;
	M=* | SUBDIRS=* | KBUILD_EXTMOD=*) outside=yes ;;
	O=*) output=${1#O=} ;;
	EXTRAVERSION=*) extra=${1#*=} ;;
	LOCALVERSION=*) localversion=${1#*=} ;;
	*=* | -*) ;;
	*config | *clean | mrproper | kernelrelease | kernelversion | image_name | help | *headers | headers_* | *install | *prepare | scripts | include/*)
		kind=${kind:-configure} ;;
	*) kind=compile ;;
	esac
	shift
done
if [ -n "$output" ]; then
	# The configuration would have made it.
	source=$(tree_of "$(pwd -P)")
	mkdir -p "$output" || exit 2
	[ -z "$source" ] || [ -e "$output/Makefile" ] || printf 'KERNELSRC := %s\n' "$source" >"$output/Makefile" || exit 2
fi
[ -z "$outside" ] || kind=outside
# What another Makefile does, in a kernel's tree or elsewhere, nobody knows without running it.
if [ -n "$file" ] && ! [ "$file" -ef "$(tree_of "$(pwd -P)")/Makefile" ]; then
	kind=other
fi
note "${kind:-compile}" "${all[@]}"

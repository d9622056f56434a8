#!/bin/sh
# SPDX-License-Identifier: MIT
# A generated document is what its generator prints now. docs_same.sh DOCUMENT COMMAND [ARG]...
document=$1
shift
"$@" | diff -u "$document" - || {
	echo "$document is out of date: run the make target of its name" >&2
	exit 1
}

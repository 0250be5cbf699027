#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# pipeline.sh [SOURCE]: the main job, with everything a CI system wants in results/ (or $RESULTS).
# ovzpatch must be in PATH. The exit code is ovzpatch's: 0 as expected, 4 the kernel misbehaved.
set -eu
out=${RESULTS:-results}
mkdir -p "$out"
ovzpatch version >"$out/version.txt"
exec ovzpatch run "$@" --output "$out/packages" --report \
	"junit=$out/junit.xml,html=$out/report.html,tap=$out/report.tap,json=$out/report.json,codequality=$out/codequality.json"

#!/usr/bin/env bash
# Builds one binary and shows that it goes on: a cold build takes minutes.
#
#   hack/build.sh BINARY MODULE USUAL [go build flags] PACKAGE
#
# BINARY and MODULE are paths below the project's root; USUAL says how long a first
# build takes.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$PWD/$1 module=$2 usual=$3
shift 3

every=15 # seconds between two lines of progress
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "building ${binary#"$PWD"/} (the first time: about $usual on 2 cores)"
cd "$module"
go build -v -o "$binary" "$@" >"$log" 2>&1 &
build=$!
SECONDS=0 next=$every
while kill -0 $build 2>/dev/null; do
	sleep 0.2
	if ((SECONDS >= next)); then
		((next += every))
		printf '  %d:%02d, %d packages compiled\n' $((SECONDS / 60)) $((SECONDS % 60)) "$(grep -c -v '^go: ' "$log" || true)"
	fi
done
# What is not the name of a package or a download is what went wrong.
wait $build || { cat "$log" >&2; exit 1; }

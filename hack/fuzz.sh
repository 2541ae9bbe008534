#!/usr/bin/env bash
# Runs every fuzz target for some seconds, three at a time. What makes one fail is kept
# in testdata/fuzz of its package: commit it with the repair.
#
#   hack/fuzz.sh [SECONDS] [PACKAGE...]      e.g. hack/fuzz.sh 60 ./pkg/artifact
#
# With FUZZ_COVERAGE set the targets are built so that inputs which reach new code are
# looked for. That compiles all dependencies anew; without it the targets cost a link.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-2}
shift || true
root=$PWD
work=$(mktemp -d "${TMPDIR:-/tmp}/leat-fuzz.XXXXXX")
trap 'rm -rf "$work"' EXIT

packages=("$@")
((${#packages[@]})) || mapfile -t packages < <(grep -rlE --include='*_test.go' '^func Fuzz' pkg test | xargs -n1 dirname | sort -u | sed 's|^|./|')

# compile PACKAGE: one binary for all targets of a package, and a line for each.
compile() {
	local package=$1 binary=$work/${1//\//_}.test
	# Only with -fuzz does the compiler put in what tells new inputs from old ones.
	if [[ -n ${FUZZ_COVERAGE:-} ]]; then
		go test -c -fuzz=. -o "$binary" "$package"
	else
		go test -c -o "$binary" "$package"
	fi
	grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$package"/*_test.go | sed "s|^func |$package $binary |" >>"$work/targets"
}
for package in "${packages[@]}"; do compile "$package"; done

# run PACKAGE BINARY TARGET
run() {
	local log
	log=$(mktemp "$work/log.XXXXXX")
	if (cd "$root/$1" && GOMAXPROCS=1 "$2" -test.run='^$' -test.fuzz="^$3\$" -test.fuzztime="${seconds}s" -test.fuzzminimizetime=1s -test.fuzzcachedir="$work/cache/$1" >"$log" 2>&1); then
		echo "ok   $1 $3: $(grep -oE 'execs: [0-9]+' "$log" | tail -n1)"
	else
		echo "FAIL $1 $3"
		cat "$log"
		return 1
	fi
}
export -f run
export root work seconds
xargs -P 3 -n 3 bash -c 'run "$@"' run <"$work/targets"

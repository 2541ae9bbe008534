#!/usr/bin/env bash
# Runs every test: the engines with the race detector, the rest without it, all of
# them against one control plane that is started here and stopped at the end.
#
#   hack/test.sh [go test flags]      e.g. hack/test.sh -run Prune -v
set -euo pipefail
cd "$(dirname "$0")/.."

# What people use in the ways that are tested, and a bare system does not have.
missing=()
for tool in curl patch; do command -v "$tool" >/dev/null || missing+=("$tool"); done
if ((${#missing[@]})); then
	((EUID == 0)) || { echo "the tests need ${missing[*]}: install what is missing" >&2; exit 1; }
	apt-get update -qq && apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null
fi

# Engines hold the concurrency of the house, and link neither the server nor the
# control plane, so that building them a second time for the race detector is cheap.
race=(./pkg/object/... ./pkg/artifact/... ./pkg/source/... ./pkg/build/... ./pkg/target/... ./pkg/apply/... ./pkg/record/... ./pkg/etcd/... ./pkg/reconcilers/...)

is_race() { local p; for p in "${race[@]}"; do [[ $1 == "github.com/leat-dev/leat/${p#./}" || $1/ == "github.com/leat-dev/leat/$(dirname "${p#./}")/"* ]] && return 0; done; return 1; }
plain=()
while read -r package; do is_race "$package" || plain+=("$package"); done < <(go list ./...)

cluster=$(mktemp -d "${TMPDIR:-/tmp}/leat-test.XXXXXX")
trap 'bin/devcluster down --wipe --dir "$cluster" >/dev/null 2>&1 || true; rm -rf "$cluster"' EXIT
bin/devcluster up --fast --ephemeral --owner-pid $$ --nodes 2 --dir "$cluster"
export LEAT_TEST_CLUSTER=$cluster

status=0
# -trimpath as in the build of bin/devcluster: else Kubernetes is compiled twice.
(cd hack/devcluster && CGO_ENABLED=1 go test -trimpath ./internal/supervisor ./internal/instance ./internal/pki) || status=1
CGO_ENABLED=1 go test -race -timeout 20m "$@" "${race[@]}" || status=1
go test -timeout 40m "$@" "${plain[@]}" || status=1
# Not when some tests are asked for by flags.
(($#)) || hack/fuzz.sh 2 || status=1
exit $status

#!/usr/bin/env bash
#
# Fails if what is generated is not what the types say. The generators run on a
# copy: a check does not change what it checks.

set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

copy="$(mktemp -d)"
trap 'rm -rf "${copy}"' EXIT
mkdir -p "${copy}/pkg"
cp go.mod go.sum "${copy}"
cp -r hack "${copy}/hack"
cp -r pkg/apis pkg/generated "${copy}/pkg/"

hack/update-codegen.sh "${copy}"

stale=0
for path in pkg/apis pkg/generated hack/openapi-violations.txt; do
  diff --recursive --unified "${path}" "${copy}/${path}" || stale=1
done
if [[ "${stale}" != 0 ]]; then
  echo "generated code is not up to date: run 'make generate' and commit the result" >&2
  exit 1
fi

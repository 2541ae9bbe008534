#!/usr/bin/env bash
#
# Writes everything that is generated from the types in pkg/apis: deep copies,
# defaults, the OpenAPI definitions and model names, the typed clientset, its
# listers, informers and apply configurations.
#
# The generators are tools of the root module, so that their versions are
# pinned by go.sum and no network is needed.
#
# usage: hack/update-codegen.sh [root]
#   root: a copy of the repository to write to; the repository by default

set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root="${1:-$PWD}"
cd "${root}"

readonly module=github.com/leat-dev/leat
readonly header=hack/boilerplate.go.txt
readonly generated=pkg/generated

# Groups that are served, as <group>/<version> below pkg/apis.
readonly served=(
  source/v1
  kustomize/v1
)
# Packages with types that travel, but have no collection of their own.
readonly shared=(
  meta
  leat/v1alpha1
)

packages() {
  local dir
  for dir in "$@"; do
    echo "${module}/pkg/apis/${dir}"
  done
}
mapfile -t served_packages < <(packages "${served[@]}")
mapfile -t all_packages < <(packages "${shared[@]}" "${served[@]}")

report="$(mktemp)"
trap 'rm -f "${report}"' EXIT

step() {
  echo "generating $1" >&2
}

rm -rf "${generated}"/{applyconfiguration,clientset,informers,listers,openapi}
find pkg/apis -name 'zz_generated.*.go' -delete

step "deep copies"
go tool deepcopy-gen --go-header-file "${header}" \
  --output-file zz_generated.deepcopy.go "${all_packages[@]}"

step "defaults"
go tool defaulter-gen --go-header-file "${header}" \
  --output-file zz_generated.defaults.go "${served_packages[@]}"

# The packages of Kubernetes are inputs because every kind refers to them; they
# are read only: their model names are generated where they live.
step "OpenAPI definitions"
go tool openapi-gen --go-header-file "${header}" \
  --output-dir "${generated}/openapi" --output-pkg "${module}/${generated}/openapi" \
  --output-file zz_generated.openapi.go --output-model-name-file zz_generated.model_name.go \
  --report-filename "${report}" \
  --readonly-pkg k8s.io/apimachinery/pkg/apis/meta/v1 \
  --readonly-pkg k8s.io/apimachinery/pkg/runtime \
  --readonly-pkg k8s.io/apimachinery/pkg/version \
  k8s.io/apimachinery/pkg/apis/meta/v1 \
  k8s.io/apimachinery/pkg/runtime \
  k8s.io/apimachinery/pkg/version \
  "${all_packages[@]}"

# Names that are not as the conventions have them are Flux's; a new line in this
# file is a name of ours to think about again.
grep -F "${module}" "${report}" > hack/openapi-violations.txt || true

step "apply configurations"
go tool applyconfiguration-gen --go-header-file "${header}" \
  --output-dir "${generated}/applyconfiguration" --output-pkg "${module}/${generated}/applyconfiguration" \
  "${served_packages[@]}"

step "clientset"
inputs=()
for gv in "${served[@]}"; do
  inputs+=(--input "${gv}")
done
go tool client-gen --go-header-file "${header}" \
  --output-dir "${generated}/clientset" --output-pkg "${module}/${generated}/clientset" \
  --clientset-name versioned --input-base "${module}/pkg/apis" \
  --apply-configuration-package "${module}/${generated}/applyconfiguration" \
  "${inputs[@]}"

step "listers"
go tool lister-gen --go-header-file "${header}" \
  --output-dir "${generated}/listers" --output-pkg "${module}/${generated}/listers" \
  "${served_packages[@]}"

step "informers"
go tool informer-gen --go-header-file "${header}" \
  --output-dir "${generated}/informers" --output-pkg "${module}/${generated}/informers" \
  --versioned-clientset-package "${module}/${generated}/clientset/versioned" \
  --listers-package "${module}/${generated}/listers" \
  "${served_packages[@]}"

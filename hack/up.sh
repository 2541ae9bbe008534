#!/usr/bin/env bash
# What `make up` does once the binaries are built: a control plane, Leat registered in
# it, a Git server with the demo repository, and the demo. Running it again brings back
# what is missing and changes nothing else. Everything lives in .dev/, or in the directory
# that LEAT_DEV_DIR names.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
dev=${LEAT_DEV_DIR:-$root/.dev}
. hack/lib.sh

mkdir -p "$dev/users" "$dev/logs" "$dev/leat" "$dev/git"
step "control plane (etcd, kube-apiserver, controller manager, scheduler, 2 fake nodes)"
bin/devcluster up --dir "$dev" --nodes 2
leat_port=$(bin/devcluster port leat-apiserver --dir "$dev")
git_port=$(bin/devcluster port gitserver --dir "$dev")
repo_url=http://127.0.0.1:$git_port/demo.git

step "credentials"
for user in viewer developer nobody; do
	[[ -s $dev/users/$user.kubeconfig ]] || write_file "$dev/users/$user.kubeconfig" bin/devcluster user "$user" --dir "$dev"
done
# The server's own identity: not the administrator's, so that the audit log tells its
# requests from those of people.
[[ -s $dev/leat.kubeconfig ]] || write_file "$dev/leat.kubeconfig" bin/devcluster user leat --group system:masters --dir "$dev"
write_env

step "Leat and the Git server"
seed_demo_repository
write_programs
bin/devcluster up --dir "$dev" --nodes 2 --run "$dev/programs.json"
export KUBECONFIG=$dev/kubeconfig PATH=$root/bin:$PATH
wait_for_apis

step "the demo"
kubectl get namespace demo >/dev/null 2>&1 || kubectl create namespace demo
kubectl apply -f artifacts/install/base/user-roles.yaml -f hack/demo/cluster/users.yaml >/dev/null
sed "s|DEMO_REPO_URL|$repo_url|" hack/demo/cluster/demo.yaml | kubectl apply -f - >/dev/null
kubectl --namespace demo wait --for=condition=Ready --timeout=2m gitrepository/demo kustomization/demo
print_next

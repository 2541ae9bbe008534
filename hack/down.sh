#!/usr/bin/env bash
# What `make down` does: stops what `make up` started, by its pids, and with --wipe
# forgets the data.
set -euo pipefail
cd "$(dirname "$0")/.."
dev=${LEAT_DEV_DIR:-$PWD/.dev}
[[ -d $dev ]] || { echo "nothing to stop: there is no .dev/"; exit 0; }
if [[ -x bin/devcluster ]]; then
	bin/devcluster down --dir "$dev" "$@"
elif [[ -e $dev/devcluster.json ]]; then
	echo "bin/devcluster is gone, and it is what stops the control plane: run 'make bin/devcluster' first" >&2
	exit 1
fi
[[ ${1:-} != --wipe ]] || rm -rf "$dev"

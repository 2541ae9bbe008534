# Parts of hack/up.sh; sourced, never run. Expects $root, $dev, and the ports.

step() { printf '==> %s\n' "$*"; }

# write_file FILE COMMAND...: the command's output, or no file at all.
write_file() {
	local file=$1
	shift
	(umask 077 && "$@" >"$file.new")
	mv "$file.new" "$file"
}

# What a shell needs to work with the cluster.
write_env() {
	cat >"$dev/env" <<-END
		# Source this: . .dev/env
		export KUBECONFIG=$dev/kubeconfig
		export PATH=$root/bin:\$PATH
		export DEMO_REPO_URL=$repo_url
	END
}

# A bare repository with one commit, made once; what was pushed to it is kept.
seed_demo_repository() {
	local bare=$dev/git/demo.git work
	[[ -f $bare/HEAD ]] && return
	work=$(mktemp -d)
	cp -r hack/demo/repository/. "$work"
	git -C "$work" init --quiet --initial-branch=main
	git -C "$work" add --all
	git -C "$work" -c user.name=demo -c user.email=demo@example.com commit --quiet --message "The demo"
	git clone --quiet --bare "$work" "$bare.new"
	git -C "$bare.new" config http.receivepack true
	git -C "$bare.new" remote remove origin
	mv "$bare.new" "$bare"
	rm -rf "$work"
}

# The programs that devcluster keeps running.
write_programs() {
	cat >"$dev/programs.json.new" <<-END
		[
		  {
		    "name": "gitserver",
		    "command": ["$root/bin/gitserver", "--dir", "$dev/git", "--address", "127.0.0.1:$git_port"]
		  },
		  {
		    "name": "leat-apiserver",
		    "command": [
		      "$root/bin/leat-apiserver",
		      "--kubeconfig", "$dev/leat.kubeconfig",
		      "--data-dir", "$dev/leat",
		      "--build-worker", "$root/bin/leat-build",
		      "--bind-address", "127.0.0.1",
		      "--secure-port", "$leat_port",
		      "--service-external-name", "localhost"
		    ],
		    "readyURL": "https://127.0.0.1:$leat_port/readyz"
		  }
		]
	END
	mv "$dev/programs.json.new" "$dev/programs.json"
}

wait_for_apis() {
	local version
	for version in v1.source.toolkit.fluxcd.io v1.kustomize.toolkit.fluxcd.io; do
		kubectl wait --for=create --timeout=60s "apiservice/$version" >/dev/null
		kubectl wait --for=condition=Available --timeout=60s "apiservice/$version" >/dev/null
	done
}

print_next() {
	cat <<-END

		Leat is up. Try:

		  . .dev/env
		  kubectl --namespace demo get gitrepository,kustomization
		  kubectl --namespace demo describe kustomization demo
		  git clone \$DEMO_REPO_URL /tmp/demo      # change deploy/settings.yaml, commit, push
		  kubectl --namespace demo get kustomization demo --watch

		Logs are in .dev/logs/. \`make down\` stops everything, \`make down WIPE=1\` forgets it too.
	END
}

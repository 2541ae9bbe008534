package worker

import (
	"path"
	"regexp"
	"strings"
)

var (
	// address matches what has a scheme. kustomize fetches http and https even
	// without the slashes.
	address = regexp.MustCompile(`^(?i:git::|https?:|[a-z][a-z0-9+.-]*://)`)
	// repository matches what kustomize clones although it has no scheme.
	repository = regexp.MustCompile(`^(?i:github\.com[/:]|[a-z][a-z0-9-]*@[^/:]*[/:])`)
)

// isRemote says that kustomize would fetch value from the network, whatever
// the tree holds.
func isRemote(value string) bool { return address.MatchString(strings.TrimSpace(value)) }

// isRepository says that kustomize would clone value if there is no such file.
func isRepository(value string) bool { return repository.MatchString(strings.TrimSpace(value)) }

// resolve returns the path in the tree that value, found in a kustomization in
// dir, refers to. It returns false if it leads out.
func resolve(dir, value string) (string, bool) {
	if path.IsAbs(value) {
		return "", false
	}
	p := path.Join(dir, value)
	return p, p != ".." && !strings.HasPrefix(p, "../")
}

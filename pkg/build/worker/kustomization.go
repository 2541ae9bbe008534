package worker

import (
	"path"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/leat-dev/leat/pkg/build/protocol"
)

// kustomizationPaths returns the paths that a directory's kustomization may
// have.
func kustomizationPaths(dir string) []string {
	names := konfig.RecognizedKustomizationFileNames()
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = path.Join(dir, name)
	}
	return paths
}

// kustomizationIn returns the path of the kustomization of dir, whose
// kustomizationPaths have been fetched. It is empty if there is none.
func (f *files) kustomizationIn(dir string) (string, error) {
	var found string
	for _, p := range kustomizationPaths(dir) {
		if f.state(p) != protocol.File {
			continue
		}
		if found != "" {
			return "", invalid(p, "the directory has another kustomization file, %s: remove one of them", path.Base(found))
		}
		found = p
	}
	return found, nil
}

// parse reads a kustomization file as kustomize does: unknown fields are
// errors.
func parse(file string, content []byte) (*types.Kustomization, error) {
	k := &types.Kustomization{}
	if err := k.Unmarshal(content); err != nil {
		return nil, invalid(file, "%w", err)
	}
	return k, nil
}

package worker

import (
	"errors"
	"path"

	"sigs.k8s.io/kustomize/api/types"

	"github.com/leat-dev/leat/pkg/build/protocol"
)

var (
	errNoDirectory  = errors.New("the source has no such directory")
	errNotDirectory = errors.New("is a file, not a directory")
)

// generate makes the kustomization of a directory that has none: all manifests
// in it and below, where a directory with a kustomization of its own stands for
// what is in it.
func generate(f *files, dir string) (*types.Kustomization, error) {
	g := &generator{files: f, lists: make(map[string][]protocol.Name)}
	if err := g.list(dir); err != nil {
		return nil, err
	}
	k := &types.Kustomization{TypeMeta: types.TypeMeta{APIVersion: types.KustomizationVersion, Kind: types.KustomizationKind}}
	g.collect(dir, "", &k.Resources)
	return k, nil
}

// generator knows the directories without a kustomization.
type generator struct {
	files *files
	lists map[string][]protocol.Name
}

// list lists dir and the directories below, all of a level in two round trips.
// Of a directory with a kustomization nothing else is asked, so that nothing
// else in it is an input of the listing.
func (g *generator) list(dir string) error {
	level := []string{dir}
	for len(level) > 0 {
		lists, err := g.files.lists(level)
		if err != nil {
			return err
		}
		var subdirs, candidates []string
		for i, names := range lists {
			g.lists[level[i]] = names
			for _, n := range names {
				if n.Dir {
					sub := path.Join(level[i], n.Name)
					subdirs = append(subdirs, sub)
					candidates = append(candidates, kustomizationPaths(sub)...)
				}
			}
		}
		if err := g.files.fetch(candidates...); err != nil {
			return err
		}
		level = nil
		for _, sub := range subdirs {
			own, err := g.files.kustomizationIn(sub)
			if err != nil {
				return err
			}
			if own == "" {
				level = append(level, sub)
			}
		}
	}
	return nil
}

// collect appends the resources in dir, in the order of a walk. rel is dir
// relative to the kustomization.
func (g *generator) collect(dir, rel string, resources *[]string) {
	for _, n := range g.lists[dir] {
		p, relative := path.Join(dir, n.Name), path.Join(rel, n.Name)
		_, plain := g.lists[p]
		if n.Dir && plain {
			g.collect(p, relative, resources)
			continue
		}
		*resources = append(*resources, "./"+relative)
	}
}

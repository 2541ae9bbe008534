package worker

import (
	"bytes"
	"errors"
	"fmt"

	"sigs.k8s.io/kustomize/api/types"

	"github.com/leat-dev/leat/pkg/build/protocol"
)

// walker visits, before a build, every kustomization that the build can reach.
// It refuses what refers to something outside of the tree, since kustomize
// would fetch it by itself, and what does not exist, naming the file and the
// field, which kustomize does not. And it fetches the files that kustomize is
// about to read, all of a level at a time.
//
// Configurations of plug-ins can be the result of kustomizations of their own,
// and such a result is not known before the build. For those the file system,
// the transport and the confinement of the process stand.
type walker struct {
	files *files
	depth uint64

	queued map[visit]bool
	// manifests are the files of resources, in the order in which they were
	// found.
	manifests []string
	// schema says that a kustomization brings a schema of its own.
	schema bool
	// sensitive says that something may look at annotations, so that one more
	// annotation could change the result; see render.
	sensitive bool
}

// visit is a directory with a kustomization.
type visit struct {
	dir string
	// config says that its resources are configurations of plug-ins.
	config bool
}

func newWalker(f *files, depth uint64) *walker {
	return &walker{files: f, depth: depth, queued: make(map[visit]bool)}
}

// reference is an entry with where it stands and what it leads to.
type reference struct {
	entry
	at   visit
	file string // that the entry stands in, if it is in the tree
	path string
}

// walk visits the kustomization root, which stands in dir, and all below it.
// file is the root's file, if it is in the tree.
func (w *walker) walk(dir, file string, root *types.Kustomization) error {
	at := visit{dir: dir}
	w.queued[at] = true
	references, err := w.references(at, file, root)
	for level := uint64(1); err == nil && len(references) > 0; level++ {
		if level > w.depth {
			return &fault{reason: reasonLimit, file: references[0].file,
				err: fmt.Errorf("kustomizations refer to one another over more than %d levels", w.depth)}
		}
		references, err = w.level(references)
	}
	return err
}

// level follows references and returns those of the kustomizations found.
func (w *walker) level(references []reference) ([]reference, error) {
	paths := make([]string, len(references))
	for i := range references {
		paths[i] = references[i].path
	}
	if err := w.files.fetch(paths...); err != nil {
		return nil, err
	}
	var next []visit
	var candidates []string
	for i := range references {
		v, err := w.follow(&references[i])
		if err != nil {
			return nil, err
		}
		if v != nil && !w.queued[*v] {
			w.queued[*v] = true
			next = append(next, *v)
			candidates = append(candidates, kustomizationPaths(v.dir)...)
		}
	}
	if err := w.files.fetch(candidates...); err != nil {
		return nil, err
	}
	var found []reference
	for _, v := range next {
		more, err := w.open(v)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// open reads the kustomization of v.
func (w *walker) open(v visit) ([]reference, error) {
	file, err := w.files.kustomizationIn(v.dir)
	if err != nil {
		return nil, err
	}
	if file == "" {
		return nil, invalid(v.dir, "the directory has no kustomization file")
	}
	content := w.files.known[file].content
	w.note(content)
	k, err := parse(file, content)
	if err != nil {
		return nil, err
	}
	return w.references(v, file, k)
}

// references returns what k refers to. It refuses what is outside of the tree.
func (w *walker) references(at visit, file string, k *types.Kustomization) ([]reference, error) {
	if field := chartField(k); field != "" {
		return nil, refusal(file, field, errChart)
	}
	if len(k.OpenAPI) > 0 {
		w.schema = true
	}
	var list []reference
	for _, e := range entries(k) {
		if isRemote(e.value) {
			return nil, refusal(file, e.field, fmt.Errorf("%s is remote: builds do not fetch anything", redact(e.value)))
		}
		if e.want == aConfig && isInline(e.value) {
			if err := w.configs(file, e.field, []byte(e.value)); err != nil {
				return nil, err
			}
			continue
		}
		if e.want == aPatch && isInline(e.value) {
			continue
		}
		if e.value == "" {
			return nil, invalid(file, "%s: a path is empty", e.field)
		}
		p, ok := resolve(at.dir, e.value)
		if !ok {
			return nil, refusal(file, e.field, fmt.Errorf("%s leads out of the source", e.value))
		}
		list = append(list, reference{entry: e, at: at, file: file, path: p})
	}
	return list, nil
}

// follow checks what a reference led to, and returns where to go on.
func (w *walker) follow(r *reference) (*visit, error) {
	k := w.files.known[r.path]
	mayBeFile, mayBeDir := r.want != aDir, r.want != aFile && r.want != aPatch
	switch {
	case k.state == protocol.File && mayBeFile:
		return nil, w.file(r, k.content)
	case mayBeDir && isRepository(r.value):
		// kustomize clones it even if there is such a directory.
		return nil, refusal(r.file, r.field, fmt.Errorf("%s is remote: builds do not fetch anything", redact(r.value)))
	case k.state == protocol.Dir && mayBeDir:
		return &visit{dir: r.path, config: r.at.config || r.want == aConfig}, nil
	case k.state == protocol.File:
		return nil, invalid(r.file, "%s: %s is a file, not a directory", r.field, r.value)
	case k.state == protocol.Dir:
		return nil, invalid(r.file, "%s: %s is a directory, not a file", r.field, r.value)
	default:
		return nil, invalid(r.file, "%s: %s does not exist", r.field, r.value)
	}
}

// file looks at the contents of a file that is about to be read.
func (w *walker) file(r *reference, content []byte) error {
	switch {
	case r.want == aConfig, r.want == either && r.at.config:
		w.note(content)
		return w.configs(r.path, "", content)
	case r.want == either:
		w.manifests = append(w.manifests, r.path)
		w.sensitive = w.sensitive || bytes.Contains(content, needsHash)
	default:
		w.note(content)
	}
	return nil
}

// needsHash marks an object whose name gets a hash of all that it holds.
var needsHash = []byte("needsHashSuffix")

// sensitiveMarks are in every file that looks at annotations: paths of JSON
// patches and field specifications, paths of replacements, selectors, and
// directives that replace what a strategic merge would merge.
var sensitiveMarks = [][]byte{[]byte("/annotations"), []byte(".annotations"), []byte("annotationSelector"), []byte("$patch"), needsHash}

func (w *walker) note(content []byte) {
	for _, mark := range sensitiveMarks {
		w.sensitive = w.sensitive || bytes.Contains(content, mark)
	}
}

var errChart = errors.New("a kustomization renders no Helm charts here")

func refusal(file, field string, err error) *fault {
	if field != "" {
		err = fmt.Errorf("%s: %w", field, err)
	}
	return &fault{reason: reasonRemote, file: file, err: err}
}

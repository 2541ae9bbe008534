package build

import (
	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/build/protocol"
	"github.com/leat-dev/leat/pkg/object"
)

// Tree is what is built. Paths are clean, slash-separated and relative to the
// root, which is ".". A Tree does not change while it is built.
type Tree interface {
	Lookup(path string) (artifact.Entry, bool)
	ReadDir(path string) ([]artifact.Entry, bool)
	ReadFile(path string) ([]byte, error)
}

// What a build is asked for is sent to the worker as it is, so it is defined
// where both sides see it.
type (
	// Options is what a build does to the tree.
	Options = protocol.Options
	// Patch is a strategic merge patch or a list of JSON 6902 operations.
	Patch = protocol.Patch
	// Selector selects the objects of a Patch.
	Selector = protocol.Selector
	// Image says what an image is replaced by.
	Image = protocol.Image
	// Variable is a value for the references to its name in the objects.
	Variable = protocol.Variable
	// Strategy says when variables are substituted.
	Strategy = protocol.Strategy
)

// The strategies of substitution. The zero value is WithVariables.
const (
	WithVariables = protocol.WithVariables
	Always        = protocol.Always
)

// Request asks for a build.
type Request struct {
	// Tenant is whom the build is for, a namespace: tenants take turns at the
	// workers. All requests that name none are those of one more tenant.
	Tenant  string
	Tree    Tree
	Options Options
	// Variables are substituted in the rendered objects. Of two with the same
	// name the later one wins.
	Variables []Variable

	// Queued, if it is set, is called when no worker is free, before the
	// request waits for one.
	Queued func()
	// Begin, if it is set, is called once the request has a worker, and the
	// build begins when it returns. A time that is counted from here does not
	// charge a tenant for the builds of others. An error ends the request.
	Begin func() error
}

// Result is what a build rendered.
type Result struct {
	// Objects are in the order in which kustomize emits them. There may be
	// none: a build of nothing is no error here, but nothing to prune by.
	Objects []object.Object
	// Inputs is what was read of the tree.
	Inputs *Inputs
	// Encrypted are the files among them that hold encrypted values, sorted.
	Encrypted []string
	// InputDigest is Pool.InputDigest of Inputs, Options and Variables.
	InputDigest string
	// Digest is "sha256:" and the digest over the canonical form of Objects, or
	// "hmac-sha256:" and a keyed one if one of them is tainted. It does not
	// depend on their order, nor on the layout of the files.
	Digest string
}

// EncryptedMark is in each file with values that SOPS has encrypted, whatever the
// file's format is: it begins each of them.
const EncryptedMark = "ENC[AES256_GCM,"

// Empty says that nothing was rendered.
func (r *Result) Empty() bool { return len(r.Objects) == 0 }

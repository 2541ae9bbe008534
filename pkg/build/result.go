package build

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/pkg/build/protocol"
	"github.com/leat-dev/leat/pkg/object"
)

// result decodes what a worker rendered.
func (p *Pool) result(r *Request, rec *recorder, done *protocol.Done) (*Result, error) {
	objects := make([]object.Object, len(done.Objects))
	for i, o := range done.Objects {
		u := &unstructured.Unstructured{}
		if err := u.UnmarshalJSON(o.JSON); err != nil {
			return nil, &Error{Reason: ReasonInvalid, File: o.File, Err: fmt.Errorf("decoding a rendered object: %w", err)}
		}
		objects[i] = object.Object{Unstructured: u, File: o.File, Tainted: o.Tainted || isSecret(u)}
	}
	inputs := rec.inputs()
	return &Result{
		Objects:     objects,
		Inputs:      inputs,
		Encrypted:   slices.Sorted(maps.Keys(rec.encrypted)),
		InputDigest: p.InputDigest(inputs, r.Options, r.Variables),
		Digest:      p.digest(objects, done.Objects),
	}, nil
}

func isSecret(u *unstructured.Unstructured) bool {
	return u.GroupVersionKind().Group == "" && u.GetKind() == "Secret"
}

// digest returns the digest of a rendered set: SHA-256 over the objects sorted
// by key and version, each as compact JSON with sorted keys and a newline. It is
// shown to people. So it is keyed where an object holds a secret value: whoever
// has the manifests could find a short one by trying.
func (p *Pool) digest(objects []object.Object, rendered []protocol.Object) string {
	order := make([]int, len(objects))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(
			objects[a].Key().Compare(objects[b].Key()),
			cmp.Compare(objects[a].GetAPIVersion(), objects[b].GetAPIVersion()),
			bytes.Compare(rendered[a].JSON, rendered[b].JSON),
		)
	})
	h, name := sha256.New(), "sha256:"
	if slices.ContainsFunc(objects, func(o object.Object) bool { return o.Tainted }) {
		h, name = hmac.New(sha256.New, p.options.DigestKey), keyedDigest
	}
	for _, i := range order {
		h.Write(rendered[i].JSON)
		h.Write([]byte{'\n'})
	}
	return name + hex.EncodeToString(h.Sum(nil))
}

// keyedDigest is how digests begin that nobody can compute without the key.
const keyedDigest = "hmac-sha256:"

// InputDigest returns a digest over all that decides a build's result: what it
// read of the tree, the options and the variables. It is keyed by
// PoolOptions.DigestKey, since variables hold secrets. in may be nil: then the
// digest is that of options and variables alone, which together with
// Inputs.UnchangedIn says, before a build, that it need not be done.
func (p *Pool) InputDigest(in *Inputs, o Options, variables []Variable) string {
	h := hmac.New(sha256.New, p.options.DigestKey)
	fmt.Fprintf(h, "leat build %d\n", protocol.Version)
	// Encoding cannot fail: Options are strings, and writing to a hash neither.
	_ = json.NewEncoder(h).Encode(o)
	for _, v := range effective(variables) {
		fmt.Fprintf(h, "%q=%q %t\n", v.Name, v.Value, v.Tainted)
	}
	if in != nil {
		fmt.Fprintln(h, in.Digest())
	}
	return keyedDigest + hex.EncodeToString(h.Sum(nil))
}

// effective returns the last variable of each name, sorted by name.
func effective(variables []Variable) []Variable {
	last := make(map[string]Variable, len(variables))
	for _, v := range variables {
		last[v.Name] = v
	}
	list := make([]Variable, 0, len(last))
	for _, v := range last {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b Variable) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

package kustomization

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/build"
	"github.com/leat-dev/leat/pkg/preview"
)

// way is a way of rendering: with what in the places of values of Secrets.
type way int

// The ways of rendering.
//
//	way      a Secret that the caller may get   another one    a foreign preview
//	public   value                              placeholder    placeholder
//	hidden   value                              value          marker
//
// What comes out of public may be shown. Where it differs from what comes out of
// hidden, which a foreign preview neither shows nor applies, the cluster has
// something secret.
const (
	public way = iota
	hidden
	ways
)

// values are the variables of a preview, once for each way of rendering.
type values struct {
	by [ways][]build.Variable
	// secret says that what comes out of public and hidden may differ.
	secret bool
}

// collect reads what postBuild names, as a run does. Without withHidden, no value
// is read that is not shown.
func (g *glance) collect(ctx context.Context, withHidden bool) (values, error) {
	var v values
	if g.obj.Spec.PostBuild == nil {
		return v, nil
	}
	for i, ref := range g.obj.Spec.PostBuild.SubstituteFrom {
		err := g.collectFrom(ctx, &v, ref, withHidden)
		switch {
		case apierrors.IsNotFound(err) && isTrue(ref.Optional):
		case apierrors.IsNotFound(err):
			return v, g.invalid(fmt.Sprintf("spec.postBuild.substituteFrom[%d]", i), fmt.Sprintf(
				"the %s %s/%s, which variables come from, is not there", ref.Kind, g.obj.Namespace, ref.Name))
		case err != nil:
			return v, fmt.Errorf("reading variables from %s/%s: %w", ref.Kind, ref.Name, err)
		}
	}
	for w := range v.by {
		v.by[w] = appendVariables(v.by[w], g.obj.Spec.PostBuild.Substitute, false)
	}
	v.secret = !maps.Equal(effective(v.by[public]), effective(v.by[hidden]))
	return v, nil
}

func (g *glance) collectFrom(ctx context.Context, v *values, ref kustomizev1.SubstituteReference, withHidden bool) error {
	add := func(data map[string]string, tainted bool, to ...way) {
		for _, w := range to {
			v.by[w] = appendVariables(v.by[w], data, tainted)
		}
	}
	if ref.Kind != kustomizev1.SubstituteKindSecret {
		data, err := g.substituteFrom(ctx, g.obj.Namespace, ref)
		add(data, false, public, hidden)
		return err
	}
	shown := false
	if !g.foreign {
		var err error
		if shown, err = g.rights.caller.MayGetSecret(ctx, g.obj.Namespace, ref.Name); err != nil {
			return err
		}
	}
	if shown {
		data, err := g.substituteFrom(ctx, g.obj.Namespace, ref)
		add(data, true, public, hidden)
		return err
	}
	var names []string
	var err error
	if withHidden && !g.foreign {
		var data map[string]string
		data, err = g.substituteFrom(ctx, g.obj.Namespace, ref)
		names = slices.Collect(maps.Keys(data))
		add(data, true, hidden)
	} else {
		names, err = g.keysOf(ctx, ref.Name)
		add(standIns(ref.Name, names, preview.Marker), true, hidden)
	}
	add(standIns(ref.Name, names, preview.Placeholder), true, public)
	return err
}

// standIns gives each key of a Secret a text in the place of its value.
func standIns(secret string, keys []string, text func(secret, key string) string) map[string]string {
	data := make(map[string]string, len(keys))
	for _, key := range keys {
		data[key] = text(secret, key)
	}
	return data
}

// keysOf returns the names of what a Secret holds. They are in its metadata,
// where the server notes who manages which field: so what is not to be shown is
// not even asked for.
func (g *glance) keysOf(ctx context.Context, name string) ([]string, error) {
	secret, err := g.Metadata.Resource(corev1.SchemeGroupVersion.WithResource("secrets")).
		Namespace(g.obj.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, entry := range secret.ManagedFields {
		if entry.FieldsV1 == nil {
			continue
		}
		var fields struct {
			Data       map[string]json.RawMessage `json:"f:data"`
			StringData map[string]json.RawMessage `json:"f:stringData"`
		}
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields); err != nil {
			return nil, fmt.Errorf("reading who manages the fields of the Secret: %w", err)
		}
		for _, owned := range []map[string]json.RawMessage{fields.Data, fields.StringData} {
			for field := range owned {
				if key, ok := strings.CutPrefix(field, "f:"); ok {
					found[key] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// effective returns the variables that count: of two with a name the later one.
func effective(variables []build.Variable) map[string]string {
	last := make(map[string]string, len(variables))
	for _, v := range variables {
		last[v.Name] = v.Value
	}
	return last
}

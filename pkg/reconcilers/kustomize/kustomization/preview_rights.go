package kustomization

import (
	"context"
	"errors"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/target"
)

// rights are those of all who must be allowed to read what is shown: the caller,
// and whom the object acts as.
type rights struct {
	caller Rights
	// identity is nil where the object acts as Leat, or as the caller.
	identity Rights
}

func (p *Previewer) rightsOf(caller *target.User, id target.Identity) rights {
	r := rights{caller: p.Rights(*caller)}
	if account := id.ServiceAccount; id.User == nil && account.Name != "" {
		// What an authenticator says of an account.
		r.identity = p.Rights(target.User{Name: id.Username(), Groups: []string{
			"system:serviceaccounts", "system:serviceaccounts:" + account.Namespace, "system:authenticated",
		}})
	}
	return r
}

// mayGet reports whether an object may be shown. The error may be an API status.
func (r *rights) mayGet(ctx context.Context, ref target.Ref) (bool, error) {
	allowed, err := r.caller.MayGet(ctx, ref)
	if allowed && err == nil && r.identity != nil {
		allowed, err = r.identity.MayGet(ctx, ref)
	}
	if errors.Is(err, target.ErrTooManyReviews) {
		err = badRequest("there are too many objects that you may not get as a kind: show fewer of them with spec.show: " + err.Error())
	}
	return allowed, err
}

// mayFetch refuses a caller who may not get the source: what it fetches with its
// own credentials is not theirs to see, in whichever namespace it is.
func (g *glance) mayFetch(ctx context.Context) error {
	key := sourceKey(g.obj)
	source := target.Ref{Namespace: key.Namespace, Name: key.Name, Resource: target.Resource{
		GroupVersionResource: sourcev1.SchemeGroupVersion.WithResource(sourceResource(string(g.obj.Spec.SourceRef.Kind))),
		Kind:                 string(g.obj.Spec.SourceRef.Kind), Namespaced: true,
	}}
	allowed, err := g.rights.caller.MayGet(ctx, source)
	if allowed || err != nil {
		return err
	}
	return forbidden(source.GroupVersionResource.GroupResource(), key.String(),
		"a preview of what the source has not published yet needs the right to get the source")
}

// sourceResource is how a kind of source is called in a path.
func sourceResource(kind string) string {
	plural, _ := meta.UnsafeGuessKindToResource(sourcev1.SchemeGroupVersion.WithKind(kind))
	return plural.Resource
}

// refOf says how an object is reached, to ask for the right to get it. A kind
// that the cluster does not serve yet is asked for by the name that it most
// likely gets: rights to all kinds count for it.
func (g *glance) refOf(ctx context.Context, key object.Key, version string) (target.Ref, error) {
	gvk := schema.GroupVersionKind{Group: key.Group, Version: version, Kind: key.Kind}
	res, err := g.Resource(ctx, gvk)
	var unknown *target.UnknownKindError
	switch {
	case errors.As(err, &unknown):
		plural, _ := meta.UnsafeGuessKindToResource(gvk)
		res = target.Resource{GroupVersionResource: plural, Kind: key.Kind, Namespaced: key.Namespace != ""}
	case err != nil:
		return target.Ref{}, err
	}
	ref := target.Ref{Resource: res, Name: key.Name}
	if res.Namespaced {
		ref.Namespace = key.Namespace
	}
	return ref, nil
}

// isOf reports whether two keys name the same object: a set may give a namespace
// to what has none.
func isOf(rendered, live object.Key) bool {
	if live.Namespace == "" {
		rendered.Namespace = ""
	}
	return rendered == live
}

// listed joins what there is to choose from.
func listed(choice []string) string {
	if len(choice) == 0 {
		return "none"
	}
	return strings.Join(choice, ", ")
}

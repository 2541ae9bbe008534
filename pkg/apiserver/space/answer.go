package space

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"
	"k8s.io/client-go/tools/cache"
)

// Reason is that of the Status of a write which there was no room for.
const Reason metav1.StatusReason = "InsufficientStorage"

// Answers has stores answer a write that there is no room for with a Status that
// says so, and what helps. etcd's own words, as an internal error, say neither
// whose store it is nor what to do.
func Answers(getter generic.RESTOptionsGetter, hint string) generic.RESTOptionsGetter {
	return answering{getter, hint}
}

type answering struct {
	generic.RESTOptionsGetter
	hint string
}

// GetRESTOptions implements generic.RESTOptionsGetter.
func (a answering) GetRESTOptions(resource schema.GroupResource, example runtime.Object) (generic.RESTOptions, error) {
	options, err := a.RESTOptionsGetter.GetRESTOptions(resource, example)
	if err != nil {
		return options, err
	}
	next := options.Decorator
	options.Decorator = func(config *storagebackend.ConfigForResource, prefix string, key func(runtime.Object) (string, error),
		newFunc, newListFunc func() runtime.Object, attributes storage.AttrFunc, trigger storage.IndexerFuncs, indexers *cache.Indexers,
	) (storage.Interface, factory.DestroyFunc, error) {
		s, destroy, err := next(config, prefix, key, newFunc, newListFunc, attributes, trigger, indexers)
		return &store{Interface: s, resource: resource, hint: a.hint}, destroy, err
	}
	return options, nil
}

// store is a storage whose writes are answered.
type store struct {
	storage.Interface
	resource schema.GroupResource
	hint     string
}

// Create implements storage.Interface.
func (s *store) Create(ctx context.Context, key string, obj, out runtime.Object, ttl uint64) error {
	return s.answer("create", s.Interface.Create(ctx, key, obj, out, ttl))
}

// Delete implements storage.Interface.
func (s *store) Delete(ctx context.Context, key string, out runtime.Object, preconditions *storage.Preconditions,
	validate storage.ValidateObjectFunc, cached runtime.Object, o storage.DeleteOptions,
) error {
	return s.answer("delete", s.Interface.Delete(ctx, key, out, preconditions, validate, cached, o))
}

// GuaranteedUpdate implements storage.Interface.
func (s *store) GuaranteedUpdate(ctx context.Context, key string, out runtime.Object, ignoreNotFound bool,
	preconditions *storage.Preconditions, update storage.UpdateFunc, cached runtime.Object,
) error {
	return s.answer("update", s.Interface.GuaranteedUpdate(ctx, key, out, ignoreNotFound, preconditions, update, cached))
}

func (s *store) answer(verb string, err error) error {
	if !errors.Is(err, rpctypes.ErrNoSpace) {
		return err
	}
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusInsufficientStorage, Reason: Reason,
		Message: fmt.Sprintf("cannot %s %s: the etcd of leat-apiserver has reached its quota and takes no writes: %s", verb, s.resource, s.hint),
		// Without a time to retry after: clients would wait for minutes, in silence.
		Details: &metav1.StatusDetails{Group: s.resource.Group, Kind: s.resource.Resource},
	}}
}

package parity

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/openapi"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"k8s.io/kube-openapi/pkg/spec3"
)

// Server asks a running server. The namespace of the objects must exist.
type Server struct {
	config    *rest.Config
	dynamic   dynamic.Interface
	discovery discovery.DiscoveryInterface
}

// NewServer makes a client of the server that a configuration leads to. Every
// case is a request, so that the usual limit on requests would be all that a
// test measures.
func NewServer(config *rest.Config) (*Server, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	d, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a dynamic client: %w", err)
	}
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a discovery client: %w", err)
	}
	return &Server{config: config, dynamic: d, discovery: disco}, nil
}

// openAPIInterval is how often is asked for a document that is not there yet.
const openAPIInterval = 100 * time.Millisecond

// OpenAPI reads the OpenAPI v3 document of a kind's group version. The
// aggregator learns of it some seconds after the server is available, so that
// it is waited for, until the context ends.
func (s *Server) OpenAPI(ctx context.Context, kind *Kind) (*spec3.OpenAPI, error) {
	name := "apis/" + kind.GroupVersionKind().GroupVersion().String()
	var path openapi.GroupVersion
	err := wait.PollUntilContextCancel(ctx, openAPIInterval, true, func(context.Context) (found bool, err error) {
		paths, err := s.discovery.OpenAPIV3().Paths()
		if err != nil {
			return false, fmt.Errorf("listing the OpenAPI documents: %w", err)
		}
		path, found = paths[name]
		return found, nil
	})
	if err != nil {
		return nil, fmt.Errorf("waiting for the OpenAPI document %s: %w", name, err)
	}
	data, err := path.Schema(runtime.ContentTypeJSON)
	if err != nil {
		return nil, fmt.Errorf("reading the OpenAPI document %s: %w", name, err)
	}
	doc := &spec3.OpenAPI{}
	if err := json.Unmarshal(data, doc); err != nil {
		return nil, fmt.Errorf("decoding the OpenAPI document %s: %w", name, err)
	}
	return doc, nil
}

// Names compares what discovery says of a kind with what is known.
func (s *Server) Names(kind *Kind) ([]string, error) {
	resources, err := s.discovery.ServerResourcesForGroupVersion(kind.GroupVersionKind().GroupVersion().String())
	if err != nil {
		return nil, fmt.Errorf("discovering %s: %w", kind.GroupVersionKind().GroupVersion(), err)
	}
	return CheckNames(resources, kind), nil
}

// Table compares the table of the objects in a namespace with what is known of
// the columns, and its cells with the objects.
func (s *Server) Table(ctx context.Context, kind *Kind, namespace string) ([]string, error) {
	config := rest.CopyConfig(s.config)
	gv := kind.GroupVersionKind().GroupVersion()
	config.GroupVersion, config.APIPath = &gv, "/apis"
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for tables: %w", err)
	}
	data, err := client.Get().Namespace(namespace).Resource(kind.Plural).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Param("includeObject", "Object").Do(ctx).Raw()
	if err != nil {
		return nil, fmt.Errorf("listing %s as a table: %w", kind.Plural, err)
	}
	table := &metav1.Table{}
	if err := json.Unmarshal(data, table); err != nil {
		return nil, fmt.Errorf("decoding a table: %w", err)
	}
	if len(table.Rows) == 0 {
		return nil, fmt.Errorf("namespace %s has no %s to print", namespace, kind.Plural)
	}
	objects := map[string]map[string]any{}
	for _, row := range table.Rows {
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(row.Object.Raw); err != nil {
			return nil, fmt.Errorf("decoding the object of a row: %w", err)
		}
		objects[object.GetName()] = object.Object
	}
	return CheckTable(table, objects, kind), nil
}

// Try is how the server is given the cases of a kind. Nothing is stored, but
// for one suspended object whose status is written, also without effect.
func (s *Server) Try(ctx context.Context, kind *Kind) Try {
	client := s.dynamic.Resource(kind.GroupVersionResource()).Namespace(Namespace)
	dryRun := []string{metav1.DryRunAll}
	return func(c Case) (*unstructured.Unstructured, error) {
		if !c.Status {
			return client.Create(ctx, c.Object, metav1.CreateOptions{DryRun: dryRun, FieldValidation: metav1.FieldValidationStrict})
		}
		if err := s.ensure(ctx, client, c.Object); err != nil {
			return nil, err
		}
		var updated *unstructured.Unstructured
		err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
			current, err := client.Get(ctx, c.Object.GetName(), metav1.GetOptions{})
			if err != nil {
				return fmt.Errorf("reading the object whose status is written: %w", err)
			}
			current.Object["status"] = runtime.DeepCopyJSONValue(c.Object.Object["status"])
			updated, err = client.UpdateStatus(ctx, current, metav1.UpdateOptions{DryRun: dryRun, FieldValidation: metav1.FieldValidationStrict})
			return err
		})
		return updated, err
	}
}

// ensure creates the object that a case is about, without its status.
func (s *Server) ensure(ctx context.Context, client dynamic.ResourceInterface, object *unstructured.Unstructured) error {
	object = object.DeepCopy()
	unstructured.RemoveNestedField(object.Object, "status")
	if err := unstructured.SetNestedField(object.Object, true, "spec", "suspend"); err != nil {
		return fmt.Errorf("suspending the object whose status is written: %w", err)
	}
	_, err := client.Create(ctx, object, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating the object whose status is written: %w", err)
	}
	return nil
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// limitConcurrency is how many applies the bare loop has in flight.
const limitConcurrency = 8

// resources of the kinds in the bench's repository. The bare loop has them ready,
// so that it costs nothing but the applies.
var resources = map[string]schema.GroupVersionResource{
	"ServiceAccount": {Version: "v1", Resource: "serviceaccounts"},
	"Service":        {Version: "v1", Resource: "services"},
	"Deployment":     {Group: "apps", Version: "v1", Resource: "deployments"},
	"Ingress":        {Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},
}

// manifest is one object as the bare loop sends it.
type manifest struct {
	resource        schema.GroupVersionResource
	namespace, name string
	body            []byte
}

// manifests renders the objects of n apps.
func manifests(namespace, version string, n int) ([]manifest, error) {
	var all []manifest
	for i := range n {
		text := appFile(namespace, appName(i), version)
		for dec := yaml.NewYAMLOrJSONDecoder(bytes.NewBufferString(text), len(text)); ; {
			var u unstructured.Unstructured
			if err := dec.Decode(&u); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("app %d: %w", i, err)
			}
			resource, ok := resources[u.GetKind()]
			if !ok {
				return nil, fmt.Errorf("app %d: no resource known for kind %s", i, u.GetKind())
			}
			body, err := u.MarshalJSON()
			if err != nil {
				return nil, err
			}
			all = append(all, manifest{resource: resource, namespace: namespace, name: u.GetName(), body: body})
		}
	}
	return all, nil
}

// applyAll is the bare loop: it applies the manifests server-side, eight at a
// time, and does nothing else. It is what this machine's control plane can take.
func applyAll(ctx context.Context, cfg *rest.Config, all []manifest) error {
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return err
	}
	force := true
	options := patchOptions("bench-limit", force)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(limitConcurrency)
	for _, m := range all {
		group.Go(func() error {
			_, err := client.Resource(m.resource).Namespace(m.namespace).Patch(ctx, m.name, types.ApplyPatchType, m.body, options)
			if err != nil {
				return fmt.Errorf("applying %s %s: %w", m.resource.Resource, m.name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

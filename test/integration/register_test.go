package integration

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

func register(ctx context.Context, port int) error {
	client, err := dynamic.NewForConfig(cluster.Config)
	if err != nil {
		return err
	}
	mk := func(r schema.GroupVersionResource, ns string, o map[string]any) error {
		_, err := client.Resource(r).Namespace(ns).Create(ctx, &unstructured.Unstructured{Object: o}, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	}
	if err := mk(schema.GroupVersionResource{Version: "v1", Resource: "services"}, "leat-system", map[string]any{
		"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "leat-apiserver"},
		"spec": map[string]any{"type": "ExternalName", "externalName": "localhost"},
	}); err != nil {
		return err
	}
	for _, g := range []string{"source.toolkit.fluxcd.io", "kustomize.toolkit.fluxcd.io"} {
		if err := mk(schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}, "", map[string]any{
			"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": map[string]any{"name": "v1." + g},
			"spec": map[string]any{"group": g, "version": "v1", "groupPriorityMinimum": int64(1000), "versionPriority": int64(100), "insecureSkipTLSVerify": true,
				"service": map[string]any{"name": "leat-apiserver", "namespace": "leat-system", "port": int64(port)}},
		}); err != nil {
			return fmt.Errorf("registering: %w", err)
		}
	}
	return nil
}

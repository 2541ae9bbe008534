package main

import (
	"context"
	"encoding/json"
	"fmt"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
)

// observer follows the Kustomizations by a watch through kube-apiserver, as a
// user would.
type observer struct {
	events watch.Interface
	// applied is, by name, the revision that was applied, of those that are Ready.
	applied map[string]string
}

// watch lists the Kustomizations and watches them from there.
func (w *world) watch(ctx context.Context) (*observer, error) {
	list, err := w.client.KustomizeV1().Kustomizations(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	o := &observer{applied: map[string]string{}}
	for i := range list.Items {
		o.see(&list.Items[i])
	}
	o.events, err = w.client.KustomizeV1().Kustomizations(namespace).Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	return o, err
}

func (o *observer) see(k *kustomizev1.Kustomization) {
	if apimeta.IsStatusConditionTrue(k.Status.Conditions, meta.ReadyCondition) {
		o.applied[k.Name] = k.Status.LastAppliedRevision
	} else {
		delete(o.applied, k.Name)
	}
}

// until reads events until done says so.
func (o *observer) until(ctx context.Context, done func(applied map[string]string) bool) error {
	for !done(o.applied) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %d Kustomizations are ready", ctx.Err(), len(o.applied))
		case event, ok := <-o.events.ResultChan():
			if !ok {
				return fmt.Errorf("the watch ended: %d Kustomizations are ready", len(o.applied))
			}
			if k, ok := event.Object.(*kustomizev1.Kustomization); ok {
				o.see(k)
			}
		}
	}
	return nil
}

// mustJSON encodes a value of our own types, which cannot fail.
func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

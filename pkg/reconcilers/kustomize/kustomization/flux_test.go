package kustomization

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime/runtimetest"
)

func definition(group string) string {
	return "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things." + group + "}\nspec: {group: " + group + "}\n"
}

func labelled(apiVersion, kind, partOf string) string {
	return "apiVersion: " + apiVersion + "\nkind: " + kind + "\nmetadata: {name: source-controller, namespace: demo, labels: {app.kubernetes.io/part-of: " + partOf + "}}\n"
}

func TestPartOfFlux(t *testing.T) {
	for name, tc := range map[string]struct {
		manifest string
		excluded bool
	}{
		"a definition of Flux":               {definition("kustomize.toolkit.fluxcd.io"), true},
		"a definition of Flux's extensions":  {definition("source.extensions.fluxcd.io"), true},
		"a definition of others":             {definition("example.org"), false},
		"a definition with a similar group":  {definition("mytoolkit.fluxcd.io"), false},
		"a definition without a group":       {"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\n", false},
		"an old definition":                  {strings.Replace(definition("helm.toolkit.fluxcd.io"), "/v1", "/v1beta1", 1), true},
		"a Deployment of Flux":               {labelled("apps/v1", "Deployment", "flux"), true},
		"a StatefulSet of Flux":              {labelled("apps/v1", "StatefulSet", "flux"), true},
		"a CronJob of Flux":                  {labelled("batch/v1", "CronJob", "flux"), true},
		"a Pod of Flux":                      {labelled("v1", "Pod", "flux"), true},
		"a Deployment of something else":     {labelled("apps/v1", "Deployment", "fluxion"), false},
		"somebody's kind of that name":       {labelled("example.org/v1", "Deployment", "flux"), false},
		"a Namespace of Flux":                {labelled("v1", "Namespace", "flux"), false},
		"a Service of Flux":                  {labelled("v1", "Service", "flux"), false},
		"a Kustomization labelled as Flux's": {labelled("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "flux"), false},
		"labels that are none":               {"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x, labels: [flux]}\n", false},
		"nothing":                            {"{}", false},
	} {
		t.Run(name, func(t *testing.T) {
			u := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(tc.manifest), &u.Object); err != nil {
				t.Fatal(err)
			}
			if reason := partOfFlux(object.Object{Unstructured: u}); (reason != "") != tc.excluded {
				t.Errorf("reason %q, want the object excluded: %v", reason, tc.excluded)
			}
		})
	}
}

// warnings returns the events about an installation of Flux, and drops others.
func (w *world) warnings() []runtimetest.Event {
	var list []runtimetest.Event
	for _, e := range w.events.Take() {
		if e.Reason == fluxInstallationSkippedReason {
			list = append(list, e)
		}
	}
	return list
}

func TestFluxInstallationIsLeftOut(t *testing.T) {
	w := newWorld(t)
	files := map[string]string{
		"a/cm.yaml": configMap("one", "1"), "a/flux.yaml": definition("kustomize.toolkit.fluxcd.io") + "---\n" + labelled("apps/v1", "Deployment", "flux"),
	}
	w.kustomizations.Create(kustomization("a", func(s *kustomizev1.KustomizationSpec) {
		apps := "apps/v1"
		s.HealthChecks = []meta.NamespacedObjectKindReference{{APIVersion: &apps, Kind: "Deployment", Name: "source-controller"}}
	}))
	// It would never be healthy: it must not be waited for.
	w.cluster.health("source-controller", false)
	got := w.awaitReady("a", w.push("1", files))
	if n := len(got.Status.Inventory.Entries); n != 1 {
		t.Errorf("%d objects in the inventory, want only the ConfigMap", n)
	}
	w.awaitIdle()
	told := w.warnings()
	if len(told) != 1 || told[0].Type != "Warning" {
		t.Fatalf("events %+v, want one warning", told)
	}
	for _, want := range []string{"CustomResourceDefinition/things.kustomize.toolkit.fluxcd.io", "Deployment/demo/source-controller"} {
		if !strings.Contains(told[0].Message, want) {
			t.Errorf("the warning does not name %s: %s", want, told[0].Message)
		}
	}

	for range 3 {
		w.cluster.take()
		w.step(11 * time.Minute)
		if w.cluster.take().Applies == 0 {
			t.Fatal("the interval did not apply")
		}
	}
	if told := w.warnings(); len(told) != 0 {
		t.Errorf("told again at an interval: %+v", told)
	}

	files["a/cm.yaml"] = configMap("one", "2")
	w.awaitReady("a", w.push("2", files))
	w.awaitIdle()
	if told := w.warnings(); len(told) != 1 {
		t.Errorf("a new revision is told %d times, want once", len(told))
	}
}

// What is told of a run that failed is what it had done, and nothing else.
func TestFailedRunTellsWhatItDid(t *testing.T) {
	key := func(name string) object.Key { return object.Key{Kind: "ConfigMap", Namespace: "demo", Name: name} }
	for name, tc := range map[string]struct {
		changes []apply.Change
		want    []string
	}{
		"nothing": {[]apply.Change{
			{Key: key("one"), Action: apply.ActionPending}, {Key: key("two"), Action: apply.ActionUnchanged},
		}, nil},
		"a part": {[]apply.Change{
			{Key: key("one"), Action: apply.ActionCreated}, {Key: key("two"), Action: apply.ActionPending},
			{Key: key("three"), Action: apply.ActionSkipped}, {Key: key("four"), Action: apply.ActionConfigured},
		}, []string{"ConfigMap/demo/one created\nConfigMap/demo/four configured"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.cluster.failed = &apply.Result{Changes: tc.changes}
			w.cluster.fail(&apply.Error{Op: "applying", Objects: []apply.ObjectError{{Key: key("two"), Err: errors.New("nope")}}})
			w.push("1", map[string]string{"a/cm.yaml": configMap("one", "1")})
			w.kustomizations.Create(kustomization("a"))
			w.awaitReason("a", meta.ReconciliationFailedReason)
			w.awaitIdle()
			var told []string
			for _, e := range w.events.Take() {
				if e.Type == "Normal" {
					told = append(told, e.Message)
				}
			}
			if diff := cmp.Diff(tc.want, told); diff != "" {
				t.Errorf("what is told of the changes (-want +have):\n%s", diff)
			}
		})
	}
}

package parity

import (
	"encoding/json"
	"math/rand"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	runtimeserializer "k8s.io/apimachinery/pkg/runtime/serializer"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
)

// specs are specs that are easily changed on the way through Go types. Each
// holds what is defaulted, so that what comes back is exactly what was written.
var specs = map[string]map[string]string{
	sourcev1.GitRepositoryKind: {
		"durations as written": `{"interval":"60m","timeout":"0.5m","url":"https://h/r"}`,
		"long duration":        `{"interval":"1h60m3600s","timeout":"60000ms","url":"ssh://git@h/r"}`,
		"false":                `{"interval":"1m","recurseSubmodules":false,"suspend":false,"timeout":"60s","url":"https://h/r"}`,
		"empty texts":          `{"ignore":"","interval":"1m","ref":{"branch":"","commit":"","name":"","semver":"","tag":""},"timeout":"60s","url":"https://h/r"}`,
		"empty lists":          `{"include":[],"interval":"1m","sparseCheckout":[],"timeout":"60s","url":"https://h/r"}`,
		"empty objects":        `{"interval":"1m","ref":{},"timeout":"60s","url":"https://h/r"}`,
		"empty in a list":      `{"include":[{"fromPath":"","repository":{"name":"a"},"toPath":""}],"interval":"1m","sparseCheckout":[""],"timeout":"60s","url":"https://h/r"}`,
		"line breaks":          `{"ignore":"/*\n!/deploy\n\t# é <&>\n","interval":"1m","timeout":"60s","url":"https://h/r"}`,
	},
	kustomizev1.KustomizationKind: {
		"durations as written": `{"force":false,"interval":"60m","prune":true,"retryInterval":"120s","sourceRef":{"kind":"Bucket","name":"a"},"timeout":"90m"}`,
		"false":                `{"force":false,"ignoreMissingComponents":false,"interval":"1m","prune":false,"sourceRef":{"kind":"Bucket","name":"a"},"suspend":false,"wait":false}`,
		"empty texts":          `{"force":false,"interval":"1m","path":"","prune":false,"serviceAccountName":"","sourceRef":{"apiVersion":"","kind":"Bucket","name":"a","namespace":""}}`,
		"empty lists":          `{"buildMetadata":[],"components":[],"dependsOn":[],"force":false,"healthCheckExprs":[],"healthChecks":[],"ignore":[{"paths":[]}],"images":[],"interval":"1m","patches":[],"prune":false,"sourceRef":{"kind":"Bucket","name":"a"}}`,
		"empty maps":           `{"commonMetadata":{"annotations":{},"labels":{}},"force":false,"interval":"1m","postBuild":{"substitute":{},"substituteFrom":[]},"prune":false,"sourceRef":{"kind":"Bucket","name":"a"}}`,
		"empty objects":        `{"commonMetadata":{},"force":false,"ignore":[{"paths":["/spec"],"target":{}}],"interval":"1m","patches":[{"patch":"a","target":{}}],"postBuild":{},"prune":false,"sourceRef":{"kind":"Bucket","name":"a"}}`,
		"values of maps":       `{"commonMetadata":{"annotations":{"a":"","b":"\n"}},"force":false,"interval":"1m","postBuild":{"substitute":{"a":"","b":"007"}},"prune":false,"sourceRef":{"kind":"Bucket","name":"a"}}`,
	},
}

func object(t testing.TB, kind *Kind, spec string) map[string]any {
	t.Helper()
	content := map[string]any{
		"apiVersion": kind.GroupVersionKind().GroupVersion().String(), "kind": kind.Kind,
		"metadata": map[string]any{"name": "sample", "namespace": Namespace},
	}
	var parsed map[string]any
	if err := json.Unmarshal([]byte(spec), &parsed); err != nil {
		t.Fatal(err)
	}
	content["spec"] = parsed
	return content
}

func TestSpecComesBackByteForByte(t *testing.T) {
	accept := newAdmission(t)
	for _, kind := range served(t) {
		for name, spec := range specs[kind.Kind] {
			t.Run(kind.Kind+"/"+name, func(t *testing.T) {
				obj, err := accept.decode(object(t, kind, spec))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(spec, specText(t, obj)); diff != "" {
					t.Errorf("through JSON (- written, + returned):\n%s", diff)
				}
				content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(spec, text(content["spec"])); diff != "" {
					t.Errorf("through the unstructured converter:\n%s", diff)
				}
				if diff := cmp.Diff(spec, specText(t, obj.DeepCopyObject())); diff != "" {
					t.Errorf("through a deep copy:\n%s", diff)
				}
				again := obj.DeepCopyObject()
				accept.scheme.Default(again)
				if diff := cmp.Diff(obj, again); diff != "" {
					t.Errorf("defaulting again changes the object:\n%s", diff)
				}
			})
		}
	}
}

func specText(t *testing.T, obj runtime.Object) string {
	t.Helper()
	data, err := json.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	var content map[string]any
	if err := json.Unmarshal(data, &content); err != nil {
		t.Fatal(err)
	}
	return text(content["spec"])
}

func TestDefaults(t *testing.T) {
	tests := map[string]struct{ kind, spec, want string }{
		"git timeout":            {sourcev1.GitRepositoryKind, `{"interval":"1m","url":"https://h/r"}`, `{"interval":"1m","timeout":"60s","url":"https://h/r"}`},
		"git verification mode":  {sourcev1.GitRepositoryKind, `{"interval":"1m","timeout":"9s","url":"https://h/r","verify":{"secretRef":{"name":"a"}}}`, `{"interval":"1m","timeout":"9s","url":"https://h/r","verify":{"mode":"HEAD","secretRef":{"name":"a"}}}`},
		"null is absent":         {sourcev1.GitRepositoryKind, `{"ignore":null,"include":null,"interval":"1m","ref":null,"suspend":null,"timeout":null,"url":"https://h/r"}`, `{"interval":"1m","timeout":"60s","url":"https://h/r"}`},
		"kustomization force":    {kustomizev1.KustomizationKind, `{"interval":"1m","prune":true,"sourceRef":{"kind":"Bucket","name":"a"}}`, `{"force":false,"interval":"1m","prune":true,"sourceRef":{"kind":"Bucket","name":"a"}}`},
		"kustomization optional": {kustomizev1.KustomizationKind, `{"force":true,"interval":"1m","postBuild":{"substituteFrom":[{"kind":"Secret","name":"a"},{"kind":"Secret","name":"b","optional":true}]},"prune":true,"sourceRef":{"kind":"Bucket","name":"a"}}`, `{"force":true,"interval":"1m","postBuild":{"substituteFrom":[{"kind":"Secret","name":"a","optional":false},{"kind":"Secret","name":"b","optional":true}]},"prune":true,"sourceRef":{"kind":"Bucket","name":"a"}}`},
	}
	accept := newAdmission(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			kind := kindNamed(t, test.kind)
			obj, err := accept.decode(object(t, kind, test.spec))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, specText(t, obj)); diff != "" {
				t.Errorf("(- want, + got):\n%s", diff)
			}
		})
	}
}

func kindNamed(t testing.TB, name string) *Kind {
	t.Helper()
	kinds, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	named, err := Named(kinds, name)
	if err != nil {
		t.Fatal(err)
	}
	return named[0]
}

// TestUnknownFieldsAreNamed relies on the decoder of the server, and checks that
// the types let it see every field.
func TestUnknownFieldsAreNamed(t *testing.T) {
	accept := newAdmission(t)
	for name, spec := range map[string]string{
		"unknown field":   `{"interval":"1m","url":"https://h/r","ref":{"brunch":"main"}}`,
		"letter case":     `{"Interval":"1m","url":"https://h/r"}`,
		"unknown in list": `{"interval":"1m","url":"https://h/r","include":[{"repository":{"name":"a","namespace":"b"}}]}`,
	} {
		if _, err := accept.decode(object(t, kindNamed(t, sourcev1.GitRepositoryKind), spec)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// TestRandomObjects sends filled Go objects through JSON and back.
func TestRandomObjects(t *testing.T) {
	const rounds, seed = 200, 20260801
	scheme := external(t)
	filler := fuzzer.FuzzerFor(metafuzzer.Funcs, rand.NewSource(seed), runtimeserializer.NewCodecFactory(scheme))
	for _, empty := range []func() runtime.Object{
		func() runtime.Object { return &sourcev1.GitRepository{} },
		func() runtime.Object { return &kustomizev1.Kustomization{} },
		func() runtime.Object { return &leatv1alpha1.ReconcileRequest{} },
		func() runtime.Object { return &leatv1alpha1.ArtifactList{} },
	} {
		for range rounds {
			written := empty()
			filler.Fill(written)
			// Metadata is not this API's: some of its lists are omitted when empty.
			*written.(metav1.ObjectMetaAccessor).GetObjectMeta().(*metav1.ObjectMeta) = metav1.ObjectMeta{Name: "sample"}
			copied := written.DeepCopyObject()
			data, err := json.Marshal(written)
			if err != nil {
				t.Fatal(err)
			}
			read := empty()
			if err := json.Unmarshal(data, read); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(written, read); diff != "" {
				t.Fatalf("%T changes through JSON (- written, + read):\n%s", written, diff)
			}
			if diff := cmp.Diff(copied, written); diff != "" {
				t.Fatalf("%T: the copy differs:\n%s", written, diff)
			}
			scheme.Default(read)
			once := read.DeepCopyObject()
			scheme.Default(read)
			if diff := cmp.Diff(once, read); diff != "" {
				t.Fatalf("%T: defaulting twice differs from once:\n%s", written, diff)
			}
		}
	}
}

// FuzzKustomizationSpec looks for specs that are accepted and do not come back
// as they were accepted.
func FuzzKustomizationSpec(f *testing.F) {
	for _, spec := range specs[kustomizev1.KustomizationKind] {
		f.Add([]byte(spec))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		first := &kustomizev1.KustomizationSpec{}
		if json.Unmarshal(data, first) != nil {
			t.Skip()
		}
		encoded, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		second := &kustomizev1.KustomizationSpec{}
		if err := json.Unmarshal(encoded, second); err != nil {
			t.Fatalf("what was encoded cannot be decoded: %v: %s", err, encoded)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("changes on the way:\n%s", diff)
		}
	})
}

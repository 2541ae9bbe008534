package kustomization

import (
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/preview"
)

// What is refused on account of a secret value is told without the value.
func TestPreviewRefusalsKeepSecrets(t *testing.T) {
	s := newStage(t)
	s.secret("db", secretData())
	viewer := s.may("viewer", readable...)
	admin := s.may("admin", append(readable, "secrets")...)
	const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a"
	tests := []struct {
		name, manifest string
		// build and diff are what the two say of a configured revision, "" if they
		// have nothing to say.
		build, diff string
	}{
		{"a name", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 'a-${word}'}", `metadata.name refers to the variable "word"`, `metadata.name refers to the variable "word"`},
		{"a namespace", configMap + ", namespace: '${word}'}", "", ""},
		{"a kind", "apiVersion: v1\nkind: ${word}\nmetadata: {name: a}", `kind refers to the variable "word"`, `kind refers to the variable "word"`},
		{"no YAML", configMap + "}\ndata: {k: \"${hard}\"}", "", "you may not get"},
		{"a label that is none", configMap + ", labels: {l: '${text}'}}", "", "refused as Invalid because of metadata.labels"},
		{"a key that is none", configMap + "}\ndata: {'${text}': v}", "", "refused as Invalid because of data"},
		{"no number", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  replicas: ${text}\n  selector: {matchLabels: {a: a}}\n  template: {metadata: {labels: {a: a}}, spec: {containers: [{name: a, image: a}]}}", "", "hidden"},
		{"an unknown field", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {'${word}': 1, ports: [{port: 80}]}", "", "hidden"},
		{"a port that is none", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80, name: '${text}'}]}", "", "refused as Invalid because of spec.ports[0].name"},
		{"base64 that is none", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {k: '${text}'}", "", ""},
		{"an undefined variable", configMap + "}\ndata: {k: '${word}${nowhere}'}", `variable "nowhere" is not defined`, `variable "nowhere" is not defined`},
		{"an operand out of range", configMap + "}\ndata: {k: '${word:9223372036854775807:9}'}", "out of range", "out of range"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{"deploy/a.yaml": tt.manifest + "\n"}
			s.push(strings.Repeat(string(rune('a'+i)), 4), files)
			k := s.kustomization(func(spec *kustomizev1.KustomizationSpec) {
				if strings.Contains(tt.manifest, "namespace:") {
					spec.TargetNamespace = nil
				}
			})
			upload := preview.Side{Upload: s.tree(files)}
			for _, caller := range []preview.Caller{viewer, admin} {
				for _, foreign := range []bool{false, true} {
					side := preview.Side{}
					if foreign {
						side = upload
					}
					_, text, err := s.build(preview.Request{Object: k, Caller: caller, To: side})
					s.silent(t, "build", caller.Name == admin.Name && !foreign, text, err)
					if caller.Name == viewer.Name && !foreign && !strings.Contains(text, tt.build) {
						t.Errorf("the build does not say %q:\n%s", tt.build, text)
					}
					_, text, err = s.diff(preview.Request{Object: k, Caller: caller, From: preview.Side{Live: true}, To: side})
					s.silent(t, "diff", caller.Name == admin.Name && !foreign, text, err)
					if caller.Name == viewer.Name && !foreign && !strings.Contains(text, tt.diff) {
						t.Errorf("the diff does not say %q:\n%s", tt.diff, text)
					}
				}
			}
		})
	}
}

// silent checks that nothing is told, unless it may be, and that errors are
// answers to the caller.
func (s *stage) silent(t *testing.T, what string, may bool, text string, err error) {
	t.Helper()
	if found := leaks(text); len(found) > 0 && !may {
		t.Errorf("%s tells %v:\n%s", what, found, text)
	}
	if err == nil {
		return
	}
	var st apierrors.APIStatus
	if st, _ = err.(apierrors.APIStatus); st == nil {
		t.Errorf("%s: not an API status: %v", what, err)
		return
	}
	if code := st.Status().Code; code != http.StatusUnprocessableEntity {
		t.Errorf("%s: code %d: %v", what, code, err)
	}
}

// An immutable field that holds a secret value has the object created anew, or
// refused; neither says the value, old or new.
func TestPreviewOfImmutableSecrets(t *testing.T) {
	s := newStage(t)
	s.secret("db", secretData())
	viewer := s.may("viewer", append(readable, "jobs")...)
	files := map[string]string{"deploy/a.yaml": `
apiVersion: batch/v1
kind: Job
metadata: {name: a}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a, args: ["${word}"]}]}}}
`}
	k := s.kustomization()
	s.push("1111", files)
	s.run(k)
	data := secretData()
	data["word"] = "older7canary"
	s.secret("db", data)
	for _, force := range []bool{false, true} {
		k.Spec.Force = &force
		for _, side := range []preview.Side{{}, {Upload: s.tree(files)}} {
			d, text, err := s.diff(preview.Request{Object: k, Caller: viewer, From: preview.Side{Live: true}, To: side})
			if err != nil {
				t.Fatal(err)
			}
			if found := leaks(text); len(found) > 0 {
				t.Errorf("force %t: the diff tells %v:\n%s", force, found, text)
			}
			o := named(d, "Job", "a")
			if !side.Foreign() && (o == nil || o.Action != leatv1alpha1.DiffRecreate) {
				t.Errorf("force %t: want Recreate, have %s", force, text)
			}
			if refused := strings.Contains(text, "would fail"); !side.Foreign() && refused == force {
				t.Errorf("force %t: refused %t: %s", force, refused, text)
			}
		}
	}
}

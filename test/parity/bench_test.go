package parity

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	kustomizevalidation "github.com/leat-dev/leat/pkg/apis/kustomize/v1/validation"
	"github.com/leat-dev/leat/pkg/apis/schema"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	sourcevalidation "github.com/leat-dev/leat/pkg/apis/source/v1/validation"
)

// maxValidation is how long the validation of an ordinary object may take.
const maxValidation = 100 * time.Microsecond

// ordinary are specs as people write them.
var ordinary = map[string]string{
	sourcev1.GitRepositoryKind: `{"interval":"1m","ref":{"branch":"main"},"secretRef":{"name":"git"},"timeout":"60s","url":"https://git.example.com/team/app.git"}`,
	kustomizev1.KustomizationKind: `{"dependsOn":[{"name":"infra"},{"name":"crds"}],"force":false,"interval":"10m","path":"./deploy/prod","prune":true,
		"patches":[{"patch":"- op: replace\n  path: /spec/replicas\n  value: 3\n","target":{"kind":"Deployment","name":"web.*"}}],
		"postBuild":{"substitute":{"cluster":"a","region":"b"},"substituteFrom":[{"kind":"ConfigMap","name":"vars","optional":false}]},
		"sourceRef":{"kind":"GitRepository","name":"app"},"targetNamespace":"prod","timeout":"5m","wait":true}`,
}

// withInventory is a Kustomization as it is after a run over n objects.
func withInventory(b *testing.B, n int) *kustomizev1.Kustomization {
	b.Helper()
	obj := &kustomizev1.Kustomization{}
	if err := json.Unmarshal([]byte(ordinary[kustomizev1.KustomizationKind]), &obj.Spec); err != nil {
		b.Fatal(err)
	}
	obj.Status.Inventory = &kustomizev1.ResourceInventory{Entries: []kustomizev1.ResourceRef{}}
	for i := range n {
		obj.Status.Inventory.Entries = append(obj.Status.Inventory.Entries, kustomizev1.ResourceRef{
			ID: fmt.Sprintf("prod_web-%d_apps_Deployment", i), Version: "v1",
		})
	}
	return obj
}

func BenchmarkValidate(b *testing.B) {
	validator, err := schema.New(published(b))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("GitRepository", func(b *testing.B) {
		obj := &sourcev1.GitRepository{}
		if err := json.Unmarshal([]byte(ordinary[sourcev1.GitRepositoryKind]), &obj.Spec); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if errs := append(validator.Validate(obj.OpenAPIModelName(), obj), sourcevalidation.ValidateGitRepository(obj)...); len(errs) > 0 {
				b.Fatal(errs)
			}
		}
		limit(b)
	})
	for _, n := range []int{0, 1000} {
		b.Run(fmt.Sprintf("Kustomization/inventory=%d", n), func(b *testing.B) {
			obj := withInventory(b, n)
			b.ReportAllocs()
			for b.Loop() {
				if errs := append(validator.Validate(obj.OpenAPIModelName(), obj), kustomizevalidation.ValidateKustomization(obj)...); len(errs) > 0 {
					b.Fatal(errs)
				}
			}
			if n == 0 {
				limit(b)
			}
		})
	}
}

func limit(b *testing.B) {
	b.Helper()
	if per := b.Elapsed() / time.Duration(b.N); per > maxValidation {
		b.Errorf("%s an object, want at most %s", per, maxValidation)
	}
}

func BenchmarkNew(b *testing.B) {
	definitions := published(b)
	for b.Loop() {
		if _, err := schema.New(definitions); err != nil {
			b.Fatal(err)
		}
	}
}

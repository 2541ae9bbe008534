package parity

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	apiserveropenapi "k8s.io/apiserver/pkg/endpoints/openapi"
	"k8s.io/kube-openapi/pkg/builder3"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/apis/schema"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/generated/openapi"
)

// served are the kinds that are checked.
func served(t *testing.T) []*Kind {
	t.Helper()
	kinds, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	named, err := Named(kinds, sourcev1.GitRepositoryKind, kustomizev1.KustomizationKind)
	if err != nil {
		t.Fatal(err)
	}
	return named
}

// external has the served versions, internal the server's own as well.
func external(t testing.TB) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	utilruntime.Must(sourcev1.AddToScheme(scheme))
	utilruntime.Must(kustomizev1.AddToScheme(scheme))
	utilruntime.Must(leatv1alpha1.AddToScheme(scheme))
	return scheme
}

func published(t testing.TB) common.GetOpenAPIDefinitions {
	t.Helper()
	definitions, err := schema.Published(external(t), openapi.GetOpenAPIDefinitions)
	if err != nil {
		t.Fatal(err)
	}
	return definitions
}

// schemas builds what a server publishes for the kinds.
func schemas(t testing.TB) map[string]*spec.Schema {
	t.Helper()
	built, err := builder3.BuildOpenAPIDefinitionsForResources(&common.OpenAPIV3Config{
		Info:              &spec.Info{},
		GetDefinitions:    published(t),
		GetDefinitionName: apiserveropenapi.NewDefinitionNamer(external(t)).GetDefinitionName,
	}, sourcev1.GitRepository{}.OpenAPIModelName(), kustomizev1.Kustomization{}.OpenAPIModelName(),
		leatv1alpha1.ReconcileRequest{}.OpenAPIModelName(), leatv1alpha1.ArtifactList{}.OpenAPIModelName())
	if err != nil {
		t.Fatal(err)
	}
	return built
}

func document(t testing.TB) *spec3.OpenAPI {
	t.Helper()
	return &spec3.OpenAPI{Components: &spec3.Components{Schemas: schemas(t)}}
}

package integration

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/leat-dev/leat/test/parity"
)

// servedKinds are the kinds whose data are checked.
var servedKinds = []string{"GitRepository", "Kustomization"}

// TestParity checks through kube-apiserver that what is served is Flux's API:
// the published OpenAPI line by line, names, columns, and every rule.
func TestParity(t *testing.T) {
	ctx := testContext(t)
	all, err := parity.Load()
	if err != nil {
		t.Fatal(err)
	}
	kinds, err := parity.Named(all, servedKinds...)
	if err != nil {
		t.Fatal(err)
	}
	core := kubernetes.NewForConfigOrDie(cluster.Config).CoreV1()
	if _, err := core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: parity.Namespace}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	api, err := parity.NewServer(cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		t.Run(kind.Kind, func(t *testing.T) {
			t.Run("openapi", func(t *testing.T) { checkOpenAPI(ctx, t, api, kind) })
			t.Run("names", func(t *testing.T) {
				differences, err := api.Names(kind)
				report(t, differences, err)
			})
			t.Run("cases", func(t *testing.T) {
				cases, err := parity.Cases(kind)
				if err != nil {
					t.Fatal(err)
				}
				try := api.Try(ctx, kind)
				for _, c := range cases {
					if err := parity.Check(kind, c, try); err != nil {
						t.Errorf("%s: %v", c.Name(), err)
					}
				}
			})
			// The cases have left an object to print.
			t.Run("columns", func(t *testing.T) {
				newClients(t, cluster.Config).setStatus(ctx, t, kind.GroupVersionResource(), parity.Namespace, parity.Name, map[string]any{
					"conditions": []any{ready("False", "BuildFailed", "the build failed")},
				})
				differences, err := api.Table(ctx, kind, parity.Namespace)
				report(t, differences, err)
			})
		})
	}
}

// checkOpenAPI compares what is published with the lines, and once more with
// one line wrong: a check that finds nothing must be able to find something.
func checkOpenAPI(ctx context.Context, t *testing.T, api *parity.Server, kind *parity.Kind) {
	t.Helper()
	doc, err := api.OpenAPI(ctx, kind)
	if err != nil {
		t.Fatal(err)
	}
	differences, err := parity.CheckPublished(doc, kind)
	report(t, differences, err)

	wrong := *kind
	wrong.Fields = append([]parity.Field(nil), kind.Fields...)
	wrong.Fields[len(wrong.Fields)/2] = parity.Wrong(wrong.Fields[len(wrong.Fields)/2])["required"]
	if differences, err := parity.CheckPublished(doc, &wrong); err != nil || len(differences) != 1 {
		t.Errorf("one wrong line gives %v, %v; want one difference", differences, err)
	}
}

func report(t *testing.T, differences []string, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, difference := range differences {
		t.Error(difference)
	}
}

package build

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSubstitution(t *testing.T) {
	const defined = "region=eu-west-1 empty= count=3 multi=a\nb name=Web"
	tests := []struct{ text, want string }{
		{"${region}", "eu-west-1"},
		{"$region", "$region"},
		{"a${region}b", "aeu-west-1b"},
		{"$${region}", "${region}"},
		{"${undefined:=d}", "d"}, {"${undefined:-d}", "d"}, {"${undefined=d}", "d"},
		{"${region:=d}", "eu-west-1"}, {"${empty:=d}", "d"}, {"${undefined:=}", ""},
		{"${undefined:-${region}}", "eu-west-1"},
		{"${region:3}", "west-1"}, {"${region:3:4}", "west"}, {"${#region}", "9"},
		{"${name^}", "Web"}, {"${name^^}", "WEB"}, {"${name,}", "web"}, {"${name,,}", "web"},
		{"${region#eu-}", "west-1"}, {"${region##*-}", "1"}, {"${region%-1}", "eu-west"}, {"${region%%-*}", "eu"},
		{"${region/-/_}", "eu_west-1"}, {"${region//-/_}", "eu_west_1"}, {"${region/#eu/us}", "us-west-1"}, {"${region/%1/2}", "eu-west-2"},
		{"${multi}", "ab"},
	}
	var variables []Variable
	for _, field := range strings.Split(defined, " ") {
		name, value, _ := strings.Cut(field, "=")
		variables = append(variables, Variable{Name: name, Value: value})
	}
	p := newPool(t, PoolOptions{})
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			tree := mapTree{"cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: 'x${region:0:0}" + tt.text + "'}\n"}
			r, err := p.Build(t.Context(), Request{Tree: tree, Variables: variables})
			if err != nil {
				t.Fatal(err)
			}
			if got := valueAt(r.Objects[0].Object, []string{"data", "k"}); got != "x"+tt.want {
				t.Errorf("%s became %q, want %q", tt.text, got, "x"+tt.want)
			}
		})
	}
}

func TestSubstitutionOfObjects(t *testing.T) {
	const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"
	tests := []struct {
		name      string
		manifest  string
		options   Options
		variables []Variable
		show      []string
		want      []string
		tainted   bool
		err       string
	}{
		{name: "the last of a name wins", manifest: configMap("'${n}'", ""), variables: []Variable{{Name: "n", Value: "a"}, {Name: "n", Value: "b"}}, want: []string{"ConfigMap/b < all.yaml"}},
		{name: "without variables nothing is done", manifest: configMap("a", "k: '${x}'"), show: []string{"data.k"}, want: []string{"ConfigMap/a < all.yaml data.k=${x}"}},
		{name: "always", manifest: configMap("a", "k: '${x:=d}'"), options: Options{Substitute: Always}, show: []string{"data.k"}, want: []string{"ConfigMap/a < all.yaml data.k=d"}},
		{name: "always finds what is undefined", manifest: configMap("a", "k: '${x}'"), options: Options{Substitute: Always, TargetNamespace: "n"}, err: `all.yaml: ConfigMap/n/a: variable "x" is not defined`},
		{name: "undefined", manifest: configMap("a", "k: '${ok} ${nok}'"), variables: []Variable{{Name: "ok"}}, err: `ConfigMap/a: variable "nok" is not defined`},
		{name: "undefined with an operator that needs it", manifest: configMap("a", "k: '${nok^^}'"), variables: []Variable{{Name: "ok"}}, err: `variable "nok" is not defined`},
		{name: "unclosed", manifest: configMap("a", "k: '${ok'"), variables: []Variable{{Name: "ok"}}, err: "ConfigMap/a: substituting variables"},
		{name: "operand out of range", manifest: configMap("a", "k: '${ok:9223372036854775807:9}'"), variables: []Variable{{Name: "ok", Value: "x"}}, err: "out of range"},
		{name: "name that is none", manifest: configMap("a", ""), variables: []Variable{{Name: "no-name", Value: "hunter2"}}, err: `variable name "no-name" is invalid`},
		{name: "unknown strategy", manifest: configMap("a", ""), options: Options{Substitute: "Never"}, err: "unknown strategy"},
		{name: "disabled by label", manifest: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {kustomize.toolkit.fluxcd.io/substitute: disabled}}\ndata: {k: '${x}'}\n", variables: []Variable{{Name: "y"}}, show: []string{"data.k"}, want: []string{"ConfigMap/a < all.yaml data.k=${x}"}},
		{name: "disabled by annotation", manifest: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}}\ndata: {k: '${x}'}\n", variables: []Variable{{Name: "y"}}, show: []string{"data.k"}, want: []string{"ConfigMap/a < all.yaml data.k=${x}"}},
		{name: "disabled in another case is not disabled", manifest: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {kustomize.toolkit.fluxcd.io/substitute: Disabled}}\ndata: {k: '${y}'}\n", variables: []Variable{{Name: "y", Value: "z"}}, show: []string{"data.k"}, want: []string{"ConfigMap/a < all.yaml data.k=z"}},
		{name: "tainted by a value", manifest: configMap("a", "k: '${x}'"), variables: []Variable{{Name: "x", Value: "hunter2", Tainted: true}}, show: []string{"data.k"}, want: []string{"ConfigMap/a < all.yaml data.k=hunter2"}, tainted: true},
		{name: "tainted by the length of a value", manifest: configMap("a", "k: 'x${#x}'"), variables: []Variable{{Name: "x", Value: "hunter2", Tainted: true}}, want: []string{"ConfigMap/a < all.yaml"}, tainted: true},
		{name: "not tainted by another one's value", manifest: configMap("a", "k: '${y}'"), variables: []Variable{{Name: "x", Value: "hunter2", Tainted: true}, {Name: "y", Value: "z"}}, want: []string{"ConfigMap/a < all.yaml"}},
		{name: "overridden by a value without taint", manifest: configMap("a", "k: '${x}'"), variables: []Variable{{Name: "x", Value: "hunter2", Tainted: true}, {Name: "x", Value: "z"}}, want: []string{"ConfigMap/a < all.yaml"}},
		{name: "a Secret is always tainted", manifest: secret, want: []string{"Secret/s < all.yaml"}, tainted: true},
		{name: "a Secret of another group is not", manifest: "apiVersion: example.com/v1\nkind: Secret\nmetadata: {name: s}\n", want: []string{"Secret/s < all.yaml"}},
		{name: "what becomes a Secret is tainted", manifest: "apiVersion: v1\nkind: ${kind}\nmetadata: {name: s}\n", variables: []Variable{{Name: "kind", Value: "Secret"}}, want: []string{"Secret/s < all.yaml"}, tainted: true},
		{name: "a secret value is not quoted in an error", manifest: configMap("a", "k: '${x}'"), variables: []Variable{{Name: "x", Value: "'hunter2", Tainted: true}}, err: "ConfigMap/a: substituting variables: what comes out is not valid YAML"},
		{name: "an identity by a value that is not secret", manifest: "apiVersion: v1\nkind: ${y}\nmetadata: {name: '${n}-a', namespace: '${n}'}\ndata: {k: '${x}'}\n", variables: []Variable{{Name: "y", Value: "ConfigMap"}, {Name: "n", Value: "web"}, {Name: "x", Value: "hunter2", Tainted: true}}, want: []string{"ConfigMap/web/web-a < all.yaml"}, tainted: true},
		{name: "a secret name", manifest: configMap("'a-${x}'", ""), variables: []Variable{{Name: "x", Value: "hunter2", Tainted: true}}, err: `all.yaml: ConfigMap/a-${x}: metadata.name refers to the variable "x"`},
		{name: "a secret part of a name", manifest: configMap("'a-${x:0:2}'", ""), variables: []Variable{{Name: "x", Value: "hunter2", Tainted: true}}, err: "metadata.name refers to"},
		{name: "a name by the length of a secret", manifest: configMap("'a-${#x}'", ""), variables: []Variable{{Name: "x", Value: "hunter2", Tainted: true}}, err: "metadata.name refers to"},
		{name: "a name by whether a secret is empty", manifest: configMap("'a${x:+}'", ""), variables: []Variable{{Name: "x", Value: "hunter2", Tainted: true}}, err: "substitut"},
		{name: "a secret default of a name", manifest: configMap("'${y:=${x}}'", ""), variables: []Variable{{Name: "x", Value: "hunter2", Tainted: true}}, err: "metadata.name refers to"},
		{name: "a secret namespace", manifest: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: '${x}'}\n", variables: []Variable{{Name: "x", Value: "hunter2", Tainted: true}}, err: `ConfigMap/${x}/a: metadata.namespace refers to the variable "x"`},
		{name: "a secret kind", manifest: "apiVersion: v1\nkind: '${x}'\nmetadata: {name: a}\n", variables: []Variable{{Name: "x", Value: "hunter2", Tainted: true}}, err: `kind refers to the variable "x"`},
		{name: "a secret apiVersion", manifest: "apiVersion: 'g/${x}'\nkind: ConfigMap\nmetadata: {name: a}\n", variables: []Variable{{Name: "x", Value: "hunter2", Tainted: true}}, err: `apiVersion refers to the variable "x"`},
		{name: "a secret name of a Secret", manifest: "apiVersion: v1\nkind: Secret\nmetadata: {name: '${x}'}\n", variables: []Variable{{Name: "x", Value: "hunter2", Tainted: true}}, err: "metadata.name refers to"},
		{name: "a secret that becomes a namespace by a name of a field", manifest: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, '${y}': '${x}'}\n", variables: []Variable{{Name: "y", Value: "namespace"}, {Name: "x", Value: "hunter2", Tainted: true}}, err: "metadata.namespace is changed by the values of variables elsewhere"},
		{name: "a secret that becomes a name by an alias", manifest: "apiVersion: v1\ndata: {k: '${z}${x}'}\nkind: ConfigMap\nmetadata: {name: '${y}'}\n", variables: []Variable{{Name: "y", Value: "*a"}, {Name: "z", Value: "&a "}, {Name: "x", Value: "hunter2", Tainted: true}}, err: "metadata.name is changed by"},
		{name: "no kind is left", manifest: "apiVersion: v1\nkind: ${kind}\nmetadata: {name: s}\n", variables: []Variable{{Name: "kind"}}, err: "no kind"},
	}
	p := newPool(t, PoolOptions{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := p.Build(t.Context(), Request{Tree: mapTree{"all.yaml": tt.manifest}, Options: tt.options, Variables: tt.variables})
			if tt.err != "" {
				e, ok := errors.AsType[*Error](err)
				if !ok || e.Reason != ReasonSubstitution || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "hunter2") {
					t.Fatalf("got %v, want a substitution error with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, summary(r.Objects, tt.show...)); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
			if got := r.Objects[0].Tainted; got != tt.tainted {
				t.Errorf("Tainted = %t, want %t", got, tt.tainted)
			}
		})
	}
}

// A value is what YAML takes it for where it stands.
func TestSubstitutionOfTypes(t *testing.T) {
	p := newPool(t, PoolOptions{})
	tree := mapTree{"d.yaml": "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\nspec: {replicas: '${n}', big: 9007199254740993, text: 'v${n}', flag: '${b}'}\n"}
	r, err := p.Build(t.Context(), Request{Tree: tree, Variables: []Variable{{Name: "n", Value: "3"}, {Name: "b", Value: "true"}}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"replicas": int64(3), "big": int64(9007199254740993), "text": "v3", "flag": true}
	if diff := cmp.Diff(want, r.Objects[0].Object["spec"]); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
}

package kustomization

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/preview"
	"github.com/leat-dev/leat/pkg/target"
)

// set are manifests by name, one file each.
func set(manifests map[string]string) map[string]string {
	files := map[string]string{}
	for name, m := range manifests {
		files["deploy/"+name+".yaml"] = m + "\n"
	}
	return files
}

func cm(name, data string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {%s}", name, data)
}

// summed is a diff in lines: action, object, fields, and what else is said.
func summed(d *preview.Diff) string {
	var b strings.Builder
	for _, o := range d.Objects {
		fmt.Fprintf(&b, "%s %s/%s", o.Action, o.Kind, o.Name)
		if o.File != "" {
			fmt.Fprintf(&b, " < %s", o.File)
		}
		if o.Redacted {
			b.WriteString(" redacted")
		}
		if o.Unverified {
			b.WriteString(" unverified")
		}
		for _, f := range o.Fields {
			fmt.Fprintf(&b, " %s:", f.Path)
			for _, v := range []*leatv1alpha1.JSONValue{f.Old, f.New} {
				if v == nil {
					b.WriteString(" -")
				} else {
					fmt.Fprintf(&b, " %s", v.Raw)
				}
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (s *stage) want(d *preview.Diff, want string) {
	s.t.Helper()
	if diff := cmp.Diff(strings.TrimSpace(want)+"\n", summed(d)); diff != "" {
		s.t.Errorf("diff (-want +have):\n%s", diff)
	}
}

// mustDiff fails the test if there is no diff.
func (s *stage) mustDiff(r preview.Request) *preview.Diff {
	s.t.Helper()
	d, _, err := s.diff(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *stage) denied(err error, code int32, parts ...string) {
	s.t.Helper()
	st, ok := err.(apierrors.APIStatus)
	if !ok || st.Status().Code != code {
		s.t.Errorf("want a status with code %d, have %v", code, err)
		return
	}
	for _, part := range parts {
		if !strings.Contains(st.Status().Message, part) {
			s.t.Errorf("the message does not say %q: %s", part, st.Status().Message)
		}
	}
}

func TestPreviewOfSides(t *testing.T) {
	s := newStage(t)
	s.secret("db", secretData())
	dev := s.may("dev", readable...)
	k := s.kustomization()
	live := preview.Side{Live: true}
	first := s.push("1111", set(map[string]string{"a": cm("a", "k: v1"), "b": cm("b", "k: v"), "c": cm("c", "k: '${word}'")}))
	s.want(s.mustDiff(preview.Request{Object: k, Caller: dev, From: live}), `
Create ConfigMap/a < deploy/a.yaml
Create ConfigMap/b < deploy/b.yaml
Create ConfigMap/c < deploy/c.yaml`)
	s.run(k)
	second := s.push("2222", set(map[string]string{"a": cm("a", "k: v2, l: w"), "c": cm("c", "k: '${word}'"), "d": cm("d", "k: v")}))
	const forward = `
Update ConfigMap/a < deploy/a.yaml /data/k: "v1" "v2" /data/l: - "w"
Unchanged ConfigMap/c < deploy/c.yaml
Create ConfigMap/d < deploy/d.yaml
Delete ConfigMap/b`
	d := s.mustDiff(preview.Request{Object: k, Caller: dev, From: live})
	s.want(d, forward)
	if d.From != "live" || d.To != second {
		t.Errorf("from %s to %s", d.From, d.To)
	}
	if o := named(d, "ConfigMap", "b"); at(o.Old, "data", "k") != "v" || o.New != nil {
		t.Errorf("deleted: old %v, new %v", o.Old, o.New)
	}

	// Two renderings are compared without the cluster.
	s.requests.take("")
	d = s.mustDiff(preview.Request{Object: k, Caller: dev, From: preview.Side{Retained: first}})
	s.want(d, forward)
	for _, line := range s.requests.take("/apis") {
		if !strings.HasPrefix(line, "POST /apis/authorization") {
			t.Errorf("the cluster was asked: %s", line)
		}
	}
	s.want(s.mustDiff(preview.Request{Object: k, Caller: dev, From: preview.Side{}, To: preview.Side{Retained: first}}), `
Update ConfigMap/a < deploy/a.yaml /data/k: "v2" "v1" /data/l: "w" -
Create ConfigMap/b < deploy/b.yaml
Unchanged ConfigMap/c < deploy/c.yaml
Delete ConfigMap/d`)

	// The other way round, the cluster is what is new.
	s.want(s.mustDiff(preview.Request{Object: k, Caller: dev, To: live}), `
Update ConfigMap/a < deploy/a.yaml /data/k: "v2" "v1" /data/l: "w" -
Unchanged ConfigMap/c < deploy/c.yaml
Delete ConfigMap/d < deploy/d.yaml
Create ConfigMap/b`)

	no := false
	d = s.mustDiff(preview.Request{Object: k, Caller: dev, From: live, Prune: &no})
	if o := named(d, "ConfigMap", "b"); o != nil {
		t.Errorf("without pruning: %+v", o)
	}
	k.Spec.Prune = &no
	yes := true
	if o := named(s.mustDiff(preview.Request{Object: k, Caller: dev, From: live, Prune: &yes}), "ConfigMap", "b"); o == nil {
		t.Error("with pruning nothing is deleted")
	}
	show := []leatv1alpha1.ObjectFilter{{Kind: "ConfigMap", Name: "d"}, {APIVersion: "apps/v1"}, {Namespace: s.ns, Name: "c"}}
	s.want(s.mustDiff(preview.Request{Object: k, Caller: dev, From: live, Prune: &yes, Show: show}), `
Unchanged ConfigMap/c < deploy/c.yaml
Create ConfigMap/d < deploy/d.yaml`)
	m, _, err := s.build(preview.Request{Object: k, Caller: dev, Show: show})
	if err != nil || len(m.Objects) != 2 || m.Revision != second {
		t.Errorf("build: %+v, %v", m, err)
	}
}

// What is shown is what both the caller and the object's account may read.
func TestPreviewShowsWhatBothMayGet(t *testing.T) {
	s := newStage(t)
	s.secret("db", secretData())
	k := s.kustomization()
	s.push("1111", set(map[string]string{
		"a": cm("a", "k: v"), "b": "apiVersion: v1\nkind: Service\nmetadata: {name: b}\nspec: {ports: [{port: 80}]}",
	}))
	s.run(k)
	second := s.push("2222", set(map[string]string{
		"a": cm("a", "k: w"), "b": "apiVersion: v1\nkind: Service\nmetadata: {name: b}\nspec: {ports: [{port: 81}]}",
	}))
	_ = second
	some, all := s.may("some", "configmaps"), s.may("all", "configmaps", "services")
	live := preview.Side{Live: true}
	const redacted = `
Update ConfigMap/a < deploy/a.yaml /data/k: "v" "w"
Update Service/b < deploy/b.yaml redacted`
	check := func(what string, d *preview.Diff, shown bool) {
		t.Helper()
		o := named(d, "Service", "b")
		if o.Redacted == shown || (o.Old != nil) != shown || (len(o.Fields) > 0) != shown {
			t.Errorf("%s: %+v", what, o)
		}
	}
	d := s.mustDiff(preview.Request{Object: k, Caller: some, From: live})
	s.want(d, redacted)
	check("not the caller's", d, false)
	check("the caller's", s.mustDiff(preview.Request{Object: k, Caller: all, From: live}), true)
	retained := preview.Side{Retained: "main@sha1:1111"}
	d = s.mustDiff(preview.Request{Object: k, Caller: some, From: retained})
	s.want(d, redacted)
	check("rendered, not the caller's", d, false)
	check("rendered, the caller's", s.mustDiff(preview.Request{Object: k, Caller: all, From: retained}), true)

	account := "deployer"
	k.Spec.ServiceAccountName = &account
	to := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: s.ns, Name: account}
	s.grant(to, "deployer-reads", []string{"get"}, "configmaps")
	s.grant(to, "deployer", []string{"get", "list", "watch", "patch", "create"}, "configmaps")
	check("not the account's", s.mustDiff(preview.Request{Object: k, Caller: all, From: live}), false)
	check("rendered, not the account's", s.mustDiff(preview.Request{Object: k, Caller: all, From: retained}), false)
}

func TestPreviewRefusals(t *testing.T) {
	s := newStage(t, func(c *Config) { c.NoCrossNamespaceRefs = true })
	s.secret("db", secretData())
	dev := s.may("dev", readable...)
	live := preview.Side{Live: true}
	k := s.kustomization()
	_, _, err := s.build(preview.Request{Object: k, Caller: dev})
	s.denied(err, http.StatusNotFound, "GitRepository", s.ns+"/app", "is not there")
	_, _, err = s.build(preview.Request{Object: k, Caller: dev, To: preview.Side{Retained: "x"}})
	s.denied(err, http.StatusNotFound, "is not there")

	repo := &sourcev1.GitRepository{}
	repo.Namespace, repo.Name, repo.UID = s.ns, "app", "x"
	if err := s.sources.Add(repo); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.diff(preview.Request{Object: k, Caller: dev, From: live})
	s.denied(err, http.StatusConflict, "no artifact yet", "try again when it is ready")

	first := s.push("1111", set(map[string]string{"a": cm("a", "k: v")}))
	second := s.push("2222", set(map[string]string{"a": cm("a", "k: w")}))
	_, _, err = s.build(preview.Request{Object: k, Caller: dev, To: preview.Side{Retained: "main@sha1:0000"}})
	s.denied(err, http.StatusNotFound, "main@sha1:0000", "retained are: "+second+", "+first)
	_, _, err = s.build(preview.Request{Object: k, Caller: dev, To: live})
	s.denied(err, http.StatusBadRequest)
	_, _, err = s.diff(preview.Request{Object: k, Caller: dev, From: live, To: live})
	s.denied(err, http.StatusBadRequest)

	stored, err := s.previewer.GitRepositories.GitRepositories(s.ns).Get("app")
	if err != nil {
		t.Fatal(err)
	}
	lost := stored.DeepCopy()
	lost.Status.Artifact.Revision = "main@sha1:3333"
	if err := s.sources.Update(lost); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.build(preview.Request{Object: k, Caller: dev})
	s.denied(err, http.StatusServiceUnavailable, "not in the store", "subresource reconcile")
	if len(s.refetched) > 0 {
		t.Errorf("a GET has made a source fetch: %v", s.refetched)
	}
	if err := s.sources.Update(stored); err != nil {
		t.Fatal(err)
	}

	for _, tt := range []struct {
		name   string
		change func(*kustomizev1.KustomizationSpec)
		code   int32
		parts  []string
	}{
		{"another namespace", func(spec *kustomizev1.KustomizationSpec) { ns := "other"; spec.SourceRef.Namespace = &ns }, http.StatusForbidden, []string{"across namespaces"}},
		{"a field that is not acted on", func(spec *kustomizev1.KustomizationSpec) {
			spec.KubeConfig = &meta.KubeConfigReference{SecretRef: &meta.SecretKeyReference{Name: "x"}}
		}, http.StatusUnprocessableEntity, []string{"spec.kubeConfig"}},
		{"decryption", func(spec *kustomizev1.KustomizationSpec) {
			spec.Decryption = &kustomizev1.Decryption{Provider: "sops"}
		}, http.StatusUnprocessableEntity, []string{"spec.decryption"}},
		{"no path", func(spec *kustomizev1.KustomizationSpec) { p := "./nowhere"; spec.Path = &p }, http.StatusUnprocessableEntity, []string{"no such directory"}},
		{"no Secret", func(spec *kustomizev1.KustomizationSpec) { spec.PostBuild.SubstituteFrom[0].Name = "nowhere" }, http.StatusUnprocessableEntity, []string{"Secret " + s.ns + "/nowhere"}},
	} {
		_, _, err := s.diff(preview.Request{Object: s.kustomization(tt.change), Caller: dev, From: live})
		if s.denied(err, tt.code, tt.parts...); t.Failed() {
			t.Fatal(tt.name)
		}
	}
	optional := s.kustomization(func(spec *kustomizev1.KustomizationSpec) {
		yes := true
		spec.PostBuild.SubstituteFrom[0].Name, spec.PostBuild.SubstituteFrom[0].Optional = "nowhere", &yes
	})
	for _, side := range []preview.Side{{}, {Upload: s.tree(set(map[string]string{"a": cm("a", "k: w")}))}} {
		if _, _, err := s.build(preview.Request{Object: optional, Caller: dev, To: side}); err != nil {
			t.Errorf("an optional Secret: %v", err)
		}
	}
	decrypting := s.kustomization(func(spec *kustomizev1.KustomizationSpec) {
		spec.Decryption = &kustomizev1.Decryption{Provider: "sops"}
	})
	if _, _, err := s.build(preview.Request{Object: decrypting, Caller: dev, To: preview.Side{Upload: s.tree(set(map[string]string{"a": cm("a", "k: w")}))}}); err != nil {
		t.Errorf("decryption where nothing is decrypted: %v", err)
	}
}

// What a repository holds of Flux itself is left out, as in a run.
func TestPreviewLeavesFluxOut(t *testing.T) {
	s := newStage(t)
	s.secret("db", secretData())
	dev := s.may("dev", readable...)
	k := s.kustomization()
	flux := "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: source-controller, labels: {app.kubernetes.io/part-of: flux}}\n" +
		"spec: {selector: {matchLabels: {a: a}}, template: {metadata: {labels: {a: a}}, spec: {containers: [{name: a, image: a}]}}}"
	first := s.push("1111", set(map[string]string{"a": cm("a", "k: v")}))
	s.push("2222", set(map[string]string{"a": cm("a", "k: v"), "flux": flux}))
	for _, from := range []preview.Side{{Live: true}, {Retained: first}} {
		d := s.mustDiff(preview.Request{Object: k, Caller: dev, From: from})
		if o := named(d, "Deployment", "source-controller"); o == nil || o.Action != leatv1alpha1.DiffSkip || !strings.Contains(o.Message, "part-of: flux") {
			t.Errorf("%+v", o)
		}
	}
}

// A build shows the data of a Secret to whoever may get that Secret.
func TestPreviewBuildOfSecrets(t *testing.T) {
	s := newStage(t)
	s.secret("db", secretData())
	s.push("1111", set(map[string]string{
		"a": "apiVersion: v1\nkind: Secret\nmetadata: {name: a, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{\"data\": \"hunter2canary\"}'}}\n" +
			"stringData: {k: hunter2canary}\ndata: {l: aHVudGVyMmNhbmFyeQ==}",
	}))
	k := s.kustomization(func(spec *kustomizev1.KustomizationSpec) { spec.PostBuild = nil })
	viewer, admin := s.may("viewer", readable...), s.may("admin", append(readable, "secrets")...)
	m, text, err := s.build(preview.Request{Object: k, Caller: viewer})
	if err != nil {
		t.Fatal(err)
	}
	if found := leaks(text); len(found) > 0 {
		t.Errorf("told %v:\n%s", found, text)
	}
	secret := manifest(m, "Secret", "a")
	if at(secret, "stringData", "k") != "<secret:a/k>" || at(secret, "data", "l") != "<secret:a/l>" {
		t.Errorf("masked: %v", secret)
	}
	if m, _, err = s.build(preview.Request{Object: k, Caller: admin}); err != nil || at(manifest(m, "Secret", "a"), "stringData", "k") != "hunter2canary" {
		t.Errorf("for the admin: %v, %v", m, err)
	}
}

// weary are rights that nobody can be asked for any more.
type weary struct{ err error }

func (w weary) MayGet(context.Context, target.Ref) (bool, error) { return false, w.err }
func (w weary) MayGetSecret(context.Context, string, string) (bool, error) {
	return false, nil
}

// What cannot be found out about rights is no preview, and says what to do.
func TestPreviewWithoutAnswers(t *testing.T) {
	s := newStage(t)
	s.secret("db", secretData())
	k := s.kustomization()
	first := s.push("1111", set(map[string]string{"a": cm("a", "k: v")}))
	for _, tt := range []struct {
		err  error
		code int32
		part string
	}{
		{fmt.Errorf("x: %w", target.ErrTooManyReviews), http.StatusBadRequest, "spec.show"},
		{fmt.Errorf("x: %w", apierrors.NewTooManyRequests("no", 1)), http.StatusServiceUnavailable, "does not answer"},
		{errors.New("x"), http.StatusInternalServerError, "x"},
	} {
		s.previewer.Rights = func(target.User) Rights { return weary{tt.err} }
		for _, from := range []preview.Side{{Live: true}, {Retained: first}} {
			_, _, err := s.diff(preview.Request{Object: k, From: from})
			s.denied(err, tt.code, tt.part)
		}
	}
}

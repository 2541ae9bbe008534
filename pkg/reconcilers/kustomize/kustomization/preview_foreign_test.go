package kustomization

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/preview"
)

// Foreign content is compared without a single read of a Secret, and what did
// not change in it is not told as a change.
func TestPreviewOfForeignContent(t *testing.T) {
	s := newStage(t)
	s.secret("db", secretData())
	dev, stranger := s.may("dev", readable...), s.may("stranger", "configmaps")
	s.grant(rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: dev.Name}, "writer", []string{"*"}, "deployments", "services", "secrets", "configmaps")
	dev.Extra = map[string][]string{"team": {"a"}}
	k := s.kustomization()
	files := routes("")
	s.push("1111", files)
	s.run(k)
	live := preview.Side{Live: true}

	s.refs["feature"] = s.tree(routes("\n  fresh: value\n  more: ${word}"))
	s.requests.take("")
	d := s.mustDiff(preview.Request{Object: k, Caller: dev, From: live, To: preview.Side{Ref: "feature"}})
	sent := s.requests.take("")
	if d.To != "peeked@sha1:feature" {
		t.Errorf("to %s", d.To)
	}
	for _, line := range sent {
		if strings.HasSuffix(line, "/secrets/db") {
			t.Errorf("the Secret was read: %s", line)
		}
		if strings.Contains(line, "dry-run") && !strings.HasSuffix(line, " as "+dev.Name) {
			t.Errorf("not as the caller: %s", line)
		}
	}
	if !slices.ContainsFunc(sent, func(l string) bool { return strings.Contains(l, "dry-run") }) {
		t.Errorf("nothing was tried: %q", sent)
	}
	if !slices.ContainsFunc(sent, func(l string) bool { return strings.HasSuffix(l, "/secrets/db metadata") }) {
		t.Errorf("the names of the variables come from nowhere: %q", sent)
	}
	for _, o := range d.Objects {
		switch o.Kind + "/" + o.Name {
		case "ConfigMap/values":
			got := summed(&preview.Diff{Objects: []preview.ObjectDiff{o}})
			for _, want := range []string{`/data/fresh: - "value"`, `/data/more: - "<secret:db/word>"`} {
				if !strings.Contains(got, want) {
					t.Errorf("no %s in %s", want, got)
				}
			}
			if strings.Contains(got, "/data/plain") {
				t.Errorf("what is as it was is told: %s", got)
			}
		case "Deployment/web", "ConfigMap/generated-6t6gkm8cmg":
			if o.Action != leatv1alpha1.DiffUnchanged || len(o.Fields) > 0 {
				t.Errorf("%s", summed(&preview.Diff{Objects: []preview.ObjectDiff{o}}))
			}
		}
	}

	// With an account of its own, the object acts as that.
	account := "deployer"
	k.Spec.ServiceAccountName = &account
	s.requests.take("")
	s.mustDiff(preview.Request{Object: k, Caller: dev, From: live, To: preview.Side{Ref: "feature"}})
	for _, line := range s.requests.take("dry-run") {
		if !strings.HasSuffix(line, " as system:serviceaccount:"+s.ns+":deployer") {
			t.Errorf("not as the account: %s", line)
		}
	}
	k.Spec.ServiceAccountName = nil

	// Who may not get the source is shown nothing that it would have to fetch.
	s.peeked = nil
	_, _, err := s.diff(preview.Request{Object: k, Caller: stranger, From: live, To: preview.Side{Latest: true}})
	s.denied(err, http.StatusForbidden, "right to get the source")
	if len(s.peeked) > 0 {
		t.Errorf("fetched %q", s.peeked)
	}
	_, _, err = s.build(preview.Request{Object: k, Caller: stranger, To: preview.Side{Upload: s.tree(files)}})
	if err != nil {
		t.Errorf("an upload needs nothing of the source: %v", err)
	}
	if _, err := s.previewer.Build(t.Context(), preview.Request{Object: k, Caller: dev, To: preview.Side{Ref: "missing"}}); err == nil {
		t.Error("a ref that is not there was built")
	}
}

package target

import (
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

func schemaKind(group, version, kind string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: group, Version: version, Kind: kind}
}

const deployment = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"demo","uid":"u-1","resourceVersion":"10","generation":2,"finalizers":["example.org/x"],
"labels":{"app":"web","kustomize.toolkit.fluxcd.io/name":"app","kustomize.toolkit.fluxcd.io/namespace":"flux"},
"annotations":{"deployment.kubernetes.io/revision":"1"},
"managedFields":[
{"manager":"kustomize-controller","operation":"Apply","apiVersion":"apps/v1","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:labels":{"f:app":{},"f:kustomize.toolkit.fluxcd.io/name":{},"f:kustomize.toolkit.fluxcd.io/namespace":{}},"f:finalizers":{"v:\"example.org/x\"":{}}},"f:spec":{"f:replicas":{},"f:selector":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{".":{},"f:image":{},"f:name":{},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}}}}},
{"manager":"kube-controller-manager","operation":"Update","apiVersion":"apps/v1","fieldsType":"FieldsV1","subresource":"status","fieldsV1":{"f:status":{"f:replicas":{}}}}]},
"spec":{"replicas":1,"selector":{"matchLabels":{"app":"web"}},"paused":false,"template":{"spec":{"containers":[{"name":"side","image":"s:1"},{"name":"web","image":"w:1","tty":false,"ports":[{"containerPort":80,"protocol":"TCP"}]}]}}},
"status":{"observedGeneration":2,"replicas":1}}`

func reduced(t *testing.T, tgt *Target, object string) Live {
	t.Helper()
	var tp tape
	if err := tp.reset([]byte(object)); err != nil {
		t.Fatal(err)
	}
	o, err := tgt.reduce(schemaKind("apps", "v1", "Deployment"), &tp, 0)
	if err != nil {
		t.Fatal(err)
	}
	return o.Live
}

func TestReduce(t *testing.T) {
	l := reduced(t, testTarget(t, nil), deployment)
	if l.UID != "u-1" || l.ResourceVersion != "10" || l.Generation != 2 || !l.Managed || l.Takeover || l.Deleting {
		t.Errorf("reduced to %+v", l)
	}
	if l.Owner != (types.NamespacedName{Namespace: "flux", Name: "app"}) {
		t.Errorf("owner %v", l.Owner)
	}
	if l.Projection == (Digest{}) {
		t.Error("no projection")
	}
	if l.Health.Status != status.InProgressStatus {
		t.Errorf("health %+v", l.Health)
	}
}

func TestProjectionSeesOurFieldsOnly(t *testing.T) {
	tgt := testTarget(t, nil)
	base := reduced(t, tgt, deployment)
	tests := []struct {
		name, old, new string
		changed        bool
	}{
		{"status", `"replicas":1}}`, `"replicas":7}}`, false},
		{"resource version", `"resourceVersion":"10"`, `"resourceVersion":"11"`, false},
		{"another manager's annotation", `revision":"1"`, `revision":"2"`, false},
		{"a field nobody applied", `"paused":false`, `"paused":true`, false},
		{"a field of our container that we do not manage", `"tty":false`, `"tty":true`, false},
		{"a container of others", `s:1`, `s:2`, false},
		{"our label", `"app":"web","kust`, `"app":"other","kust`, true},
		{"our replicas", `"spec":{"replicas":1`, `"spec":{"replicas":3`, true},
		{"our image", `w:1`, `w:2`, true},
		{"our port gone", `"containerPort":80,"protocol":"TCP"}]}]`, `"containerPort":81,"protocol":"TCP"}]}]`, true},
		{"within a field that we own as a whole", `"selector":{"matchLabels":{"app":"web"}}`, `"selector":{"matchLabels":{"app":"x"}}`, true},
		{"our element of the set gone", `["example.org/x"]`, `["example.org/z"]`, true},
		{"an element of the set that is not ours", `"example.org/x"],`, `"example.org/x","example.org/y"],`, false},
		{"a field is no longer ours", `{"f:replicas":{},"f:selector"`, `{"f:selector"`, true},
		{"our entry is in another version", `"operation":"Apply","apiVersion":"apps/v1"`, `"operation":"Apply","apiVersion":"apps/v2"`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(deployment, tt.old) {
				t.Fatalf("the object has no %s", tt.old)
			}
			got := reduced(t, tgt, strings.Replace(deployment, tt.old, tt.new, 1))
			if changed := got.Projection != base.Projection; changed != tt.changed {
				t.Errorf("changed = %t, want %t", changed, tt.changed)
			}
		})
	}
}

func TestProjectionIsKeyed(t *testing.T) {
	a := testTarget(t, nil)
	b := testTarget(t, nil)
	b.digest = newDigester([]byte("another key of enough bytes"))
	if reduced(t, a, deployment).Projection == reduced(t, b, deployment).Projection {
		t.Error("two keys give one digest")
	}
	if x, again := a.Digest([]byte("x")), a.Digest([]byte("x")); x != again || x == a.Digest([]byte("y")) {
		t.Error("digests are not of what they are taken of")
	}
}

func TestTakeover(t *testing.T) {
	tgt := testTarget(t, nil)
	const theirs = `{"manager":"kube-controller-manager","operation":"Update","apiVersion":"apps/v1","fieldsType":"FieldsV1","subresource":"status"`
	tests := []struct {
		entry string
		want  bool
	}{
		{`{"manager":"kubectl-client-side-apply","operation":"Update","apiVersion":"apps/v1"`, true},
		{`{"manager":"kubectl","operation":"Apply","apiVersion":"apps/v1"`, true},
		{`{"manager":"before-first-apply","operation":"Update","apiVersion":"apps/v1"`, true},
		{`{"manager":"kustomize-controller","operation":"Update","apiVersion":"apps/v1"`, true},
		{`{"manager":"kubectl-edit","operation":"Update","apiVersion":"apps/v1","subresource":"scale"`, false},
		{`{"manager":"helm","operation":"Update","apiVersion":"apps/v1"`, false},
	}
	for _, tt := range tests {
		if got := reduced(t, tgt, strings.Replace(deployment, theirs, tt.entry, 1)).Takeover; got != tt.want {
			t.Errorf("%s: takeover = %t", tt.entry, got)
		}
	}
}

func TestHealthOf(t *testing.T) {
	tests := []struct {
		group, kind, object string
		want                status.Status
	}{
		{"", "ConfigMap", `{"metadata":{"name":"x"},"data":{"a":"b"}}`, status.CurrentStatus},
		{"", "ConfigMap", `{"metadata":{"name":"x","deletionTimestamp":"2026-01-01T00:00:00Z"}}`, status.TerminatingStatus},
		{"batch", "Job", `{"metadata":{"name":"x"},"spec":{},"status":{"startTime":"2026-01-01T00:00:00Z","active":1}}`, status.InProgressStatus},
		{"batch", "Job", `{"metadata":{"name":"x"},"spec":{},"status":{"conditions":[{"type":"Complete","status":"True"}]}}`, status.CurrentStatus},
		{"batch", "Job", `{"metadata":{"name":"x"},"spec":{},"status":{"conditions":[{"type":"Failed","status":"True"}]}}`, status.FailedStatus},
		{"example.org", "Thing", `{"metadata":{"name":"x","generation":2},"status":{"observedGeneration":1,"conditions":[{"type":"Ready","status":"True"}]}}`, status.InProgressStatus},
		{"example.org", "Thing", `{"metadata":{"name":"x","generation":2},"status":{"observedGeneration":2,"conditions":[{"type":"Ready","status":"True"}]}}`, status.CurrentStatus},
		{"example.org", "Thing", `{"metadata":{"name":"x"},"status":{"conditions":[{"type":"Stalled","status":"True","message":"no"}]}}`, status.FailedStatus},
		{"example.org", "Thing", `{"metadata":{"name":"x"}}`, status.CurrentStatus},
	}
	for _, tt := range tests {
		var tp tape
		if err := tp.reset([]byte(tt.object)); err != nil {
			t.Fatal(err)
		}
		if got := healthOf(schemaKind(tt.group, "v1", tt.kind), &tp, 0); got.Status != tt.want {
			t.Errorf("%s %s: %+v, want %s", tt.kind, tt.object, got, tt.want)
		}
	}
}

func TestSwitchesOf(t *testing.T) {
	const g = "kustomize.toolkit.fluxcd.io/"
	tests := []struct {
		labels, annotations map[string]string
		want                Switches
	}{
		{nil, nil, Switches{}},
		{map[string]string{g + "prune": "disabled"}, nil, Switches{PruneDisabled: true}},
		{nil, map[string]string{g + "prune": "Disabled", g + "reconcile": "disabled"}, Switches{PruneDisabled: true, ReconcileDisabled: true}},
		{nil, map[string]string{g + "force": "ENABLED"}, Switches{Force: true}},
		{nil, map[string]string{g + "force": "true", g + "prune": "false"}, Switches{}},
		{map[string]string{g + "ssa": "merge"}, nil, Switches{SSA: SSAMerge}},
		{nil, map[string]string{g + "ssa": "IfNotPresent"}, Switches{SSA: SSAIfNotPresent}},
		{nil, map[string]string{g + "ssa": "Override", "other/ssa": "Ignore"}, Switches{}},
	}
	tgt := testTarget(t, nil)
	for _, tt := range tests {
		if got := tgt.SwitchesOf(tt.labels, tt.annotations); got != tt.want {
			t.Errorf("%v %v: %+v, want %+v", tt.labels, tt.annotations, got, tt.want)
		}
	}
}

func BenchmarkReduce(b *testing.B) {
	tgt := testTarget(b, nil)
	data := []byte(deployment)
	var tp tape
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := tp.reset(data); err != nil {
			b.Fatal(err)
		}
		if _, err := tgt.reduce(schemaKind("apps", "v1", "Deployment"), &tp, 0); err != nil {
			b.Fatal(err)
		}
	}
}

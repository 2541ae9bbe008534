package validation

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	v1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	metavalidation "github.com/leat-dev/leat/pkg/apis/meta/validation"
)

func TestValidateKustomization(t *testing.T) {
	tests := map[string]struct {
		change func(*v1.KustomizationSpec)
		want   []string
	}{
		"good": {func(*v1.KustomizationSpec) {}, nil},
		"zero times, as Flux": {func(s *v1.KustomizationSpec) {
			s.Interval = "0s"
			s.RetryInterval = ptr.To[meta.Duration]("0s")
			s.Timeout = ptr.To[meta.Duration]("0s")
		}, nil},
		"times out of range": {func(s *v1.KustomizationSpec) {
			s.Interval = "3000000h"
			s.RetryInterval = ptr.To[meta.Duration]("3000000h")
			s.Timeout = ptr.To[meta.Duration]("3000000h")
		}, []string{"spec.interval", "spec.retryInterval", "spec.timeout"}},
		"waits for itself": {func(s *v1.KustomizationSpec) { s.DependsOn = []v1.DependencyReference{{Name: "other"}, {Name: "own"}} }, []string{"spec.dependsOn[1].name"}},
		"itself, by namespace": {func(s *v1.KustomizationSpec) {
			s.DependsOn = []v1.DependencyReference{{Name: "own", Namespace: ptr.To("here")}}
		}, []string{"spec.dependsOn[0].name"}},
		"namesake elsewhere": {func(s *v1.KustomizationSpec) {
			s.DependsOn = []v1.DependencyReference{{Name: "own", Namespace: ptr.To("there")}}
		}, nil},
		"itself, by expression": {func(s *v1.KustomizationSpec) {
			s.DependsOn = []v1.DependencyReference{{Name: "own", ReadyExpr: ptr.To("true")}}
		}, nil},
		"no expression": {func(s *v1.KustomizationSpec) {
			s.DependsOn = []v1.DependencyReference{{Name: "a", ReadyExpr: ptr.To("dep.status.(")}}
		}, []string{"spec.dependsOn[0].readyExpr"}},
		"expression of Flux": {func(s *v1.KustomizationSpec) {
			s.DependsOn = []v1.DependencyReference{{Name: "a", ReadyExpr: ptr.To("dep.metadata.?labels['v'].orValue('') == self.spec.path.split('/')[0] && sets.contains([1], [1])")}}
		}, nil},
		"health expressions": {func(s *v1.KustomizationSpec) {
			s.HealthCheckExprs = []v1.CustomHealthCheck{{Current: "status.conditions.exists(c, c.type == 'Ready')", InProgress: ptr.To("="), Failed: ptr.To("'")}}
		}, []string{"spec.healthCheckExprs[0].inProgress", "spec.healthCheckExprs[0].failed"}},
		"long expression": {func(s *v1.KustomizationSpec) {
			s.HealthCheckExprs = []v1.CustomHealthCheck{{Current: strings.Repeat("a", metavalidation.MaxExpressionLength+1)}}
		}, []string{"spec.healthCheckExprs[0].current"}},
		"components":           {func(s *v1.KustomizationSpec) { s.Components = []string{"a", "../a", "./a/b", ""} }, nil},
		"components elsewhere": {func(s *v1.KustomizationSpec) { s.Components = []string{"/a", "https://me:pass@h/a", "//h/a"} }, []string{"spec.components[0]", "spec.components[1]", "spec.components[2]"}},
		"variables": {func(s *v1.KustomizationSpec) {
			s.PostBuild = &v1.PostBuild{Substitute: map[string]string{"_a1": "", "A": ""}}
		}, nil},
		"no names of variables": {func(s *v1.KustomizationSpec) {
			s.PostBuild = &v1.PostBuild{Substitute: map[string]string{"1a": "", "a-b": "", "": ""}}
		}, []string{"spec.postBuild.substitute", "spec.postBuild.substitute", "spec.postBuild.substitute"}},
		"path that leads out": {func(s *v1.KustomizationSpec) { s.Path = ptr.To("../../etc") }, nil},
		"selectors": {func(s *v1.KustomizationSpec) {
			s.Patches = []v1.Patch{{}, {Target: &v1.Selector{Name: ptr.To("web-.*"), LabelSelector: ptr.To("app=a,tier in (b, c),!d")}}}
		}, nil},
		"no regular expressions": {func(s *v1.KustomizationSpec) {
			s.Patches = []v1.Patch{{}, {Target: &v1.Selector{Group: ptr.To("("), Version: ptr.To("("), Kind: ptr.To("("), Namespace: ptr.To("("), Name: ptr.To("(")}}}
		}, []string{"spec.patches[1].target.group", "spec.patches[1].target.version", "spec.patches[1].target.kind", "spec.patches[1].target.namespace", "spec.patches[1].target.name"}},
		"no selectors": {func(s *v1.KustomizationSpec) {
			s.Ignore = []v1.IgnoreRule{{Target: &v1.Selector{LabelSelector: ptr.To("a in b"), AnnotationSelector: ptr.To("=")}}}
		}, []string{"spec.ignore[0].target.labelSelector", "spec.ignore[0].target.annotationSelector"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			obj := &v1.Kustomization{
				ObjectMeta: metav1.ObjectMeta{Name: "own", Namespace: "here"},
				Spec:       v1.KustomizationSpec{Interval: "1m", SourceRef: v1.CrossNamespaceSourceReference{Kind: v1.SourceKindBucket, Name: "a"}},
			}
			test.change(&obj.Spec)
			var got []string
			for _, err := range ValidateKustomization(obj) {
				got = append(got, err.Field)
				if strings.Contains(err.Error(), "pass@") {
					t.Errorf("the refusal repeats a password: %v", err)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("fields with errors (- want, + got):\n%s", diff)
			}
		})
	}
}

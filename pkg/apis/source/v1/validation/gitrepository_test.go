package validation

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/leat-dev/leat/pkg/apis/meta"
	v1 "github.com/leat-dev/leat/pkg/apis/source/v1"
)

func TestValidateGitRepository(t *testing.T) {
	tests := map[string]struct {
		change func(*v1.GitRepositorySpec)
		want   []string
	}{
		"good":                   {func(*v1.GitRepositorySpec) {}, nil},
		"zero interval, as Flux": {func(s *v1.GitRepositorySpec) { s.Interval = "0s" }, nil},
		"interval out of range":  {func(s *v1.GitRepositorySpec) { s.Interval = "9999999999h" }, []string{"spec.interval"}},
		"form is the schema's":   {func(s *v1.GitRepositorySpec) { s.Interval = "soon"; s.Timeout = ptr.To[meta.Duration]("1h x") }, nil},
		"no time at all":         {func(s *v1.GitRepositorySpec) { s.Timeout = ptr.To[meta.Duration]("0.0s") }, []string{"spec.timeout"}},
		"timeout out of range":   {func(s *v1.GitRepositorySpec) { s.Timeout = ptr.To[meta.Duration]("99999999999999999999s") }, []string{"spec.timeout"}},
		"no host":                {func(s *v1.GitRepositorySpec) { s.URL = "https:///app.git" }, []string{"spec.url"}},
		"no URL":                 {func(s *v1.GitRepositorySpec) { s.URL = "https://me:sec%ret@h/" }, []string{"spec.url"}},
		"absent is the schema's": {func(s *v1.GitRepositorySpec) { s.URL = "" }, nil},
		"range of versions": {func(s *v1.GitRepositorySpec) {
			s.Reference = &v1.GitRepositoryRef{SemVer: ptr.To(">=1.0 <2.0-0 || ~3")}
		}, nil},
		"no range of versions": {func(s *v1.GitRepositorySpec) { s.Reference = &v1.GitRepositoryRef{SemVer: ptr.To("newest")} }, []string{"spec.ref.semver"}},
		"empty range":          {func(s *v1.GitRepositorySpec) { s.Reference = &v1.GitRepositoryRef{SemVer: ptr.To("")} }, nil},
		"range that nobody reads": {func(s *v1.GitRepositorySpec) {
			s.Reference = &v1.GitRepositoryRef{SemVer: ptr.To("newest"), Commit: ptr.To("c")}
		}, nil},
		"range overruled by name": {func(s *v1.GitRepositorySpec) {
			s.Reference = &v1.GitRepositoryRef{SemVer: ptr.To("newest"), Name: ptr.To("n")}
		}, nil},
		"range overruled by no tag": {func(s *v1.GitRepositorySpec) {
			s.Reference = &v1.GitRepositoryRef{SemVer: ptr.To("newest"), Tag: ptr.To("t")}
		}, []string{"spec.ref.semver"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			obj := &v1.GitRepository{Spec: v1.GitRepositorySpec{URL: "https://me@git.example.com/app.git", Interval: "1m"}}
			test.change(&obj.Spec)
			var got []string
			for _, err := range ValidateGitRepository(obj) {
				got = append(got, err.Field)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("fields with errors (- want, + got):\n%s", diff)
			}
		})
	}
}

func TestRefusalsKeepPasswords(t *testing.T) {
	for _, url := range []string{"https://me:hunter2@/app.git", "https://me:hunter2%@h/app.git"} {
		errs := ValidateGitRepository(&v1.GitRepository{Spec: v1.GitRepositorySpec{URL: url, Interval: "1m"}})
		if len(errs) != 1 {
			t.Errorf("%s: got %v, want one error", url, errs)
		}
		for _, err := range errs {
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: the refusal repeats the password: %v", url, err)
			}
		}
	}
}

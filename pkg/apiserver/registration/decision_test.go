package registration

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

const testGroup = "source.toolkit.fluxcd.io"

// apiService returns one without a Service unless service is set.
func apiService(version, service string, labels map[string]string) *apiregistrationv1.APIService {
	s := &apiregistrationv1.APIService{
		ObjectMeta: metav1.ObjectMeta{Name: version + "." + testGroup, Labels: labels},
		Spec:       apiregistrationv1.APIServiceSpec{Group: testGroup, Version: version},
	}
	if service != "" {
		s.Spec.Service = &apiregistrationv1.ServiceReference{Namespace: "ns", Name: service}
	}
	return s
}

func crd(version string) *apiregistrationv1.APIService {
	return apiService(version, "", map[string]string{automanagedLabel: "true"})
}

// TestDecide has every cell of decide's table.
func TestDecide(t *testing.T) {
	none, same, more := groupState{}, groupState{crdVersions: []string{"v1"}}, groupState{crdVersions: []string{"v1", "v1beta2"}, unserved: []string{"v1beta2"}}
	leat, other := apiService("v1", "leat", nil), apiService("v1", "other", nil)
	tests := map[string]struct {
		current *apiregistrationv1.APIService
		ours    bool
		group   groupState
		adopt   bool
		want    verdict
		reason  string
	}{
		"1: ours":                               {leat, true, none, false, keep, ""},
		"1: ours, adopt":                        {leat, true, none, true, keep, ""},
		"1: ours, CRDs came later":              {leat, true, more, false, keep, ""},
		"1: ours, CRDs came later, adopt":       {leat, true, more, true, keep, ""},
		"1: ours, and made local by someone":    {crd("v1"), true, same, false, keep, ""},
		"2: another server's":                   {other, false, none, false, refuse, "ns/other"},
		"2: another server's, adopt":            {other, false, none, true, refuse, "ns/other"},
		"2: another server's, CRDs, adopt":      {other, false, more, true, refuse, "ns/other"},
		"3: none":                               {nil, false, none, false, create, ""},
		"3: none, adopt":                        {nil, false, none, true, create, ""},
		"4: CRD":                                {crd("v1"), false, same, false, refuse, "--adopt-flux-crds"},
		"4: CRD of another version":             {nil, false, more, false, refuse, "v1, v1beta2"},
		"5: CRD, more versions, adopt":          {crd("v1"), false, more, true, refuse, "(v1beta2)"},
		"5: none, CRDs of other versions":       {nil, false, more, true, refuse, "(v1beta2)"},
		"6: CRD, adopt":                         {crd("v1"), false, same, true, takeOver, ""},
		"6: none, CRD of another wanted, adopt": {nil, false, same, true, takeOver, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, reason := decide(apiService("v1", "leat", nil), tt.current, tt.ours, tt.group, tt.adopt)
			if got != tt.want {
				t.Errorf("verdict %d, want %d", got, tt.want)
			}
			if (reason == "") != (got != refuse) || !strings.Contains(reason, tt.reason) {
				t.Errorf("reason %q, want one with %q", reason, tt.reason)
			}
		})
	}
}

func TestGroupStates(t *testing.T) {
	onStart := crd("v1beta1")
	onStart.Labels[automanagedLabel] = "onstart"
	builtIn := crd("v1")
	builtIn.Spec.Group = "apps"
	got := groupStates([]*apiregistrationv1.APIService{
		crd("v1beta2"), onStart, crd("v1"), builtIn,
		apiService("v2", "other", map[string]string{automanagedLabel: "true"}), // served by somebody, not from a CRD
		apiService("v3", "", nil), // local, but nobody's automatism
	}, sets.New("v1."+testGroup))
	want := groupState{crdVersions: []string{"v1", "v1beta1", "v1beta2"}, unserved: []string{"v1beta1", "v1beta2"}}
	if diff := cmp.Diff(want, got[testGroup], cmp.AllowUnexported(groupState{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCorrected(t *testing.T) {
	r := &Registrar{options: Options{Namespace: "ns", Service: "leat", Port: 443, GroupVersions: []schema.GroupVersion{
		{Group: testGroup, Version: "v1"}, {Group: "other", Version: "v1"}, {Group: testGroup, Version: "v1beta2"},
	}}}
	wanted := r.desired(schema.GroupVersion{Group: testGroup, Version: "v1"}, []byte("bundle"))
	if second := r.desired(schema.GroupVersion{Group: testGroup, Version: "v1beta2"}, nil); second.Spec.VersionPriority >= wanted.Spec.VersionPriority {
		t.Error("the second version is preferred to the first")
	}
	if c := corrected(wanted, wanted); c != nil {
		t.Errorf("what is right was corrected to %v", c)
	}
	tests := map[string]func(*apiregistrationv1.APIService){
		"bundle":            func(s *apiregistrationv1.APIService) { s.Spec.CABundle = []byte("evil") },
		"no bundle":         func(s *apiregistrationv1.APIService) { s.Spec.CABundle = nil },
		"insecure":          func(s *apiregistrationv1.APIService) { s.Spec.InsecureSkipTLSVerify = true },
		"service":           func(s *apiregistrationv1.APIService) { s.Spec.Service.Name = "evil" },
		"local":             func(s *apiregistrationv1.APIService) { s.Spec.Service = nil },
		"port":              func(s *apiregistrationv1.APIService) { *s.Spec.Service.Port = 1 },
		"default port":      func(s *apiregistrationv1.APIService) { s.Spec.Service.Port = nil },
		"group priority":    func(s *apiregistrationv1.APIService) { s.Spec.GroupPriorityMinimum++ },
		"version priority":  func(s *apiregistrationv1.APIService) { s.Spec.VersionPriority++ },
		"automanaged":       func(s *apiregistrationv1.APIService) { s.Labels[automanagedLabel] = "true" },
		"automanaged empty": func(s *apiregistrationv1.APIService) { s.Labels[automanagedLabel] = "" },
		"no labels":         func(s *apiregistrationv1.APIService) { s.Labels = nil },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			current := wanted.DeepCopy()
			current.ResourceVersion, current.Annotations = "7", map[string]string{"theirs": "kept"}
			before := current.DeepCopy()
			change(current)
			changed := current.DeepCopy()
			got := corrected(current, wanted)
			if diff := cmp.Diff(before, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(changed, current); diff != "" {
				t.Errorf("the cached object was changed:\n%s", diff)
			}
		})
	}
	labelled := wanted.DeepCopy()
	labelled.Labels["theirs"] = "kept"
	if c := corrected(labelled, wanted); c != nil {
		t.Errorf("a label of others was corrected to %v", c.Labels)
	}
}

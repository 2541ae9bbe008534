package options

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	fakediscovery "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

const (
	webhooks           = "mutatingwebhookconfigurations validatingwebhookconfigurations "
	validatingPolicies = "validatingadmissionpolicies validatingadmissionpolicybindings "
	mutatingPolicies   = "mutatingadmissionpolicies mutatingadmissionpolicybindings "
)

// host is a cluster that serves some resources and forbids some of them.
func host(served, forbidden string) *fake.Clientset {
	client := fake.NewClientset()
	resources := []metav1.APIResource{}
	for _, name := range strings.Fields(served) {
		resources = append(resources, metav1.APIResource{Name: name})
	}
	client.Discovery().(*fakediscovery.FakeDiscovery).Resources = []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "namespaces"}, {Name: "resourcequotas"}}},
		{GroupVersion: "admissionregistration.k8s.io/v1", APIResources: resources},
	}
	client.PrependReactor("create", "selfsubjectaccessreviews", func(action clienttesting.Action) (bool, runtime.Object, error) {
		review := action.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
		asked := review.Spec.ResourceAttributes
		review.Status.Allowed = asked.Verb+" "+asked.Resource != forbidden
		return true, review, nil
	})
	return client
}

func TestProbe(t *testing.T) {
	tests := map[string]struct {
		served, forbidden string
		disabled          []string // by flag
		enabled           []string
		want              []string
		err               string
	}{
		"all of it":                          {served: webhooks + validatingPolicies + mutatingPolicies},
		"before 1.36":                        {served: webhooks + validatingPolicies, want: []string{"MutatingAdmissionPolicy"}},
		"before 1.30":                        {served: webhooks, want: []string{"MutatingAdmissionPolicy", "ValidatingAdmissionPolicy"}},
		"without bindings":                   {served: webhooks + validatingPolicies + "mutatingadmissionpolicies", want: []string{"MutatingAdmissionPolicy"}},
		"asked for by name":                  {served: webhooks + validatingPolicies, enabled: []string{"MutatingAdmissionPolicy"}},
		"may not watch":                      {served: webhooks + validatingPolicies + mutatingPolicies, forbidden: "watch validatingadmissionpolicybindings", err: "--disable-admission-plugins=ValidatingAdmissionPolicy"},
		"may not list namespaces":            {served: webhooks + validatingPolicies + mutatingPolicies, forbidden: "list namespaces", err: "NamespaceLifecycle"},
		"may not list quotas":                {served: webhooks + validatingPolicies + mutatingPolicies, forbidden: "list resourcequotas", err: "ResourceQuota"},
		"may not watch, and does not want":   {served: webhooks + validatingPolicies + mutatingPolicies, forbidden: "list mutatingadmissionpolicies", disabled: []string{"MutatingAdmissionPolicy"}, want: []string{"MutatingAdmissionPolicy"}},
		"may not watch what is not there":    {served: webhooks + validatingPolicies, forbidden: "list mutatingadmissionpolicies", want: []string{"MutatingAdmissionPolicy"}},
		"does not serve the group at all":    {served: "", want: []string{"MutatingAdmissionPolicy", "MutatingAdmissionWebhook", "ValidatingAdmissionPolicy", "ValidatingAdmissionWebhook"}},
		"what was off stays off, once named": {served: webhooks, disabled: []string{"ValidatingAdmissionPolicy"}, want: []string{"ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"}},
	}
	for name, test := range tests {
		o := New()
		o.Recommended.Admission.DisablePlugins = test.disabled
		o.Recommended.Admission.EnablePlugins = test.enabled
		err := o.ProbeAdmission(t.Context(), host(test.served, test.forbidden))
		switch {
		case test.err == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%s: got %v, want an error with %q", name, err, test.err)
		case test.err == "":
			if diff := cmp.Diff(test.want, o.Recommended.Admission.DisablePlugins); diff != "" {
				t.Errorf("%s: disabled (-want +got):\n%s", name, diff)
			}
		}
	}
}

func TestProbeOfAHostThatDoesNotAnswer(t *testing.T) {
	client := host(webhooks, "")
	broken := errors.New("connection refused")
	client.PrependReactor("create", "selfsubjectaccessreviews", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, broken })
	if err := New().ProbeAdmission(t.Context(), client); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

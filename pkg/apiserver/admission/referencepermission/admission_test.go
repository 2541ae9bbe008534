package referencepermission

import (
	"context"
	"io"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

func allowAll() authorizer.Authorizer {
	return authorizer.AuthorizerFunc(func(context.Context, authorizer.Attributes) (authorizer.Decision, string, error) {
		return authorizer.DecisionAllow, "", nil
	})
}

func TestInitialization(t *testing.T) {
	plugins := admission.NewPlugins()
	Register(plugins)
	initializers := admission.PluginInitializers{NewInitializer("source.toolkit.fluxcd.io")}
	// Without an authorizer the server must not start.
	if _, err := plugins.NewFromPlugins([]string{PluginName}, noConfig{}, initializers, nil); err == nil || !strings.Contains(err.Error(), "no authorizer") {
		t.Errorf("got %v, want a refusal for want of an authorizer", err)
	}
	initializers = append(initializers, giveAuthorizer{})
	if _, err := plugins.NewFromPlugins([]string{PluginName}, noConfig{}, initializers, nil); err != nil {
		t.Error(err)
	}
	p := New()
	p.SetAuthorizer(allowAll())
	if err := p.ValidateInitialization(); err == nil || !strings.Contains(err.Error(), "no served groups") {
		t.Errorf("got %v, want a refusal for want of groups", err)
	}
}

type noConfig struct{}

func (noConfig) ConfigFor(string) (io.Reader, error) { return nil, nil }

type giveAuthorizer struct{}

func (giveAuthorizer) Initialize(plugin admission.Interface) {
	plugin.(*Plugin).SetAuthorizer(allowAll())
}

func TestValidate(t *testing.T) {
	p := New()
	p.SetAuthorizer(allowAll())
	NewInitializer("source.toolkit.fluxcd.io").Initialize(p)
	ours := schema.GroupVersionResource{Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "gitrepositories"}
	others := schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	jo := &user.DefaultInfo{Name: "jo"}
	tests := map[string]struct {
		resource    schema.GroupVersionResource
		subresource string
		user        user.Info
		refused     bool
	}{
		"a user":                      {ours, "", jo, false},
		"nobody":                      {ours, "", nil, true},
		"nobody, on the status":       {ours, "status", nil, false},
		"nobody, on another's object": {others, "", nil, false},
	}
	for name, test := range tests {
		a := admission.NewAttributesRecord(nil, nil, schema.GroupVersionKind{}, "team", "app", test.resource, test.subresource, admission.Create, nil, false, test.user)
		err := p.Validate(t.Context(), a, nil)
		if apierrors.IsForbidden(err) != test.refused {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if !p.Handles(admission.Create) || !p.Handles(admission.Update) || p.Handles(admission.Delete) || p.Handles(admission.Connect) {
		t.Error("the plug-in handles other operations than writes")
	}
}

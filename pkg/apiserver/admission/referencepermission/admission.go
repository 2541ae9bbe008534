// Package referencepermission is the admission plug-in that decides who may
// name what: a user who writes an object that names a service account, a Secret
// or a source has Leat act with it, and so must be allowed to use it.
//
// The plug-in has its place in the chain, knows which groups are its business
// and has the authorizer to ask. Which references are checked, and against which
// permissions, comes with the rules of tenancy; until then it lets everything
// pass, so that the same manifests are accepted as by Flux.
package referencepermission

import (
	"context"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// PluginName is what the flags that enable and disable plug-ins call it.
const PluginName = "ReferencePermission"

var (
	_ admission.ValidationInterface = (*Plugin)(nil)
	_ initializer.WantsAuthorizer   = (*Plugin)(nil)
	_ WantsServedGroups             = (*Plugin)(nil)
)

// WantsServedGroups is implemented by plug-ins that need to know the API groups
// of this server.
type WantsServedGroups interface {
	SetServedGroups(sets.Set[string])
	admission.InitializationValidator
}

// NewInitializer tells plug-ins that want to know the API groups of this server.
func NewInitializer(groups ...string) admission.PluginInitializer {
	return servedGroups(sets.New(groups...))
}

type servedGroups sets.Set[string]

// Initialize implements admission.PluginInitializer.
func (g servedGroups) Initialize(plugin admission.Interface) {
	if wants, ok := plugin.(WantsServedGroups); ok {
		wants.SetServedGroups(sets.Set[string](g))
	}
}

// Register makes the plug-in known.
func Register(plugins *admission.Plugins) {
	plugins.Register(PluginName, func(config io.Reader) (admission.Interface, error) {
		if config != nil {
			return nil, fmt.Errorf("the admission plug-in %s takes no configuration", PluginName)
		}
		return New(), nil
	})
}

// Plugin is the admission plug-in.
type Plugin struct {
	*admission.Handler

	authorizer authorizer.Authorizer
	groups     sets.Set[string]
}

// New returns a plug-in that is still to be initialized.
func New() *Plugin {
	return &Plugin{Handler: admission.NewHandler(admission.Create, admission.Update)}
}

// SetAuthorizer implements initializer.WantsAuthorizer.
func (p *Plugin) SetAuthorizer(a authorizer.Authorizer) { p.authorizer = a }

// SetServedGroups implements WantsServedGroups.
func (p *Plugin) SetServedGroups(groups sets.Set[string]) { p.groups = groups }

// ValidateInitialization fails where the plug-in could not do its work: a server
// that cannot ask for permissions must not start.
func (p *Plugin) ValidateInitialization() error {
	var errs []error
	if p.authorizer == nil {
		errs = append(errs, errors.New("no authorizer"))
	}
	if len(p.groups) == 0 {
		errs = append(errs, errors.New("no served groups"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("admission plug-in %s: %w", PluginName, err)
	}
	return nil
}

// Validate decides on a write. A request without a user cannot be held to
// anyone's permissions; the filters in front let none through, and were one to
// come all the same it is refused.
func (p *Plugin) Validate(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if !p.groups.Has(a.GetResource().Group) || a.GetSubresource() != "" {
		return nil
	}
	if a.GetUserInfo() == nil {
		return admission.NewForbidden(a, errors.New("the request has no user whose permissions could be checked"))
	}
	return nil
}

package launch

import (
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	"k8s.io/apiserver/pkg/quota/v1/generic"
)

// countObjects tells the admission plug-in of quotas what to measure: nothing of
// its own. Objects of kinds without a measure are counted, and a count is all that
// a quota can say of ours. kube-apiserver only passes their requests on, so that
// nobody else could refuse the one too many.
type countObjects struct{}

// Initialize implements admission.PluginInitializer.
func (countObjects) Initialize(plugin admission.Interface) {
	if wants, ok := plugin.(initializer.WantsQuotaConfiguration); ok {
		wants.SetQuotaConfiguration(generic.NewConfiguration(nil, nil))
	}
}

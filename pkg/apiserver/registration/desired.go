package registration

import (
	"bytes"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

const (
	// groupPriority and versionPriority are those that kube-apiserver gives to
	// groups of CRDs, so that short names and kinds resolve as they do with Flux.
	groupPriority   = 1000
	versionPriority = 100
)

// nameOf returns the name of a group version's APIService.
func nameOf(gv schema.GroupVersion) string { return gv.Version + "." + gv.Group }

// desired returns the APIService as it should be. A version is preferred to those
// that come after it in the options.
func (r *Registrar) desired(gv schema.GroupVersion, bundle []byte) *apiregistrationv1.APIService {
	priority := int32(versionPriority)
	for _, other := range r.options.GroupVersions {
		if other == gv {
			break
		}
		if other.Group == gv.Group {
			priority--
		}
	}
	port := r.options.Port
	return &apiregistrationv1.APIService{
		ObjectMeta: metav1.ObjectMeta{
			Name:   nameOf(gv),
			Labels: map[string]string{managedByLabel: managedBy},
		},
		Spec: apiregistrationv1.APIServiceSpec{
			Service:              &apiregistrationv1.ServiceReference{Namespace: r.options.Namespace, Name: r.options.Service, Port: &port},
			Group:                gv.Group,
			Version:              gv.Version,
			CABundle:             bundle,
			GroupPriorityMinimum: groupPriority,
			VersionPriority:      priority,
		},
	}
}

// corrected returns current with everything that matters as in wanted, or nil if it
// is already. Labels and annotations of others are kept.
func corrected(current, wanted *apiregistrationv1.APIService) *apiregistrationv1.APIService {
	_, automanaged := current.Labels[automanagedLabel]
	if !automanaged && current.Labels[managedByLabel] == managedBy && equalSpec(current.Spec, wanted.Spec) {
		return nil
	}
	c := current.DeepCopy()
	c.Spec = wanted.Spec
	delete(c.Labels, automanagedLabel)
	if c.Labels == nil {
		c.Labels = map[string]string{}
	}
	c.Labels[managedByLabel] = managedBy
	return c
}

func equalSpec(a, b apiregistrationv1.APIServiceSpec) bool {
	if !bytes.Equal(a.CABundle, b.CABundle) {
		return false
	}
	a.CABundle, b.CABundle = nil, nil
	return apiequality.Semantic.DeepEqual(a, b)
}

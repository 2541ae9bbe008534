package options

import (
	"context"
	"fmt"
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle"
	mutatingpolicy "k8s.io/apiserver/pkg/admission/plugin/policy/mutating"
	validatingpolicy "k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/resourcequota"
	mutatingwebhook "k8s.io/apiserver/pkg/admission/plugin/webhook/mutating"
	validatingwebhook "k8s.io/apiserver/pkg/admission/plugin/webhook/validating"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
)

var admissionV1 = schema.GroupVersion{Group: "admissionregistration.k8s.io", Version: "v1"}

// watchedBy returns what each admission plug-in watches in the host cluster. A
// plug-in that cannot sync refuses every write.
func watchedBy() map[string][]schema.GroupVersionResource {
	return map[string][]schema.GroupVersionResource{
		lifecycle.PluginName:         {{Version: "v1", Resource: "namespaces"}},
		resourcequota.PluginName:     {{Version: "v1", Resource: "resourcequotas"}},
		mutatingwebhook.PluginName:   {admissionV1.WithResource("mutatingwebhookconfigurations")},
		validatingwebhook.PluginName: {admissionV1.WithResource("validatingwebhookconfigurations")},
		mutatingpolicy.PluginName: {
			admissionV1.WithResource("mutatingadmissionpolicies"),
			admissionV1.WithResource("mutatingadmissionpolicybindings"),
		},
		validatingpolicy.PluginName: {
			admissionV1.WithResource("validatingadmissionpolicies"),
			admissionV1.WithResource("validatingadmissionpolicybindings"),
		},
	}
}

// admissionProbe finds out which admission plug-ins can work in a host cluster.
type admissionProbe struct {
	client kubernetes.Interface
	served map[schema.GroupVersion]map[string]bool
}

// unusable returns the plug-ins among enabled whose resources the host cluster
// does not serve. It has nothing of that sort to enforce, so nothing is lost
// without them.
//
// A resource that is served but may not be watched is an error: policies that
// the cluster has would be passed by, and no one would know.
func (p *admissionProbe) unusable(ctx context.Context, enabled []string) ([]string, error) {
	var unusable []string
	for _, plugin := range enabled {
		for _, resource := range watchedBy()[plugin] {
			served, err := p.serves(resource)
			if err != nil {
				return nil, err
			}
			if !served {
				klog.FromContext(ctx).Info("Admission plug-in is off: the host cluster does not serve what it enforces", "plugin", plugin, "resource", resource)
				unusable = append(unusable, plugin)
				break
			}
			if err := p.mayWatch(ctx, plugin, resource); err != nil {
				return nil, err
			}
		}
	}
	return unusable, nil
}

func (p *admissionProbe) serves(resource schema.GroupVersionResource) (bool, error) {
	version := resource.GroupVersion()
	if _, known := p.served[version]; !known {
		list, err := p.client.Discovery().ServerResourcesForGroupVersion(version.String())
		if err != nil && !apierrors.IsNotFound(err) {
			return false, fmt.Errorf("asking the host cluster which resources of %s it serves: %w", version, err)
		}
		if p.served == nil {
			p.served = map[schema.GroupVersion]map[string]bool{}
		}
		p.served[version] = map[string]bool{}
		if err == nil {
			for _, r := range list.APIResources {
				p.served[version][r.Name] = true
			}
		}
	}
	return p.served[version][resource.Resource], nil
}

func (p *admissionProbe) mayWatch(ctx context.Context, plugin string, resource schema.GroupVersionResource) error {
	for _, verb := range []string{"list", "watch"} {
		review, err := p.client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
				Group: resource.Group, Version: resource.Version, Resource: resource.Resource, Verb: verb,
			}},
		}, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("asking the host cluster whether this server may %s %s: %w", verb, resource.GroupResource(), err)
		}
		if !review.Status.Allowed {
			return fmt.Errorf("the admission plug-in %s needs to %s %s in the host cluster and is not allowed to: grant get, list and watch, or pass --disable-admission-plugins=%s to do without what it enforces",
				plugin, verb, resource.GroupResource(), plugin)
		}
	}
	return nil
}

// ProbeAdmission turns off the plug-ins that could never sync, except those that
// were asked for by name.
func (o *Options) ProbeAdmission(ctx context.Context, client kubernetes.Interface) error {
	admission := o.Recommended.Admission
	var enabled []string
	for _, plugin := range admission.RecommendedPluginOrder {
		if !slices.Contains(admission.DisablePlugins, plugin) && !slices.Contains(admission.EnablePlugins, plugin) {
			enabled = append(enabled, plugin)
		}
	}
	probe := &admissionProbe{client: client}
	unusable, err := probe.unusable(ctx, enabled)
	if err != nil {
		return err
	}
	admission.DisablePlugins = append(admission.DisablePlugins, unusable...)
	return nil
}

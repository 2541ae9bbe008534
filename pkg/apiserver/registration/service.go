package registration

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

// ensureService makes the Service that leads to a server outside of the cluster.
// Inside, the Service comes with the installation.
//
// Of what loopback allows, type ExternalName is what works: endpoints refuse
// loopback addresses, and kube-apiserver resolves the name itself.
func (r *Registrar) ensureService(ctx context.Context) error {
	if r.options.ExternalName == "" {
		return nil
	}
	services := r.options.Core.CoreV1().Services(r.options.Namespace)
	current, err := services.Get(ctx, r.options.Service, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return r.createService(ctx)
	}
	name := r.options.Namespace + "/" + r.options.Service
	if err != nil {
		return fmt.Errorf("reading Service %s: %w", name, err)
	}
	if current.Spec.Type == corev1.ServiceTypeExternalName && current.Spec.ExternalName == r.options.ExternalName {
		return nil
	}
	if current.Labels[managedByLabel] != managedBy {
		return fmt.Errorf("service %s exists and was not made by this server: it is left alone; delete it, or choose another with --service-name", name)
	}
	updated := current.DeepCopy()
	updated.Spec = r.serviceSpec()
	if _, err := services.Update(ctx, updated, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("updating Service %s: %w", name, err)
	}
	klog.FromContext(ctx).Info("Put right the Service", "service", klog.KObj(updated), "externalName", r.options.ExternalName)
	return nil
}

func (r *Registrar) serviceSpec() corev1.ServiceSpec {
	return corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: r.options.ExternalName}
}

// createService makes the namespace only where there is none: what is installed
// with few rights may not, and need not.
func (r *Registrar) createService(ctx context.Context) error {
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name:      r.options.Service,
			Namespace: r.options.Namespace,
			Labels:    map[string]string{managedByLabel: managedBy},
		},
		Spec: r.serviceSpec(),
	}
	services := r.options.Core.CoreV1().Services(r.options.Namespace)
	_, err := services.Create(ctx, service, metav1.CreateOptions{})
	if apierrors.IsNotFound(err) {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.options.Namespace}}
		if _, err := r.options.Core.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating namespace %s: %w", r.options.Namespace, err)
		}
		_, err = services.Create(ctx, service, metav1.CreateOptions{})
	}
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating Service %s/%s: %w", r.options.Namespace, r.options.Service, err)
	}
	return nil
}

package registration

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/klog/v2"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// pass looks at everything once and does what is to be done. It returns when to
// look again if something had to be put off.
func (r *Registrar) pass(ctx context.Context) (retryAfter time.Duration, err error) {
	if err := r.ensureService(ctx); err != nil {
		return 0, err
	}
	bundle := r.options.CABundle.CurrentCABundleContent()
	if len(bundle) == 0 {
		// The bundle's listener is what comes back to this.
		r.setProblem(errors.New("waiting for the serving certificate, whose authority the APIServices name"))
		return 0, nil
	}
	all, err := r.lister.List(labels.Everything())
	if err != nil {
		return 0, fmt.Errorf("listing APIServices: %w", err)
	}
	groups := groupStates(all, r.wanted)
	var problems, failures []error
	for _, gv := range r.options.GroupVersions {
		wanted := r.desired(gv, bundle)
		after, refusal, err := r.bring(ctx, wanted, groups[gv.Group])
		retryAfter = max(retryAfter, after)
		if refusal != nil {
			problems = append(problems, refusal)
		}
		if err != nil {
			failures = append(failures, err)
		}
	}
	if len(failures) > 0 {
		return 0, errors.Join(append(failures, problems...)...)
	}
	r.setProblem(errors.Join(problems...))
	return retryAfter, nil
}

// bring makes one APIService as wanted, or refuses to.
func (r *Registrar) bring(ctx context.Context, wanted *apiregistrationv1.APIService, group groupState) (retryAfter time.Duration, refusal, err error) {
	current, err := r.lister.Get(wanted.Name)
	if err != nil && !apierrors.IsNotFound(err) {
		return 0, nil, fmt.Errorf("reading APIService %s: %w", wanted.Name, err)
	}
	if err != nil {
		current = nil
	}
	v, reason := decide(wanted, current, r.isOurs(current), group, r.options.Adopt)
	if v == refuse {
		return 0, r.refuse(ctx, wanted, current, reason), nil
	}
	delete(r.refused, wanted.Name)
	if current == nil {
		return 0, nil, r.create(ctx, wanted)
	}
	correction := corrected(current, wanted)
	if correction == nil {
		r.own(current)
		return 0, nil, nil
	}
	if v == keep && !r.repairs[wanted.Name].AllowN(r.clock.Now(), 1) {
		klog.FromContext(ctx).Info("APIService is changed by others again and again; it is put right with pauses", "apiService", wanted.Name, "retryIn", repairPause)
		return repairPause, nil, nil
	}
	return 0, nil, r.update(ctx, correction, v)
}

func (r *Registrar) create(ctx context.Context, wanted *apiregistrationv1.APIService) error {
	created, err := r.options.Client.ApiregistrationV1().APIServices().Create(ctx, wanted, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil // our cache is behind; the event of it brings us back
	}
	if err != nil {
		return fmt.Errorf("creating APIService %s: %w", wanted.Name, err)
	}
	r.own(created)
	klog.FromContext(ctx).Info("Registered", "apiService", wanted.Name)
	return nil
}

func (r *Registrar) update(ctx context.Context, correction *apiregistrationv1.APIService, v verdict) error {
	updated, err := r.options.Client.ApiregistrationV1().APIServices().Update(ctx, correction, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // our cache is behind; the event of it brings us back
	}
	if err != nil {
		return fmt.Errorf("updating APIService %s: %w", correction.Name, err)
	}
	r.own(updated)
	if v == takeOver {
		klog.FromContext(ctx).Info("Took over a group that was served from CRDs", "apiService", correction.Name)
		r.recorder.Event(updated, corev1.EventTypeNormal, reasonAdopted, "the group is served by Leat from now on; what the CRDs hold is hidden")
		return nil
	}
	klog.FromContext(ctx).Info("Put right an APIService", "apiService", correction.Name)
	return nil
}

// refuse tells, once for each reason, that an APIService is not made.
func (r *Registrar) refuse(ctx context.Context, wanted, current *apiregistrationv1.APIService, reason string) error {
	err := fmt.Errorf("APIService %s is not registered: %s", wanted.Name, reason)
	if r.refused[wanted.Name] == reason {
		return err
	}
	r.refused[wanted.Name] = reason
	klog.FromContext(ctx).Error(nil, "Refused to register a group", "apiService", wanted.Name, "reason", reason)
	if current == nil {
		current = wanted
	}
	r.recorder.Event(current, corev1.EventTypeWarning, reasonRefused, "not registered by Leat: "+reason)
	return err
}

// isOurs says whether the APIService was made by this server, this or another time.
func (r *Registrar) isOurs(s *apiregistrationv1.APIService) bool {
	if s == nil {
		return false
	}
	ref := s.Spec.Service
	return s.Labels[managedByLabel] == managedBy || r.isKnown(s) ||
		ref != nil && ref.Namespace == r.options.Namespace && ref.Name == r.options.Service
}

func (r *Registrar) isKnown(s *apiregistrationv1.APIService) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return s.UID != "" && r.owned.Has(s.UID)
}

func (r *Registrar) own(s *apiregistrationv1.APIService) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owned.Insert(s.UID)
}

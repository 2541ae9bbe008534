package registration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ReadyAnnotation on an APIService is when the server behind it last became ready.
const ReadyAnnotation = "leat.dev/ready-at"

// Touch writes into our APIServices that the server has become ready.
//
// kube-apiserver tries a server that was down again with pauses that grow to half a
// minute, and while a group is unavailable no namespace of the cluster can be
// deleted. A change of the APIService makes it look at once.
func (r *Registrar) Touch(ctx context.Context) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"annotations": map[string]string{ReadyAnnotation: r.clock.Now().UTC().Format(time.RFC3339Nano)},
	}})
	if err != nil {
		return fmt.Errorf("encoding the patch of APIServices: %w", err)
	}
	services := r.options.Client.ApiregistrationV1().APIServices()
	var errs []error
	for _, gv := range r.options.GroupVersions {
		current, err := services.Get(ctx, nameOf(gv), metav1.GetOptions{})
		if err == nil && r.isOurs(current) {
			_, err = services.Patch(ctx, nameOf(gv), types.MergePatchType, patch, metav1.PatchOptions{})
		}
		// What is not there yet is looked at when it is made.
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("touching APIService %s: %w", nameOf(gv), err))
		}
	}
	return errors.Join(errs...)
}

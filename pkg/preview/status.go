package preview

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/pkg/build"
)

// The times after which it makes sense to try again.
const (
	busyRetrySeconds   = 10
	brokenRetrySeconds = 5
)

func retryAfter(seconds int32) *metav1.StatusDetails {
	return &metav1.StatusDetails{RetryAfterSeconds: seconds}
}

// Invalid is the status for an object that no preview can be made of, because of
// what is in a field of it, or in a file of its source.
func Invalid(kind schema.GroupKind, name, field, message string) *apierrors.StatusError {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
		Message: fmt.Sprintf("%s %q: %s", kind.Kind, name, message),
		Details: &metav1.StatusDetails{
			Group: kind.Group, Kind: kind.Kind, Name: name,
			Causes: []metav1.StatusCause{{Type: metav1.CauseTypeFieldValueInvalid, Field: field, Message: message}},
		},
	}}
}

// BuildStatus is the status for a build that failed.
//
//	reason of the build              status  next step
//	Invalid, Remote, Substitution    422     change the file, or the object
//	PathNotFound                     422     change spec.path
//	Limit of an upload               413     send less
//	Limit, Deadline, Memory          422     build less
//	Busy                             429     later
//	Unavailable                      503     later
//	Store                            503     have the source run
//	Crashed                          500
//
// Errors that are no build's are returned as they are.
func BuildStatus(err error, kind schema.GroupKind, name string, upload bool) error {
	var e *build.Error
	if !errors.As(err, &e) {
		return err
	}
	message := "building: " + e.Error()
	status := func(code int32, reason metav1.StatusReason, wait int32) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message, Details: &metav1.StatusDetails{
				Group: kind.Group, Kind: kind.Kind, Name: name, RetryAfterSeconds: wait,
			},
		}}
	}
	switch e.Reason {
	case build.ReasonPathNotFound:
		return Invalid(kind, name, "spec.path", message)
	case build.ReasonInvalid, build.ReasonRemote, build.ReasonSubstitution:
		return Invalid(kind, name, e.File, message)
	case build.ReasonLimit:
		if upload {
			return status(http.StatusRequestEntityTooLarge, metav1.StatusReasonRequestEntityTooLarge, 0)
		}
		return Invalid(kind, name, e.File, message)
	case build.ReasonDeadline, build.ReasonMemory:
		return Invalid(kind, name, "spec.path", message)
	case build.ReasonBusy:
		return status(http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests, busyRetrySeconds)
	case build.ReasonUnavailable:
		return status(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, brokenRetrySeconds)
	case build.ReasonStore:
		message = "reading the artifact from the store failed; the source puts that right when it runs next, which its subresource reconcile asks for"
		return status(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, 0)
	}
	return status(http.StatusInternalServerError, metav1.StatusReasonInternalError, 0)
}

// Status makes an API status of any error. What is one of its own is an answer to
// the caller. What is not, or has one in it, failed on the way to an answer: also
// a status of the cluster, which was one to somebody else. Errors of ctx are
// returned as they are.
func Status(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if _, ok := err.(apierrors.APIStatus); ok {
		return err
	}
	if apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) {
		status := apierrors.NewServiceUnavailable("the cluster does not answer at the moment: " + err.Error())
		status.ErrStatus.Details = retryAfter(brokenRetrySeconds)
		return status
	}
	return apierrors.NewInternalError(err)
}

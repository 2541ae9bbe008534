package generic

import (
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	// maxErrors is how many errors of one object are reported.
	maxErrors = 100
	// maxQuoted is how much of a value goes back to the client, and maxMessage how
	// much of a refusal.
	maxQuoted  = 256
	maxMessage = 8 << 10
)

// limited leaves out what nobody reads, and says how much that was. To put errors
// into one message costs the square of their number.
func limited(errs field.ErrorList) field.ErrorList {
	if len(errs) <= maxErrors {
		return errs
	}
	more := &field.Error{
		Type:   field.ErrorTypeForbidden,
		Field:  errs[maxErrors].Field,
		Detail: fmt.Sprintf("%d more errors are not shown, only the first %d", len(errs)-maxErrors, maxErrors),
	}
	return append(errs[:maxErrors:maxErrors], more)
}

// shortened bounds what a refusal repeats of the request: what is refused for its
// size must not be sent back whole, let alone twice.
func shortened(err error) error {
	var refusal *apierrors.StatusError
	if !errors.As(err, &refusal) || len(refusal.ErrStatus.Message) <= maxMessage {
		return err
	}
	status := *refusal.ErrStatus.DeepCopy()
	status.Message = shorten(status.Message, maxMessage)
	if details := status.Details; details != nil {
		details.Name = shorten(details.Name, maxQuoted)
		details.Causes = details.Causes[:min(len(details.Causes), maxErrors)]
		for i := range details.Causes {
			cause := &details.Causes[i]
			cause.Message, cause.Field = shorten(cause.Message, maxQuoted), shorten(cause.Field, maxQuoted)
		}
	}
	return &apierrors.StatusError{ErrStatus: status}
}

// shorten cuts the middle out of a long text. The field is named at the beginning
// of a message, and the limit at the end.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	head, tail := s[:limit/2], s[len(s)-limit/2:]
	return fmt.Sprintf("%s... (%d bytes) ...%s", strings.ToValidUTF8(head, ""), len(s)-limit, strings.ToValidUTF8(tail, ""))
}

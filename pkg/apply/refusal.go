package apply

import (
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// immutableWords are what the validations of Kubernetes' kinds, and CEL rules
// by custom, say of a field that cannot change. There is no reason code.
var immutableWords = []string{
	"immutable", "may not change once set", "may not be changed", "cannot change roleref", "updates to ",
}

// isImmutable says that a change was refused only because the object exists.
func isImmutable(err error) bool {
	var st *apierrors.StatusError
	if !apierrors.IsInvalid(err) || !errors.As(err, &st) {
		return false
	}
	messages := []string{st.ErrStatus.Message}
	if d := st.ErrStatus.Details; d != nil && len(d.Causes) > 0 {
		messages = messages[:0]
		for _, c := range d.Causes {
			messages = append(messages, c.Message)
		}
	}
	for _, m := range messages {
		if !saysImmutable(m) {
			return false // something else is wrong too, which a re-creation would not cure
		}
	}
	return true
}

func saysImmutable(message string) bool {
	message = strings.ToLower(message)
	for _, w := range immutableWords {
		if strings.Contains(message, w) {
			return true
		}
	}
	return false
}

// immutableError adds what to do to the server's words.
type immutableError struct {
	err   error
	group string
}

func (e *immutableError) Error() string {
	return e.err.Error() + "; to have the object deleted and created again, set spec.force or the annotation " + e.group + "/force: enabled"
}

func (e *immutableError) Unwrap() error { return e.err }

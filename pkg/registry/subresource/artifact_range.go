package subresource

import (
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxRanges is how many ranges one request may ask for. Who resumes a download
// asks for one; each further one costs a hundred bytes of answer for a few bytes
// of request.
const maxRanges = 16

// checkRange refuses a header Range with too many ranges.
func checkRange(header string) error {
	if n := strings.Count(header, ",") + 1; n > maxRanges {
		return &apierrors.StatusError{ErrStatus: metav1.Status{
			Status:  metav1.StatusFailure,
			Code:    http.StatusRequestedRangeNotSatisfiable,
			Reason:  "RequestedRangeNotSatisfiable",
			Message: fmt.Sprintf("header Range has %d ranges and may not have more than %d", n, maxRanges),
		}}
	}
	return nil
}

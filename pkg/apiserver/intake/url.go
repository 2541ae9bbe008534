package intake

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

const (
	// MaxURLBytes is the length of a path with its query. The longest of an honest
	// client is a list with a selector of some hundred values.
	MaxURLBytes = 64 << 10

	// MaxSelectorParts is how many requirements and values a selector may have: to
	// say what is wrong with each of them costs the square of their number.
	MaxSelectorParts = 1000

	// maxQuoted is how much of what was sent is sent back.
	maxQuoted = 256
)

const reasonURLTooLong metav1.StatusReason = "RequestURITooLong"

// checkURL refuses what would be expensive to understand, and what the generic
// server would refuse without saying where, or pass by in silence.
func checkURL(req *http.Request) *apierrors.StatusError {
	if n := len(req.RequestURI); n > MaxURLBytes {
		return &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusRequestURITooLong, Reason: reasonURLTooLong,
			Message: fmt.Sprintf("the URL has %d bytes and may not have more than %d", n, MaxURLBytes),
		}}
	}
	if req.URL.RawQuery == "" || !ofAPI(req) {
		return nil
	}
	query, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil {
		// Parameters that cannot be read would be left out, and dryRun is one.
		return apierrors.NewBadRequest("the query of the URL cannot be read: " + quoted(err.Error()))
	}
	for _, check := range []func(url.Values) error{checkNumbers, checkSelectors} {
		if err := check(query); err != nil {
			return apierrors.NewBadRequest(err.Error())
		}
	}
	return nil
}

// checkNumbers names the parameter that is no number; the errors of the generic
// server name the number only.
func checkNumbers(query url.Values) error {
	for _, name := range []string{"limit", "timeoutSeconds", "gracePeriodSeconds"} {
		if value := query.Get(name); value != "" {
			if _, err := strconv.ParseInt(value, 10, 64); err != nil {
				return fmt.Errorf("query parameter %s: %q must be a whole number of 64 bits", name, quoted(value))
			}
		}
	}
	// Where one object is read, or watched for, the generic server takes a bad one
	// for its own mistake.
	if value := query.Get("resourceVersion"); value != "" {
		if _, err := strconv.ParseUint(value, 10, 64); err != nil {
			return fmt.Errorf("query parameter resourceVersion: %q must be a whole number of 64 bits, not below zero", quoted(value))
		}
	}
	return nil
}

func checkSelectors(query url.Values) error {
	for _, name := range []string{"labelSelector", "fieldSelector"} {
		for _, selector := range query[name] {
			if n := strings.Count(selector, ",") + 1; n > MaxSelectorParts {
				return fmt.Errorf("query parameter %s has %d parts and may not have more than %d", name, n, MaxSelectorParts)
			}
		}
	}
	if selector := query.Get("labelSelector"); selector != "" {
		if _, err := labels.Parse(selector); err != nil {
			return fmt.Errorf("query parameter labelSelector: %s", quoted(err.Error()))
		}
	}
	return nil
}

// quoted is what a message repeats of something that a client has sent.
func quoted(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	return fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(s[:maxQuoted], ""), len(s))
}

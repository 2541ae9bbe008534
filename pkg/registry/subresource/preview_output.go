package subresource

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// output is a representation that a subresource can give.
type output struct {
	name      string
	mediaType string
}

// outputs are the representations of a subresource, the default first.
type outputs []output

const (
	asJSON     = "json"
	asYAML     = "yaml"
	asText     = "text"
	asMarkdown = "markdown"
)

// contentTypes are what the representations are sent as.
var contentTypes = map[string]string{
	asJSON:     "application/json",
	asYAML:     "application/yaml",
	asText:     "text/plain; charset=utf-8",
	asMarkdown: "text/markdown; charset=utf-8",
}

// choose picks the representation that the query names. Accept counts only where
// it leaves no choice, because kubectl always sends the same one.
func (o outputs) choose(query string, accept []string) (string, error) {
	var names, mediaTypes []string
	only, restricted := onlyType(accept)
	for _, candidate := range o {
		if query == candidate.name || query == "" && restricted && only == candidate.mediaType {
			return candidate.name, nil
		}
		names = append(names, candidate.name)
		mediaTypes = append(mediaTypes, candidate.mediaType)
	}
	switch {
	case query != "":
		return "", apierrors.NewBadRequest(fmt.Sprintf("output %q is unknown: use one of %s (the default is %s)", query, strings.Join(names, ", "), names[0]))
	case restricted:
		return "", &apierrors.StatusError{ErrStatus: metav1.Status{
			Status:  metav1.StatusFailure,
			Code:    http.StatusNotAcceptable,
			Reason:  metav1.StatusReasonNotAcceptable,
			Message: fmt.Sprintf("not available as %s, only as %s", only, strings.Join(mediaTypes, ", ")),
		}}
	default:
		return names[0], nil
	}
}

// write sends an answer.
func write(w http.ResponseWriter, answer previewAnswer, output string) error {
	data, err := answer.encode(output)
	if err != nil {
		return err
	}
	send(w, http.StatusOK, contentTypes[output], data)
	return nil
}

func writeJSON(w http.ResponseWriter, code int, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	send(w, code, contentTypes[asJSON], append(data, '\n'))
	return nil
}

// send writes an answer that is for this caller only, and that no browser may take
// for a page.
func send(w http.ResponseWriter, code int, contentType string, data []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "private, no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	// Where this fails there is nobody left to tell.
	_, _ = w.Write(data)
}

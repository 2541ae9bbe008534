package intake

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapiserver "k8s.io/apiserver/pkg/server"
)

// Install puts the checks around what a server's filters are so far.
func Install(config *genericapiserver.Config) {
	build := config.BuildHandlerChainFunc
	config.BuildHandlerChainFunc = func(handler http.Handler, c *genericapiserver.Config) http.Handler {
		return Outer(build(Inner(handler), c), c.RequestTimeout*3/4)
	}
}

// Outer goes around the generic filters: what is wrong with a URL is refused
// before anybody parses more of it, a body has a time to arrive in, and every
// refusal of the API is a Status.
func Outer(next http.Handler, bodyTimeout time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := checkURL(req); err != nil {
			refuse(w, err)
			return
		}
		if !ofAPI(req) {
			next.ServeHTTP(w, req)
			return
		}
		writer, answer := newAnswer(w)
		if req.ContentLength != 0 {
			timed, done := withTimedBody(w, req, bodyTimeout)
			defer done()
			req = timed
		}
		next.ServeHTTP(writer, req)
		answer.finish()
	})
}

// Inner goes between the generic filters and the handlers: the client is known
// by then, and may do what it asks for.
func Inner(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		checked, err := checkBody(req)
		if err != nil {
			refuse(w, err)
			return
		}
		next.ServeHTTP(w, checked)
	})
}

// ofAPI tells requests for objects and their discovery from those for health,
// metrics and OpenAPI, which answer in their own ways.
func ofAPI(req *http.Request) bool {
	return strings.HasPrefix(req.URL.Path, "/apis/")
}

// refuse writes a Status as JSON, whatever the client accepts: a refusal that
// cannot be read is none.
func refuse(w http.ResponseWriter, err *apierrors.StatusError) {
	status := err.Status()
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	body, encodeErr := json.Marshal(status)
	if encodeErr != nil {
		http.Error(w, status.Message, int(status.Code))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Del("Content-Length")
	w.WriteHeader(int(status.Code))
	_, _ = w.Write(append(body, '\n')) // the client may have gone
}

package e2e

import (
	"context"
	"net/http"
	"sync"

	"github.com/leat-dev/leat/test/gitserver"
)

// gitHost is the Git server with a hook, so that a test can act at a fetch.
type gitHost struct {
	server *gitserver.Server

	mu            sync.Mutex
	before, after func(*http.Request)
}

func newGitHost(dir string) (*gitHost, error) {
	h := &gitHost{}
	var err error
	h.server, err = gitserver.Start(dir, gitserver.Options{Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			before, after := h.hooks()
			if before != nil {
				before(r)
			}
			next.ServeHTTP(w, r)
			if after != nil {
				after(r)
			}
		})
	}})
	return h, err
}

func (h *gitHost) hooks() (before, after func(*http.Request)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.before, h.after
}

// intercept sets what sees the requests from now on; nil for nothing.
func (h *gitHost) intercept(before, after func(*http.Request)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.before, h.after = before, after
}

// create makes an empty repository and returns its URL.
func (h *gitHost) create(ctx context.Context, name string) (string, error) {
	if _, err := h.server.CreateRepository(ctx, name); err != nil {
		return "", err
	}
	return h.server.URL(name), nil
}

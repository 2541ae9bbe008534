package kubectl

import (
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
)

// do sends a request as the user and returns the code and the body of the answer.
func (u user) do(method, path, body string, header map[string]string) (code int, answer string) {
	u.t.Helper()
	code, _, answer = u.request(method, path, body, header)
	return code, answer
}

// request sends a request as the user and returns the answer.
func (u user) request(method, path, body string, header map[string]string) (int, http.Header, string) {
	u.t.Helper()
	client, err := rest.HTTPClientFor(u.client.Config)
	if err != nil {
		u.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(u.t.Context(), method, u.client.Config.Host+path, strings.NewReader(body))
	if err != nil {
		u.t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		u.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		u.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(answer)
}

// contentTypes notes of which type the answers to each method are.
type contentTypes struct {
	mu   sync.Mutex
	seen map[string]string
}

func (c *contentTypes) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		method := req.Method
		if req.URL.Query().Has("watch") {
			method += " watch"
		}
		contentType, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.seen == nil {
			c.seen = map[string]string{}
		}
		if before, known := c.seen[method]; known && before != contentType {
			contentType = before + " and " + contentType
		}
		c.seen[method] = contentType
		return resp, nil
	})
}

// types are those of the answers to the methods.
func (c *contentTypes) types(methods ...string) map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	types := map[string]string{}
	for _, method := range methods {
		types[method] = c.seen[method]
	}
	return types
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// curl runs curl, which is what people use behind kubectl proxy.
func curl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "curl", append([]string{"--silent", "--show-error", "--fail"}, args...)...).Output()
	if err != nil {
		t.Fatalf("curl %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

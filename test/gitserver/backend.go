package gitserver

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// maxBody bounds what is pushed at once.
const maxBody = 512 << 20

// configuration holds for every repository. It comes by the environment, so
// that what the machine or its user has configured does not matter.
var configuration = [][2]string{
	{"safe.directory", "*"},
	// The server listens on loopback only, or asks for credentials.
	{"http.receivepack", "true"},
	// As on the hosters: a commit can be fetched by its hash, also one that no
	// branch leads to any more.
	{"uploadpack.allowAnySHA1InWant", "true"},
	{"uploadpack.allowFilter", "true"},
	{"init.defaultBranch", "main"},
	{"gc.auto", "0"},
	{"receive.autogc", "false"},
}

// gitEnv is the environment of every git process.
func gitEnv() []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=/nonexistent",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_TERMINAL_PROMPT=0",
		fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(configuration)),
	}
	for i, c := range configuration {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, c[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, c[1]))
	}
	return env
}

// backend runs git http-backend for each request.
type backend struct {
	program string
	env     []string
}

func newBackend(dir string) (*backend, error) {
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("asking git where its programs are: %w", err)
	}
	program := filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("finding git's HTTP server: %w", err)
	}
	return &backend{
		program: program,
		env:     append(gitEnv(), "GIT_PROJECT_ROOT="+dir, "GIT_HTTP_EXPORT_ALL=1"),
	}, nil
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if r.ContentLength < 0 {
		cleanUp, err := spool(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		defer cleanUp()
	}
	handler := cgi.Handler{Path: b.program, Env: slices.Clone(b.env), Stderr: io.Discard}
	// A CGI program finds the header in HTTP_GIT_PROTOCOL, but this one looks
	// for the name that it has elsewhere; without it every client would be
	// answered in the oldest protocol.
	if protocol := r.Header.Get("Git-Protocol"); protocol != "" {
		handler.Env = append(handler.Env, "GIT_PROTOCOL="+protocol)
	}
	handler.ServeHTTP(w, r)
}

// spool stores a request's body to learn its length, which CGI demands and a
// push of more than a megabyte does not tell.
func spool(r *http.Request) (cleanUp func(), err error) {
	file, err := os.CreateTemp("", "gitserver-*")
	if err != nil {
		return nil, fmt.Errorf("storing the request: %w", err)
	}
	cleanUp = func() { file.Close() }
	// Nobody needs the name, and without one nothing is left behind.
	length, err := int64(0), os.Remove(file.Name())
	if err == nil {
		length, err = io.Copy(file, r.Body)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("storing the request (at most %d bytes): %w", int64(maxBody), err), file.Close())
	}
	r.Body, r.ContentLength, r.TransferEncoding = file, length, nil
	return cleanUp, nil
}

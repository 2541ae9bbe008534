package worker

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
)

// silence takes away what kustomize reaches through the standard library's
// global state: its warnings, which may hold contents of files, and its HTTP
// client. git it looks for in PATH, and a worker has no environment.
func silence() error {
	// A pipe that nobody reads, since a root may be too empty for /dev/null. The Go
	// runtime writes to the descriptor, not to the variable: its fatal errors still
	// arrive at the pool.
	reader, nowhere, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("silencing kustomize: %w", err)
	}
	if err := reader.Close(); err != nil {
		return fmt.Errorf("silencing kustomize: %w", err)
	}
	os.Stderr = nowhere
	log.SetOutput(io.Discard)
	http.DefaultTransport = noTransport{}
	return os.Unsetenv("PATH")
}

// noTransport is the net below the checks of the walker: what they miss is
// still not fetched.
type noTransport struct{}

func (noTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, &fault{reason: reasonRemote, err: fmt.Errorf("%s is remote: builds do not fetch anything", redact(r.URL.String()))}
}

package gitserver

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"
)

const (
	headerTimeout   = 10 * time.Second
	shutdownTimeout = 5 * time.Second
)

// Options say how to serve.
type Options struct {
	// Address is where to listen, a free port of 127.0.0.1 when empty. Others
	// than loopback addresses are refused.
	Address string
	// Username and Password are asked for when either is set.
	Username, Password string
	// BearerToken is asked for when set. With a password, too, either will do.
	BearerToken string
	// TLS serves HTTPS with a certificate of a CA that Server.CA returns.
	TLS bool
	// Wrap goes around everything, for tests of slow or broken servers.
	Wrap func(http.Handler) http.Handler
}

// Server serves the repositories below a directory.
type Server struct {
	// Dir holds the repositories.
	Dir string

	options  Options
	listener net.Listener
	http     *http.Server
	ca       []byte
	failed   chan error

	mu       sync.Mutex
	requests []Request
}

// Start serves the repositories below dir until Close.
func Start(dir string, o Options) (*Server, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("starting the Git server: %w", err)
	}
	backend, err := newBackend(absolute)
	if err != nil {
		return nil, fmt.Errorf("starting the Git server: %w", err)
	}
	s := &Server{Dir: absolute, options: o, failed: make(chan error, 1)}
	if err := s.listen(); err != nil {
		return nil, fmt.Errorf("starting the Git server: %w", err)
	}
	handler := s.record(s.authenticate(backend))
	if o.Wrap != nil {
		handler = o.Wrap(handler)
	}
	s.http = &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout}
	go func() {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
	return s, nil
}

func (s *Server) listen() error {
	address := s.options.Address
	if address == "" {
		address = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("address %s: it is not a loopback address, and anybody may push here", address)
	}
	if s.listener, err = net.Listen("tcp", address); err != nil {
		return err
	}
	if !s.options.TLS {
		return nil
	}
	certificate, ca, err := newCertificate()
	if err != nil {
		return errors.Join(err, s.listener.Close())
	}
	s.ca = ca
	s.listener = tls.NewListener(s.listener, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	return nil
}

// URL is where a repository is served, or the server's root for an empty name.
func (s *Server) URL(repository string) string {
	scheme := "http"
	if s.options.TLS {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s/%s", scheme, s.listener.Addr(), repository)
}

// CA is the certificate that clients have to trust, PEM encoded; nil without TLS.
func (s *Server) CA() []byte { return s.ca }

// Failed reports that the server has stopped by itself.
func (s *Server) Failed() <-chan error { return s.failed }

// Close stops the server; requests that go on get a moment to end.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

func (s *Server) authenticate(next http.Handler) http.Handler {
	o := s.options
	if o.Username == "" && o.Password == "" && o.BearerToken == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		username, password, ok := r.BasicAuth()
		basic := ok && (o.Username != "" || o.Password != "") && same(username, o.Username) && same(password, o.Password)
		bearer := o.BearerToken != "" && same(r.Header.Get("Authorization"), "Bearer "+o.BearerToken)
		if !basic && !bearer {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

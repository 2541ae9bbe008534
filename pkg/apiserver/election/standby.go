package election

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	certutil "k8s.io/client-go/util/cert"
)

const (
	standbyTimeout = 10 * time.Second
	// standbyRetry is how many seconds a client is told to wait: about as long as
	// an election takes.
	standbyRetry = 2
)

// Standby answers on the address of the server while another one acts: probes
// are told that all is well, everybody else to come back.
type Standby struct {
	server *http.Server
	done   chan struct{}
}

// StartStandby listens on address, with a certificate that nobody has to trust:
// the kubelet does not ask.
func StartStandby(ctx context.Context, address string) (*Standby, error) {
	cert, key, err := certutil.GenerateSelfSignedCertKey("leat-apiserver", nil, nil)
	if err != nil {
		return nil, fmt.Errorf("making the certificate for standing by: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("making the certificate for standing by: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening while standing by: %w", err)
	}
	s := &Standby{
		server: &http.Server{
			Handler: standbyHandler(), ReadTimeout: standbyTimeout, WriteTimeout: standbyTimeout,
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		},
		done: make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		if err := s.server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			// The probes fail, and the kubelet starts the process anew.
			_ = listener.Close()
		}
	}()
	return s, nil
}

// Close frees the address.
func (s *Standby) Close() error {
	err := s.server.Close()
	<-s.done
	if err != nil {
		return fmt.Errorf("ending to stand by: %w", err)
	}
	return nil
}

func standbyHandler() http.Handler {
	mux := http.NewServeMux()
	for _, path := range []string{"/healthz", "/livez", "/readyz"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok: standing by")) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", fmt.Sprint(standbyRetry))
		w.WriteHeader(http.StatusServiceUnavailable)
		// Who does not read the answer has its code.
		_ = json.NewEncoder(w).Encode(&metav1.Status{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
			Status:   metav1.StatusFailure, Code: http.StatusServiceUnavailable, Reason: metav1.StatusReasonServiceUnavailable,
			Message: "this server stands by, another one acts: try again", Details: &metav1.StatusDetails{RetryAfterSeconds: standbyRetry},
		})
	})
	return mux
}

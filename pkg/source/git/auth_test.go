package git

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAuthentication(t *testing.T) {
	const user, password, token = "some-user", "pass word/+?&%", "token-0123456789"
	withUser := func(u string) func(string) string {
		return func(url string) string { return strings.Replace(url, "://", "://"+u+"@", 1) }
	}
	plain := func(url string) string { return url }
	bearer := func(header string) int {
		if header == "Bearer "+token {
			return http.StatusOK
		}
		return http.StatusUnauthorized
	}
	tests := []struct {
		name      string
		authorize func(string) int
		auth      *Auth
		url       func(string) string
		ok        bool
	}{
		{"basic", basicAuth(user, password), &Auth{Username: user, Password: password}, plain, true},
		{"basic, wrong", basicAuth(user, "other"), &Auth{Username: user, Password: password}, plain, false},
		{"basic, missing", basicAuth(user, password), nil, plain, false},
		{"forbidden", func(string) int { return http.StatusForbidden }, &Auth{Username: user, Password: password}, plain, false},
		{"user info", basicAuth("u", "p%/w"), nil, withUser("u:p%25%2Fw"), true},
		{"user info, wrong", basicAuth("u", "other"), nil, withUser("u:canary-password"), false},
		{"token as user name", basicAuth(token, ""), nil, withUser(token), true},
		{"token as user name, wrong", basicAuth("other", ""), nil, withUser(token), false},
		{"auth goes before user info", basicAuth(user, password), &Auth{Username: user, Password: password}, withUser("u:canary-password"), true},
		{"bearer", bearer, &Auth{BearerToken: token}, plain, true},
		{"bearer goes before basic", bearer, &Auth{Username: user, Password: password, BearerToken: token}, plain, true},
		{"bearer, wrong", basicAuth("x", "y"), &Auth{BearerToken: token}, plain, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newGitServer(t, false)
			r := s.repo(t, "app.git")
			r.commit("first", map[string]string{"a.yaml": "1"})
			s.setAuthorize(tt.authorize)
			f, _ := newFetcher(t, Options{})
			req := Request{Key: "k", URL: tt.url(r.url), Ref: Ref{Branch: "main"}, Auth: tt.auth}
			if tt.ok {
				fetch(t, f, req)
				return
			}
			err := failure(t, f, req)
			if err.Reason != ReasonAuthenticationFailed {
				t.Errorf("reason %s of %v", err.Reason, err)
			}
			// The server sends back what it got.
			text := fmt.Sprintf("%v %+v %#v", err, err, errors.Unwrap(err))
			for _, secret := range []string{password, token, "canary-password", "p%/w",
				base64.StdEncoding.EncodeToString([]byte(user + ":" + password)), base64.StdEncoding.EncodeToString([]byte(token + ":"))} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q shows in %s", secret, text)
				}
			}
		})
	}
}

func TestAuthPrintsNothing(t *testing.T) {
	a := Auth{Username: "canary", Password: "canary", BearerToken: "canary", CA: []byte("canary"), ClientCert: []byte("canary"), ClientKey: []byte("canary")}
	json, err := a.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(a), fmt.Sprintf("%v %+v %#v %s %q", a, a, a, a, a), fmt.Sprintf("%v %+v %#v", &a, &a, struct{ A *Auth }{&a}.A), string(json),
		fmt.Sprintf("%+v", Request{Auth: &a}.Auth),
	} {
		if strings.Contains(text, "canary") {
			t.Errorf("%s", text)
		}
	}
	if got := a.String(); !strings.Contains(got, "bearerToken") {
		t.Errorf("String() = %q does not say what is set", got)
	}
}

func TestTLS(t *testing.T) {
	s := newGitServer(t, true)
	r := s.repo(t, "app.git")
	r.commit("first", map[string]string{"a.yaml": "1"})
	f, _ := newFetcher(t, Options{})
	req := Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}
	if err := failure(t, f, req); err.Reason != ReasonGitOperationFailed || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without CA: %s, %v", err.Reason, err)
	}
	req.Auth = &Auth{CA: s.ca()}
	fetch(t, f, req)
	// What trusts the server must not serve those that do not.
	if err := failure(t, f, Request{Key: "other", URL: r.url, Ref: Ref{Branch: "main"}}); !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without CA, after a fetch with: %v", err)
	}
	for name, auth := range map[string]*Auth{
		"ca":                       {CA: []byte("no PEM")},
		"client certificate":       {ClientCert: []byte("no PEM"), ClientKey: []byte("no PEM")},
		"client certificate alone": {ClientCert: s.ca()},
	} {
		req.Auth = auth
		if err := failure(t, f, req); err.Reason != ReasonAuthenticationFailed {
			t.Errorf("%s: %s, %v", name, err.Reason, err)
		}
	}
}

// clientCertificate makes a certificate of a client, which is its own CA.
func clientCertificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

func TestMutualTLS(t *testing.T) {
	cert, key := clientCertificate(t)
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(cert)
	s := &gitServer{root: t.TempDir()}
	s.Server = httptest.NewUnstartedServer(s)
	s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trusted, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	r := s.repo(t, "app.git")
	r.commit("first", map[string]string{"a.yaml": "1"})
	f, _ := newFetcher(t, Options{})
	req := Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}, Auth: &Auth{CA: s.ca(), ClientCert: cert, ClientKey: key}}
	fetch(t, f, req)
	other, otherKey := clientCertificate(t)
	for name, auth := range map[string]*Auth{"none": {CA: s.ca()}, "another": {CA: s.ca(), ClientCert: other, ClientKey: otherKey}} {
		req.Auth = auth
		if err := failure(t, f, req); !strings.Contains(err.Error(), "tls") {
			t.Errorf("with certificate %s: %v", name, err)
		}
	}
}

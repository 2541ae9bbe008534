package git

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// Auth is how to authenticate to a server. It never prints what it holds.
type Auth struct {
	// BearerToken goes before Username and Password.
	Username, Password, BearerToken string
	// CA is a bundle of certificates in PEM that are trusted besides the
	// system's.
	CA []byte
	// ClientCert and ClientKey, in PEM, are for mutual TLS.
	ClientCert, ClientKey []byte
}

// String names what is set and shows none of it.
func (a Auth) String() string {
	var set []string
	for _, part := range []struct {
		name string
		size int
	}{
		{"username", len(a.Username)}, {"password", len(a.Password)}, {"bearerToken", len(a.BearerToken)},
		{"ca", len(a.CA)}, {"clientCert", len(a.ClientCert)}, {"clientKey", len(a.ClientKey)},
	} {
		if part.size > 0 {
			set = append(set, part.name)
		}
	}
	return "git.Auth{" + strings.Join(set, " ") + "}"
}

// GoString is String.
func (a Auth) GoString() string { return a.String() }

// MarshalJSON writes String, for loggers that encode what they are given.
func (a Auth) MarshalJSON() ([]byte, error) { return []byte(strconv.Quote(a.String())), nil }

// endpoint is where a repository is and how to get in.
type endpoint struct {
	*transport.Endpoint
	auth githttp.AuthMethod
	tls  *tls.Config
	// tlsKey tells TLS configurations apart.
	tlsKey [sha256.Size]byte
	// url is without user info and query: safe to show.
	url string
}

// newEndpoint checks a request's URL and credentials. The credentials in the
// URL count if there are no others.
func newEndpoint(r *Request) (*endpoint, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		// The cause quotes the URL, which may hold a password.
		return nil, &Error{ReasonURLInvalid, true, errors.New("url cannot be parsed")}
	}
	var a Auth
	if r.Auth != nil {
		a = *r.Auth
	}
	if u.User != nil && a.Username == "" && a.Password == "" && a.BearerToken == "" {
		a.Username = u.User.Username()
		a.Password, _ = u.User.Password()
	}
	e := &endpoint{url: (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()}
	if e.Endpoint, err = parseURL(u); err != nil {
		return nil, err
	}
	switch {
	case a.BearerToken != "":
		e.auth = &githttp.TokenAuth{Token: a.BearerToken}
	case a.Username != "" || a.Password != "":
		e.auth = &githttp.BasicAuth{Username: a.Username, Password: a.Password}
	}
	if err := e.configureTLS(&a); err != nil {
		return nil, &Error{ReasonAuthenticationFailed, false, err}
	}
	return e, nil
}

// parseURL makes an endpoint without credentials of a URL.
func parseURL(u *url.URL) (*transport.Endpoint, error) {
	scheme := strings.ToLower(u.Scheme)
	switch {
	case scheme == "ssh":
		return nil, &Error{ReasonUnsupported, true, &UnsupportedError{Scheme: scheme}}
	case scheme != "http" && scheme != "https":
		return nil, &Error{ReasonURLInvalid, true, fmt.Errorf("url scheme %q: want http or https", u.Scheme)}
	case u.Hostname() == "":
		return nil, &Error{ReasonURLInvalid, true, errors.New("url has no host")}
	case u.RawQuery != "" || u.Fragment != "":
		return nil, &Error{ReasonURLInvalid, true, errors.New("url has a query or a fragment")}
	}
	host := u.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	port := 0
	if text := u.Port(); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return nil, &Error{ReasonURLInvalid, true, fmt.Errorf("port %q: want 1 to 65535", text)}
		}
		port = int(n)
	}
	return &transport.Endpoint{Protocol: scheme, Host: host, Port: port, Path: strings.TrimSuffix(u.EscapedPath(), "/")}, nil
}

// secrets returns what must not show.
func (r *Request) secrets() []string {
	var list []string
	add := func(username, password string) {
		if password == "" {
			list = append(list, username, username+":") // some servers take a token for it
			return
		}
		list = append(list, password, username+":"+password)
	}
	if a := r.Auth; a != nil {
		add(a.Username, a.Password)
		list = append(list, a.BearerToken)
	}
	if u, err := url.Parse(r.URL); err == nil && u.User != nil {
		password, _ := u.User.Password()
		add(u.User.Username(), password)
	}
	// Longer first: one may be a part of another.
	slices.SortFunc(list, func(a, b string) int { return len(b) - len(a) })
	return list
}

func (e *endpoint) configureTLS(a *Auth) error {
	e.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if len(a.CA) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(a.CA) {
			return errors.New("ca certificate: no certificate in PEM format found")
		}
		e.tls.RootCAs = pool
	}
	if len(a.ClientCert) > 0 || len(a.ClientKey) > 0 {
		pair, err := tls.X509KeyPair(a.ClientCert, a.ClientKey)
		if err != nil {
			return fmt.Errorf("tls client certificate: %w", err)
		}
		e.tls.Certificates = []tls.Certificate{pair}
	}
	h := sha256.New()
	for _, part := range [][]byte{a.CA, a.ClientCert, a.ClientKey} {
		fmt.Fprintf(h, "%d:", len(part))
		h.Write(part)
	}
	h.Sum(e.tlsKey[:0])
	return nil
}

package hostile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// master are the headers by which the front proxy says that a user may do all.
func master() http.Header {
	return http.Header{
		"X-Remote-User":             {"system:admin"},
		"X-Remote-Group":            {"system:masters"},
		"X-Remote-Uid":              {"0"},
		"X-Remote-Extra-Scopes":     {"all"},
		"X-Remote-Extra-%2e%2e%2fx": {"x"},
	}
}

// Whoever is not the front proxy is not believed when he says who he is.
func TestSpoofedFrontProxy(t *testing.T) {
	t.Parallel()
	stranger, err := newAuthority("devcluster-front-proxy-ca")
	if err != nil {
		t.Fatal(err)
	}
	users, err := cluster.User(t.Context(), "front-proxy-client")
	if err != nil {
		t.Fatal(err)
	}
	masters := http.Header{"X-Remote-User": {"nobody", "system:admin"}, "X-Remote-Group": strings.Split(strings.Repeat("system:masters,", 500), ",")}
	for _, test := range []struct {
		name   string
		door   *door
		header http.Header
		code   int
		says   []string
	}{
		{"without a certificate", leatDoor(t), master(), 403, []string{"system:anonymous"}},
		{"without a certificate, 500 times", leatDoor(t), masters, 403, []string{"system:anonymous"}},
		{"with a certificate of its own making", leatDoor(t, stranger.issue(t, "front-proxy-client")), master(), 401, []string{"Unauthorized"}},
		{"with a certificate of the users' authority and the proxy's name", doorOf(t, users.Config), master(), 403, []string{`"front-proxy-client"`}},
		{"with a certificate of the proxy's authority and another name", leatDoor(t, frontProxyAuthority(t).issue(t, "somebody")), master(), 401, []string{"Unauthorized"}},
		{"with an expired certificate of the proxy", leatDoor(t, frontProxyAuthority(t).expired(t, "front-proxy-client")), master(), 401, []string{"Unauthorized"}},
		{"with the proxy's certificate and no user", leatDoor(t, frontProxyAuthority(t).issue(t, "front-proxy-client")), nil, 401, []string{"Unauthorized"}},
		{"with the proxy's certificate", leatDoor(t, frontProxyAuthority(t).issue(t, "front-proxy-client")), master(), 200, nil},
		{"with a token of nonsense", leatDoor(t), http.Header{"Authorization": {"Bearer " + strings.Repeat("x", 10<<10)}}, 401, []string{"Unauthorized"}},
		{"with a password", leatDoor(t), http.Header{"Authorization": {"Basic YWRtaW46YWRtaW4="}}, 403, []string{"system:anonymous"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			attack{path: repo, header: test.header, code: test.code, says: test.says}.send(t, test.door)
			attack{path: repo + "/artifact", header: test.header, code: test.code, says: test.says}.send(t, test.door)
			attack{path: repo + "/reconcile", header: test.header, body: text("{"), code: max(test.code, 400)}.send(t, test.door)
		})
	}
}

// What kube-apiserver is told by a client about who it is does not reach Leat.
func TestSpoofedThroughTheAggregator(t *testing.T) {
	t.Parallel()
	nobody, err := cluster.User(t.Context(), "nobody")
	if err != nil {
		t.Fatal(err)
	}
	for _, door := range []*door{mustDoor(t, nobody.Config, cluster.Config.Host), doorOf(t, nobody.Config)} {
		attack{path: repo, header: master(), code: 403, says: []string{`"nobody"`}}.send(t, door)
		for name, header := range map[string]http.Header{
			"user":       {"Impersonate-User": {"system:admin"}},
			"group":      {"Impersonate-User": {"nobody"}, "Impersonate-Group": {"system:masters"}},
			"extra":      {"Impersonate-User": {"nobody"}, "Impersonate-Extra-Scopes": {"all"}},
			"uid":        {"Impersonate-User": {"nobody"}, "Impersonate-Uid": {"0"}},
			"group only": {"Impersonate-Group": {"system:masters"}},
			"10 KB":      {"Impersonate-User": {strings.Repeat("x", 10<<10)}},
		} {
			t.Run(name, func(t *testing.T) {
				code := 403
				if name == "group only" {
					code = 400
				}
				attack{path: repo, header: header, code: code}.send(t, door)
			})
		}
	}
}

// authority signs client certificates.
type authority struct {
	cert *x509.Certificate
	key  any
}

func newAuthority(name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert: cert, key: key}, err
}

// frontProxyAuthority is the one that the cluster trusts.
func frontProxyAuthority(t *testing.T) *authority {
	t.Helper()
	file := filepath.Join(cluster.Dir, "pki", "front-proxy-ca")
	pair, err := tls.LoadX509KeyPair(file+".crt", file+".key")
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert: pair.Leaf, key: pair.PrivateKey}
}

func (a *authority) issue(t *testing.T, name string) tls.Certificate {
	t.Helper()
	return a.sign(t, name, time.Now().Add(time.Hour))
}

func (a *authority) expired(t *testing.T, name string) tls.Certificate {
	t.Helper()
	return a.sign(t, name, time.Now().Add(-time.Minute))
}

func (a *authority) sign(t *testing.T, name string, until time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, NotBefore: until.Add(-2 * time.Hour), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// leatDoor leads to Leat's port with these certificates and no other identity.
func leatDoor(t *testing.T, certificates ...tls.Certificate) *door {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true}
	if len(certificates) > 0 {
		// Sent whatever authorities the server asks for.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificates[0], nil }
	}
	return &door{base: direct.base, tls: config, client: clientOf(config)}
}

// doorOf leads to Leat's port as the user of config.
func doorOf(t *testing.T, config *rest.Config) *door {
	t.Helper()
	return mustDoor(t, config, leat.URL())
}

func mustDoor(t *testing.T, config *rest.Config, server string) *door {
	t.Helper()
	door, err := newDoor(config, server)
	if err != nil {
		t.Fatal(fmt.Errorf("making a way in: %w", err))
	}
	return door
}

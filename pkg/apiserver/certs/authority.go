package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	// authorityLifetime and servingLifetime are how long certificates are valid;
	// they are replaced when a third of that is left.
	authorityLifetime = 365 * 24 * time.Hour
	servingLifetime   = 90 * 24 * time.Hour
	// backdate is how far the clock of whoever verifies may be behind ours.
	backdate = time.Hour

	certificateBlock = "CERTIFICATE"
	keyBlock         = "PRIVATE KEY"
	redacted         = "REDACTED"
)

// pair is a certificate with its private key.
type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Format keeps the key out of whatever formats a pair, or a struct that holds one.
func (pair) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// certPEM returns the certificate as PEM.
func (p pair) certPEM() []byte { return encodeCertificates(p.cert) }

// keyPEM returns the key as PEM.
func (p pair) keyPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		return nil, errors.New("encoding a private key failed")
	}
	return pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}), nil
}

// newAuthority makes a certificate authority that signs itself.
func newAuthority(now time.Time) (pair, error) {
	return sign(x509.Certificate{
		// Every authority has a name of its own, so that two of them in one
		// bundle are never taken for each other.
		Subject:               pkix.Name{CommonName: fmt.Sprintf("leat-apiserver-ca@%d", now.UnixNano())},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(authorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}, nil)
}

// newServing makes a serving certificate for names, signed by authority. It never
// outlives what signs it.
func newServing(now time.Time, names []string, authority pair) (pair, error) {
	template := x509.Certificate{
		Subject:               pkix.Name{CommonName: names[0]},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(servingLifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if template.NotAfter.After(authority.cert.NotAfter) {
		template.NotAfter = authority.cert.NotAfter
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return sign(template, &authority)
}

// sign makes a key and has authority, or the new key itself, sign its certificate.
func sign(template x509.Certificate, authority *pair) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, fmt.Errorf("generating a key for %s: %w", template.Subject.CommonName, err)
	}
	if authority == nil {
		authority = &pair{cert: &template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, authority.cert, key.Public(), authority.key)
	if err != nil {
		return pair{}, fmt.Errorf("signing a certificate for %s: %w", template.Subject.CommonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return pair{}, fmt.Errorf("parsing the certificate signed for %s: %w", template.Subject.CommonName, err)
	}
	return pair{cert: cert, key: key}, nil
}

func encodeCertificates(certs ...*x509.Certificate) []byte {
	var b []byte
	for _, cert := range certs {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: cert.Raw})...)
	}
	return b
}

// parseCertificates reads what encodeCertificates wrote.
func parseCertificates(b []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return certs, nil
		}
		if block.Type != certificateBlock {
			return nil, fmt.Errorf("a %q block where only certificates belong", block.Type)
		}
		if len(certs) == maxAuthorities {
			return nil, fmt.Errorf("more than %d certificates", maxAuthorities)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs), err)
		}
		certs = append(certs, cert)
	}
}

// parseKey reads what keyPEM wrote. Its errors say nothing of the content.
func parseKey(b []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != keyBlock {
		return nil, errors.New("no PEM block with a private key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("a private key that cannot be parsed")
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("a private key that is not ECDSA")
	}
	return ec, nil
}

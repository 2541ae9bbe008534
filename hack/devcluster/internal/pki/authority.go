package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

const (
	authorityLifetime = 10 * 365 * 24 * time.Hour
	leafLifetime      = 365 * 24 * time.Hour
	// renewBefore leaves a cluster that is started now a month of valid
	// certificates; nothing renews them while it runs.
	renewBefore = 30 * 24 * time.Hour
	// clockSkew lets a certificate made now be used at once by a process that
	// reads a slightly older clock.
	clockSkew = 5 * time.Minute
)

// Authority is a certificate authority kept in two files.
type Authority struct {
	// CertFile is the path of the CA's certificate.
	CertFile string
	// KeyFile is the path of the CA's private key.
	KeyFile string

	cert *x509.Certificate
	key  crypto.Signer
}

// Leaf describes a certificate to issue.
type Leaf struct {
	CommonName string
	Groups     []string
	// DNSNames and IPs make it a serving certificate; with neither it is a
	// client certificate.
	DNSNames []string
	IPs      []net.IP
}

// openAuthority reads the authority called name in dir and makes it when there
// is none.
func openAuthority(dir, name, commonName string) (*Authority, error) {
	a := &Authority{
		CertFile: filepath.Join(dir, name+".crt"),
		KeyFile:  filepath.Join(dir, name+".key"),
	}
	key, err := openKey(a.KeyFile)
	if err != nil {
		return nil, err
	}
	a.key = key

	certs, err := cert.CertsFromFile(a.CertFile)
	switch {
	case err == nil:
		a.cert = certs[0]
		return a, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("reading certificate authority %s: %w", a.CertFile, err)
	}

	now := time.Now()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(authorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("signing certificate authority %s: %w", commonName, err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("parsing certificate authority %s: %w", commonName, err)
	}
	return a, writeFile(a.CertFile, encodeCertificate(der), 0o644)
}

// Issue makes a new key and a certificate for it, both PEM encoded.
func (a *Authority) Issue(l Leaf) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generating the key of %s: %w", l.CommonName, err)
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: l.CommonName, Organization: l.Groups},
		NotBefore:   now.Add(-clockSkew),
		NotAfter:    now.Add(leafLifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		DNSNames:    l.DNSNames,
		IPAddresses: l.IPs,
	}
	if len(l.DNSNames)+len(l.IPs) > 0 {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	der, err := sign(template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("signing the certificate of %s: %w", l.CommonName, err)
	}
	keyPEM, err = keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the key of %s: %w", l.CommonName, err)
	}
	return encodeCertificate(der), keyPEM, nil
}

// ensure keeps a certificate in dir/name.{crt,key}; it issues a new one when
// there is none, when it is about to expire or when another CA signed it.
func (a *Authority) ensure(dir, name string, l Leaf) (certFile, keyFile string, err error) {
	certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	if a.stillGood(certFile) {
		if _, err := os.Stat(keyFile); err == nil {
			return certFile, keyFile, nil
		}
	}
	certPEM, keyPEM, err := a.Issue(l)
	if err != nil {
		return "", "", err
	}
	if err := writeFile(keyFile, keyPEM, 0o600); err != nil {
		return "", "", err
	}
	return certFile, keyFile, writeFile(certFile, certPEM, 0o644)
}

func (a *Authority) stillGood(certFile string) bool {
	data, err := os.ReadFile(certFile)
	return err == nil && a.signed(data)
}

// signed says whether the authority signed the certificate and it stays valid
// for a while.
func (a *Authority) signed(certPEM []byte) bool {
	certs, err := cert.ParseCertsPEM(certPEM)
	if err != nil {
		return false
	}
	return time.Until(certs[0].NotAfter) > renewBefore && certs[0].CheckSignatureFrom(a.cert) == nil
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	return x509.CreateCertificate(rand.Reader, template, parent, public, signer)
}

package certs

import (
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

const (
	// Keys of the Secret. tls.crt, tls.key and ca.crt are named as every tool
	// expects them.
	bundleKey  = "ca.crt"
	signerKey  = "ca.key"
	nextKey    = "next-ca.key"
	servingKey = corev1.TLSPrivateKeyKey
	servingCrt = corev1.TLSCertKey

	// maxAuthorities bounds the bundle: the signer, its successor, and retired
	// ones that have not expired yet.
	maxAuthorities = 8
)

// state is what the Secret holds.
type state struct {
	// serving is what the server shows to its clients.
	serving pair
	// signer signed it, and signs the next one.
	signer pair
	// next will take over from signer. Clients already trust it.
	next *pair
	// retired signed certificates that may still be in use somewhere.
	retired []*x509.Certificate
}

// Format keeps the keys out of whatever formats a state.
func (state) Format(f fmt.State, verb rune) { pair{}.Format(f, verb) }

// authorities are what clients are to trust.
func (s *state) authorities() []*x509.Certificate {
	all := []*x509.Certificate{s.signer.cert}
	if s.next != nil {
		all = append(all, s.next.cert)
	}
	return append(all, s.retired...)
}

// bundle is the authorities as PEM.
func (s *state) bundle() []byte { return encodeCertificates(s.authorities()...) }

// encode returns the state as the data of a Secret.
func (s *state) encode() (map[string][]byte, error) {
	data := map[string][]byte{
		servingCrt: s.serving.certPEM(),
		bundleKey:  s.bundle(),
	}
	keys := map[string]pair{servingKey: s.serving, signerKey: s.signer}
	if s.next != nil {
		keys[nextKey] = *s.next
	}
	for name, p := range keys {
		encoded, err := p.keyPEM()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		data[name] = encoded
	}
	return data, nil
}

// decodeState reads the data of a Secret. An authority in the bundle whose key is
// not there is a retired one.
func decodeState(data map[string][]byte) (*state, error) {
	bundle, err := parseCertificates(data[bundleKey])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", bundleKey, err)
	}
	if i := slices.IndexFunc(bundle, func(cert *x509.Certificate) bool { return !cert.IsCA }); i >= 0 {
		return nil, fmt.Errorf("%s: certificate %d is not an authority", bundleKey, i)
	}
	s := &state{retired: bundle}
	if s.signer, err = s.take(data, signerKey); err != nil {
		return nil, err
	}
	if len(data[nextKey]) > 0 {
		next, err := s.take(data, nextKey)
		if err != nil {
			return nil, err
		}
		s.next = &next
	}
	key, err := parseKey(data[servingKey])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", servingKey, err)
	}
	certs, err := parseCertificates(data[servingCrt])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", servingCrt, err)
	}
	if len(certs) == 0 || !belongs(certs[0], key) {
		return nil, fmt.Errorf("%s: no certificate for the key in %s", servingCrt, servingKey)
	}
	s.serving = pair{cert: certs[0], key: key}
	return s, nil
}

// take finds the authority that the named key belongs to and takes it out of the
// retired ones.
func (s *state) take(data map[string][]byte, name string) (pair, error) {
	key, err := parseKey(data[name])
	if err != nil {
		return pair{}, fmt.Errorf("%s: %w", name, err)
	}
	for i, cert := range s.retired {
		if belongs(cert, key) {
			s.retired = append(s.retired[:i:i], s.retired[i+1:]...)
			return pair{cert: cert, key: key}, nil
		}
	}
	return pair{}, fmt.Errorf("%s: no certificate for it in %s", name, bundleKey)
}

func belongs(cert *x509.Certificate, key *ecdsa.PrivateKey) bool {
	return key.PublicKey.Equal(cert.PublicKey)
}

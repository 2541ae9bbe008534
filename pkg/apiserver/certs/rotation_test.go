package certs

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	testNames = []string{"leat-apiserver.leat-system.svc", "localhost", "127.0.0.1"}
	start     = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
)

const day = 24 * time.Hour

func mustAdvance(t *testing.T, old *state, now time.Time, names []string) (*state, []string) {
	t.Helper()
	s, changes, err := advance(old, now, names)
	if err != nil {
		t.Fatalf("advance: %v", err)
	}
	return s, changes
}

// verify does what a client does that trusts bundle.
func verify(serving *x509.Certificate, bundle []byte, name string, now time.Time) error {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		return fmt.Errorf("no authorities in the bundle")
	}
	_, err := serving.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return err
}

// TestRotation lets three years pass, six hours at a time, with a server that is
// looked at whenever it says that something is due, and clients that learn of a new
// bundle a day late.
func TestRotation(t *testing.T) {
	s, changes := mustAdvance(t, nil, start, testNames)
	if len(changes) != 2 {
		t.Errorf("at first: %q", changes)
	}
	var bundles [][]byte // of the last day, oldest first
	history := map[string]int{}
	for now := start; now.Before(start.Add(3 * authorityLifetime)); now = now.Add(6 * time.Hour) {
		if !now.Before(s.due()) {
			if s, changes = mustAdvance(t, s, now, testNames); len(changes) == 0 {
				t.Fatalf("at %s something was due and nothing was done", now)
			}
			for _, change := range changes {
				history[change]++
			}
		}
		if _, changes := mustAdvance(t, s, now, testNames); len(changes) != 0 {
			t.Fatalf("at %s something is done that is not due before %s: %q", now, s.due(), changes)
		}
		if bundles = append(bundles, s.bundle()); len(bundles) > 4 {
			bundles = bundles[1:]
		}
		for _, name := range testNames {
			if err := verify(s.serving.cert, bundles[0], name, now); err != nil {
				t.Fatalf("at %s, for %s, with a bundle that is a day old: %v", now, name, err)
			}
		}
		if n := len(s.authorities()); n > 3 {
			t.Fatalf("at %s %d authorities are trusted", now, n)
		}
	}
	renewed := "new serving certificate: it would expire"
	if n := history[renewed]; n < 10 || n > 20 {
		t.Errorf("%d serving certificates were renewed in time", n)
	}
	delete(history, renewed)
	want := map[string]int{
		"the next authority is made known":                           4,
		"the next authority takes over":                              4,
		"an expired authority is trusted no longer":                  3,
		"new serving certificate: it is signed by another authority": 4,
	}
	if diff := cmp.Diff(want, history); diff != "" {
		t.Errorf("what was done in three years (-want +got):\n%s", diff)
	}
}

// TestOldServingCertificateStaysTrusted is about the replica that is last to hear.
func TestOldServingCertificateStaysTrusted(t *testing.T) {
	s, _ := mustAdvance(t, nil, start, testNames)
	for range 40 {
		old := s.serving.cert
		now := s.due()
		s, _ = mustAdvance(t, s, now, testNames)
		if err := verify(old, s.bundle(), "localhost", now); err != nil {
			t.Fatalf("at %s the certificate of a moment ago is not trusted any more: %v", now, err)
		}
	}
}

func TestAdvance(t *testing.T) {
	fresh, _ := mustAdvance(t, nil, start, testNames)
	withNext, _ := mustAdvance(t, fresh, renewal(fresh.signer.cert), testNames)
	if withNext.next == nil {
		t.Fatal("no next authority")
	}
	tests := map[string]struct {
		old   *state
		now   time.Time
		names []string
		want  []string
	}{
		"nothing to do":           {fresh, start.Add(day), testNames, nil},
		"other names":             {fresh, start.Add(day), []string{"other"}, []string{"new serving certificate: its names are not those wanted"}},
		"same names, other order": {fresh, start.Add(day), []string{testNames[2], testNames[0], testNames[1]}, nil},
		"serving is due":          {fresh, start.Add(servingLifetime * 2 / 3), testNames, []string{"new serving certificate: it would expire"}},
		"serving expired":         {fresh, start.Add(servingLifetime + 1), testNames, []string{"new serving certificate: it would expire"}},
		"everything expired": {withNext, start.Add(3 * authorityLifetime), testNames, []string{
			"new authority: there was none that is valid", "new serving certificate: it is signed by another authority", "an expired authority is trusted no longer"}},
		"signer expired, next valid": {withNext, start.Add(authorityLifetime + 1), testNames, []string{
			"the next authority takes over: the former one is not valid", "new serving certificate: it is signed by another authority", "an expired authority is trusted no longer"}},
		"clock went back a year": {fresh, start.Add(-authorityLifetime), testNames, []string{
			"new authority: there was none that is valid", "new serving certificate: it is signed by another authority"}},
		"next is young": {withNext, renewal(fresh.signer.cert).Add(overlap - 1), testNames, nil},
		"next is old enough": {withNext, renewal(fresh.signer.cert).Add(overlap), testNames, []string{
			"the next authority takes over", "new serving certificate: it is signed by another authority"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, changes := mustAdvance(t, tt.old, tt.now, tt.names)
			if diff := cmp.Diff(tt.want, changes); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			for _, name := range tt.names {
				if err := verify(s.serving.cert, s.bundle(), name, tt.now); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if s.serving.cert.NotAfter.After(s.signer.cert.NotAfter) {
				t.Error("the serving certificate outlives its authority")
			}
			if _, again := mustAdvance(t, s, tt.now, tt.names); again != nil {
				t.Errorf("done again: %q", again)
			}
		})
	}
}

func TestEncoding(t *testing.T) {
	s, _ := mustAdvance(t, nil, start, testNames)
	for range 12 { // through every form that a state takes in two years
		data, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := decodeState(data)
		if err != nil {
			t.Fatalf("decoding: %v", err)
		}
		again, err := decoded.encode()
		if err != nil {
			t.Fatal(err)
		}
		if len(again) != len(data) {
			t.Errorf("keys differ after a round trip")
		}
		for key := range data {
			if !bytes.Equal(data[key], again[key]) {
				t.Errorf("%s differs after a round trip", key)
			}
		}
		s, _ = mustAdvance(t, s, s.due(), testNames)
	}
}

func TestDecodeRefuses(t *testing.T) {
	s, _ := mustAdvance(t, nil, start, testNames)
	s, _ = mustAdvance(t, s, renewal(s.signer.cert), testNames)
	other, _ := mustAdvance(t, nil, start, testNames)
	good, err := s.encode()
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.encode()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		key   string
		value []byte
		want  string
	}{
		"no bundle":            {bundleKey, nil, "ca.key: no certificate"},
		"foreign bundle":       {bundleKey, foreign[bundleKey], "ca.key: no certificate"},
		"junk in the bundle":   {bundleKey, good[signerKey], "where only certificates belong"},
		"no signer key":        {signerKey, nil, "ca.key: no PEM block"},
		"broken key":           {nextKey, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "next-ca.key: a private key that cannot be parsed"},
		"foreign serving key":  {servingKey, foreign[servingKey], "tls.crt: no certificate for the key"},
		"no serving cert":      {servingCrt, nil, "tls.crt: no certificate for the key"},
		"leaf as an authority": {bundleKey, slices.Concat(good[servingCrt], good[bundleKey]), "certificate 0 is not an authority"},
		"too many":             {bundleKey, bytes.Repeat(good[bundleKey], 5), "more than 8"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			data := map[string][]byte{}
			for k, v := range good {
				data[k] = v
			}
			data[tt.key] = tt.value
			_, err := decodeState(data)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// TestKeysDoNotPrint formats everything that holds a key in every usual way.
func TestKeysDoNotPrint(t *testing.T) {
	s, _ := mustAdvance(t, nil, start, testNames)
	c, err := newContent(s)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := s.serving.key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	number, digits := new(big.Int).SetBytes(raw).String(), fmt.Sprintf("%x", raw)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		for _, value := range []any{s, *s, s.serving, &s.serving, struct{ P pair }{s.serving}, c, *c} {
			text := fmt.Sprintf(verb, value)
			if strings.Contains(text, number) || strings.Contains(text, digits) || strings.Contains(text, "PRIVATE") || !strings.Contains(text, redacted) {
				t.Errorf("%s of %T prints %.60q", verb, value, text)
			}
		}
	}
}

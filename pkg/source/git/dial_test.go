package git

import (
	"strings"
	"testing"
)

func TestDenyMetadata(t *testing.T) {
	for address, denied := range map[string]bool{
		"169.254.169.254:80":          true,
		"169.254.1.1:443":             true,
		"[::ffff:169.254.169.254]:80": true,
		"[fe80::1%eth0]:443":          true,
		"[fd00:ec2::254]:80":          true,
		"100.100.100.200:80":          true,
		"not an address":              true,
		"127.0.0.1:3000":              false,
		"[::1]:3000":                  false,
		"10.0.0.7:443":                false,
		"[fd00::7]:443":               false,
		"93.184.216.34:443":           false,
	} {
		if err := DenyMetadata("tcp", address); (err != nil) != denied {
			t.Errorf("DenyMetadata(%q) = %v, want it denied: %v", address, err, denied)
		}
	}
}

// A fetcher denies them by default, without a packet being sent.
func TestMetadataIsDeniedByDefault(t *testing.T) {
	f, _ := newFetcher(t, Options{})
	err := failure(t, f, Request{Key: "k", URL: "http://169.254.169.254/latest.git", Ref: Ref{Branch: "main"}})
	if !strings.Contains(err.Error(), "169.254.169.254 is denied") {
		t.Errorf("Fetch() = %v", err)
	}
}

package git

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
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
		"[fd20:ce::254]:80":           true,
		"100.100.100.200:80":          true,
		"192.0.0.192:80":              true,
		"168.63.129.16:80":            true,
		"[64:ff9b::a9fe:a9fe]:80":     true,
		"[64:ff9b::a00:7]:443":        false,
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

// Where a server redirects to is judged like where a fetch begins.
func TestRedirectToMetadataIsDenied(t *testing.T) {
	for _, host := range []string{"169.254.169.254", "[::ffff:169.254.169.254]", "[fd00:ec2::254]"} {
		redirect := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, "http://"+host+req.URL.Path, http.StatusFound)
		}))
		f, _ := newFetcher(t, Options{})
		err := failure(t, f, Request{Key: "k", URL: redirect.URL + "/app.git", Ref: Ref{Branch: "main"}})
		if !strings.Contains(err.Error(), "is denied: link-local and cloud metadata addresses") {
			t.Errorf("redirected to %s: Fetch() = %v", host, err)
		}
		redirect.Close()
	}
}

func TestDialControlReplacesTheDefault(t *testing.T) {
	var asked []string
	f, _ := newFetcher(t, Options{DialControl: func(_, address string) error {
		asked = append(asked, address)
		return errors.New("nothing is allowed")
	}})
	err := failure(t, f, Request{Key: "k", URL: "http://169.254.169.254/latest.git", Ref: Ref{Branch: "main"}})
	if !strings.Contains(err.Error(), "nothing is allowed") || !slices.Equal(asked, []string{"169.254.169.254:80"}) {
		t.Errorf("Fetch() = %v, asked for %v", err, asked)
	}
}

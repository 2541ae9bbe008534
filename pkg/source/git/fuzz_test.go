package git

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/leat-dev/leat/pkg/artifact"
)

// Whatever is in a Git tree, it becomes good paths of the store, or is refused.
func FuzzTree(f *testing.F) {
	blob := plumbing.ComputeHash(plumbing.BlobObject, []byte("content"))
	entry := func(mode, name string, id plumbing.Hash) []byte {
		return append([]byte(mode+" "+name+"\x00"), id[:]...)
	}
	f.Add(append(entry("100644", "a", blob), entry("100755", "b", blob)...))
	f.Add(entry("100644", "..", blob))
	f.Add(entry("40000", ".GIT", blob))
	f.Add(entry("120000", "link", blob))
	f.Add(append(entry("100644", "a", blob), entry("100644", "a", blob)...))
	f.Add(entry("100644", `..\..\x`, blob))
	f.Add([]byte("100644 a"))
	fetcher, _ := newFetcher(f, Options{})
	f.Fuzz(func(t *testing.T, tree []byte) {
		p, err := openPacks(filepath.Join(t.TempDir(), "pack"), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		limits := Limits{Objects: 10, ObjectSize: 1 << 20}
		if _, err := p.receive(t.Context(), bytes.NewReader(packed(t, tree, []byte("content"))), limits); err != nil {
			t.Fatalf("a pack of two objects: %v", err)
		}
		m := &mirror{packs: p}
		got, err := fetcher.ingest(t.Context(), m, repoID{}, plumbing.ComputeHash(plumbing.TreeObject, tree), nil)
		if err != nil {
			return
		}
		for e := range got.Files() {
			if !filepath.IsLocal(e.Path) || strings.EqualFold(filepath.Base(e.Path), ".git") {
				t.Errorf("the tree has %q", e.Path)
			}
			if e.Digest != artifact.DigestOf([]byte("content")) && e.Size != int64(len(tree)) {
				t.Errorf("%q has content from elsewhere", e.Path)
			}
		}
	})
}

// packed is a pack of a tree and a blob.
func packed(t *testing.T, tree, blob []byte) []byte {
	t.Helper()
	file := tempFile(t)
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("PACK"), 2), 2)
	if _, err := file.Write(header); err != nil {
		t.Fatal(err)
	}
	for kind, content := range map[plumbing.ObjectType][]byte{plumbing.TreeObject: tree, plumbing.BlobObject: blob} {
		o := &plumbing.MemoryObject{}
		o.SetType(kind)
		if _, err := o.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := appendObject(file, o); err != nil {
			t.Fatal(err)
		}
	}
	if err := sealPack(file); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// An endpoint is the one that the URL says, without what must not be seen.
func FuzzEndpoint(f *testing.F) {
	for _, u := range []string{
		"https://git.example.com/a.git", "https://me:hunter2@h:8443/a", "ssh://git@h/a", "file:///etc/passwd", "http://[::1]:80/x", "https://h/%2e%2e/x", "https://h:99999/", "HTTP://H/a?x=y", "https://h/a\nb", "-oProxyCommand=id", "https://me:hun%74er2@h/",
	} {
		f.Add(u)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := newEndpoint(&Request{URL: text})
		u, parseErr := url.Parse(text)
		if err != nil {
			var known *Error
			if !errors.As(err, &known) || known.Reason == "" {
				t.Errorf("%q: %v has no reason", text, err)
			}
			return
		}
		if parseErr != nil || !strings.EqualFold(u.Scheme, e.Protocol) || e.Host != u.Hostname() && e.Host != "["+u.Hostname()+"]" {
			t.Errorf("%q leads to %s://%s", text, e.Protocol, e.Host)
		}
		if e.Protocol != "http" && e.Protocol != "https" || e.User != "" || e.Password != "" {
			t.Errorf("%q: %+v", text, e.Endpoint)
		}
		if password, ok := u.User.Password(); ok && len(password) > 8 && strings.Contains(e.url, password) && !strings.Contains(u.Host+u.Path, password) {
			t.Errorf("%q is kept with its password as %q", text, e.url)
		}
	})
}

// No message tells a secret, in whichever form it travels.
func FuzzScrub(f *testing.F) {
	f.Add("asking https://me:hunter2@h: 401", "hunter2", "me")
	f.Add("Basic bWU6aHVudGVyMg==", "hunter2", "me")
	f.Add("a b%2Fc", "b/c", "***")
	f.Add("aaaa", "aaa", "aa")
	f.Fuzz(func(t *testing.T, message, password, username string) {
		r := &Request{URL: "https://h", Auth: &Auth{Username: username, Password: password}}
		got := scrub(errors.New(message), r.secrets()).Error()
		if len(got) > maxMessage+len("...") {
			t.Errorf("a message of %d bytes", len(got))
		}
		// What the mask itself holds, or what white space is put together to, is
		// not the secret.
		plain := strings.Trim(password, "*") == password && strings.Join(strings.Fields(password), " ") == password && !strings.ContainsAny(password, "*.")
		if len(password) >= 3 && plain && strings.Contains(got, password) && strings.Join(strings.Fields(message), " ") == message {
			t.Errorf("%q with the password %q becomes %q", message, password, got)
		}
		if !errors.Is(scrub(context.Canceled, r.secrets()), context.Canceled) {
			t.Error("the cause is lost")
		}
	})
}

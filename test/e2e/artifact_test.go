package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestArtifactThroughTheAPI fetches what a source has in all the ways that people
// have: kubectl, kubectl proxy with curl, and the server's own port.
func TestArtifactThroughTheAPI(t *testing.T) {
	namespace := cluster.Namespace(t)
	r := newRepository(t)
	first := r.push(map[string]string{"deploy/a.yaml": "a: 1\n", "run.sh": "#!/bin/sh\n"})
	r.source(namespace, "repo")
	waitFor(t, namespace, "gitrepository/repo", "{.status.artifact.revision}", "main@sha1:"+first)
	second := r.push(map[string]string{"deploy/a.yaml": "a: 2\n"})
	fetch(t, namespace, "repo")
	waitFor(t, namespace, "gitrepository/repo", "{.status.artifact.revision}", "main@sha1:"+second)

	url := get(t, "{.status.artifact.url}", "--namespace", namespace, "gitrepository/repo")
	digest := get(t, "{.status.artifact.digest}", "--namespace", namespace, "gitrepository/repo")
	if got := sum([]byte(kubectl(t, "get", "--raw", url))); got != digest {
		t.Errorf("kubectl get --raw gives %s, want %s", got, digest)
	}
	base, _, _ := strings.Cut(url, "?")
	if got := kubectl(t, "get", "--raw", base+"/deploy/a.yaml"); got != "a: 2\n" {
		t.Errorf("the file holds %q", got)
	}
	if got := kubectl(t, "get", "--raw", base+"/deploy/a.yaml?revision=main@sha1:"+first); got != "a: 1\n" {
		t.Errorf("the file of the revision before holds %q", got)
	}
	if _, err := tryKubectl(t, "", "get", "--raw", base+"/deploy/b.yaml"); err == nil || !strings.Contains(err.Error(), "output=list") {
		t.Errorf("a file that is not there: %v", err)
	}
	proxied := "http://" + kubectlProxy(t)
	archive := filepath.Join(t.TempDir(), "archive.tar.gz")
	curl(t, "--output", archive, proxied+base)
	if got := curl(t, "--output", "-", proxied+base+"/run.sh"); got != "#!/bin/sh\n" {
		t.Errorf("curl gets %q", got)
	}
	if out, err := exec.Command("tar", "-tzf", archive).CombinedOutput(); err != nil || !strings.Contains(string(out), "deploy/a.yaml") {
		t.Errorf("tar lists %s, %v", out, err)
	}
}

// TestBigArtifact resumes a download, and downloads several times at once without
// taking memory for it.
func TestBigArtifact(t *testing.T) {
	namespace := cluster.Namespace(t)
	r := newRepository(t)
	content := make([]byte, 24<<20) // nothing compresses it
	if _, err := rand.Read(content); err != nil {
		t.Fatal(err)
	}
	commit := r.push(map[string]string{"big": string(content)})
	r.source(namespace, "repo")
	waitFor(t, namespace, "gitrepository/repo", "{.status.artifact.revision}", "main@sha1:"+commit)
	url := leat.URL() + get(t, "{.status.artifact.url}", "--namespace", namespace, "gitrepository/repo")
	digest := get(t, "{.status.artifact.digest}", "--namespace", namespace, "gitrepository/repo")
	client := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	token := strings.TrimSpace(kubectl(t, "create", "token", "--namespace=leat-system", "leat-apiserver"))
	request := func(method string, header map[string]string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		for name, value := range header {
			req.Header.Set(name, value)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	head := request(http.MethodHead, nil)
	size, tag := head.ContentLength, head.Header.Get("ETag")
	if head.StatusCode != http.StatusOK || size < int64(len(content)) || tag != `"`+digest+`"` {
		t.Fatalf("HEAD: %s, %d bytes, ETag %s", head.Status, size, tag)
	}
	if resp := request(http.MethodGet, map[string]string{"If-None-Match": tag}); resp.StatusCode != http.StatusNotModified {
		t.Errorf("what is known is sent again: %s", resp.Status)
	}
	// A download that broke off in the middle.
	half := make([]byte, size/2)
	if _, err := io.ReadFull(request(http.MethodGet, nil).Body, half); err != nil {
		t.Fatal(err)
	}
	rest := request(http.MethodGet, map[string]string{"Range": fmt.Sprintf("bytes=%d-", len(half)), "If-Range": tag})
	if rest.StatusCode != http.StatusPartialContent {
		t.Fatalf("the rest: %s", rest.Status)
	}
	var whole bytes.Buffer
	whole.Write(half)
	if _, err := whole.ReadFrom(rest.Body); err != nil || sum(whole.Bytes()) != digest {
		t.Errorf("both halves: %d of %d bytes, %v", whole.Len(), size, err)
	}
	before := anonymousKiB(t, leat.PID())
	const times = 12
	done := make(chan error, times)
	for range times {
		resp := request(http.MethodGet, nil)
		go func() {
			n, err := io.Copy(io.Discard, resp.Body)
			if err == nil && n != size {
				err = fmt.Errorf("%d of %d bytes", n, size)
			}
			done <- err
		}()
	}
	for range times {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	// Copies in memory would be 24 MiB each.
	if grown := (anonymousKiB(t, leat.PID()) - before) >> 10; grown > 40 {
		t.Errorf("%d downloads at once took %d MiB of memory", times, grown)
	}
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(s[:])
}

// anonymousKiB is the memory that a process has allocated, without files.
func anonymousKiB(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "RssAnon:")
	var kib int64
	if _, err := fmt.Sscan(after, &kib); err != nil {
		t.Fatal(err)
	}
	return kib
}

// kubectlProxy runs kubectl proxy and returns its address.
func kubectlProxy(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	listener.Close()
	cmd := cluster.KubectlCommand(t.Context(), "proxy", "--port="+port)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	deadline := time.Now().Add(patience)
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return address
		}
		if time.Now().After(deadline) {
			t.Fatalf("kubectl proxy does not listen: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// curl runs curl, which fails on a status that is an error.
func curl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("curl", append([]string{"--silent", "--show-error", "--fail"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("curl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

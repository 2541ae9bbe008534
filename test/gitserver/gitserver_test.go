package gitserver_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/test/gitserver"
)

func start(t *testing.T, o gitserver.Options) *gitserver.Server {
	t.Helper()
	server, err := gitserver.Start(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func create(t *testing.T, server *gitserver.Server) *gitserver.Repository {
	t.Helper()
	repository, err := server.CreateRepository(t.Context(), "team/app.git")
	if err != nil {
		t.Fatal(err)
	}
	return repository
}

// git is the client of a person: it knows nothing of the server but its URL.
func git(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.com",
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), err
}

func mustGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := git(t, dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCloneCommitPush(t *testing.T) {
	t.Parallel()
	server := start(t, gitserver.Options{})
	repository := create(t, server)
	if _, err := repository.Push(t.Context(), map[string]string{"a.txt": "a", "d/b \"quoted\".txt": "b\n"}); err != nil {
		t.Fatal(err)
	}

	work := filepath.Join(t.TempDir(), "work")
	mustGit(t, "", "clone", "--quiet", repository.URL, work)
	if got, err := os.ReadFile(filepath.Join(work, "d", `b "quoted".txt`)); err != nil || string(got) != "b\n" {
		t.Errorf("cloned file: got %q, %v", got, err)
	}

	// More than the 1 MiB beyond which git does not tell a request's length.
	large := make([]byte, 3<<20)
	_, _ = rand.Read(large)
	if err := os.WriteFile(filepath.Join(work, "large"), large, 0o600); err != nil {
		t.Fatal(err)
	}
	mustGit(t, work, "add", "--all")
	mustGit(t, work, "commit", "--quiet", "--message=large")
	mustGit(t, work, "push", "--quiet", "origin", "main")
	want := mustGit(t, work, "rev-parse", "HEAD")
	if got, err := repository.Resolve(t.Context(), "main"); err != nil || got != want {
		t.Errorf("main after the push: got %s, %v, want %s", got, err, want)
	}

	// The test commits on top of what the person pushed.
	head, err := repository.Commit(t.Context(), gitserver.Commit{
		Files:  map[string]gitserver.File{"run": {Content: "#!/bin/sh\n", Executable: true}, "link": {Content: "a.txt", Symlink: true}},
		Remove: []string{"d", "large"},
	})
	if err != nil {
		t.Fatal(err)
	}
	mustGit(t, work, "pull", "--quiet", "--ff-only")
	if got := mustGit(t, work, "rev-parse", "HEAD"); got != head {
		t.Errorf("pulled %s, want %s", got, head)
	}
	want = "100644 a.txt\n120000 link\n100755 run"
	if got := mustGit(t, work, "ls-tree", "-r", "--format=%(objectmode) %(path)", "HEAD"); got != want {
		t.Errorf("tree:\n%s\nwant:\n%s", got, want)
	}
}

func TestRefs(t *testing.T) {
	t.Parallel()
	repository := create(t, start(t, gitserver.Options{}))
	first, err := repository.Push(t.Context(), map[string]string{"f": "1"})
	if err != nil {
		t.Fatal(err)
	}
	second, err := repository.Commit(t.Context(), gitserver.Commit{Branch: "other", Orphan: true, Files: map[string]gitserver.File{"g": {Content: "2"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, do := range []func() error{
		func() error { return repository.SetRef(t.Context(), "refs/pull/1/head", second) },
		func() error { return repository.Tag(t.Context(), "v1.0.0", first, "") },
		func() error { return repository.Tag(t.Context(), "v1.1.0", second, "the second") },
		func() error { return repository.DeleteRef(t.Context(), "refs/heads/other") },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]string{}
	for line := range strings.Lines(mustGit(t, "", "ls-remote", repository.URL)) {
		hash, ref, _ := strings.Cut(strings.TrimSpace(line), "\t")
		got[ref] = hash
	}
	delete(got, "refs/tags/v1.1.0") // the tag's own hash
	want := map[string]string{
		"HEAD": first, "refs/heads/main": first, "refs/tags/v1.0.0": first,
		"refs/tags/v1.1.0^{}": second, "refs/pull/1/head": second,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("refs (-want +got):\n%s", diff)
	}
	// The first commit of the other branch has no parent.
	if _, err := repository.Resolve(t.Context(), second+"~1"); err == nil {
		t.Error("an orphan has a parent")
	}
}

func TestRequestsAreCounted(t *testing.T) {
	t.Parallel()
	server := start(t, gitserver.Options{})
	repository := create(t, server)
	if _, err := repository.Push(t.Context(), map[string]string{"f": "1"}); err != nil {
		t.Fatal(err)
	}
	commands := func() (commands []string) {
		for _, r := range server.Requests() {
			commands = append(commands, r.Command+"/"+r.Version)
			if r.Repository != "team/app.git" || r.Status != 200 || r.Sent == 0 {
				t.Errorf("unexpected request %+v", r)
			}
		}
		server.ForgetRequests()
		return commands
	}

	work := filepath.Join(t.TempDir(), "work")
	mustGit(t, "", "-c", "protocol.version=2", "clone", "--quiet", repository.URL, work)
	if diff := cmp.Diff([]string{"capabilities/2", "ls-refs/2", "fetch/2"}, commands()); diff != "" {
		t.Errorf("clone, version 2 (-want +got):\n%s", diff)
	}
	mustGit(t, work, "-c", "protocol.version=2", "ls-remote", "--quiet")
	if diff := cmp.Diff([]string{"capabilities/2", "ls-refs/2"}, commands()); diff != "" {
		t.Errorf("ls-remote, version 2 (-want +got):\n%s", diff)
	}
	mustGit(t, "", "-c", "protocol.version=0", "clone", "--quiet", repository.URL, work+"0")
	if diff := cmp.Diff([]string{"capabilities/", "fetch/"}, commands()); diff != "" {
		t.Errorf("clone, version 0 (-want +got):\n%s", diff)
	}
	mustGit(t, work, "commit", "--quiet", "--allow-empty", "--message=x")
	mustGit(t, work, "push", "--quiet")
	if diff := cmp.Diff([]string{"capabilities/", "push/"}, commands()); diff != "" {
		t.Errorf("push (-want +got):\n%s", diff)
	}
}

func TestCredentialsAndTLS(t *testing.T) {
	t.Parallel()
	server := start(t, gitserver.Options{Username: "ada", Password: "pass/word", BearerToken: "token", TLS: true})
	repository := create(t, server)
	if _, err := repository.Push(t.Context(), map[string]string{"f": "1"}); err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, server.CA(), 0o600); err != nil {
		t.Fatal(err)
	}
	withUser := func(user, password string) string {
		u, err := url.Parse(repository.URL)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword(user, password)
		return u.String()
	}
	trust := []string{"-c", "http.sslCAInfo=" + ca}
	tests := map[string]struct {
		flags []string
		url   string
		want  string // in the error; empty for success
	}{
		"password":       {trust, withUser("ada", "pass/word"), ""},
		"wrong password": {trust, withUser("ada", "wrong"), "Authentication failed"},
		"token":          {append(trust, "-c", "http.extraHeader=Authorization: Bearer token"), repository.URL, ""},
		"wrong token":    {append(trust, "-c", "http.extraHeader=Authorization: Bearer wrong"), repository.URL, "terminal prompts disabled"},
		"nothing":        {trust, repository.URL, "terminal prompts disabled"},
		"unknown CA":     {nil, withUser("ada", "pass/word"), "certificate"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := git(t, "", append(test.flags, "ls-remote", test.url)...)
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestOnlyLoopback(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"0.0.0.0:0", ":0", "192.0.2.1:80", "[::]:0"} {
		server, err := gitserver.Start(t.TempDir(), gitserver.Options{Address: address})
		if err == nil {
			_ = server.Close()
			t.Errorf("%s: it serves there", address)
		}
	}
}

func TestManyFilesInOneCommit(t *testing.T) {
	t.Parallel()
	repository := create(t, start(t, gitserver.Options{}))
	files := map[string]string{}
	for i := range 2000 {
		files[fmt.Sprintf("apps/%04d/deployment.yaml", i)] = strings.Repeat("x", i%97)
	}
	if _, err := repository.Push(t.Context(), files); err != nil {
		t.Fatal(err)
	}
	bare := filepath.Join(t.TempDir(), "bare")
	mustGit(t, "", "clone", "--quiet", "--bare", repository.URL, bare)
	names := mustGit(t, bare, "ls-tree", "-r", "--name-only", "HEAD")
	if got := bytes.Count([]byte(names), []byte("\n")) + 1; got != len(files) {
		t.Errorf("files: got %d, want %d", got, len(files))
	}
}

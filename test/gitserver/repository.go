package gitserver

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	branchPrefix = "refs/heads/"
	identity     = "Test <test@example.com>"
)

// Repository is a bare repository.
type Repository struct {
	// Dir is its path.
	Dir string
	// URL is where it is served, empty when it is not.
	URL string
}

// CreateRepository makes an empty repository, whose HEAD is the branch main.
// The name is its path in the URL, such as "team/app.git".
func (s *Server) CreateRepository(ctx context.Context, name string) (*Repository, error) {
	r, err := Create(ctx, filepath.Join(s.Dir, filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	r.URL = s.URL(name)
	return r, nil
}

// Create makes an empty bare repository in a directory.
func Create(ctx context.Context, dir string) (*Repository, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("creating repository %s: %w", dir, err)
	}
	r := &Repository{Dir: dir}
	if _, err := r.run(ctx, nil, "init", "--quiet", "--bare", dir); err != nil {
		return nil, fmt.Errorf("creating repository %s: %w", dir, err)
	}
	return r, nil
}

// File is a file of a commit.
type File struct {
	Content    string
	Executable bool
	// Symlink makes it a symbolic link to what Content names.
	Symlink bool
}

// Commit is a commit to make.
type Commit struct {
	// Branch is where it goes, main when empty.
	Branch string
	// Message is "change" when empty.
	Message string
	// Files are written, by their path.
	Files map[string]File
	// Remove are paths of files or directories that are removed first.
	Remove []string
	// Replace removes everything first.
	Replace bool
	// Orphan begins a new history, as a force push does.
	Orphan bool
	// Time is now when zero.
	Time time.Time
}

// Push makes a commit of text files on the branch main and returns its hash. An
// empty text is an empty file; see Commit for all else.
func (r *Repository) Push(ctx context.Context, files map[string]string) (string, error) {
	c := Commit{Files: make(map[string]File, len(files))}
	for path, content := range files {
		c.Files[path] = File{Content: content}
	}
	return r.Commit(ctx, c)
}

// Commit makes a commit and returns its hash. Clients see all of it or nothing.
func (r *Repository) Commit(ctx context.Context, c Commit) (string, error) {
	if c.Branch == "" {
		c.Branch = "main"
	}
	if c.Message == "" {
		c.Message = "change"
	}
	if c.Time.IsZero() {
		c.Time = time.Now()
	}
	ref := branchPrefix + c.Branch
	parent, err := r.Resolve(ctx, ref)
	if err != nil || c.Orphan {
		parent = "" // the first commit of the branch
	}
	// One process whatever the number of files, and no work tree.
	if _, err := r.run(ctx, c.stream(ref, parent), "fast-import", "--quiet", "--force", "--date-format=raw"); err != nil {
		return "", fmt.Errorf("committing to %s: %w", r.Dir, err)
	}
	return r.Resolve(ctx, ref)
}

// stream is the commit in the language of git fast-import.
func (c Commit) stream(ref, parent string) io.Reader {
	b := &bytes.Buffer{}
	fmt.Fprintf(b, "commit %s\ncommitter %s %d +0000\n", ref, identity, c.Time.Unix())
	data(b, c.Message)
	if parent != "" {
		fmt.Fprintf(b, "from %s\n", parent)
	} else {
		// Without it, the history of the branch would be continued.
		b.WriteString("deleteall\n")
	}
	if c.Replace {
		b.WriteString("deleteall\n")
	}
	for _, path := range c.Remove {
		fmt.Fprintf(b, "D %s\n", quote(path))
	}
	for _, path := range slices.Sorted(maps.Keys(c.Files)) {
		f := c.Files[path]
		mode := "100644"
		switch {
		case f.Symlink:
			mode = "120000"
		case f.Executable:
			mode = "100755"
		}
		fmt.Fprintf(b, "M %s inline %s\n", mode, quote(path))
		data(b, f.Content)
	}
	return b
}

func data(b *bytes.Buffer, s string) { fmt.Fprintf(b, "data %d\n%s\n", len(s), s) }

// quote writes a path as git fast-import reads it, whatever is in it.
func quote(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(path) + `"`
}

// Resolve returns the hash of the commit that a ref or an expression names.
func (r *Repository) Resolve(ctx context.Context, revision string) (string, error) {
	return r.run(ctx, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", revision+"^{commit}")
}

// SetRef makes a ref such as refs/pull/1/head name a commit.
func (r *Repository) SetRef(ctx context.Context, ref, commit string) error {
	_, err := r.run(ctx, nil, "update-ref", ref, commit)
	return err
}

// DeleteRef removes a ref.
func (r *Repository) DeleteRef(ctx context.Context, ref string) error {
	_, err := r.run(ctx, nil, "update-ref", "-d", ref)
	return err
}

// Tag makes a tag, or moves it. With a message it is an annotated one.
func (r *Repository) Tag(ctx context.Context, name, commit, message string) error {
	args := []string{"tag", "--force"}
	if message != "" {
		args = append(args, "--annotate", "--message="+message)
	}
	_, err := r.run(ctx, nil, append(args, name, commit)...)
	return err
}

// run runs git in the repository and returns its output without the last line
// break.
func (r *Repository) run(ctx context.Context, input io.Reader, args ...string) (string, error) {
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Env = append(gitEnv(), "GIT_DIR="+r.Dir,
		"GIT_COMMITTER_NAME=Test", "GIT_COMMITTER_EMAIL=test@example.com",
		"GIT_AUTHOR_NAME=Test", "GIT_AUTHOR_EMAIL=test@example.com")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, &out, &errOut
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, bytes.TrimSpace(errOut.Bytes()))
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

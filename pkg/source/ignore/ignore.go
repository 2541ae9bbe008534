package ignore

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
)

// FileName is the name of a file with rules for its directory and below.
const FileName = ".sourceignore"

// What is read is other people's text, and each file of a source is matched
// against each rule.
const (
	// MaxFileSize is how many bytes of rules one file may have.
	MaxFileSize = 64 << 10
	// MaxPatternLength is how long a rule may be.
	MaxPatternLength = 1024
	// MaxPatterns is how many rules a source may have altogether.
	MaxPatterns = 2000
	// MaxFiles is how many files with rules a source may have.
	MaxFiles = 1000
)

// The rules that hold when nobody gives any; those of versionControl always
// do.
func versionControl() []string {
	return []string{".git/", ".gitignore", ".gitmodules", ".gitattributes"}
}

func defaults() []string {
	return []string{
		"*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip",
		".github/", ".circleci/", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml",
		"cloudbuild.yaml", "codeship-services.yml", "codeship-steps.yml",
		"**/.goreleaser.yml", "**/.sops.yaml", "**/.flux.yaml",
	}
}

// File is a .sourceignore file.
type File struct {
	// Dir is the directory that the file is in: clean, relative, with slashes.
	// The root's is ".".
	Dir     string
	Content []byte
}

// Matcher tells what is left out. It is safe for concurrent use.
type Matcher struct {
	patterns []gitignore.Pattern
	includes bool
	id       [sha256.Size]byte
}

// New returns the Matcher of a source with these files and with spec.ignore,
// which is nil if it is not set. Of two rules that match, the later in this
// order wins: files in the order of a walk, then spec.ignore.
func New(files []File, spec *string) (*Matcher, error) {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return slices.Compare(domain(a.Dir), domain(b.Dir)) })
	if len(files) > MaxFiles {
		return nil, fmt.Errorf("%d files called %s: limit is %d", len(files), FileName, MaxFiles)
	}
	m, h := &Matcher{}, sha256.New()
	add := func(rules []string, dir string) error {
		for _, rule := range rules {
			m.patterns = append(m.patterns, gitignore.ParsePattern(rule, domain(dir)))
			m.includes = m.includes || strings.HasPrefix(rule, "!")
			for _, s := range []string{dir, rule} {
				h.Write(binary.AppendUvarint(nil, uint64(len(s))))
				h.Write([]byte(s))
			}
		}
		if len(m.patterns) > MaxPatterns {
			return fmt.Errorf("more ignore rules than the limit of %d", MaxPatterns)
		}
		return nil
	}
	if err := add(versionControl(), "."); err != nil {
		return nil, err
	}
	always := len(m.patterns)
	for _, f := range files {
		rules, err := parse(f.Content)
		if err == nil {
			err = add(rules, f.Dir)
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s in %q: %w", FileName, f.Dir, err)
		}
	}
	if spec != nil {
		rules, err := parse([]byte(*spec))
		if err == nil {
			err = add(rules, ".")
		}
		if err != nil {
			return nil, fmt.Errorf("reading spec.ignore: %w", err)
		}
	}
	if len(m.patterns) == always {
		if err := add(defaults(), "."); err != nil {
			return nil, err
		}
	}
	h.Sum(m.id[:0])
	return m, nil
}

// parse returns the rules of a text: all lines that are neither blank nor a
// comment.
func parse(text []byte) ([]string, error) {
	if len(text) > MaxFileSize {
		return nil, fmt.Errorf("%d bytes of ignore rules: limit is %d", len(text), MaxFileSize)
	}
	var rules []string
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, MaxFileSize+1)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		if len(line) > MaxPatternLength {
			return nil, fmt.Errorf("an ignore rule of %d bytes: limit is %d", len(line), MaxPatternLength)
		}
		rules = append(rules, line)
	}
	return rules, lines.Err()
}

func domain(dir string) []string {
	if dir == "." {
		return nil
	}
	return strings.Split(dir, "/")
}

// Excludes says whether the file, or directory, with these path elements is
// left out.
func (m *Matcher) Excludes(path []string, dir bool) bool {
	for i := len(m.patterns) - 1; i >= 0; i-- {
		if match := m.patterns[i].Match(path, dir); match != gitignore.NoMatch {
			return match == gitignore.Exclude
		}
	}
	return false
}

// Prunes says whether everything below the directory is left out, so that it
// need not be looked at. Unlike Git, but like Flux, a rule with "!" takes files
// in again whose directory is left out.
func (m *Matcher) Prunes(path []string) bool { return !m.includes && m.Excludes(path, true) }

// ID returns a digest of the rules: two Matchers with the same leave out the
// same.
func (m *Matcher) ID() [sha256.Size]byte { return m.id }

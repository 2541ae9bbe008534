package preview

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"strings"

	"github.com/leat-dev/leat/pkg/build"
)

// Encrypted finds what comes from encrypted files in the objects of a build:
// values of SOPS documents, and whole documents that a generator has put into an
// object.
type Encrypted struct{ files []encryptedFile }

type encryptedFile struct {
	path    string
	content []byte
}

// maxEncrypted bounds the encrypted files of a build that are looked into, all
// together; values of others are named by the object's own file.
const maxEncrypted = 16 << 20

// NewEncrypted takes what a build says of the encrypted files that it read.
func NewEncrypted(tree build.Tree, r *build.Result) (*Encrypted, error) {
	e := &Encrypted{}
	left := int64(maxEncrypted)
	for _, path := range r.Encrypted {
		entry, ok := tree.Lookup(path)
		if !ok {
			continue
		}
		if left -= entry.Size; left < 0 {
			break
		}
		content, err := tree.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading the encrypted file %s: %w", path, err)
		}
		e.files = append(e.files, encryptedFile{path, content})
	}
	return e, nil
}

// EncryptedPlaceholder is what stands for what a file holds encrypted.
func EncryptedPlaceholder(file string) string { return "<encrypted:" + file + ">" }

// EncryptedMarker is another text for the same, as Marker is for a Secret's.
func EncryptedMarker(file string) string {
	return strings.Repeat("+", len(EncryptedPlaceholder(file))+1)
}

// Replace returns fields with text in the places of what is encrypted, and
// without what SOPS notes of it. file is the one that declares the object.
// changed says that there was something.
func (e *Encrypted) Replace(fields map[string]any, file string, text func(file string) string) (out map[string]any, changed bool) {
	if metadata, ok := fields["sops"].(map[string]any); ok && metadata["mac"] != nil && metadata["lastmodified"] != nil {
		fields = maps.Clone(fields)
		delete(fields, "sops")
		changed = true
	}
	v, replaced := e.replace(fields, file, text)
	out, ok := v.(map[string]any)
	if !ok {
		return fields, changed
	}
	return out, changed || replaced
}

func (e *Encrypted) replace(v any, file string, text func(string) string) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		var out map[string]any
		for key, value := range v {
			if other, ok := e.replace(value, file, text); ok {
				if out == nil {
					out = maps.Clone(v)
				}
				out[key] = other
			}
		}
		if out != nil {
			return out, true
		}
	case []any:
		var out []any
		for i, value := range v {
			if other, ok := e.replace(value, file, text); ok {
				if out == nil {
					out = append(out, v...)
				}
				out[i] = other
			}
		}
		if out != nil {
			return out, true
		}
	case string:
		if token := encryptedToken(v); token != "" {
			return text(e.source(token, file)), true
		}
	}
	return v, false
}

// source returns the file that holds a value. No two encryptions of one give the
// same text.
func (e *Encrypted) source(token, file string) string {
	for _, f := range e.files {
		if bytes.Contains(f.content, []byte(token)) {
			return f.path
		}
	}
	if file == "" {
		return "a file"
	}
	return file
}

// encryptedToken returns the first value of SOPS in a text, or in what the text
// is the base64 of.
func encryptedToken(text string) string {
	if token := tokenIn(text); token != "" {
		return token
	}
	const shortest = (len(build.EncryptedMark) + 2) / 3 * 4
	if len(text) < shortest {
		return ""
	}
	plain, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return ""
	}
	return tokenIn(string(plain))
}

func tokenIn(text string) string {
	_, rest, ok := strings.Cut(text, build.EncryptedMark)
	if !ok {
		return ""
	}
	value, _, _ := strings.Cut(rest, "]")
	return build.EncryptedMark + value
}

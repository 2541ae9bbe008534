package gitrepository

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
)

// fields lists what is acted on. What is missing here stalls an object that
// sets it: ssh, verification, includes, submodules, sparse checkouts, proxies,
// and identities of clouds.
func fields() runtime.Fields {
	return runtime.NewFields(append(runtime.Paths(
		"spec.ignore",
		"spec.interval",
		"spec.ref.branch",
		"spec.ref.commit",
		"spec.ref.name",
		"spec.ref.semver",
		"spec.ref.tag",
		"spec.secretRef.name",
		"spec.suspend",
		"spec.timeout",
	),
		runtime.Field{Path: "spec.provider", Accept: runtime.OneOf(string(sourcev1.GitProviderGeneric))},
		runtime.Field{Path: "spec.recurseSubmodules", Accept: runtime.OneOf(false)},
		runtime.Field{Path: "spec.url", Accept: isHTTP},
	)...)
}

func isHTTP(v any) bool {
	url, ok := v.(string)
	return ok && (strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://"))
}

// unsupportedError says what to do about fields that nobody acts on. Of URLs
// the API lets pass, besides http, only those of SSH.
func unsupportedError(paths []string) error {
	url := slices.Index(paths, "spec.url")
	if url < 0 {
		return runtime.UnsupportedFieldsError(paths)
	}
	err := errors.New("SSH remotes are not supported yet: spec.url must begin with https:// or http://")
	if others := slices.Delete(slices.Clone(paths), url, url+1); len(others) > 0 {
		return fmt.Errorf("%w; %w", err, runtime.UnsupportedFieldsError(others))
	}
	return err
}

package validation

import (
	"fmt"
	"net/url"

	"github.com/Masterminds/semver/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"

	metavalidation "github.com/leat-dev/leat/pkg/apis/meta/validation"
	v1 "github.com/leat-dev/leat/pkg/apis/source/v1"
)

// ValidateGitRepository refuses a GitRepository that could never be fetched. It
// comes after the schema, and does not repeat it.
func ValidateGitRepository(obj *v1.GitRepository) field.ErrorList {
	spec := field.NewPath("spec")
	errs := validateURL(spec.Child("url"), obj.Spec.URL)
	errs = append(errs, metavalidation.Duration(spec.Child("interval"), obj.Spec.Interval)...)
	if timeout := obj.Spec.Timeout; timeout != nil {
		errs = append(errs, metavalidation.PositiveDuration(spec.Child("timeout"), *timeout)...)
	}
	if obj.Spec.Reference != nil {
		errs = append(errs, validateReference(spec.Child("ref"), obj.Spec.Reference)...)
	}
	return errs
}

// validateURL refuses what has the right scheme and names no host. The messages
// do not repeat the URL, which may hold a password.
func validateURL(path *field.Path, text string) field.ErrorList {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return field.ErrorList{field.Invalid(path, field.OmitValueType{}, "must be a URL such as https://git.example.com/team/app.git; it cannot be parsed")}
	case u.Scheme != "" && u.Host == "":
		return field.ErrorList{field.Invalid(path, u.Redacted(), "must name a host, such as https://git.example.com/team/app.git")}
	}
	return nil
}

// validateReference checks the range of versions if it is what decides: where
// a commit or a name is given, nobody reads it.
func validateReference(path *field.Path, ref *v1.GitRepositoryRef) field.ErrorList {
	if isSet(ref.Commit) || isSet(ref.Name) || !isSet(ref.SemVer) {
		return nil
	}
	if _, err := semver.NewConstraint(*ref.SemVer); err != nil {
		return field.ErrorList{field.Invalid(path.Child("semver"), *ref.SemVer, fmt.Sprintf("must be a range of versions such as >=1.2.0 <2.0.0: %v", err))}
	}
	return nil
}

func isSet(text *string) bool { return text != nil && *text != "" }

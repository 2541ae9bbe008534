package validation

import (
	"net/url"
	"path"
	"regexp"
	"sort"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	metavalidation "github.com/leat-dev/leat/pkg/apis/meta/validation"
)

// variableName is the form of a variable's name.
var variableName = regexp.MustCompile(`^[_[:alpha:]][_[:alpha:][:digit:]]*$`)

// ValidateKustomization refuses a Kustomization that could never be built or
// applied. It comes after the schema, and does not repeat it.
func ValidateKustomization(obj *v1.Kustomization) field.ErrorList {
	spec := field.NewPath("spec")
	errs := validateDurations(spec, &obj.Spec)
	errs = append(errs, validateDependencies(spec.Child("dependsOn"), obj)...)
	errs = append(errs, validateHealthCheckExprs(spec.Child("healthCheckExprs"), obj.Spec.HealthCheckExprs)...)
	errs = append(errs, validateComponents(spec.Child("components"), obj.Spec.Components)...)
	errs = append(errs, validatePostBuild(spec.Child("postBuild"), obj.Spec.PostBuild)...)
	for i := range obj.Spec.Patches {
		errs = append(errs, ValidateSelector(spec.Child("patches").Index(i).Child("target"), obj.Spec.Patches[i].Target)...)
	}
	for i := range obj.Spec.Ignore {
		errs = append(errs, ValidateSelector(spec.Child("ignore").Index(i).Child("target"), obj.Spec.Ignore[i].Target)...)
	}
	return errs
}

// ValidateSelector refuses a selector of objects that kustomize cannot read.
func ValidateSelector(path *field.Path, s *v1.Selector) field.ErrorList {
	if s == nil {
		return nil
	}
	errs := metavalidation.Regexp(path.Child("group"), s.Group)
	errs = append(errs, metavalidation.Regexp(path.Child("version"), s.Version)...)
	errs = append(errs, metavalidation.Regexp(path.Child("kind"), s.Kind)...)
	errs = append(errs, metavalidation.Regexp(path.Child("namespace"), s.Namespace)...)
	errs = append(errs, metavalidation.Regexp(path.Child("name"), s.Name)...)
	errs = append(errs, metavalidation.LabelSelector(path.Child("labelSelector"), s.LabelSelector)...)
	return append(errs, metavalidation.LabelSelector(path.Child("annotationSelector"), s.AnnotationSelector)...)
}

func validateDurations(path *field.Path, spec *v1.KustomizationSpec) field.ErrorList {
	errs := metavalidation.Duration(path.Child("interval"), spec.Interval)
	if spec.RetryInterval != nil {
		errs = append(errs, metavalidation.Duration(path.Child("retryInterval"), *spec.RetryInterval)...)
	}
	if spec.Timeout != nil {
		errs = append(errs, metavalidation.Duration(path.Child("timeout"), *spec.Timeout)...)
	}
	return errs
}

// validateDependencies refuses an object that waits for itself. An expression
// may make sense of even that, so it only has to be one.
func validateDependencies(path *field.Path, obj *v1.Kustomization) field.ErrorList {
	var errs field.ErrorList
	for i := range obj.Spec.DependsOn {
		dependency := &obj.Spec.DependsOn[i]
		if dependency.ReadyExpr != nil && *dependency.ReadyExpr != "" {
			errs = append(errs, metavalidation.Expression(path.Index(i).Child("readyExpr"), *dependency.ReadyExpr)...)
			continue
		}
		if dependency.Name != "" && dependency.Name == obj.Name && dependency.GetNamespace(obj.Namespace) == obj.Namespace {
			errs = append(errs, field.Invalid(path.Index(i).Child("name"), dependency.Name, "must name another object: this one would wait for itself forever"))
		}
	}
	return errs
}

func validateHealthCheckExprs(path *field.Path, checks []v1.CustomHealthCheck) field.ErrorList {
	var errs field.ErrorList
	for i, check := range checks {
		place := path.Index(i)
		errs = append(errs, metavalidation.Expression(place.Child("current"), check.Current)...)
		if check.InProgress != nil {
			errs = append(errs, metavalidation.Expression(place.Child("inProgress"), *check.InProgress)...)
		}
		if check.Failed != nil {
			errs = append(errs, metavalidation.Expression(place.Child("failed"), *check.Failed)...)
		}
	}
	return errs
}

// validateComponents refuses components that are not in the artifact. One that
// leads upwards may be: the path that it starts from is not the root.
func validateComponents(list *field.Path, components []string) field.ErrorList {
	var errs field.ErrorList
	for i, component := range components {
		u, err := url.Parse(component)
		if path.IsAbs(component) || (err == nil && (u.Scheme != "" || u.Host != "")) {
			shown := component
			if err == nil {
				shown = u.Redacted()
			}
			errs = append(errs, field.Invalid(list.Index(i), shown, "must be a directory of the artifact, relative to spec.path"))
		}
	}
	return errs
}

func validatePostBuild(path *field.Path, postBuild *v1.PostBuild) field.ErrorList {
	if postBuild == nil {
		return nil
	}
	var names []string
	for name := range postBuild.Substitute {
		if !variableName.MatchString(name) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	var errs field.ErrorList
	for _, name := range names {
		errs = append(errs, field.Invalid(path.Child("substitute"), name, "the name of a variable must match "+variableName.String()))
	}
	return errs
}

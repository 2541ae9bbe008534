package kustomization

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/object"
)

// fluxInstallationSkippedReason is that of the event which names what was left
// out of a set because it belongs to an installation of Flux.
const fluxInstallationSkippedReason = "FluxInstallationSkipped"

// Flux's groups, and the label of what its installation holds.
const (
	fluxGroupSuffix     = ".toolkit.fluxcd.io"
	fluxExtensionsGroup = "source.extensions.fluxcd.io"
	partOfLabel         = "app.kubernetes.io/part-of"
)

// workloads are the kinds that run something.
var workloads = map[string][]string{
	"apps":  {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"},
	"batch": {"Job", "CronJob"},
	"":      {"Pod", "ReplicationController"},
}

// partOfFlux says why an object that belongs to an installation of Flux is not
// applied. A repository that Flux was bootstrapped from holds all of it:
// controllers beside Leat would fight over the same objects, and definitions of
// groups that Leat serves make kube-apiserver's OpenAPI fail, which then has the
// same paths twice. What else such a repository holds (namespace, accounts,
// roles, network policies) does nothing by itself and is applied.
//
//	kind        of                                 applied
//	definition  a group of Flux's                  no
//	definition  any other group                    yes
//	workload    labelled as a part of Flux         no
//	workload    without that label                 yes
//	other       anything                           yes
func partOfFlux(o object.Object) string {
	gk := o.GroupVersionKind().GroupKind()
	switch {
	case gk.Group == "apiextensions.k8s.io" && gk.Kind == "CustomResourceDefinition":
		group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
		if group == fluxExtensionsGroup || strings.HasSuffix(group, fluxGroupSuffix) {
			return "it defines a kind of Flux's group " + group
		}
	case slices.Contains(workloads[gk.Group], gk.Kind):
		if o.GetLabels()[partOfLabel] == "flux" {
			return "it is labelled " + partOfLabel + ": flux"
		}
	}
	return ""
}

// tellExcluded names what is not applied, once for each revision and set: a
// warning at every interval would be noise.
func (a *attempt) tellExcluded(result *apply.Result) {
	var lines []string
	for i := range result.Changes {
		if c := &result.Changes[i]; c.Excluded {
			lines = append(lines, fmt.Sprintf("%s: %s", c.Key, c.Reason))
		}
	}
	told := strings.Join(lines, "\n")
	if told == "" {
		a.memo.excluded, a.memo.excludedIn = "", ""
		return
	}
	if a.memo.excluded == told && a.memo.excludedIn == a.revision {
		return
	}
	a.memo.excluded, a.memo.excludedIn = told, a.revision
	message := fmt.Sprintf("The source holds an installation of Flux, which is not started beside Leat; %d object(s) are left out:\n%s", len(lines), told)
	a.run.Log.Warn(message)
	a.Events.Warning(a.obj, fluxInstallationSkippedReason, message, a.metadata())
}

package kustomization

import (
	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
)

// fields lists what is acted on. What is missing here stalls an object that
// sets it: decryption, kubeConfig, healthCheckExprs, readyExpr, ignore, and
// sources other than Git repositories.
func fields() runtime.Fields {
	return runtime.NewFields(append(runtime.Paths(
		"spec.buildMetadata[]",
		"spec.commonMetadata.annotations{}",
		"spec.commonMetadata.labels{}",
		"spec.components[]",
		"spec.deletionPolicy",
		"spec.dependsOn[].name",
		"spec.dependsOn[].namespace",
		"spec.force",
		"spec.healthChecks[].apiVersion",
		"spec.healthChecks[].kind",
		"spec.healthChecks[].name",
		"spec.healthChecks[].namespace",
		"spec.ignoreMissingComponents",
		"spec.images[].digest",
		"spec.images[].name",
		"spec.images[].newName",
		"spec.images[].newTag",
		"spec.interval",
		"spec.namePrefix",
		"spec.nameSuffix",
		"spec.patches[].patch",
		"spec.patches[].target.annotationSelector",
		"spec.patches[].target.group",
		"spec.patches[].target.kind",
		"spec.patches[].target.labelSelector",
		"spec.patches[].target.name",
		"spec.patches[].target.namespace",
		"spec.patches[].target.version",
		"spec.path",
		"spec.postBuild.substitute{}",
		"spec.postBuild.substituteFrom[].kind",
		"spec.postBuild.substituteFrom[].name",
		"spec.postBuild.substituteFrom[].optional",
		"spec.postBuild.substituteStrategy",
		"spec.prune",
		"spec.retryInterval",
		"spec.serviceAccountName",
		"spec.sourceRef.apiVersion",
		"spec.sourceRef.name",
		"spec.sourceRef.namespace",
		"spec.suspend",
		"spec.targetNamespace",
		"spec.timeout",
		"spec.wait",
	), runtime.Field{Path: "spec.sourceRef.kind", Accept: runtime.OneOf(string(kustomizev1.SourceKindGitRepository))})...)
}

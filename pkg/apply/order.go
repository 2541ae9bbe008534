package apply

import (
	"cmp"
	"slices"
	"strings"

	"github.com/leat-dev/leat/pkg/object"
)

// stage is a step of a run. What is in a stage is applied in parallel; the
// next one begins when all of it has been accepted.
type stage int

// The stages.
//
//	stage           what                                    why before the next
//	definitions     CRD, Namespace, ClusterRole             other objects cannot exist without, or are checked against
//	classes         kinds whose name ends in Class          are named by others, defaulted from at admission
//	cluster         other cluster-scoped objects            apply everywhere
//	configuration   ServiceAccount, Role, ConfigMap, …      are looked up when Pods are created
//	workloads       everything else
//	gates           webhook configurations                  may refuse what their own set has yet to create
const (
	stageDefinitions stage = iota
	stageClasses
	stageCluster
	stageConfiguration
	stageWorkloads
	stageGates
	stageCount
)

const (
	groupCRD  = "apiextensions.k8s.io"
	groupRBAC = "rbac.authorization.k8s.io"
	groupAdm  = "admissionregistration.k8s.io"

	kindCRD       = "CustomResourceDefinition"
	kindNamespace = "Namespace"
)

func isCRD(k object.Key) bool       { return k.Group == groupCRD && k.Kind == kindCRD }
func isNamespace(k object.Key) bool { return k.Group == "" && k.Kind == kindNamespace }

// stageOf returns the stage of an object. namespaced is the scope of its kind.
func stageOf(k object.Key, namespaced bool) stage {
	switch {
	case isCRD(k), isNamespace(k), k.Group == groupRBAC && k.Kind == "ClusterRole":
		return stageDefinitions
	case k.Group == groupAdm && strings.HasSuffix(k.Kind, "WebhookConfiguration"):
		return stageGates
	case strings.HasSuffix(k.Kind, "Class"):
		return stageClasses
	case !namespaced:
		return stageCluster
	case slices.Contains(configurationKinds, k.Kind) && (k.Group == "" || k.Group == groupRBAC):
		return stageConfiguration
	}
	return stageWorkloads
}

// configurationKinds are in their order of apply.
var configurationKinds = []string{"ResourceQuota", "LimitRange", "ServiceAccount", "Role", "ConfigMap", "Secret", "PersistentVolumeClaim"}

// rank orders the objects of a stage: those first that others may look up. The
// requests of a stage overlap, so this is a courtesy and no guarantee.
func rank(k object.Key) int {
	switch k.Kind {
	case kindCRD:
		return 0
	case kindNamespace:
		return 1
	case "RoleBinding", "ClusterRoleBinding":
		return 2
	case "Service":
		return 3
	}
	if i := slices.Index(configurationKinds, k.Kind); i >= 0 {
		return 4 + i
	}
	return 4 + len(configurationKinds)
}

// Compare orders objects as they are applied. Whether the kind of each has
// namespaces is for the caller to say.
func Compare(a, b object.Key, aNamespaced, bNamespaced bool) int {
	return compareOrder(a, b, stageOf(a, aNamespaced), stageOf(b, bNamespaced))
}

// compareOrder orders by stage, rank and key.
func compareOrder(a, b object.Key, stageA, stageB stage) int {
	return cmp.Or(cmp.Compare(stageA, stageB), cmp.Compare(rank(a), rank(b)), a.Compare(b))
}

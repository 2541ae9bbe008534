package registration

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

const (
	// automanagedLabel marks the APIServices that kube-apiserver makes for its own
	// groups and for those of CRDs. Where it is true kube-apiserver reverts changes.
	automanagedLabel = "kube-aggregator.kubernetes.io/automanaged"

	managedByLabel = "app.kubernetes.io/managed-by"
	managedBy      = "leat-apiserver"
)

// verdict is what is to be done about one APIService.
type verdict int

const (
	keep     verdict = iota // it is ours: make it as it should be
	create                  // nobody serves the group: make it
	takeOver                // adopt: make it, over what is there
	refuse                  // leave everything as it is
)

// groupState is what the host cluster serves of a group.
type groupState struct {
	// crdVersions are the versions served from CRDs.
	crdVersions []string
	// unserved are those of them that this server would not serve. kube-apiserver
	// would go on serving them from the CRDs: two stores for one kind.
	unserved []string
}

// decide says what is to be done about the wanted APIService, of which current is
// what is there, or nil.
//
//	row  current            versions from CRDs    adopt  verdict
//	1    ours               any                   any    keep
//	2    another server's   any                   any    refuse: it is not Flux's
//	3    none               none                  any    create
//	4    none or CRD        some                  no     refuse: it would hide them
//	5    none or CRD        some that we lack     yes    refuse: two stores for one kind
//	6    none or CRD        only such as we have  yes    take over
//
// In row 1 CRDs that came later are served for other versions only: kube-apiserver
// leaves alone an APIService that it did not make.
func decide(wanted, current *apiregistrationv1.APIService, ours bool, group groupState, adopt bool) (verdict, string) {
	switch {
	case current != nil && ours: // 1
		return keep, ""
	case current != nil && current.Spec.Service != nil: // 2
		return refuse, fmt.Sprintf("it belongs to another API server, the Service %s/%s: delete the APIService if that is not in use any more",
			current.Spec.Service.Namespace, current.Spec.Service.Name)
	case current == nil && len(group.crdVersions) == 0: // 3
		return create, ""
	case !adopt: // 4
		return refuse, fmt.Sprintf("the cluster serves %s from CRDs (%s), which means that Flux is installed: uninstall it, or start with --adopt-flux-crds to take the group over and hide what is stored there",
			wanted.Spec.Group, strings.Join(group.crdVersions, ", "))
	case len(group.unserved) > 0: // 5
		return refuse, fmt.Sprintf("the cluster serves %s also in versions that this server does not have (%s), so that every object would exist twice: migrate them with Flux and remove these versions from its CRDs first",
			wanted.Spec.Group, strings.Join(group.unserved, ", "))
	default: // 6
		return takeOver, ""
	}
}

// groupStates looks at all APIServices for what is served from CRDs.
func groupStates(all []*apiregistrationv1.APIService, wanted sets.Set[string]) map[string]groupState {
	groups := map[string]groupState{}
	for _, s := range all {
		if !fromCRD(s) {
			continue
		}
		g := groups[s.Spec.Group]
		g.crdVersions = append(g.crdVersions, s.Spec.Version)
		if !wanted.Has(s.Name) {
			g.unserved = append(g.unserved, s.Spec.Version)
		}
		groups[s.Spec.Group] = g
	}
	for _, g := range groups {
		slices.Sort(g.crdVersions)
		slices.Sort(g.unserved)
	}
	return groups
}

// fromCRD says whether kube-apiserver made the APIService for a group that it serves
// itself. No group of ours is built into it, so that means CRDs.
func fromCRD(s *apiregistrationv1.APIService) bool {
	return s.Spec.Service == nil && s.Labels[automanagedLabel] != ""
}

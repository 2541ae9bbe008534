package target

import "strings"

// ServerSideApply is how an object wants to be applied.
type ServerSideApply string

// The values of the switch "ssa".
const (
	// SSAOverride is the default: our fields are ours, and what kubectl set
	// outside of them goes.
	SSAOverride ServerSideApply = ""
	// SSAMerge leaves the fields of all other managers alone.
	SSAMerge ServerSideApply = "Merge"
	// SSAIfNotPresent only creates.
	SSAIfNotPresent ServerSideApply = "IfNotPresent"
	// SSAIgnore never applies.
	SSAIgnore ServerSideApply = "Ignore"
)

// Switches are the wishes that an object carries itself, as an annotation or a
// label with the owner group as prefix.
type Switches struct {
	// Reconcile and Prune are false where the object says "disabled".
	ReconcileDisabled, PruneDisabled bool
	Force                            bool
	SSA                              ServerSideApply
}

// switchValues are the values that mean something; they are compared without
// regard to case, as in Flux.
const (
	switchDisabled = "disabled"
	switchEnabled  = "enabled"
)

// Keep says that the object, whatever owns it, is not to be deleted.
func (s Switches) Keep() bool {
	return s.ReconcileDisabled || s.PruneDisabled || s.SSA == SSAIgnore
}

// SwitchesOf reads the switches of an object from its labels and annotations.
func (t *Target) SwitchesOf(labels, annotations map[string]string) Switches {
	return switchesOf(t.opts.OwnerGroup, func(name string) [2]string {
		return [2]string{annotations[name], labels[name]}
	})
}

// switchesOf reads switches through a look-up of a name's annotation and label.
func switchesOf(group string, lookup func(name string) [2]string) Switches {
	is := func(name, want string) bool {
		v := lookup(group + "/" + name)
		return strings.EqualFold(v[0], want) || strings.EqualFold(v[1], want)
	}
	s := Switches{
		ReconcileDisabled: is("reconcile", switchDisabled),
		PruneDisabled:     is("prune", switchDisabled),
		Force:             is("force", switchEnabled),
	}
	for _, v := range []ServerSideApply{SSAMerge, SSAIfNotPresent, SSAIgnore} {
		if is("ssa", string(v)) {
			s.SSA = v
		}
	}
	return s
}

package runtime

import (
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// Key names an object of the kind that a queue serves.
type Key = types.NamespacedName

// Trigger says why an object runs. It is a set: while a key waits, or while it
// runs already, the reasons to run it (again) add up.
type Trigger uint16

// The reasons to run an object.
const (
	// Started: the process started, or the object was seen for the first time.
	Started Trigger = 1 << iota
	// Spec: the generation or the deletion time of the object changed.
	Spec
	// Requested: the requested-at annotation has a new value.
	Requested
	// Interval: the time of the next regular run has come.
	Interval
	// Retry: the last run failed and its time to try again has come.
	Retry
	// Source: the source has a new artifact, or has become usable.
	Source
	// Dependency: a dependency changed what its dependants look at.
	Dependency
	// Config: a referenced ConfigMap or Secret changed.
	Config
)

// Superseding are the triggers that make a run that only waits pointless: what
// it waits for is no longer what is wanted. An interval or a dependency that
// blinks is no reason to give up a health check.
const Superseding = Spec | Requested | Source | Config

// Has reports whether the set holds any of the triggers in o.
func (t Trigger) Has(o Trigger) bool { return t&o != 0 }

// Only reports whether the set is not empty and holds nothing but triggers in o.
func (t Trigger) Only(o Trigger) bool { return t != 0 && t&^o == 0 }

// Names lists the triggers by the names that they have in the API.
func (t Trigger) Names() []string {
	names := []struct {
		t    Trigger
		name string
	}{
		{Started, "Start"}, {Spec, "Spec"}, {Requested, "Request"}, {Interval, "Interval"},
		{Retry, "Retry"}, {Source, "Source"}, {Dependency, "Dependency"}, {Config, "Config"},
	}
	var set []string
	for _, n := range names {
		if t.Has(n.t) {
			set = append(set, n.name)
		}
	}
	return set
}

// String lists the triggers for logs.
func (t Trigger) String() string { return strings.Join(t.Names(), ",") }

package tree

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/types"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/target"
)

// suspended is the status of an object that is not reconciled. The other states
// are those of kstatus.
const suspended = "Suspended"

// node is one object of a tree.
type node struct {
	object.Key
	version  string
	uid      types.UID
	identity target.Identity

	status   string
	message  string
	revision string
	redacted bool
	// cause says why the object is not well, where that lies in itself.
	cause string
	// notes say what is left out below the node.
	notes    []string
	children []*node
}

// judge takes over what is known of an object's health.
func (n *node) judge(h target.Health) { n.status, n.message = string(h.Status), h.Message }

// well says that there is nothing to tell about the object.
func (n *node) well() bool {
	return n.redacted || n.status == string(status.CurrentStatus) || n.status == suspended
}

// gravity orders what is not well: what has failed is more likely the cause of the
// rest than what is on its way.
func (n *node) gravity() int {
	switch status.Status(n.status) {
	case status.FailedStatus:
		return 0
	case status.NotFoundStatus:
		return 1
	case status.InProgressStatus:
		return 2
	}
	return 3
}

// note says once what is left out below the node.
func (n *node) note(text string) {
	if !slices.Contains(n.notes, text) {
		n.notes = append(n.notes, text)
	}
}

// trouble is something that is not well, with what is known of why.
type trouble struct {
	node *node
	text string
}

// bubble makes the messages of nodes name what is not well below them, and returns
// what is not well in and below the node, the most likely cause first.
func (n *node) bubble() []trouble {
	var all []trouble
	for _, c := range n.children {
		all = append(all, c.bubble()...)
	}
	slices.SortStableFunc(all, func(a, b trouble) int { return cmp.Compare(a.node.gravity(), b.node.gravity()) })
	below := named(all)
	switch {
	case n.well():
	case n.cause != "":
		n.message = n.cause
		all = append([]trouble{{n, joinedBy(n.Key.String(), ": ", n.cause)}}, all...)
	case len(all) == 0:
		all = []trouble{{n, joinedBy(n.Key.String()+" is "+n.status, ": ", n.message)}}
	}
	n.message = joined(joined(n.message, below), strings.Join(n.notes, "; "))
	return all
}

// maxNamed is how many causes a message names.
const maxNamed = 3

// named names the first causes, and counts the others.
func named(all []trouble) string {
	text := ""
	for i, t := range all {
		if i == maxNamed {
			return joined(text, fmt.Sprintf("and %d more", len(all)-i))
		}
		text = joined(text, t.text)
	}
	return text
}

func joined(a, b string) string { return joinedBy(a, "; ", b) }

func joinedBy(a, by, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	}
	return a + by + b
}

// maxMessage is how long the message of a node may be.
const maxMessage = 1 << 10

// show is the node as it is in the API.
func (n *node) show() leatv1alpha1.TreeNode {
	apiVersion := n.version
	if n.Group != "" {
		apiVersion = n.Group + "/" + n.version
	}
	shown := leatv1alpha1.TreeNode{
		APIVersion: apiVersion, Kind: n.Kind, Namespace: n.Namespace, Name: n.Name,
		Status: n.status, Message: clip(n.message), Revision: n.revision, Redacted: n.redacted,
	}
	for _, c := range n.children {
		shown.Children = append(shown.Children, c.show())
	}
	return shown
}

// clip cuts a message that is too long between two characters.
func clip(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	const more = "…"
	end := maxMessage - len(more)
	for end > 0 && !utf8.RuneStart(message[end]) {
		end--
	}
	return message[:end] + more
}

package tree

import (
	"strings"
	"testing"

	"github.com/leat-dev/leat/pkg/object"
)

func newNode(kind, name, status, message, cause string, children ...*node) *node {
	return &node{Key: object.Key{Kind: kind, Namespace: "n", Name: name}, version: "v1", status: status, message: message, cause: cause, children: children}
}

func TestCausesBubble(t *testing.T) {
	pod := newNode("Pod", "p", "InProgress", "", "container main: ImagePullBackOff")
	set := newNode("ReplicaSet", "s", "InProgress", "Available: 0/1", "", pod)
	web := newNode("Deployment", "web", "InProgress", "Available: 0/1", "", set)
	job := newNode("Job", "j", "Failed", "", "BackoffLimitExceeded")
	gone := newNode("ConfigMap", "c", "NotFound", "it does not exist", "")
	hidden := newNode("Secret", "x", "", "", "")
	hidden.redacted = true
	stopped := newNode("Kustomization", "k", "Suspended", "Applied", "")
	fine := newNode("Service", "svc", "Current", "Resource is current", "")
	root := newNode("Kustomization", "root", "Current", "Applied revision: 1", "", web, job, gone, hidden, stopped, fine)
	root.note("more is not shown")
	root.bubble()

	for n, want := range map[*node]string{
		pod:    "container main: ImagePullBackOff",
		set:    "Available: 0/1; Pod/n/p: container main: ImagePullBackOff",
		web:    "Available: 0/1; Pod/n/p: container main: ImagePullBackOff",
		job:    "BackoffLimitExceeded",
		gone:   "it does not exist",
		hidden: "",
		fine:   "Resource is current",
		root:   "Applied revision: 1; Job/n/j: BackoffLimitExceeded; ConfigMap/n/c is NotFound: it does not exist; Pod/n/p: container main: ImagePullBackOff; more is not shown",
	} {
		if n.message != want {
			t.Errorf("%s says\n%q, want\n%q", n.Key, n.message, want)
		}
	}
}

func TestManyCausesAreCounted(t *testing.T) {
	root := newNode("Kustomization", "root", "Current", "", "")
	for range 10 {
		root.children = append(root.children, newNode("Pod", "p", "Failed", "", "no"))
	}
	// What has a cause of its own names that first, and what is below after it.
	set := newNode("ReplicaSet", "s", "InProgress", "", "exceeded quota", newNode("Pod", "q", "InProgress", "starting", ""))
	set.bubble()
	if want := "exceeded quota; Pod/n/q is InProgress: starting"; set.message != want {
		t.Errorf("got %q, want %q", set.message, want)
	}
	root.bubble()
	if want := "Pod/n/p: no; Pod/n/p: no; Pod/n/p: no; and 7 more"; root.message != want {
		t.Errorf("got %q, want %q", root.message, want)
	}
}

func TestShow(t *testing.T) {
	n := newNode("Deployment", "web", "Current", strings.Repeat("ä", 2000), "", newNode("Pod", "p", "Current", "", ""))
	n.Group = "apps"
	shown := n.show()
	if shown.APIVersion != "apps/v1" || len(shown.Message) > maxMessage || !strings.HasSuffix(shown.Message, "ä…") {
		t.Errorf("got %s, a message of %d bytes", shown.APIVersion, len(shown.Message))
	}
	if len(shown.Children) != 1 || shown.Children[0].APIVersion != "v1" {
		t.Errorf("got %+v", shown.Children)
	}
}

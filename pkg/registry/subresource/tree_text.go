package subresource

import (
	"bytes"
	"strings"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
)

// treeText draws a tree for people:
//
//	Kustomization/team/app  Current  Applied revision: main@sha1:…
//	├─ ConfigMap/team/settings  Current
//	├─ Deployment/team/web  InProgress  Available: 0/1; Pod/team/web-…: …
//	│  └─ ReplicaSet/team/web-5d8f  InProgress  …
//	│     └─ Pod/team/web-5d8f-x2kqz  InProgress  container web: ImagePullBackOff: …
//	└─ Secret/team/keys  (hidden: reading it is not allowed)
func treeText(root *leatv1alpha1.TreeNode) []byte {
	var b bytes.Buffer
	drawNode(&b, root, "", "")
	return b.Bytes()
}

// drawNode draws a node after first, and what is below it after rest.
func drawNode(b *bytes.Buffer, n *leatv1alpha1.TreeNode, first, rest string) {
	b.WriteString(first + n.Kind + "/")
	if n.Namespace != "" {
		b.WriteString(n.Namespace + "/")
	}
	b.WriteString(n.Name)
	revision := n.Revision
	if strings.Contains(n.Message, revision) {
		revision = "" // it is told already
	}
	for _, text := range []string{n.Status, revision, n.Message} {
		if text != "" {
			b.WriteString("  " + oneLine(text))
		}
	}
	if n.Redacted {
		b.WriteString("  (hidden: reading it is not allowed)")
	}
	b.WriteByte('\n')
	for i := range n.Children {
		branch, below := "├─ ", "│  "
		if i == len(n.Children)-1 {
			branch, below = "└─ ", "   "
		}
		drawNode(b, &n.Children[i], rest+branch, rest+below)
	}
}

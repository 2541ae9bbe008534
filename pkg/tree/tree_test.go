package tree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/target"
	"github.com/leat-dev/leat/test/framework"
)

var cluster *framework.Cluster

func TestMain(m *testing.M) { os.Exit(framework.Main(m, framework.Options{}, &cluster)) }

// world is a namespace of the cluster and an engine that looks at it.
type world struct {
	t      *testing.T
	ns     string
	core   kubernetes.Interface
	target *target.Target
	// own are the objects that the server would keep, by kind and name.
	own map[string]*unstructured.Unstructured
}

func newWorld(t *testing.T) *world {
	t.Helper()
	tgt, err := target.New(t.Context(), cluster.Config, target.Options{DigestKey: []byte("a key of sixteen")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tgt.Close)
	core, err := kubernetes.NewForConfig(cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, ns: cluster.Namespace(t), core: core, target: tgt, own: map[string]*unstructured.Unstructured{}}
}

// root stands for a Kustomization: a kind that the cluster serves as well, so that
// its resource can be found.
var root = schema.GroupKind{Kind: "ReplicationController"}

// manager makes an object with an inventory that this server keeps.
func (w *world) manager(name, account string, ids ...string) *unstructured.Unstructured {
	entries := []any{}
	for _, id := range ids {
		entries = append(entries, map[string]any{"id": id, "v": "v1"})
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": root.Kind,
		"metadata": map[string]any{"name": name, "namespace": w.ns, "uid": "uid-of-" + name},
		"spec":     map[string]any{"serviceAccountName": account},
		"status":   map[string]any{"inventory": map[string]any{"entries": entries}},
	}}
	w.own[name] = u
	return u
}

func (w *world) id(group, kind, name string) string {
	return object.Key{Group: group, Kind: kind, Namespace: w.ns, Name: name}.ID()
}

func (w *world) grow(o Options, caller target.User, obj *unstructured.Unstructured) (*leatv1alpha1.TreeNode, error) {
	return NewEngine(w.target, o).Grow(w.t.Context(), Request{Object: obj, Caller: caller,
		Own: func(_ context.Context, kind schema.GroupKind, _, name string) (*unstructured.Unstructured, bool, error) {
			return w.own[name], kind == root, nil
		}})
}

var admin = target.User{Name: "admin", Groups: []string{"system:masters"}}

func (w *world) configMap(name string) {
	w.t.Helper()
	if _, err := w.core.CoreV1().ConfigMaps(w.ns).Create(w.t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// outline is a tree in one line a node.
func outline(n *leatv1alpha1.TreeNode, depth int) string {
	text := fmt.Sprintf("%s%s/%s %s", strings.Repeat(" ", depth), n.Kind, n.Name, n.Status)
	if n.Redacted {
		text += "hidden"
	}
	text += "\n"
	for i := range n.Children {
		text += outline(&n.Children[i], depth+1)
	}
	return text
}

func TestInventoriesAreNested(t *testing.T) {
	w := newWorld(t)
	w.configMap("one")
	w.configMap("two")
	w.manager("inner", "", w.id("", "ConfigMap", "two"), w.id("", root.Kind, "outer"))
	outer := w.manager("outer", "", w.id("", "ConfigMap", "one"), w.id("", "ConfigMap", "gone"), w.id("example.com", "Unknown", "x"),
		w.id("", root.Kind, "inner"), w.id("", root.Kind, "absent"))
	got, err := w.grow(Options{}, admin, outer)
	if err != nil {
		t.Fatal(err)
	}
	// An inventory that leads back is not followed a second time.
	want := `ReplicationController/outer Current
 ConfigMap/one Current
 ConfigMap/gone NotFound
 Unknown/x Unknown
 ReplicationController/inner Current
  ConfigMap/two Current
  ReplicationController/outer Current
 ReplicationController/absent NotFound
`
	if text := outline(got, 0); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	got, err = w.grow(Options{Depth: 1}, admin, outer)
	if err != nil {
		t.Fatal(err)
	}
	if n := got.Children[3]; len(n.Children) > 0 || !strings.Contains(n.Message, "1 deep") {
		t.Errorf("deeper than the limit: %+v", n)
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	var ids []string
	for i := range 10 {
		ids = append(ids, w.id("", "ConfigMap", fmt.Sprint("c", i)))
	}
	obj := w.manager("many", "", ids...)
	got, err := w.grow(Options{Nodes: 4}, admin, obj)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Children) != 3 || !strings.Contains(got.Message, "7 of its objects are not shown: a tree has at most 4 nodes") {
		t.Errorf("%d children: %s", len(got.Children), got.Message)
	}
	e := NewEngine(w.target, Options{AtOnce: 1})
	e.growing <- struct{}{}
	if _, err := e.Grow(t.Context(), Request{Object: obj}); !errors.Is(err, ErrBusy) {
		t.Errorf("one tree more than may grow at once: %v", err)
	}
	if _, err := w.grow(Options{Timeout: time.Nanosecond}, admin, obj); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a tree that takes too long: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewEngine(w.target, Options{}).Grow(ctx, Request{Object: obj, Caller: admin}); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits: %v", err)
	}
}

// deployment makes a Deployment and waits until its Pod is ready.
func (w *world) deployment(name string) {
	w.t.Helper()
	labels := map[string]string{"app": name}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: appsv1.DeploymentSpec{
		Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "example.com/x"}}},
		},
	}}
	if _, err := w.core.AppsV1().Deployments(w.ns).Create(w.t.Context(), d, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
	if _, _, err := cluster.Kubectl(w.t.Context(), "rollout", "status", "--timeout=90s", "--namespace", w.ns, "deployment/"+name); err != nil {
		w.t.Fatal(err)
	}
}

// grant lets a subject do what the rules say.
func (w *world) grant(subject rbacv1.Subject, rules ...rbacv1.PolicyRule) {
	w.t.Helper()
	name := strings.ToLower(subject.Kind + "-" + subject.Name)
	if _, err := w.core.RbacV1().Roles(w.ns).Create(w.t.Context(), &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name}, Subjects: []rbacv1.Subject{subject}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name}}
	if _, err := w.core.RbacV1().RoleBindings(w.ns).Create(w.t.Context(), binding, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

func rule(group, verbs string, resources ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: resources, Verbs: strings.Split(verbs, ",")}
}

// What is shown is what both the caller and the object's account may read.
func TestBothMustBeAllowed(t *testing.T) {
	w := newWorld(t)
	w.configMap("one")
	w.deployment("web")
	if _, err := w.core.CoreV1().ServiceAccounts(w.ns).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "deployer"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	ids := []string{w.id("", "ConfigMap", "one"), w.id("apps", "Deployment", "web")}
	plain, bound := w.manager("plain", "", ids...), w.manager("bound", "deployer", ids...)
	w.grant(rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Name: "deployer", Namespace: w.ns},
		rule("apps", "get", "deployments"), rule("apps", "list", "replicasets"))
	looker := target.User{Name: "looker-" + w.ns}
	w.grant(rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: looker.Name},
		rule("", "get", "configmaps"), rule("apps", "get", "deployments"), rule("apps", "list", "replicasets"), rule("", "list", "pods"))

	const rootLine, set = "ReplicationController/%s %s\n", "  ReplicaSet/web- Current\n"
	for _, tt := range []struct {
		name   string
		caller target.User
		obj    *unstructured.Unstructured
		want   string
	}{
		{"all is allowed", admin, plain, fmt.Sprintf(rootLine, "plain", "Current") + " ConfigMap/one Current\n Deployment/web Current\n" + set + "   Pod/web- Current\n"},
		{"the account may less", admin, bound, fmt.Sprintf(rootLine, "bound", "Current") + " ConfigMap/one hidden\n Deployment/web Current\n" + set},
		{"the caller may less", looker, plain, fmt.Sprintf(rootLine, "plain", "hidden") + " ConfigMap/one Current\n Deployment/web Current\n" + set + "   Pod/web- Current\n"},
		{"both may less", looker, bound, fmt.Sprintf(rootLine, "bound", "hidden") + " ConfigMap/one hidden\n Deployment/web Current\n" + set},
		{"nobody", target.User{}, plain, fmt.Sprintf(rootLine, "plain", "hidden") + " ConfigMap/one hidden\n Deployment/web hidden\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := w.grow(Options{}, tt.caller, tt.obj)
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for line := range strings.Lines(outline(got, 0)) {
				// What controllers name ends in letters of their own.
				if head, rest, ok := strings.Cut(line, "/web-"); ok {
					line = head + "/web- " + rest[strings.LastIndex(rest, " ")+1:]
				}
				lines = append(lines, line)
			}
			if text := strings.Join(lines, ""); text != tt.want {
				t.Errorf("got\n%s\nwant\n%s", text, tt.want)
			}
			if strings.Contains(tt.want, "Pod/") == strings.Contains(got.Children[1].Message, "pods are not shown") && !got.Children[1].Redacted {
				t.Errorf("the Deployment says %q", got.Children[1].Message)
			}
		})
	}
}

func TestWhatHasNoRoom(t *testing.T) {
	w := newWorld(t)
	w.deployment("web")
	obj := w.manager("small", "", w.id("apps", "Deployment", "web"))
	for name, tt := range map[string]struct {
		o    Options
		want string
	}{
		"nodes":    {Options{Nodes: 3}, "not all that it made is shown: a tree has at most 3 nodes"},
		"listings": {Options{Lists: 1}, "a tree takes at most 1 listings"},
		"objects":  {Options{Listed: 1}, "looks at 1 objects"},
	} {
		got, err := w.grow(tt.o, admin, obj)
		if err != nil {
			t.Fatal(err)
		}
		deployment := got.Children[0]
		text := deployment.Message
		for _, c := range deployment.Children {
			text += c.Message
		}
		if !strings.Contains(text, tt.want) || strings.Contains(outline(got, 0), "Pod/") {
			t.Errorf("%s: %q, want %q in\n%s", name, text, tt.want, outline(got, 0))
		}
	}
}

func TestAccountsOfOthers(t *testing.T) {
	g := &growth{Engine: &Engine{target: &target.Target{}, o: Options{DefaultServiceAccount: "default"}}, accounts: map[types.NamespacedName]*target.Reviewer{}}
	w := &world{ns: "team", own: map[string]*unstructured.Unstructured{}}
	if id := g.identityOf(w.manager("a", "named")); id.Username() != "system:serviceaccount:team:named" {
		t.Errorf("named: %s", id.Username())
	}
	if id := g.identityOf(w.manager("b", "")); id.Username() != "system:serviceaccount:team:default" {
		t.Errorf("unnamed: %s", id.Username())
	}
	g.o.DefaultServiceAccount = ""
	if id := g.identityOf(w.manager("b", "")); id.Username() != "" {
		t.Errorf("without a default: %s", id.Username())
	}
}

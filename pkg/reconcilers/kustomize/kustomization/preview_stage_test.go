package kustomization

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/build"
	sourcelisters "github.com/leat-dev/leat/pkg/generated/listers/source/v1"
	"github.com/leat-dev/leat/pkg/preview"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/target"
	"github.com/leat-dev/leat/test/framework"
)

// control is the control plane of the tests of previews. It starts with the
// first of them.
var control struct {
	once    sync.Once
	cluster *framework.Cluster
	err     error
}

func startControl() (*framework.Cluster, error) {
	control.once.Do(func() {
		control.cluster, control.err = framework.Start(context.Background(), framework.Options{})
	})
	return control.cluster, control.err
}

func stopControl() error {
	if control.cluster == nil {
		return nil
	}
	return control.cluster.Stop()
}

// inventories keep what was applied in memory.
type inventories struct {
	mu  sync.Mutex
	all map[string]*apply.Inventory
}

func (m *inventories) Load(_ context.Context, uid string) (*apply.Inventory, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if found := m.all[uid]; found != nil {
		return found, nil
	}
	return &apply.Inventory{}, nil
}

func (m *inventories) Save(_ context.Context, uid string, inv *apply.Inventory) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all[uid] = inv
	return nil
}

func (m *inventories) Delete(_ context.Context, uid string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, uid)
	return nil
}

// stage is a previewer with a real cluster, real builds and real artifacts, and
// the namespace of a test on it.
type stage struct {
	t         testing.TB
	ns        string
	client    *kubernetes.Clientset
	engine    *apply.Engine
	artifacts *artifact.Store
	sources   cache.Indexer
	previewer *Previewer
	refetched []runtime.Key
	// refs are what can be fetched of the source.
	refs map[string]*artifact.Tree
	// peeked are the refs that were asked for.
	peeked []string
	// requests are those that the cluster got.
	requests *requests
}

func newStage(t testing.TB, change ...func(*Config)) *stage {
	t.Helper()
	cluster, err := startControl()
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{
		t: t, ns: cluster.Namespace(t), refs: map[string]*artifact.Tree{},
		sources: cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}),
	}
	config := rest.CopyConfig(cluster.Config)
	config.QPS = -1
	s.requests = &requests{}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { s.requests.next = next; return s.requests })
	if s.client, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if s.artifacts, err = artifact.Open(t.TempDir(), artifact.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.artifacts.Close() })
	host, err := target.New(t.Context(), config, target.Options{DigestKey: []byte("0123456789abcdef0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	secrets, err := metadata.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	s.engine = apply.NewEngine(host, &inventories{all: map[string]*apply.Inventory{}}, apply.EngineOptions{})
	c := Config{
		GitRepositories: sourcelisters.NewGitRepositoryLister(s.sources), Artifacts: s.artifacts, Builder: pool,
		Core: s.client.CoreV1(), Refetch: func(k runtime.Key) { s.refetched = append(s.refetched, k) },
	}
	for _, f := range change {
		f(&c)
	}
	s.previewer = NewPreviewer(New(c), PreviewConfig{
		Engine: s.engine, Sources: map[string]preview.Source{sourcev1.GitRepositoryKind: s},
		Rights: func(u target.User) Rights { return host.Reviewer(u) }, Resource: host.Resource, Metadata: secrets,
	})
	return s
}

// Peek implements preview.Source: it gives a tree that the test has put there.
func (s *stage) Peek(_ context.Context, _, name, ref string) (*preview.Peeked, error) {
	s.peeked = append(s.peeked, ref)
	tree := s.refs[ref]
	if tree == nil {
		return nil, apierrors.NewBadRequest("no such ref in " + name)
	}
	return &preview.Peeked{Revision: "peeked@sha1:" + ref, Tree: tree}, nil
}

// Sift implements preview.Source.
func (s *stage) Sift(_ context.Context, _, _ string, tree *artifact.Tree) (*artifact.Tree, error) {
	return tree, nil
}

// tree stores files.
func (s *stage) tree(files map[string]string) *artifact.Tree {
	s.t.Helper()
	w, err := s.artifacts.NewWriter(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for path, content := range files {
		if _, err := w.File(path, false, bytes.NewReader([]byte(content))); err != nil {
			s.t.Fatal(err)
		}
	}
	tree, err := w.Commit()
	if err != nil {
		s.t.Fatal(err)
	}
	return tree
}

// push makes a revision the current one of the source "app".
func (s *stage) push(revision string, files map[string]string) string {
	s.t.Helper()
	revision = "main@sha1:" + revision
	owner := artifact.Owner{Kind: sourcev1.GitRepositoryKind, Namespace: s.ns, Name: "app", UID: "app-" + s.ns}
	record, err := s.artifacts.Publish(s.t.Context(), owner, revision, s.tree(files), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	repo := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "app", UID: types.UID(owner.UID)}}
	repo.Status.Artifact = &meta.Artifact{Revision: revision, Digest: string(record.Archive)}
	if err := s.sources.Update(repo); err != nil {
		s.t.Fatal(err)
	}
	return revision
}

// kustomization returns one of ./deploy with variables from the Secret "db".
func (s *stage) kustomization(change ...func(*kustomizev1.KustomizationSpec)) *kustomizev1.Kustomization {
	prune, path, ns := true, "./deploy", s.ns
	k := &kustomizev1.Kustomization{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "app", UID: types.UID("uid-" + s.ns)},
		Spec: kustomizev1.KustomizationSpec{
			Interval: "10m", Prune: &prune, Path: &path, TargetNamespace: &ns,
			SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: kustomizev1.SourceKindGitRepository, Name: "app"},
			PostBuild: &kustomizev1.PostBuild{SubstituteFrom: []kustomizev1.SubstituteReference{
				{Kind: kustomizev1.SubstituteKindSecret, Name: "db"},
			}},
		},
	}
	for _, f := range change {
		f(&k.Spec)
	}
	return k
}

// secret writes a Secret.
func (s *stage) secret(name string, data map[string]string) {
	s.t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: name}, StringData: data}
	_, err := s.client.CoreV1().Secrets(s.ns).Create(s.t.Context(), secret, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = s.client.CoreV1().Secrets(s.ns).Update(s.t.Context(), secret, metav1.UpdateOptions{})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// run applies the current revision as the reconciler does.
func (s *stage) run(k *kustomizev1.Kustomization) {
	s.t.Helper()
	ctx := s.t.Context()
	r := s.previewer.Reconciler
	found, view, err := r.source(k)
	if err != nil {
		s.t.Fatal(err)
	}
	variables, err := r.variables(ctx, k)
	if err != nil {
		s.t.Fatal(err)
	}
	rendered, err := pool.Build(ctx, build.Request{Tree: view, Options: buildOptions(&k.Spec), Variables: variables})
	if err != nil {
		s.t.Fatal(err)
	}
	plan, err := s.engine.Plan(ctx, apply.Request{Owner: owner(k), Identity: r.identity(k), Objects: rendered.Objects, Prune: true, Exclude: partOfFlux})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.engine.Apply(ctx, plan); err != nil {
		s.t.Fatal(err)
	}
	k.Status.LastAppliedRevision = found.Revision
}

// may returns a caller who may get the resources in the namespace of the test,
// and all that is not namespaced.
func (s *stage) may(user string, resources ...string) preview.Caller {
	s.t.Helper()
	caller := preview.Caller{Name: user + "@" + s.ns, Groups: []string{"system:authenticated"}}
	s.grant(rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: caller.Name}, user, []string{"get"}, resources...)
	return caller
}

// grant gives rights in the namespace of the test, and waits until they count.
func (s *stage) grant(to rbacv1.Subject, name string, verbs []string, resources ...string) {
	s.t.Helper()
	if len(resources) == 0 {
		return
	}
	ctx := s.t.Context()
	role := &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: name},
		Rules:      []rbacv1.PolicyRule{{Verbs: verbs, APIGroups: []string{"*"}, Resources: resources}},
	}
	if _, err := s.client.RbacV1().Roles(s.ns).Create(ctx, role, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name}, Subjects: []rbacv1.Subject{to},
	}
	if _, err := s.client.RbacV1().RoleBindings(s.ns).Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	user := target.User{Name: to.Name}
	if to.Kind == rbacv1.ServiceAccountKind {
		user.Name = "system:serviceaccount:" + to.Namespace + ":" + to.Name
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		ref := target.Ref{Namespace: s.ns, Name: "any"}
		ref.Resource.Resource = resources[len(resources)-1]
		ok, err := s.previewer.Rights(user).MayGet(ctx, ref)
		if ok && err == nil {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("the rights of %s never counted: %v", user.Name, err)
		}
	}
}

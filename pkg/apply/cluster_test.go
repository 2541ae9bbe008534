package apply_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/target"
	"github.com/leat-dev/leat/test/framework"
)

// cluster is the control plane that the tests of this package share.
var cluster *framework.Cluster

func TestMain(m *testing.M) {
	os.Exit(framework.Main(m, framework.Options{}, &cluster))
}

const ownerGroup = "kustomize.toolkit.fluxcd.io"

// counter counts the requests of a target, watches and discovery left out.
type counter struct {
	next http.RoundTripper

	mu     sync.Mutex
	counts map[string]int
	// hook is called before a request is sent; lose says that it is, but that its
	// answer does not arrive.
	hook func(*http.Request)
	lose func(*http.Request) bool
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	hook, lose := c.hook, c.lose
	if q := r.URL.Query(); q.Get("watch") == "" && strings.Count(r.URL.Path, "/") > 2 {
		key := r.Method
		if q.Get("dryRun") != "" {
			key = "DRYRUN"
		}
		c.counts[key]++
	}
	c.mu.Unlock()
	if hook != nil {
		hook(r)
	}
	lost := lose != nil && lose(r)
	resp, err := c.next.RoundTrip(r)
	if lost && err == nil {
		_ = resp.Body.Close()
		return nil, errors.New("the connection broke")
	}
	return resp, err
}

func (c *counter) loseAnswers(of func(*http.Request) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lose = of
}

// take returns the counts since the last call.
func (c *counter) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.counts
	c.counts = map[string]int{}
	return out
}

func (c *counter) onRequest(f func(*http.Request)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hook = f
}

// memory is an inventory store with behaviour: what is saved goes through its
// encoding, and a save can be made to fail.
type memory struct {
	mu    sync.Mutex
	data  map[string][]byte
	saves int
	fail  func(n int) error
}

func (m *memory) Load(_ context.Context, uid string) (*apply.Inventory, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	inv := &apply.Inventory{}
	if b, ok := m.data[uid]; ok {
		return inv, json.Unmarshal(b, inv)
	}
	return inv, nil
}

func (m *memory) Save(ctx context.Context, uid string, inv *apply.Inventory) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.fail != nil {
		if err := m.fail(m.saves); err != nil {
			return err
		}
	}
	b, err := json.Marshal(inv)
	m.data[uid] = b
	return err
}

func (m *memory) Delete(_ context.Context, uid string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.data, uid)
	return nil
}

// bench is an engine on the cluster, with what a test needs around it.
type fixture struct {
	t      testing.TB
	ctx    context.Context
	ns     string
	target *target.Target
	engine *apply.Engine
	store  *memory
	count  *counter
}

func setup(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{t: t, ns: cluster.Namespace(t), store: &memory{data: map[string][]byte{}}}
	f.start()
	return f
}

// start opens the target and makes an engine that knows only what is stored,
// as after a restart.
func (f *fixture) start() {
	f.t.Helper()
	f.ctx = f.t.Context()
	f.count = &counter{counts: map[string]int{}}
	cfg := rest.CopyConfig(cluster.Config)
	cfg.Wrap(func(rt http.RoundTripper) http.RoundTripper { f.count.next = rt; return f.count })
	var err error
	f.target, err = target.New(f.ctx, cfg, target.Options{DigestKey: []byte("0123456789abcdef0123456789abcdef")})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(f.target.Close)
	f.engine = apply.NewEngine(f.target, f.store, apply.EngineOptions{})
}

func (f *fixture) owner(name string) apply.Owner {
	return apply.Owner{Group: ownerGroup, Name: name, Namespace: f.ns, UID: f.ns + "/" + name}
}

// request asks for the manifests, which are "file: yaml" pairs, to be applied
// with pruning.
func (f *fixture) request(owner string, manifests ...string) apply.Request {
	f.t.Helper()
	return apply.Request{Owner: f.owner(owner), Namespace: f.ns, Prune: true, Objects: f.objects(manifests...)}
}

func (f *fixture) objects(manifests ...string) []object.Object {
	f.t.Helper()
	var out []object.Object
	for i, m := range manifests {
		m = strings.ReplaceAll(m, "$NS", f.ns)
		for _, doc := range strings.Split(m, "\n---\n") {
			u := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
				f.t.Fatal(err)
			}
			out = append(out, object.Object{Unstructured: u, File: fmt.Sprintf("deploy/%d.yaml", i)})
		}
	}
	return out
}

func (f *fixture) apply(r apply.Request) (*apply.Result, error) {
	f.t.Helper()
	p, err := f.engine.Plan(f.ctx, r)
	if err != nil {
		return nil, err
	}
	return f.engine.Apply(f.ctx, p)
}

func (f *fixture) mustApply(r apply.Request) *apply.Result {
	f.t.Helper()
	res, err := f.apply(r)
	if err != nil {
		f.t.Fatal(err)
	}
	return res
}

// kubectl runs kubectl as the administrator in the test's namespace.
func (f *fixture) kubectl(args ...string) string {
	f.t.Helper()
	out, stderr, err := cluster.Kubectl(f.ctx, append([]string{"-n", f.ns}, args...)...)
	if err != nil {
		f.t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, stderr)
	}
	return out
}

// exists says whether kubectl finds the object.
func (f *fixture) exists(kind, name string) bool {
	f.t.Helper()
	return f.kubectl("get", kind, name, "--ignore-not-found", "-o", "name") != ""
}

func actions(r *apply.Result) map[string]apply.Action {
	out := map[string]apply.Action{}
	for _, c := range r.Changes {
		out[c.Kind+"/"+c.Name] = c.Action
	}
	return out
}

// until waits for cond to hold on each event that the target tells of.
func (f *fixture) until(what string, events <-chan target.Event, cond func(target.Event) bool) {
	f.t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case e := <-events:
			if cond(e) {
				return
			}
		case <-timeout:
			f.t.Fatalf("no event: %s", what)
		}
	}
}

func (f *fixture) listen() <-chan target.Event {
	ch := make(chan target.Event, 1000)
	f.target.Listen(func(e target.Event) { ch <- e })
	return ch
}

func (f *fixture) identity(sa string) target.Identity {
	return target.Identity{ServiceAccount: types.NamespacedName{Namespace: f.ns, Name: sa}}
}

// objectErrors returns the errors of single objects, by Kind/name.
func objectErrors(t testing.TB, err error) map[string]apply.ObjectError {
	t.Helper()
	var ae *apply.Error
	if !errors.As(err, &ae) {
		t.Fatalf("want an *apply.Error, have %v", err)
	}
	out := map[string]apply.ObjectError{}
	for _, o := range ae.Objects {
		out[o.Kind+"/"+o.Name] = o
	}
	return out
}

package target

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

// Resource is how a kind is reached.
type Resource struct {
	schema.GroupVersionResource
	Kind       string
	Namespaced bool
	// Watchable says that the resource can be listed and watched.
	Watchable bool
}

// GroupVersionKind returns the kind.
func (r Resource) GroupVersionKind() schema.GroupVersionKind {
	return r.GroupVersion().WithKind(r.Kind)
}

// path returns the path of the named object, or of the collection when name is
// empty.
func (r Resource) path(namespace, name string) string {
	var b strings.Builder
	if r.Group == "" {
		b.WriteString("/api/")
	} else {
		b.WriteString("/apis/" + r.Group + "/")
	}
	b.WriteString(r.Version)
	if r.Namespaced && namespace != "" {
		b.WriteString("/namespaces/" + namespace)
	}
	b.WriteString("/" + r.Resource)
	if name != "" {
		b.WriteString("/" + name)
	}
	return b.String()
}

// UnknownKindError says that the cluster does not serve a kind.
type UnknownKindError struct {
	schema.GroupVersionKind
	// Unavailable says that the kind's group exists but could not be asked, so
	// that the answer may be another one later.
	Unavailable bool
}

func (e *UnknownKindError) Error() string {
	if e.Unavailable {
		return fmt.Sprintf("the API group version %s is unavailable at the moment", e.GroupVersion())
	}
	return fmt.Sprintf("no kind %q is served in version %q: is its CustomResourceDefinition installed?", e.Kind, e.GroupVersion())
}

// refreshEvery bounds how often unknown kinds make the mapper ask the cluster
// again.
const refreshEvery = 2 * time.Second

// mapper knows which kinds the cluster serves. It asks once, and again when a
// kind is unknown.
type mapper struct {
	client *discovery.DiscoveryClient
	clock  clock.PassiveClock

	// asking is held while the cluster is asked, so that who misses a kind at the
	// same time waits for the same answer; who finds it does not wait.
	asking sync.Mutex

	mu        sync.RWMutex
	asked     time.Time
	served    map[schema.GroupVersionKind]Resource
	learned   map[schema.GroupVersionKind]Resource
	unserved  map[schema.GroupVersion]bool
	preferred map[schema.GroupKind]string
}

func newMapper(cfg *rest.Config, hc *http.Client, c clock.PassiveClock) (*mapper, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.QPS = -1
	dc, err := discovery.NewDiscoveryClientForConfigAndClient(cfg, hc)
	if err != nil {
		return nil, fmt.Errorf("making a discovery client: %w", err)
	}
	return &mapper{client: dc, clock: c, learned: map[schema.GroupVersionKind]Resource{}}, nil
}

// lookup returns the resource of gvk; an empty version asks for the preferred
// one.
func (m *mapper) lookup(ctx context.Context, gvk schema.GroupVersionKind) (Resource, error) {
	if r, ok := m.find(gvk); ok {
		return r, nil
	}
	m.asking.Lock()
	defer m.asking.Unlock()
	if r, ok := m.find(gvk); ok {
		return r, nil
	}
	if m.asked.IsZero() || m.clock.Since(m.asked) >= refreshEvery {
		if err := m.refresh(ctx); err != nil {
			return Resource{}, err
		}
		if r, ok := m.find(gvk); ok {
			return r, nil
		}
	}
	return Resource{}, &UnknownKindError{GroupVersionKind: gvk, Unavailable: m.unserved[gvk.GroupVersion()]}
}

func (m *mapper) find(gvk schema.GroupVersionKind) (Resource, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if gvk.Version == "" {
		gvk.Version = m.preferred[gvk.GroupKind()]
	}
	if r, ok := m.learned[gvk]; ok {
		return r, true
	}
	r, ok := m.served[gvk]
	return r, ok
}

// refresh asks the cluster. The caller holds asking.
func (m *mapper) refresh(ctx context.Context) error {
	groups, lists, err := m.client.ServerGroupsAndResourcesWithContext(ctx)
	var partial *discovery.ErrGroupDiscoveryFailed
	if err != nil && !errors.As(err, &partial) {
		return fmt.Errorf("asking the cluster for its kinds: %w", err)
	}
	m.asked, m.unserved = m.clock.Now(), map[schema.GroupVersion]bool{}
	if partial != nil {
		for gv := range partial.Groups {
			m.unserved[gv] = true
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.served
	m.served, m.preferred = map[schema.GroupVersionKind]Resource{}, map[schema.GroupKind]string{}
	for gvk, r := range before {
		if m.unserved[gvk.GroupVersion()] {
			m.served[gvk] = r // known from when its server could be asked
		}
	}
	for _, l := range lists {
		m.add(l)
	}
	for _, g := range groups {
		m.prefer(g)
	}
	return nil
}

func (m *mapper) add(l *metav1.APIResourceList) {
	gv, err := schema.ParseGroupVersion(l.GroupVersion)
	if err != nil {
		return
	}
	for i := range l.APIResources {
		r := &l.APIResources[i]
		if strings.Contains(r.Name, "/") {
			continue
		}
		m.served[gv.WithKind(r.Kind)] = Resource{
			GroupVersionResource: gv.WithResource(r.Name), Kind: r.Kind, Namespaced: r.Namespaced,
			Watchable: slices.Contains(r.Verbs, "list") && slices.Contains(r.Verbs, "watch"),
		}
	}
}

// prefer notes, for each kind of a group, the first version that has it,
// beginning with the group's preferred one.
func (m *mapper) prefer(g *metav1.APIGroup) {
	versions := []string{g.PreferredVersion.Version}
	for _, v := range g.Versions {
		versions = append(versions, v.Version)
	}
	for _, v := range versions {
		for gvk := range m.served {
			if gvk.Group != g.Name || gvk.Version != v {
				continue
			}
			if _, ok := m.preferred[gvk.GroupKind()]; !ok {
				m.preferred[gvk.GroupKind()] = v
			}
		}
	}
}

// Resource returns how gvk is reached. An empty version asks for the preferred
// one. The error is an *UnknownKindError when the cluster does not serve it.
func (t *Target) Resource(ctx context.Context, gvk schema.GroupVersionKind) (Resource, error) {
	return t.mapper.lookup(ctx, gvk)
}

// Learn tells the target of a kind that its caller has just installed, which
// discovery shows only some time later.
func (t *Target) Learn(r Resource) {
	t.mapper.mu.Lock()
	defer t.mapper.mu.Unlock()
	t.mapper.learned[r.GroupVersionKind()] = r
}

// Forget makes the target ask again for a kind, after a request for it was
// answered as if it did not exist.
func (t *Target) Forget(gvk schema.GroupVersionKind) {
	t.mapper.mu.Lock()
	defer t.mapper.mu.Unlock()
	delete(t.mapper.learned, gvk)
	delete(t.mapper.served, gvk)
}

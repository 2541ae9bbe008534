package apply_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/target"
)

// A server that may read nothing itself works with what the tenant may.
func TestWithoutReadRights(t *testing.T) {
	f := setup(t)
	name := "limited-" + f.ns
	user, err := cluster.User(f.ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	f.kubectl("create", "sa", "tenant")
	f.kubectl("create", "rolebinding", "tenant", "--clusterrole=admin", "--serviceaccount="+f.ns+":tenant")
	f.kubectl("create", "role", "impersonator", "--verb=impersonate", "--resource=serviceaccounts", "--resource-name=tenant")
	f.kubectl("create", "rolebinding", "impersonator", "--role=impersonator", "--user="+name)

	cfg := rest.CopyConfig(user.Config)
	cfg.Wrap(func(rt http.RoundTripper) http.RoundTripper { f.count.next = rt; return f.count })
	tgt, err := target.New(f.ctx, cfg, target.Options{DigestKey: []byte("0123456789abcdef0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tgt.Close)
	f.engine = apply.NewEngine(tgt, f.store, apply.EngineOptions{})
	r := f.request("app", settings, app)
	r.Identity = f.identity("tenant")
	res := f.mustApply(r)
	if err := f.engine.Wait(f.ctx, apply.HealthRequest{Identity: r.Identity, Objects: res.Health, Timeout: 20 * time.Second}); err != nil {
		t.Error(err)
	}
	f.count.take()
	res = f.mustApply(r)
	if n := res.Count(apply.ActionUnchanged); n != 5 {
		t.Errorf("%d unchanged: %v", n, res.Changes)
	}
	if got := f.count.take(); got["GET"] != 5 || len(got) != 1 {
		t.Errorf("requests %v, want a read an object and nothing else", got)
	}
	r.Objects = f.objects(app)
	res = f.mustApply(r)
	if f.exists("cm", "settings") || res.Count(apply.ActionDeleted) != 1 {
		t.Errorf("prune: %v", res.Changes)
	}
	_, err = f.engine.Delete(f.ctx, apply.DeleteRequest{Owner: r.Owner, Identity: r.Identity, Policy: apply.DeletionWaitForTermination, Timeout: 20 * time.Second})
	if err != nil || f.exists("deploy", "web") {
		t.Errorf("deletion: %v", err)
	}

	// Without the right to act as the tenant nothing is done.
	r.Identity = f.identity("default")
	if _, err := f.apply(r); err == nil || !strings.Contains(err.Error(), "cannot impersonate") {
		t.Errorf("error %v", err)
	}
}

func TestManyOwnersAtOnce(t *testing.T) {
	f := setup(t)
	events := f.listen()
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			owner := fmt.Sprintf("app-%d", i)
			r := f.request(owner, strings.ReplaceAll(app, "name: web", "name: "+owner))
			for range 3 {
				p, err := f.engine.Plan(f.ctx, r)
				if err != nil {
					t.Error(err)
					return
				}
				res, err := f.engine.Apply(f.ctx, p)
				if err != nil {
					t.Error(err)
					return
				}
				if err := f.engine.Wait(f.ctx, apply.HealthRequest{Objects: res.Health, Timeout: 30 * time.Second}); err != nil {
					t.Error(err)
				}
			}
			if _, err := f.engine.Delete(f.ctx, apply.DeleteRequest{Owner: r.Owner, Policy: apply.DeletionDelete}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for drained := false; !drained; {
		select {
		case e := <-events:
			if e.Drifted && !e.Gone && strings.HasPrefix(e.Name, "app-") {
				t.Errorf("our own write counts as drift: %+v", e)
			}
		default:
			drained = true
		}
	}
	if len(f.store.data) != 0 {
		t.Errorf("%d inventories are left", len(f.store.data))
	}
}

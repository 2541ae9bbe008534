package kubectl

import (
	"context"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

// A quota counts Leat's objects, refuses the one too many, and gives back what is
// deleted.
func TestResourceQuota(t *testing.T) {
	t.Parallel()
	core, err := kubernetes.NewForConfig(cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u, quotas := admin(t, namespace), core.CoreV1().ResourceQuotas(namespace)
		count := "count/" + k.qualified()
		used := func(want int64) {
			t.Helper()
			eventually(t, strconv.FormatInt(want, 10)+" are used", func(ctx context.Context) (bool, error) {
				quota, err := quotas.Get(ctx, "objects", metav1.GetOptions{})
				if err != nil {
					return false, err
				}
				got := quota.Status.Used[corev1.ResourceName(count)]
				return got.Value() == want, nil
			})
		}
		u.apply(k.manifest("a", "1m"))
		countedFrom(t, quotas, corev1.ResourceName(count))
		used(1)
		u.apply(k.manifest("b", "1m"))
		used(2)
		for _, dryRun := range []string{"none", "server"} {
			u.refused(k.manifest("c", "1m"), []string{"create", "-f", "-", "--dry-run=" + dryRun},
				"Forbidden", "exceeded quota: objects, requested: "+count+"=1, used: "+count+"=2, limited: "+count+"=2")
		}
		// What makes no object is not counted.
		u.run("label", k.object("a"), "a=b")
		u.input(k.body("resume"), "create", "--raw", k.path(namespace, "a", "resume"), "-f", "-")
		used(2)
		u.run("delete", k.object("b"))
		used(1)
		contains(t, "in the place that is free", u.apply(k.manifest("c", "1m")), "c created")
		used(2)
	})
}

// countedFrom creates the quota "objects" of two, and returns when it is counted. The
// controller of quotas looks twice a minute which kinds there are, and does not look
// again at a quota of a kind that it did not know: so it is made again until it does.
func countedFrom(t *testing.T, quotas typedcorev1.ResourceQuotaInterface, count corev1.ResourceName) {
	t.Helper()
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "objects"}}
	quota.Spec.Hard = corev1.ResourceList{count: resource.MustParse("2")}
	eventually(t, "quotas count "+string(count), func(ctx context.Context) (bool, error) {
		got, err := quotas.Get(ctx, "objects", metav1.GetOptions{})
		if err != nil {
			_, err = quotas.Create(ctx, quota, metav1.CreateOptions{})
			return false, err
		}
		if _, counted := got.Status.Used[count]; counted {
			return true, nil
		}
		if _, seen := got.Status.Hard[count]; seen {
			return false, quotas.Delete(ctx, "objects", metav1.DeleteOptions{})
		}
		return false, nil
	})
}

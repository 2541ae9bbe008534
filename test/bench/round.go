package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/pkg/generated/clientset/versioned"
	"github.com/leat-dev/leat/test/framework"
	"github.com/leat-dev/leat/test/gitserver"
	"github.com/leat-dev/leat/test/leatserver"
)

const (
	namespace      = "bench"
	limitNamespace = "bench-limit"
	serviceAccount = "deployer"
	leatUser       = "leat"

	// caseTimeout ends a case that does not come to an end.
	caseTimeout = 15 * time.Minute
)

// world is what one round runs in.
type world struct {
	n       int
	cluster *framework.Cluster
	leat    *leatserver.Server
	git     *gitserver.Server
	repo    *repository
	user    *rest.Config // Leat's
	core    kubernetes.Interface
	client  versioned.Interface
	pids    []int // roots of the processes that are counted
}

// round starts a control plane, Leat and a Git server, and runs all cases.
func round(ctx context.Context, n int) (results []result, err error) {
	dir, err := os.MkdirTemp("", "leat-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w := &world{n: n}
	// Durable: both etcds wait for the disk, Leat's as always, the control
	// plane's so that the limit is an honest one.
	if w.cluster, err = framework.Start(ctx, framework.Options{Private: true, Durable: true}); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.cluster.Stop()) }()
	if err := w.start(ctx, dir); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.leat.Stop()) }()

	limits, err := w.limits(ctx)
	if err != nil {
		return nil, fmt.Errorf("measuring the limit: %w", err)
	}
	for _, c := range []struct {
		name string
		run  func(context.Context) (time.Duration, error)
	}{
		{"install", w.install},
		{"push-all", w.pushAll},
		{"push-one", w.pushOne},
	} {
		r, err := w.measure(ctx, c.name, c.run)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		if limit, ok := limits[c.name]; ok {
			r.LimitSeconds, r.LimitCPUSeconds = limit.Seconds, limit.CPUSeconds
		}
		results = append(results, r)
	}
	r, err := w.downloads(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("artifact: %w", err)
	}
	return append(results, r), nil
}

func (w *world) start(ctx context.Context, dir string) error {
	git, err := gitserver.Start(filepath.Join(dir, "git"), gitserver.Options{})
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = git.Close() })
	w.git = git
	if w.repo, err = newRepository(ctx, git, filepath.Join(dir, "work")); err != nil {
		return err
	}
	if w.core, err = kubernetes.NewForConfig(w.cluster.Config); err != nil {
		return err
	}
	if w.client, err = versioned.NewForConfig(w.cluster.Config); err != nil {
		return err
	}
	for _, name := range []string{namespace, limitNamespace} {
		if err := w.prepareNamespace(ctx, name); err != nil {
			return fmt.Errorf("preparing namespace %s: %w", name, err)
		}
	}
	user, err := w.cluster.User(ctx, leatUser, "system:masters")
	if err != nil {
		return err
	}
	w.user = user.Config
	if w.leat, err = leatserver.New(filepath.Join(dir, "leat"), user.Kubeconfig); err != nil {
		return err
	}
	if err := w.leat.Start(ctx); err != nil {
		return err
	}
	controlPlane, err := w.cluster.PID(ctx)
	if err != nil {
		return err
	}
	w.pids = []int{os.Getpid(), controlPlane}
	return leatserver.WaitRegistered(ctx, w.cluster)
}

// prepareNamespace makes a namespace with the service account that the
// Kustomizations act as.
func (w *world) prepareNamespace(ctx context.Context, name string) error {
	if _, err := w.core.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: serviceAccount}}
	if _, err := w.core.CoreV1().ServiceAccounts(name).Create(ctx, account, metav1.CreateOptions{}); err != nil {
		return err
	}
	_, err := w.core.RbacV1().RoleBindings(name).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: serviceAccount},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: name, Name: serviceAccount}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"},
	}, metav1.CreateOptions{})
	return err
}

// measure runs a case once everything is quiet and takes its figures. A case
// returns its wall time itself, since some go on after the moment that counts:
// CPU and requests are taken until the case returns.
func (w *world) measure(ctx context.Context, name string, run func(context.Context) (time.Duration, error)) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, caseTimeout)
	defer cancel()
	if err := w.settle(ctx); err != nil {
		return result{}, err
	}
	cpuBefore, err := cpuSeconds(w.pids...)
	if err != nil {
		return result{}, err
	}
	requestsBefore, err := w.requests()
	if err != nil {
		return result{}, err
	}
	wall, err := run(ctx)
	if err != nil {
		return result{}, err
	}
	cpuAfter, err := cpuSeconds(w.pids...)
	if err != nil {
		return result{}, err
	}
	requestsAfter, err := w.requests()
	if err != nil {
		return result{}, err
	}
	memory, err := anonymousMiB(w.leat.PID())
	if err != nil {
		return result{}, err
	}
	seconds, cpu, requests := wall.Seconds(), cpuAfter-cpuBefore, float64(requestsAfter-requestsBefore)
	return result{Name: name, N: w.n, Seconds: &seconds, CPUSeconds: &cpu, Requests: &requests, RSSMiB: &memory}, nil
}

// requests is how many requests kube-apiserver has had from Leat so far, leases
// and reviews excluded.
func (w *world) requests() (int, error) {
	all, err := w.cluster.AuditRequests(func(r framework.Request) bool {
		return r.User == leatUser && !r.Housekeeping()
	})
	return len(all), err
}

// settle waits until all processes together take less than a tenth of a core,
// so that a case does not pay for what went before it.
func (w *world) settle(ctx context.Context) error {
	const (
		quiet = 0.1 // of a core
		tries = 60
	)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	last, err := cpuSeconds(w.pids...)
	if err != nil {
		return err
	}
	for range tries {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		now, err := cpuSeconds(w.pids...)
		if err != nil {
			return err
		}
		if now-last < quiet {
			return nil
		}
		last = now
	}
	return fmt.Errorf("the machine was not quiet in %d s", tries)
}

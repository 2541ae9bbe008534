package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
)

const (
	sourceName = "mono"
	// interval is so long that nothing runs because of it.
	interval = meta.Duration("1h")
	// createConcurrency is how many creates the bench has in flight.
	createConcurrency = 8
)

func patchOptions(manager string, force bool) metav1.PatchOptions {
	return metav1.PatchOptions{FieldManager: manager, Force: &force}
}

// limits measures the bare loop: the objects of all cases, applied server-side
// and nothing else.
func (w *world) limits(ctx context.Context) (map[string]result, error) {
	limits := map[string]result{}
	for _, c := range []struct {
		name, version string
		n             int
	}{
		{"install", "v1", w.n}, {"push-all", "v2", w.n}, {"push-one", "v3", 1},
	} {
		all, err := manifests(limitNamespace, c.version, c.n)
		if err != nil {
			return nil, err
		}
		r, err := w.measure(ctx, c.name, func(ctx context.Context) (time.Duration, error) {
			start := time.Now()
			err := applyAll(ctx, w.cluster.Config, all)
			return time.Since(start), err
		})
		if err != nil {
			return nil, err
		}
		limits[c.name] = r
	}
	return limits, nil
}

// install creates the source and all Kustomizations, and waits until all are
// Ready.
func (w *world) install(ctx context.Context) (time.Duration, error) {
	commit, err := w.change("v1", w.n)
	if err != nil {
		return 0, err
	}
	if err := w.repo.push(); err != nil {
		return 0, err
	}
	seen, err := w.watch(ctx)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	source := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Name: sourceName, Namespace: namespace}}
	source.Spec.URL, source.Spec.Interval = w.repo.url, interval
	branch := "main"
	source.Spec.Reference = &sourcev1.GitRepositoryRef{Branch: &branch}
	if _, err := w.client.SourceV1().GitRepositories(namespace).Create(ctx, source, metav1.CreateOptions{}); err != nil {
		return 0, err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(createConcurrency)
	for i := range w.n {
		group.Go(func() error {
			_, err := w.client.KustomizeV1().Kustomizations(namespace).Create(groupCtx, kustomization(i), metav1.CreateOptions{})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	err = seen.until(ctx, func(applied map[string]string) bool { return allAt(applied, w.n, commit) })
	return time.Since(start), err
}

func kustomization(i int) *kustomizev1.Kustomization {
	yes, path, account := true, "./apps/"+appName(i), serviceAccount
	k := &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Name: appName(i), Namespace: namespace}}
	k.Spec = kustomizev1.KustomizationSpec{
		SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: sourceName},
		Path:      &path, Interval: interval, Prune: &yes, Wait: &yes, ServiceAccountName: &account,
	}
	return k
}

// pushAll changes every object in one commit.
func (w *world) pushAll(ctx context.Context) (time.Duration, error) {
	commit, err := w.change("v2", w.n)
	if err != nil {
		return 0, err
	}
	return w.pushAndWait(ctx, commit, func(applied map[string]string) bool { return allAt(applied, w.n, commit) })
}

// pushOne changes the four objects of one Kustomization. The clock stops when
// that one is applied; CPU and requests count until every status has the new
// revision.
func (w *world) pushOne(ctx context.Context) (time.Duration, error) {
	commit, err := w.change("v3", 1)
	if err != nil {
		return 0, err
	}
	return w.pushAndWait(ctx, commit, func(applied map[string]string) bool { return applied[appName(0)] == revision(commit) })
}

// pushAndWait pushes, asks for a reconcile of the source, and returns how long it
// took until done. It comes back when all Kustomizations have the commit.
func (w *world) pushAndWait(ctx context.Context, commit string, done func(map[string]string) bool) (time.Duration, error) {
	seen, err := w.watch(ctx)
	if err != nil {
		return 0, err
	}
	if err := w.repo.push(); err != nil {
		return 0, err
	}
	start := time.Now()
	request := &leatv1alpha1.ReconcileRequest{TypeMeta: metav1.TypeMeta{APIVersion: leatv1alpha1.SchemeGroupVersion.String(), Kind: "ReconcileRequest"}}
	err = w.client.SourceV1().RESTClient().Post().Namespace(namespace).Resource("gitrepositories").Name(sourceName).
		SubResource("reconcile").Body(mustJSON(request)).SetHeader("Content-Type", "application/json").Do(ctx).Error()
	if err != nil {
		return 0, fmt.Errorf("asking for a reconcile: %w", err)
	}
	if err := seen.until(ctx, done); err != nil {
		return 0, err
	}
	wall := time.Since(start)
	return wall, seen.until(ctx, func(applied map[string]string) bool { return allAt(applied, w.n, commit) })
}

func (w *world) change(version string, n int) (string, error) {
	if err := w.repo.write(namespace, version, 0, n); err != nil {
		return "", err
	}
	return w.repo.commit(version)
}

func revision(commit string) string { return "main@sha1:" + commit }

func allAt(applied map[string]string, n int, commit string) bool {
	if len(applied) < n {
		return false
	}
	for _, r := range applied {
		if r != revision(commit) {
			return false
		}
	}
	return true
}

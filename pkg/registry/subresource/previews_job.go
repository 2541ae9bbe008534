package subresource

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/klog/v2"
)

// previewAnswer is what a preview gives, in all its representations.
type previewAnswer interface {
	// encode writes the answer in a representation of its subresource.
	encode(output string) ([]byte, error)
	// size is about what the answer takes in memory.
	size() int64
}

// previewJob is a preview on its way, and then its result.
type previewJob struct {
	owner previewOwner
	id    string // empty as long as a request waits for it

	cancel context.CancelFunc
	done   chan struct{}
	gone   chan struct{} // closed when the result is no longer kept

	// What follows is set before done is closed. Once the job has an ID it is
	// guarded by Previews.mu.
	answer previewAnswer
	err    error
	bytes  int64
}

// previewWork makes a preview within its context.
type previewWork func(context.Context) (previewAnswer, error)

// run makes a preview and waits for it as long as the request can. Where that is
// not long enough it returns the ID under which find has the result later.
func (p *Previews) run(ctx context.Context, owner previewOwner, release func(), timeout, patience time.Duration, work previewWork) (_ previewAnswer, id string, err error) {
	job := p.start(ctx, owner, release, timeout, work)
	done, err := p.await(ctx, job, patience)
	switch {
	case err != nil:
		job.cancel()
		return nil, "", err
	case !done:
		return nil, p.keep(job), nil
	default:
		return job.answer, "", job.err
	}
}

// await waits for a preview to end, and tells whether it has.
func (p *Previews) await(ctx context.Context, job *previewJob, patience time.Duration) (bool, error) {
	timer := p.clock.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-job.done:
		return true, nil
	case <-ctx.Done():
		return false, fmt.Errorf("waiting for a preview: %w", ctx.Err())
	case <-timer.C():
		return false, nil
	}
}

// start makes a preview in a goroutine of its own: a request must be able to go
// without it.
func (p *Previews) start(ctx context.Context, owner previewOwner, release func(), timeout time.Duration, work previewWork) *previewJob {
	timeout = min(timeout, p.limits.Timeout)
	job := &previewJob{owner: owner, done: make(chan struct{}), gone: make(chan struct{})}
	running, cancel := context.WithTimeout(klog.NewContext(p.ctx, klog.FromContext(ctx)), timeout)
	job.cancel = cancel
	p.tasks.Go(func() {
		defer release()
		defer close(job.done)
		defer cancel()
		job.answer, job.err = guarded(running, work)
		if job.err != nil && errors.Is(running.Err(), context.DeadlineExceeded) {
			job.err = apierrors.NewTimeoutError(fmt.Sprintf("the preview took longer than the %s it may take: raise spec.timeout of the object (at most %s count), or ask for less",
				timeout, p.limits.Timeout), 0)
		}
	})
	return job
}

// guarded keeps a bug that some content brings out from ending the server. What
// panicked is logged without its value, which may be that content.
func guarded(ctx context.Context, work previewWork) (answer previewAnswer, err error) {
	defer func() {
		if r := recover(); r != nil {
			klog.FromContext(ctx).Error(nil, "A preview panicked", "type", fmt.Sprintf("%T", r), "stack", string(debug.Stack()))
			answer, err = nil, apierrors.NewInternalError(errors.New("making the preview failed; the server's log says where"))
		}
	}()
	return work(ctx)
}

// keep gives a preview that still runs an ID. Its result is there from its end on
// for as long as results are kept, or until others need the room.
func (p *Previews) keep(job *previewJob) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	job.id = string(uuid.NewUUID())
	p.kept[job.id] = job
	p.tasks.Go(func() {
		<-job.done
		p.settle(job)
		timer := p.clock.NewTimer(p.limits.Keep)
		defer timer.Stop()
		select {
		case <-timer.C():
		case <-job.gone:
		case <-p.ctx.Done():
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.forget(job)
	})
	return job.id
}

// result returns what a preview that was kept has come to. It may have been
// forgotten since it was found.
func (p *Previews) result(job *previewJob) (previewAnswer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if job.answer == nil && job.err == nil {
		return nil, p.noResult(job.owner, job.id)
	}
	return job.answer, job.err
}

// settle makes room for a result among those that are kept.
func (p *Previews) settle(job *previewJob) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if job.answer != nil {
		job.bytes = job.answer.size()
	}
	if limit := p.limits.KeptBytesPerNamespace; job.bytes > limit {
		job.answer, job.err, job.bytes = nil, tooLarge(job.bytes, limit), 0
	}
	p.settled = append(p.settled, job)
	for {
		use := p.use()
		own := use.by[job.owner.namespace]
		switch {
		case own.count > p.limits.KeptPerNamespace || own.bytes > p.limits.KeptBytesPerNamespace:
			p.forgetOldest(job.owner.namespace)
		case use.all.count > p.limits.Kept || use.all.bytes > p.limits.KeptBytes:
			p.forgetOldest(use.largest())
		default:
			return
		}
	}
}

// forgetOldest makes room at the cost of one namespace.
func (p *Previews) forgetOldest(namespace string) {
	for _, job := range p.settled {
		if job.owner.namespace == namespace {
			p.forget(job)
			return
		}
	}
}

// forget drops a result, if that has not been done yet.
func (p *Previews) forget(job *previewJob) {
	if _, ok := p.kept[job.id]; !ok {
		return
	}
	delete(p.kept, job.id)
	p.settled = slices.DeleteFunc(p.settled, func(other *previewJob) bool { return other == job })
	job.answer = nil
	close(job.gone)
}

// keptUse is how much results take.
type keptUse struct {
	all keptSum
	by  map[string]keptSum // by namespace
}

type keptSum struct {
	count int
	bytes int64
}

func (p *Previews) use() keptUse {
	u := keptUse{by: map[string]keptSum{}}
	for _, job := range p.settled {
		own := u.by[job.owner.namespace]
		u.by[job.owner.namespace] = keptSum{own.count + 1, own.bytes + job.bytes}
		u.all = keptSum{u.all.count + 1, u.all.bytes + job.bytes}
	}
	return u
}

// largest is the namespace whose results take the most: it is the one that others
// must not suffer from.
func (u keptUse) largest() string {
	most := ""
	for namespace, sum := range u.by {
		current := u.by[most]
		if most == "" || sum.bytes > current.bytes || sum.bytes == current.bytes && (sum.count > current.count || sum.count == current.count && namespace < most) {
			most = namespace
		}
	}
	return most
}

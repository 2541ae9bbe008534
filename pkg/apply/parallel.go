package apply

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// each calls f for each of n things, with at most the engine's concurrency at
// a time, and returns their errors by index. It begins nothing more once ctx
// has ended. A panic becomes an error of the thing that caused it: what is
// applied comes from anyone's repository and must not end the process.
func (e *Engine) each(ctx context.Context, n int, f func(i int) error) []error {
	errs := make([]error, n)
	call := func(i int) {
		defer func() {
			if r := recover(); r != nil {
				errs[i] = fmt.Errorf("internal error: %v", r)
			}
		}()
		errs[i] = f(i)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, e.opts.Concurrency) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if ctx.Err() != nil {
					errs[i] = context.Cause(ctx)
					continue
				}
				call(i)
			}
		})
	}
	wg.Wait()
	return errs
}

// eachItem calls f for items and gathers what went wrong. When ctx has ended,
// that is the error: what became of single objects is then beside the point.
func (e *Engine) eachItem(ctx context.Context, op string, written bool, items []*item, f func(it *item) error) error {
	errs := e.each(ctx, len(items), func(i int) error { return f(items[i]) })
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	var failed []ObjectError
	for i, err := range errs {
		if err != nil {
			it := items[i]
			failed = append(failed, ObjectError{Key: it.key, File: it.obj.File, Err: it.public(err)})
		}
	}
	if len(failed) == 0 {
		return nil
	}
	tellErrors(ctx, failed)
	return &Error{Op: op, Written: written, Objects: failed}
}

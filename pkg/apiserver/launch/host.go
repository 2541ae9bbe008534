package launch

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

const (
	// The pauses between attempts to reach the host cluster, and between two lines
	// in the log that say so.
	firstHostRetry = 100 * time.Millisecond
	lastHostRetry  = 2 * time.Second
	hostLogEvery   = 10 * time.Second
	// hostTimeout bounds one attempt.
	hostTimeout = 5 * time.Second
)

// awaitHost waits until the host cluster is ready, or at least says something else
// than that it is not. After a power cut it may be back later than this server,
// which would otherwise end, and be started again after pauses that grow to
// minutes; until then no namespace of the cluster could be deleted.
func awaitHost(ctx context.Context, client rest.Interface) error {
	logger := klog.FromContext(ctx)
	var told time.Time
	for pause := firstHostRetry; ; pause = min(2*pause, lastHostRetry) {
		err := askHost(ctx, client)
		if err == nil {
			if !told.IsZero() {
				logger.Info("The host cluster answers")
			}
			return nil
		}
		if time.Since(told) >= hostLogEvery {
			logger.Info("Waiting for the host cluster", "err", err)
			told = time.Now()
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("waiting for the host cluster: %w", err)
		}
	}
}

// askHost fails if the host cluster does not answer, or answers that it cannot yet.
// That this server may not ask is for those to say who need an answer.
func askHost(ctx context.Context, client rest.Interface) error {
	ctx, cancel := context.WithTimeout(ctx, hostTimeout)
	defer cancel()
	var code int
	err := client.Get().AbsPath("/readyz").Do(ctx).StatusCode(&code).Error()
	if code >= http.StatusBadRequest && code < http.StatusInternalServerError && code != http.StatusTooManyRequests {
		return nil
	}
	return err
}

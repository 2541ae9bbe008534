package target

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

// Options configures a Target.
type Options struct {
	// OwnerGroup prefixes the owner labels and the object switches. Default
	// "kustomize.toolkit.fluxcd.io".
	OwnerGroup string
	// FieldManager is the manager whose fields are ours. Default
	// "kustomize-controller", Flux's, so that its objects are taken over as they
	// are.
	FieldManager string
	// DigestKey keys the digests of objects and projections, which may cover
	// Secrets. At least 16 bytes.
	DigestKey []byte
	// MaxInFlight bounds the requests in flight, watches not counted. Default 16.
	MaxInFlight int
	// MaxResponseBytes bounds one response. Default 16 MiB.
	MaxResponseBytes int64
	// MaxThrottle bounds how long one request is repeated when the server asks
	// to come back later. Default 60 s.
	MaxThrottle time.Duration
	// SyncTimeout bounds how long a reader waits for a kind's first listing
	// before it reads the object itself. Default 10 s.
	SyncTimeout time.Duration
	// UserAgent is what requests call themselves. Default "leat".
	UserAgent string
	// Clock is for tests.
	Clock clock.WithTicker
}

const (
	defaultOwnerGroup   = "kustomize.toolkit.fluxcd.io"
	defaultFieldManager = "kustomize-controller"
	minDigestKey        = 16
)

func (o *Options) complete() error {
	if o.OwnerGroup == "" {
		o.OwnerGroup = defaultOwnerGroup
	}
	if o.FieldManager == "" {
		o.FieldManager = defaultFieldManager
	}
	if len(o.DigestKey) < minDigestKey {
		return fmt.Errorf("a digest key of %d bytes is too short, at least %d are needed", len(o.DigestKey), minDigestKey)
	}
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = 16
	}
	if o.MaxResponseBytes <= 0 {
		o.MaxResponseBytes = 16 << 20
	}
	if o.MaxThrottle <= 0 {
		o.MaxThrottle = time.Minute
	}
	if o.SyncTimeout <= 0 {
		o.SyncTimeout = 10 * time.Second
	}
	if o.UserAgent == "" {
		o.UserAgent = "leat"
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return nil
}

// Target is one cluster. It is safe for concurrent use.
type Target struct {
	opts   Options
	base   *url.URL
	client *http.Client
	budget chan struct{}
	mapper *mapper
	digest *digester
	cache  *cache

	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// New connects to the cluster of cfg. The watches that the target starts end
// with ctx or Close. cfg's own rate limits are not used: the server's priority
// and fairness and the target's budget are.
func New(ctx context.Context, cfg *rest.Config, o Options) (*Target, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("opening the target: %w", err)
	}
	if cfg.ExecProvider != nil || cfg.AuthProvider != nil {
		return nil, errors.New("opening the target: credentials from an exec plug-in or an auth provider are refused")
	}
	cfg = rest.CopyConfig(cfg)
	cfg.Impersonate = rest.ImpersonationConfig{}
	cfg.DisableCompression = true
	cfg.Timeout = 0
	hc, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("opening the target: %w", err)
	}
	base, _, err := rest.DefaultServerUrlFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("opening the target: %w", err)
	}
	base.Path = strings.TrimSuffix(base.Path, "/")

	ctx, cancel := context.WithCancel(ctx)
	t := &Target{
		opts: o, base: base, client: hc,
		budget: make(chan struct{}, o.MaxInFlight),
		digest: newDigester(o.DigestKey),
		cancel: cancel,
	}
	if t.mapper, err = newMapper(cfg, hc, o.Clock); err != nil {
		cancel()
		return nil, fmt.Errorf("opening the target: %w", err)
	}
	t.cache = newCache(ctx, t)
	return t, nil
}

// Close ends all watches and waits for them.
func (t *Target) Close() {
	t.cancel()
	t.wg.Wait()
	t.client.CloseIdleConnections()
}

// OwnerGroup is the prefix of the owner labels.
func (t *Target) OwnerGroup() string { return t.opts.OwnerGroup }

// FieldManager is the manager that applies.
func (t *Target) FieldManager() string { return t.opts.FieldManager }

// Digest returns the keyed digest of b.
func (t *Target) Digest(b []byte) string { return t.digest.of(b).String() }

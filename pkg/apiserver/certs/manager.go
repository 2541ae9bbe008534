package certs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

const (
	// DefaultSecretName is the Secret that keys and certificates are kept in.
	DefaultSecretName = "leat-apiserver-cert"
	// syncTimeout bounds one attempt, so that a host cluster that does not answer
	// does not keep the server from starting.
	syncTimeout = 10 * time.Second
	// maxConflicts is how often in a row other replicas may be faster.
	maxConflicts = 10

	managedByLabel = "app.kubernetes.io/managed-by"
	managedBy      = "leat-apiserver"
)

// Options say for what, and where, certificates are kept.
type Options struct {
	Client kubernetes.Interface
	// Namespace and Service name the Service that clients reach the server by.
	// The Secret is in the same namespace.
	Namespace, Service string
	// SecretName is DefaultSecretName when empty.
	SecretName string
	// CreateNamespace creates the namespace where it does not exist, for servers
	// that run outside of the cluster.
	CreateNamespace bool
	// Clock is the real clock when nil.
	Clock clock.Clock
}

// Manager keeps the server's certificate. It is both the certificate that the
// generic server serves with, which runs it, and the bundle that clients are to trust.
type Manager struct {
	options Options
	names   []string
	current atomic.Pointer[content]

	mu        sync.Mutex
	listeners []dynamiccertificates.Listener
}

// content is what is in use.
type content struct {
	cert, key, bundle []byte
	expires, due      time.Time
	// placeholder says that this is not from the Secret.
	placeholder bool
}

// Format keeps the key out of whatever formats content.
func (content) Format(f fmt.State, verb rune) { pair{}.Format(f, verb) }

var (
	_ dynamiccertificates.CertKeyContentProvider = (*Manager)(nil)
	_ dynamiccertificates.ControllerRunner       = (*Manager)(nil)
	_ healthz.HealthChecker                      = (*Manager)(nil)
)

// New returns a manager that holds a throw-away certificate until it has been run.
// It does no I/O.
func New(options Options) (*Manager, error) {
	if options.Client == nil || options.Namespace == "" || options.Service == "" {
		return nil, errors.New("certificates: a client, a namespace and a service are needed")
	}
	if options.SecretName == "" {
		options.SecretName = DefaultSecretName
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	service := options.Service + "." + options.Namespace
	m := &Manager{
		options: options,
		names:   []string{service + ".svc", options.Service, service, service + ".svc.cluster.local", "localhost", "127.0.0.1", "::1"},
	}
	s, _, err := advance(nil, options.Clock.Now(), m.names)
	if err != nil {
		return nil, err
	}
	c, err := newContent(s)
	if err != nil {
		return nil, err
	}
	c.placeholder, c.bundle = true, nil
	m.current.Store(c)
	return m, nil
}

func newContent(s *state) (*content, error) {
	key, err := s.serving.keyPEM()
	if err != nil {
		return nil, err
	}
	return &content{cert: s.serving.certPEM(), key: key, bundle: s.bundle(), expires: s.serving.cert.NotAfter, due: s.due()}, nil
}

// Name implements CertKeyContentProvider and healthz.HealthChecker.
func (m *Manager) Name() string { return "serving-certificate" }

// CurrentCertKeyContent implements CertKeyContentProvider.
func (m *Manager) CurrentCertKeyContent() (cert, key []byte) {
	c := m.current.Load()
	return c.cert, c.key
}

// CurrentCABundleContent returns the authorities that clients are to trust, as PEM.
// It is empty as long as the Secret has not been read.
func (m *Manager) CurrentCABundleContent() []byte { return m.current.Load().bundle }

// AddListener has listener told of every change of the certificate or the bundle.
func (m *Manager) AddListener(listener dynamiccertificates.Listener) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listeners = append(m.listeners, listener)
}

// Check fails while the server has no certificate that clients would accept.
func (m *Manager) Check(*http.Request) error {
	c := m.current.Load()
	switch now := m.options.Clock.Now(); {
	case c.placeholder:
		return fmt.Errorf("no serving certificate yet: the Secret %s/%s of the host cluster has not been read or written", m.options.Namespace, m.options.SecretName)
	case !now.Before(c.expires):
		return fmt.Errorf("the serving certificate expired at %s", c.expires.Format(time.RFC3339))
	}
	return nil
}

// RunOnce brings the Secret up to date and takes into use what is in it.
func (m *Manager) RunOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	for range maxConflicts {
		s, err := m.sync(ctx)
		if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
			continue // another replica was faster: see what it wrote
		}
		if err != nil {
			return fmt.Errorf("keeping certificates in Secret %s/%s: %w", m.options.Namespace, m.options.SecretName, err)
		}
		return m.use(ctx, s)
	}
	return fmt.Errorf("keeping certificates in Secret %s/%s: changed by others %d times in a row", m.options.Namespace, m.options.SecretName, maxConflicts)
}

// sync reads the Secret and, if something is due, writes what should follow.
func (m *Manager) sync(ctx context.Context) (*state, error) {
	logger := klog.FromContext(ctx)
	secrets := m.options.Client.CoreV1().Secrets(m.options.Namespace)
	secret, err := secrets.Get(ctx, m.options.SecretName, metav1.GetOptions{})
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return nil, err
	}
	var old *state
	if !missing {
		if old, err = decodeState(secret.Data); err != nil {
			logger.Info("The Secret with the certificates cannot be used and is written anew", "secret", klog.KObj(secret), "reason", err.Error())
		}
	}
	s, changes, err := advance(old, m.options.Clock.Now(), m.names)
	if err != nil || len(changes) == 0 {
		return s, err
	}
	data, err := s.encode()
	if err != nil {
		return nil, err
	}
	if missing {
		err = m.create(ctx, data)
	} else {
		secret = secret.DeepCopy()
		secret.Data = data
		_, err = secrets.Update(ctx, secret, metav1.UpdateOptions{})
	}
	if err == nil {
		logger.Info("Changed certificates", "secret", klog.KRef(m.options.Namespace, m.options.SecretName), "changes", changes, "expires", s.serving.cert.NotAfter)
	}
	return s, err
}

func (m *Manager) create(ctx context.Context, data map[string][]byte) error {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:      m.options.SecretName,
			Namespace: m.options.Namespace,
			Labels:    map[string]string{managedByLabel: managedBy},
		},
		Type: corev1.SecretTypeTLS,
		Data: maps.Clone(data),
	}
	secrets := m.options.Client.CoreV1().Secrets(m.options.Namespace)
	_, err := secrets.Create(ctx, secret, metav1.CreateOptions{})
	if !apierrors.IsNotFound(err) || !m.options.CreateNamespace {
		return err
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: m.options.Namespace}}
	_, err = m.options.Client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating the namespace: %w", err)
	}
	_, err = secrets.Create(ctx, secret, metav1.CreateOptions{})
	return err
}

// use takes a state into use and tells the listeners if that changed anything.
func (m *Manager) use(ctx context.Context, s *state) error {
	c, err := newContent(s)
	if err != nil {
		return err
	}
	old := m.current.Swap(c)
	if string(old.cert) == string(c.cert) && string(old.bundle) == string(c.bundle) {
		return nil
	}
	klog.FromContext(ctx).V(2).Info("Serving certificate taken into use", "expires", c.expires, "authorities", len(s.authorities()))
	m.mu.Lock()
	listeners := m.listeners
	m.mu.Unlock()
	for _, listener := range listeners {
		listener.Enqueue()
	}
	return nil
}

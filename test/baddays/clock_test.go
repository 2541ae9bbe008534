package baddays

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"

	"github.com/leat-dev/leat/pkg/apiserver/certs"
	"github.com/leat-dev/leat/test/leatserver"
	"github.com/leat-dev/leat/test/timewarp"
)

// clocks are those of a process, for one test.
type clocks struct {
	*timewarp.Clocks
	t *testing.T
}

// clocks takes over those of a process, or skips the test where that cannot be
// done.
func (d *day) clocks(pid int) clocks {
	d.t.Helper()
	c, err := timewarp.Of(pid)
	if errors.Is(err, timewarp.ErrUnsupported) {
		d.t.Skip(err)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return clocks{c, d.t}
}

func (c clocks) set(by time.Duration) {
	c.t.Helper()
	if err := c.Set(by); err != nil {
		c.t.Fatal(err)
	}
}

func (c clocks) pass(d time.Duration) {
	c.t.Helper()
	if err := c.Pass(d); err != nil {
		c.t.Fatal(err)
	}
}

// TestClockJumps sets the server's clock an hour forward, back, and an hour back
// from there, and lets the machine sleep for an hour.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	d := newDay(t, setup{})
	pid := d.leat.PID()
	clocks := d.clocks(pid)
	// The control plane's certificates are a few minutes old. So that an hour back
	// is not before they are valid, which nobody could make up for, all of this is
	// later.
	d.clocks(d.controlPlane()).set(2 * time.Hour)
	clocks.set(2 * time.Hour)
	const interval = 2 * time.Second
	a := d.newApp("app", configMaps("0", "one", "two"), appOptions{interval: "2s"})
	certificate := d.servingCertificate()

	for _, jump := range []struct {
		what string
		move func()
	}{
		{"an hour forward", func() { clocks.set(time.Hour) }},
		{"an hour back", func() { clocks.set(-time.Hour) }},
		{"another hour back", func() { clocks.set(-time.Hour) }},
		{"right again", func() { clocks.set(time.Hour) }},
		{"an hour passes at once", func() { clocks.pass(time.Hour) }},
	} {
		jump.move()
		start := time.Now()
		d.git.ForgetRequests()
		// Nobody asks for it: the interval has to go on.
		commit := a.push(configMaps(jump.what, "one"))
		a.awaitApplied(commit)
		took := time.Since(start)
		for time.Since(start) < 2*interval { // not to wait for something, but to count what comes
			time.Sleep(pollInterval)
		}
		listings := 0
		for _, r := range d.git.Requests() {
			if r.Command == "capabilities" {
				listings++
			}
		}
		// Twice what the interval asks for, and one for the jump.
		if most := 2*int(time.Since(start)/interval) + 1; listings > most {
			t.Errorf("%s: the repository was asked %d times in %s, want at most %d", jump.what, listings, time.Since(start), most)
		}
		t.Logf("%s: applied in %s, the repository was asked %d times in %s", jump.what, took, listings, time.Since(start))
		for _, path := range []string{"/livez", "/readyz"} {
			if code, body := d.probe(path); code != http.StatusOK {
				t.Errorf("%s: %s: %d %s", jump.what, path, code, body)
			}
		}
		d.alive(pid)
		a.assertKept()
	}
	if !bytes.Equal(certificate, d.servingCertificate()) {
		t.Error("a jump of an hour has the certificate renewed")
	}
}

// lookEvery is how often the server looks at the clock for whether a certificate is
// due.
const lookEvery = 10 * time.Second

// TestCertificatesExpire lets the better part of a year pass, for the server and
// for the control plane. Certificates are renewed in time, twice by an authority
// that is new itself, and through all of it kube-apiserver reaches the server.
func TestCertificatesExpire(t *testing.T) {
	t.Parallel()
	d := newDay(t, setup{})
	pid := d.leat.PID()
	theirs, ours := d.clocks(d.controlPlane()), d.clocks(pid)
	a := d.newApp("app", configMaps("1", "one", "two"), appOptions{})
	watch := d.watchAvailability()

	seen := map[string]bool{}
	var now time.Duration
	for range 5 {
		before := d.servingCertificate()
		seen[string(before)] = true
		// Two thirds of ninety days, and one more.
		const step = 61 * 24 * time.Hour
		now += step + lookEvery
		theirs.set(step)
		ours.set(step)
		ours.pass(lookEvery)
		d.await("the certificate to be renewed", func(context.Context) (bool, string) {
			return !bytes.Equal(before, d.servingCertificate()), "it is the same"
		})
		d.await("it to be served, and trusted by the APIServices", func(ctx context.Context) (bool, string) {
			err := d.verifyServing(ctx, time.Now().Add(now))
			return err == nil, errorText(err)
		})
	}
	if err := watch(); err != nil {
		t.Errorf("while certificates were renewed: %v", err)
	}
	if authorities := d.authorities(); authorities < 2 {
		t.Errorf("%d authorities are trusted after most of a year, want the former one and its successor", authorities)
	}
	d.alive(pid)
	commit := a.push(configMaps("2", "one"))
	a.request("after most of a year")
	a.awaitApplied(commit)
	a.assertKept()
}

func (d *day) certificateSecret() *corev1.Secret {
	d.t.Helper()
	secret, err := d.core.CoreV1().Secrets(leatserver.Namespace).Get(d.t.Context(), certs.DefaultSecretName, metav1.GetOptions{})
	if err != nil {
		d.t.Fatal(err)
	}
	return secret
}

// servingCertificate is the one that the server should serve with.
func (d *day) servingCertificate() []byte {
	d.t.Helper()
	return d.certificateSecret().Data[corev1.TLSCertKey]
}

func (d *day) authorities() int {
	d.t.Helper()
	return bytes.Count(d.certificateSecret().Data["ca.crt"], []byte("BEGIN CERTIFICATE"))
}

// verifyServing connects to the server as kube-apiserver does, at a time, with the
// authorities of the APIServices, and says what is wrong with what it shows.
func (d *day) verifyServing(ctx context.Context, at time.Time) error {
	client, err := aggregator.NewForConfig(d.cluster.Config)
	if err != nil {
		return err
	}
	services, err := client.ApiregistrationV1().APIServices().List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=leat-apiserver"})
	if err != nil {
		return err
	}
	if len(services.Items) == 0 {
		return errors.New("there are no APIServices")
	}
	for i := range services.Items {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(services.Items[i].Spec.CABundle)
		config := &tls.Config{
			RootCAs: roots, MinVersion: tls.VersionTLS12, Time: func() time.Time { return at },
			ServerName: leatserver.ServiceAccount + "." + leatserver.Namespace + ".svc",
		}
		connection, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", strings.TrimPrefix(d.leat.URL(), "https://"))
		if err != nil {
			return err
		}
		if err := connection.Close(); err != nil {
			return err
		}
	}
	return nil
}

// watchAvailability asks for Leat's objects through kube-apiserver, over and over,
// until the returned function is called, which tells the first failure.
func (d *day) watchAvailability() (stop func() error) {
	ctx, cancel := context.WithCancel(d.t.Context())
	var first once
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(pollInterval)
		defer ticker.Stop()
		for n := 0; ; n++ {
			_, err := d.leatAPI.KustomizeV1().Kustomizations(corev1.NamespaceAll).List(ctx, metav1.ListOptions{})
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				first.set("request %d: %w", n, err)
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	d.t.Cleanup(cancel)
	return func() error {
		cancel()
		<-done
		return first.get()
	}
}

package host

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"

	"github.com/leat-dev/leat/pkg/apiserver/certs"
)

// TestReplicasAgree starts replicas at the same moment, and has them all renew at the
// same moment, again and again.
func TestReplicasAgree(t *testing.T) {
	client := coreClient(t, cluster.Config)
	namespace := cluster.Namespace(t)
	clock := testclock.NewFakeClock(time.Now())
	var replicas [5]*certs.Manager
	for i := range replicas {
		var err error
		replicas[i], err = certs.New(certs.Options{Client: client, Namespace: namespace, Service: serviceName, Clock: clock})
		if err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for range 8 { // two years, a quarter at a time
		var wg sync.WaitGroup
		for i, replica := range replicas {
			wg.Go(func() {
				if err := replica.RunOnce(t.Context()); err != nil {
					t.Errorf("replica %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		secret, err := client.CoreV1().Secrets(namespace).Get(t.Context(), certs.DefaultSecretName, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i, replica := range replicas {
			cert, key := replica.CurrentCertKeyContent()
			if !bytes.Equal(cert, secret.Data[corev1.TLSCertKey]) || !bytes.Equal(key, secret.Data[corev1.TLSPrivateKeyKey]) ||
				!bytes.Equal(replica.CurrentCABundleContent(), secret.Data["ca.crt"]) {
				t.Errorf("replica %d uses something else than what is in the Secret", i)
			}
		}
		seen[string(secret.Data[corev1.TLSCertKey])] = true
		clock.Step(90 * 24 * time.Hour)
	}
	if len(seen) != 8 {
		t.Errorf("%d certificates in two years, want 8", len(seen))
	}
}

// TestOthersAreFollowed has one replica renew and another, which only watches, notice.
func TestOthersAreFollowed(t *testing.T) {
	client := coreClient(t, cluster.Config)
	namespace := cluster.Namespace(t)
	watching, err := certs.New(certs.Options{Client: client, Namespace: namespace, Service: serviceName})
	if err != nil {
		t.Fatal(err)
	}
	runUntilEnd(t, func(ctx context.Context) { watching.Run(ctx, 1) })
	await(t, "the first certificate", func(context.Context) (bool, string) {
		err := watching.Check(nil)
		return err == nil, errorText(err)
	})
	renewing, err := certs.New(certs.Options{Client: client, Namespace: namespace, Service: serviceName, Clock: testclock.NewFakeClock(time.Now().Add(61 * 24 * time.Hour))})
	if err != nil {
		t.Fatal(err)
	}
	if err := renewing.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	// What it made is not valid for another two months: the one with the right clock
	// makes a new one in turn, which both then agree on.
	theirs, _ := renewing.CurrentCertKeyContent()
	await(t, "the other's certificate to be noticed", func(ctx context.Context) (bool, string) {
		secret, err := client.CoreV1().Secrets(namespace).Get(ctx, certs.DefaultSecretName, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		ours, _ := watching.CurrentCertKeyContent()
		return !bytes.Equal(ours, theirs) && bytes.Equal(ours, secret.Data[corev1.TLSCertKey]), "the Secret holds another certificate than is in use"
	})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

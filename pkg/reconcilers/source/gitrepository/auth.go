package gitrepository

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/source/git"
)

// credentials reads those of a repository, each time anew: Secrets are not kept
// in memory.
func credentials(ctx context.Context, core corev1client.CoreV1Interface, obj *sourcev1.GitRepository) (*git.Auth, error) {
	if obj.Spec.SecretRef == nil {
		return nil, nil
	}
	name := obj.Spec.SecretRef.Name
	secret, err := core.Secrets(obj.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading secret '%s/%s': %w", obj.Namespace, name, err)
	}
	// The second names are those of older versions of Flux.
	first := func(keys ...string) []byte {
		for _, k := range keys {
			if v := secret.Data[k]; len(v) > 0 {
				return v
			}
		}
		return nil
	}
	a := &git.Auth{
		Username:    string(secret.Data["username"]),
		Password:    string(secret.Data["password"]),
		BearerToken: string(secret.Data["bearerToken"]),
		CA:          first("ca.crt", "caFile"),
		ClientCert:  first("tls.crt", "certFile"),
		ClientKey:   first("tls.key", "keyFile"),
	}
	switch {
	case (a.Username == "") != (a.Password == "") && a.BearerToken == "":
		return nil, fmt.Errorf("secret '%s/%s': username and password go together, and one of them is missing", obj.Namespace, name)
	case (a.ClientCert == nil) != (a.ClientKey == nil):
		return nil, fmt.Errorf("secret '%s/%s': tls.crt and tls.key go together, and one of them is missing", obj.Namespace, name)
	}
	return a, nil
}

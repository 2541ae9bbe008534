package leatserver

import (
	"context"
	"fmt"
	"strings"

	"github.com/leat-dev/leat/test/framework"
)

// Namespace and ServiceAccount name whom an installed server runs as.
const (
	Namespace      = "leat-system"
	ServiceAccount = "leat-apiserver"
)

// Identity makes the service account that a server runs as, with the rights of an
// administrator, and returns a token of it.
func Identity(ctx context.Context, cluster *framework.Cluster) (string, error) {
	for _, args := range [][]string{
		{"create", "namespace", Namespace},
		{"create", "serviceaccount", "--namespace=" + Namespace, ServiceAccount},
		{"create", "clusterrolebinding", ServiceAccount, "--clusterrole=cluster-admin", "--serviceaccount=" + Namespace + ":" + ServiceAccount},
	} {
		if _, _, err := cluster.Kubectl(ctx, args...); err != nil {
			return "", fmt.Errorf("making the identity of the server: %w", err)
		}
	}
	return Token(ctx, cluster)
}

// Token returns a token of the service account that a server runs as.
func Token(ctx context.Context, cluster *framework.Cluster) (string, error) {
	token, _, err := cluster.Kubectl(ctx, "create", "token", "--namespace="+Namespace, ServiceAccount, "--duration=24h")
	if err != nil {
		return "", fmt.Errorf("making a token of the server: %w", err)
	}
	return strings.TrimSpace(token), nil
}

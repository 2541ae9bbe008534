// Package pki keeps the keys and certificates of one cluster in a directory:
// a CA for servers and users, a CA of its own for the front proxy (a user
// certificate must never pass as the proxy's), the key that signs
// ServiceAccount tokens, and kubeconfig files built from them.
//
// Everything is made once and kept, so that kubeconfig files stay valid when a
// cluster is stopped and started again. It must not import the control plane.
package pki

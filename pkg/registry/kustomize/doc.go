// Package kustomize serves the group kustomize.toolkit.fluxcd.io: one package
// below for each kind, put together here.
package kustomize

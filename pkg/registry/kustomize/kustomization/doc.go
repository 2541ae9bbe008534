// Package kustomization serves Kustomization.
package kustomization

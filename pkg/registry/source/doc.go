// Package source serves the group source.toolkit.fluxcd.io: one package below
// for each kind, put together here.
package source

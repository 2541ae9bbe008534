// Package nesting counts how deep a JSON text is nested, while it arrives. It
// imports nothing, so that it can be fuzzed by itself.
package nesting

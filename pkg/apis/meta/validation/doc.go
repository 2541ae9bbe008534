// Package validation checks what the API groups share and what no schema can
// say: that a duration fits, that an expression can be parsed, that a regular
// expression compiles.
//
// The rule of all these checks: refuse at once what could never run, with the
// value and what is allowed, and nothing that Flux would run.
package validation

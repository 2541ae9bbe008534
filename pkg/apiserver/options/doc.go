// Package options are the flags of leat-apiserver: what they are called, what they
// default to, and which combinations are refused. It is the only place that knows
// flags; package launch makes a server from them.
package options

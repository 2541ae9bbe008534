// Package parity checks that the API is Flux's, fact by fact.
//
// testdata holds one file a kind: a header with its names and columns, and one
// line a field with its type, format, default and rules. Everything here is
// generated from these files, so that no line and no rule can be forgotten:
//
//   - CheckPublished compares an OpenAPI document with the lines, both ways;
//   - CheckNames and CheckTable compare discovery and columns with the header;
//   - Run tries, for each rule of each line, an object that must pass and one
//     that must be refused, and for each field that it comes back as written.
//
// The functions take what a server answers and know nothing of how it was asked,
// so that the same checks run against the validator alone and against a server.
package parity

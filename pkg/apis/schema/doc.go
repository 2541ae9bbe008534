// Package schema is the one truth about what an object of the API may look
// like: the OpenAPI definitions that the server publishes, and a validator that
// checks objects against the very same definitions. What kubectl explain shows
// is therefore what admission enforces, and the two cannot drift apart.
//
// The definitions are generated from the comments of the types; Published adds
// what the generator cannot say. The package knows no kind and imports nothing
// of Leat but the types.
package schema

// Package git fetches a revision of a Git repository into the artifact store.
//
// A Fetcher keeps, for each repository, a copy of the Git objects that it has
// seen; there is never a work tree. One listing of the references tells
// whether anything changed. If so, the missing objects are fetched, and the
// commit's tree is walked straight into the store, past what is ignored and
// without reading again what the store has.
//
// Repositories come from strangers: sizes, counts and depths are bounded,
// symbolic links and submodules are left out, and paths that could mean
// something else outside of Git are refused. Errors hold no credentials.
//
// The package knows nothing of objects of the API, statuses and queues.
package git

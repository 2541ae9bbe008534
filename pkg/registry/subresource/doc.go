// Package subresource holds the subresources that more than one kind has. They
// know the kind they belong to by its Parent only; a kind gets one by adding it
// to its storage, in one line.
//
// The package neither builds nor applies nor fetches anything. What it needs of
// the engines is in interfaces of its own.
package subresource

// Package gitrepository serves GitRepository.
package gitrepository

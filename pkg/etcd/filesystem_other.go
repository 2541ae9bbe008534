//go:build !linux

package etcd

import "errors"

// checkPersistent lets every directory through: only Linux names its file
// systems in a way that can be relied on.
func checkPersistent(string, bool) error { return nil }

// diskFree says that what is left is not known here.
func diskFree(string) (int64, error) { return 0, errors.ErrUnsupported }

package git

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What the disk has no room for is no fault of the repository, and is told apart
// also once the secrets are taken out.
func TestNoRoom(t *testing.T) {
	for errno, noRoom := range map[unix.Errno]bool{unix.ENOSPC: true, unix.EDQUOT: true, unix.EFBIG: true, unix.EIO: false, unix.ECONNRESET: false} {
		cause := fmt.Errorf("receiving objects: %w", &os.PathError{Op: "write", Path: "/data/tmp_pack", Err: errno})
		f := &Fetcher{}
		err := f.fail(t.Context(), &Request{URL: "https://example.com"}, nil, cause)
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("%v is not an *Error", err)
		}
		if got := e.Reason == ReasonArchiveOperationFailed && strings.Contains(e.Error(), "no room"); got != noRoom {
			t.Errorf("%v: reason %s: %v", errno, e.Reason, e)
		}
		if e.Terminal {
			t.Errorf("%v is not tried again", errno)
		}
	}
}

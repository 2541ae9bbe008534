package worker

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/leat-dev/leat/pkg/build/protocol"
)

const (
	reasonInvalid      = protocol.ReasonInvalid
	reasonPathNotFound = protocol.ReasonPathNotFound
	reasonRemote       = protocol.ReasonRemote
	reasonSubstitution = protocol.ReasonSubstitution
	reasonLimit        = protocol.ReasonLimit
)

// fault is an error that knows whose fault it is.
type fault struct {
	reason protocol.Reason
	// file and object are what is at fault, if that is known.
	file, object string
	err          error
	// panicked says that the process may be in any state.
	panicked bool
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

func invalid(file, format string, args ...any) *fault {
	return &fault{reason: reasonInvalid, file: file, err: fmt.Errorf(format, args...)}
}

// failed is the reply that reports err.
func failed(err error, retire bool) *protocol.Failed {
	f, ok := errors.AsType[*fault](err)
	if !ok {
		f = &fault{reason: reasonInvalid, err: err}
	}
	return &protocol.Failed{
		Retire: retire || f.panicked, Reason: f.reason,
		File: f.file, Object: f.object, Message: readable(err.Error()),
	}
}

// maxMessage bounds a message: it ends up in the status of an object.
const maxMessage = 4 << 10

// noise is what kustomize's messages have too much of. Some of it is foreign
// to the reader: how kustomize first tried a directory as a file. The rest
// quotes contents of files, which may be secret.
var noise = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile("(?s) with config: `.*`"), ""},
	{regexp.MustCompile(`(?s) in object [{(&].*`), ""},
	{regexp.MustCompile(`(?s)( found \d+) in \[[\d ]*\]`), "$1"},
	{regexp.MustCompile(`(?s) for the following resource:\n.*`), ""},
	{regexp.MustCompile(`accumulation err='accumulating resources from '[^']*': [^']*is a directory': `), ""},
	{regexp.MustCompile(`(?s)accumulation err='(.*)': must build at directory: .*: file is not directory`), "$1"},
	{regexp.MustCompile(regexp.QuoteMeta(mount) + "/"), ""},
	{regexp.MustCompile(regexp.QuoteMeta(mount)), "./"},
}

// readable makes a message of kustomize one that may be shown.
func readable(message string) string {
	for _, n := range noise {
		message = n.pattern.ReplaceAllString(message, n.instead)
	}
	message = strings.TrimSpace(message)
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + "…"
	}
	return message
}

// redact removes what may be a password from an address.
func redact(address string) string {
	if u, err := url.Parse(address); err == nil {
		u.User = nil
		u.RawQuery = ""
		return u.String()
	}
	if at := strings.LastIndexByte(address, '@'); at >= 0 {
		return "…" + address[at:]
	}
	return address
}

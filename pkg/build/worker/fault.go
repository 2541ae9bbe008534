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

// edit is a change to a message.
type edit struct {
	pattern *regexp.Regexp
	instead string
}

// edits take out of kustomize's messages what they have too much of. Some of
// it is foreign to the reader: how kustomize first tried a directory as a
// file. The rest quotes patches, literals and objects, which may be secret.
func edits() []edit {
	cut := func(pattern, instead string) edit { return edit{regexp.MustCompile("(?s)" + pattern), instead} }
	return []edit{
		cut(" with config: `.*`", ""),
		cut(`literal sources \[.*\]: `, "literal sources: "),
		cut(`invalid literal source .*, expected key=value`, "invalid literal source, expected key=value"),
		cut(`line (\d+|\[[\d ]*\]) has invalid utf8 bytes :.*`, "a line is not valid UTF-8"),
		cut("(cannot unmarshal !!\\w+) `[^`]*`", "$1"),
		cut(` in object .*`, ""),
		cut(` in \[[\d ]*\]`, ""),
		cut(` for the following resource:\n.*`, ""),
		cut(`(must specify one of patch and path|patch and path can't be set at the same time).*`, "$1"),
		cut(`must specify a target for (JSON )?patch .*`, "must specify a target for a patch"),
		cut(`\[patch: .*\]`, "[patch]"),
		cut(`decoding \[.*`, "decoding a JSON patch failed"),
		cut(`map\[string\]interface ?\{\}\{.*`, "an object"),
		cut(`accumulation err='accumulating resources from '[^']*': [^']*is a directory': `, ""),
		cut(`accumulation err='(.*)': must build at directory: .*: file is not directory`, "$1"),
		cut(regexp.QuoteMeta(mount)+"/", ""),
		cut(regexp.QuoteMeta(mount), "./"),
	}
}

// readable makes a message of kustomize one that may be shown.
func readable(message string) string {
	for _, e := range edits() {
		message = e.pattern.ReplaceAllString(message, e.instead)
	}
	message = strings.TrimSpace(message)
	if len(message) > maxMessage {
		message = message[:maxMessage] + "…"
	}
	return strings.ToValidUTF8(message, "")
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

package intake

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// timedBody is a body that has to arrive in time.
//
// The generic server gives a request a deadline and answers when it has passed.
// With HTTP/1.1 the answer does not go out: the library first waits for the rest
// of a body that a handler still reads, so that a client who sends a byte and
// waits keeps a connection and two goroutines for as long as it likes. A deadline
// of the connection ends that.
type timedBody struct {
	io.ReadCloser
	connection *http.ResponseController
	deadline   time.Time
	ended      atomic.Bool
}

// withTimedBody returns a copy of a request whose body has a deadline, and what
// has to be called when the request is answered. It is a copy because the library
// tells by the body of its own request whether the connection can carry another
// one, and must find its own there.
func withTimedBody(w http.ResponseWriter, req *http.Request, timeout time.Duration) (*http.Request, context.CancelFunc) {
	body := &timedBody{ReadCloser: req.Body, connection: http.NewResponseController(w), deadline: time.Now().Add(timeout)}
	// A connection that knows no deadlines, as in tests, is as patient as it was.
	_ = body.connection.SetReadDeadline(body.deadline)

	// When a read fails, the library cancels the request, for it takes the client
	// to be gone. One who is late is there, and gets an answer.
	parent := req.Context()
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		if !body.late() {
			cancel(context.Cause(parent))
		}
	})
	timed := req.WithContext(ctx)
	timed.Body = body
	return timed, func() {
		stop()
		cancel(nil)
	}
}

// Read lifts the deadline at the end of the body: what the connection is read for
// from then on is to learn that the client has gone. Without an end it stays, for
// the library to read the rest by, and is the library's again with the next
// request.
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) && !b.ended.Swap(true) {
		_ = b.connection.SetReadDeadline(time.Time{}) // the connection may be gone
	}
	return n, err
}

func (b *timedBody) late() bool { return !b.ended.Load() && !time.Now().Before(b.deadline) }

package subresource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/runlog"
)

// logWriter writes a log to a client, each record as soon as it is there.
type logWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	encode  func(*runlog.Record) []byte
	timeout time.Duration
}

// newLogWriter begins the answer. From here on errors can only be told in it.
func newLogWriter(w http.ResponseWriter, as string) *logWriter {
	l := &logWriter{w: w, control: http.NewResponseController(w), encode: textLine, timeout: writeTimeout}
	contentType := contentTypes[asText]
	if as == asNDJSON {
		l.encode, contentType = jsonLine, "application/x-ndjson"
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "private, no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	return l
}

// batch is what a reader gave at once.
type batch struct {
	records []runlog.Record
	err     error
}

// serve writes what the reader gives until it ends or the client goes away. A blank
// line now and then shows that the log goes on; it means nothing in either format.
func (l *logWriter) serve(ctx context.Context, reader *runlog.Reader, c clock.WithTicker) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan batch)
	go func() {
		for {
			records, err := reader.Next(ctx)
			select {
			case batches <- batch{records, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	if !l.write(nil) { // the headers, so that the client knows that it is connected
		return
	}
	ticker := c.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case b := <-batches:
			text := l.lines(b.records)
			if b.err != nil && !errors.Is(b.err, io.EOF) && ctx.Err() == nil {
				text = append(text, l.encode(&runlog.Record{
					Time: c.Now(), Level: runlog.Warning, Message: "the log ends here: " + b.err.Error(),
				})...)
			}
			if !l.write(text) || b.err != nil {
				return
			}
		case <-ticker.C():
			if !l.write([]byte("\n")) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (l *logWriter) lines(records []runlog.Record) []byte {
	var text []byte
	for i := range records {
		text = append(text, l.encode(&records[i])...)
	}
	return text
}

// write sends text and says whether there is still somebody to send to. A client
// that reads nothing at all is given up: it must not hold what the server needs for
// others.
func (l *logWriter) write(text []byte) bool {
	// Where a connection knows no deadline the write ends with the request.
	_ = l.control.SetWriteDeadline(time.Now().Add(l.timeout))
	if len(text) > 0 {
		if _, err := l.w.Write(text); err != nil {
			return false
		}
	}
	err := l.control.Flush()
	_ = l.control.SetWriteDeadline(time.Time{})
	return err == nil || errors.Is(err, http.ErrNotSupported)
}

// jsonLine is a record as NDJSON has it.
func jsonLine(r *runlog.Record) []byte {
	line, err := json.Marshal(leatv1alpha1.LogRecord{
		Time: metav1.NewMicroTime(r.Time), RequestID: r.RequestID, Revision: r.Revision,
		Stage: string(r.Stage), Level: string(r.Level), Message: r.Message, Object: r.Object,
		DurationMS: r.Duration.Milliseconds(), Phase: leatv1alpha1.RequestPhase(r.Phase),
	})
	if err != nil { // texts and numbers can always be encoded
		return nil
	}
	return append(line, '\n')
}

// timeInText is how a person reads a time: to the millisecond, in UTC.
const timeInText = "2006-01-02T15:04:05.000Z"

// textLine is a record as a person reads it: when, how bad if it is, what the run
// was doing, and what happened. Further lines of a message are indented.
//
//	2026-11-21T12:00:00.123Z apply    ConfigMap/team/one created
//	2026-11-21T12:00:00.145Z apply    applied 1 object(s) (22ms)
//	2026-11-21T12:00:00.146Z          Succeeded: Applied revision: main@sha1:… (1.2s)
func textLine(r *runlog.Record) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %-8s ", r.Time.UTC().Format(timeInText), r.Stage)
	if r.Level != runlog.Info && r.Phase == "" {
		b.WriteString(string(r.Level) + ": ")
	}
	if r.Phase != "" {
		b.WriteString(string(r.Phase) + ": ")
	}
	if r.Object != "" {
		b.WriteString(r.Object + " ")
	}
	b.WriteString(strings.ReplaceAll(r.Message, "\n", "\n"+strings.Repeat(" ", len(timeInText)+10)))
	if took := rounded(r.Duration); took > 0 {
		fmt.Fprintf(&b, " (%s)", took)
	}
	b.WriteByte('\n')
	return []byte(b.String())
}

// rounded is a length of time without digits that nobody reads.
func rounded(d time.Duration) time.Duration {
	if d > time.Minute {
		return d.Round(time.Second)
	}
	return d.Round(time.Millisecond)
}

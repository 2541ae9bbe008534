package etcd

import (
	"slices"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/klog/v2"
)

// Verbosity at which etcd's own levels appear. Its information is about a
// cluster of members, which says little to the users of a single one.
const (
	debugVerbosity = 6
	infoVerbosity  = 4
)

// closeNoise are the errors that etcd reports about its own listeners while it
// shuts down as asked. Told as errors they make every clean stop look broken.
var closeNoise = []string{
	"use of closed network connection",
	"mux: server closed",
	"http: Server closed",
	"request cancelled",
}

// closeMessages are those without an error.
var closeMessages = []string{"server has stopped; skipping GoAttach"}

// startNoise are the warnings that etcd gives about what is as it should be for
// one member behind a private socket.
var startNoise = []string{
	"Running http and grpc server on single port. This is not recommended for production.",
	"simple token is not cryptographically signed",
}

// klogCore writes what etcd logs through zap to klog.
type klogCore struct {
	logger klog.Logger
	fields []zapcore.Field
	// closing is true from the moment on that the server was told to stop.
	closing *atomic.Bool
}

var _ zapcore.Core = (*klogCore)(nil)

// newZapLogger returns a zap logger that writes to logger.
func newZapLogger(logger klog.Logger, closing *atomic.Bool) *zap.Logger {
	return zap.New(&klogCore{logger: logger, closing: closing})
}

// Enabled implements zapcore.LevelEnabler.
func (c *klogCore) Enabled(level zapcore.Level) bool {
	return level >= zapcore.WarnLevel || c.logger.V(verbosity(level)).Enabled()
}

// With implements zapcore.Core.
func (c *klogCore) With(fields []zapcore.Field) zapcore.Core {
	clone := *c
	clone.fields = slices.Concat(c.fields, fields)
	return &clone
}

// Check implements zapcore.Core.
func (c *klogCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

// Write implements zapcore.Core.
func (c *klogCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	all := slices.Concat(c.fields, fields)
	switch {
	case entry.Level < zapcore.WarnLevel:
		c.logger.V(verbosity(entry.Level)).Info(entry.Message, pairs(all)...)
	case slices.Contains(startNoise, entry.Message), c.closing.Load() && isCloseNoise(entry, all):
		c.logger.V(infoVerbosity).Info(entry.Message, pairs(all)...)
	case entry.Level == zapcore.WarnLevel:
		c.logger.Info(entry.Message, pairs(all)...)
	default:
		rest, err := splitError(all)
		c.logger.Error(err, entry.Message, pairs(rest)...)
	}
	return nil
}

// Sync implements zapcore.Core. klog writes at once.
func (c *klogCore) Sync() error { return nil }

func verbosity(level zapcore.Level) int {
	if level < zapcore.InfoLevel {
		return debugVerbosity
	}
	return infoVerbosity
}

// pairs returns the fields as klog takes them.
func pairs(fields []zapcore.Field) []any {
	encoder := zapcore.NewMapObjectEncoder()
	keysAndValues := make([]any, 0, 2*len(fields))
	for _, field := range fields {
		field.AddTo(encoder)
		if value, ok := encoder.Fields[field.Key]; ok {
			keysAndValues = append(keysAndValues, camelCase(field.Key), value)
		}
	}
	return keysAndValues
}

// splitError takes the first error out of the fields.
func splitError(fields []zapcore.Field) (rest []zapcore.Field, err error) {
	for i, field := range fields {
		if err, ok := field.Interface.(error); ok && field.Type == zapcore.ErrorType {
			return slices.Concat(fields[:i], fields[i+1:]), err
		}
	}
	return fields, nil
}

// isCloseNoise says whether the entry reports nothing but the closing of what
// is being closed.
func isCloseNoise(entry zapcore.Entry, fields []zapcore.Field) bool {
	if entry.Level > zapcore.ErrorLevel {
		return false
	}
	if slices.Contains(closeMessages, entry.Message) {
		return true
	}
	_, err := splitError(fields)
	return err != nil && slices.ContainsFunc(closeNoise, func(noise string) bool {
		return strings.Contains(err.Error(), noise)
	})
}

// camelCase turns etcd's dashed field names into the form of our logs.
func camelCase(key string) string {
	words := strings.Split(key, "-")
	for i := 1; i < len(words); i++ {
		if words[i] != "" {
			words[i] = strings.ToUpper(words[i][:1]) + words[i][1:]
		}
	}
	return strings.Join(words, "")
}

package subresource

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/runlog"
)

var (
	_ rest.Connecter                = (*HistoryREST)(nil)
	_ rest.GroupVersionKindProvider = (*HistoryREST)(nil)
)

var historyOutputs = outputs{{asJSON, "application/json"}, {asText, "text/plain"}}

// HistoryREST serves the last runs of an object that did something, failed or were
// asked for. It is a Connecter because it has a representation for people.
type HistoryREST struct {
	parent Parent
	log    Log
}

// NewHistory returns the subresource history of a kind.
func NewHistory(parent Parent, log Log) *HistoryREST {
	return &HistoryREST{parent: parent, log: log}
}

// New returns the type of the options: admission takes them for the object of a
// CONNECT.
func (r *HistoryREST) New() runtime.Object { return &leatv1alpha1.HistoryOptions{} }

// Destroy does nothing: the storage belongs to the parent.
func (r *HistoryREST) Destroy() {}

// GroupVersionKind implements rest.GroupVersionKindProvider: the type is of
// another group than the object.
func (r *HistoryREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return leatv1alpha1.SchemeGroupVersion.WithKind(leatv1alpha1.HistoryOptionsKind)
}

// ConnectMethods implements rest.Connecter. Both are the verb get to RBAC.
func (r *HistoryREST) ConnectMethods() []string { return []string{http.MethodGet, http.MethodHead} }

// NewConnectOptions implements rest.Connecter.
func (r *HistoryREST) NewConnectOptions() (runtime.Object, bool, string) {
	return &leatv1alpha1.HistoryOptions{}, false, ""
}

// Connect implements rest.Connecter.
func (r *HistoryREST) Connect(ctx context.Context, name string, options runtime.Object, responder rest.Responder) (http.Handler, error) {
	opts, ok := options.(*leatv1alpha1.HistoryOptions)
	if !ok {
		return nil, fmt.Errorf("serving a history: got options of type %T", options)
	}
	obj, err := r.parent.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, fmt.Errorf("serving a history: %w", err)
	}
	entries, err := r.log.History(ctx, string(m.GetUID()))
	if err != nil {
		return nil, fmt.Errorf("reading the history of %s: %w", reference(r.parent, obj), err)
	}
	if opts.Limit != nil {
		entries = entries[:min(int64(len(entries)), *opts.Limit)]
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		as, err := historyOutputs.choose(opts.Output, req.Header.Values("Accept"))
		switch {
		case err != nil:
			responder.Error(err)
		case as == asText:
			send(w, http.StatusOK, contentTypes[asText], historyText(entries))
		default:
			responder.Object(http.StatusOK, newHistory(m, entries))
		}
	}), nil
}

func newHistory(m metav1.Object, entries []runlog.Entry) *leatv1alpha1.History {
	h := &leatv1alpha1.History{
		ObjectMeta: metav1.ObjectMeta{Namespace: m.GetNamespace(), Name: m.GetName()},
		Entries:    make([]leatv1alpha1.HistoryEntry, len(entries)),
	}
	for i, e := range entries {
		h.Entries[i] = leatv1alpha1.HistoryEntry{
			ID: e.ID, Revision: e.Revision, Digest: e.Digest,
			StartedAt: metav1.NewTime(e.StartedAt), Duration: e.Duration.Round(time.Millisecond).String(),
			Trigger: e.Trigger(), User: e.User, Phase: leatv1alpha1.RequestPhase(e.Phase), Message: e.Message,
			Created: number(e.Created), Updated: number(e.Updated), Deleted: number(e.Deleted),
		}
	}
	return h
}

func number(n int) int32 { return int32(min(n, math.MaxInt32)) }

// historyText is a table for people, the latest run first.
func historyText(entries []runlog.Entry) []byte {
	var b bytes.Buffer
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { _, _ = fmt.Fprintln(table, strings.Join(cells, "\t")) } // to memory
	row("STARTED", "PHASE", "TRIGGER", "USER", "REVISION", "+", "~", "-", "DURATION", "MESSAGE")
	for _, e := range entries {
		row(e.StartedAt.UTC().Format(time.RFC3339), string(e.Phase), orDash(e.Trigger()), orDash(e.User), orDash(e.Revision),
			fmt.Sprint(e.Created), fmt.Sprint(e.Updated), fmt.Sprint(e.Deleted), rounded(e.Duration).String(), firstLine(e.Message))
	}
	_ = table.Flush() // to memory
	return b.Bytes()
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// firstLine is what of a message fits in a table.
func firstLine(message string) string {
	line, rest, more := strings.Cut(message, "\n")
	if more && strings.TrimSpace(rest) != "" {
		line += " …"
	}
	return strings.ReplaceAll(line, "\t", " ")
}

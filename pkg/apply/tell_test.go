package apply_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/pkg/record"
	"github.com/leat-dev/leat/pkg/runlog"
)

// noStore keeps no histories.
type noStore struct{}

func (noStore) Get(context.Context, string, string) ([]byte, error) { return nil, record.ErrNotFound }
func (noStore) Put(context.Context, string, string, []byte) error   { return nil }
func (noStore) Delete(context.Context, string, string) error        { return nil }
func (noStore) List(context.Context, string) ([]string, error)      { return nil, nil }

// recorded applies under a run that is recorded, and returns its records as stage,
// object and message, and the stages whose time was taken.
func (f *fixture) recorded(name string, manifests ...string) (lines, stages []string) {
	f.t.Helper()
	log := runlog.New(noStore{}, runlog.Options{})
	run := log.Begin(runlog.RunOptions{UID: "u", Observe: func(s runlog.Stage, d time.Duration) {
		if d > 0 {
			stages = append(stages, string(s))
		}
	}})
	before := f.ctx
	f.ctx = runlog.NewContext(f.ctx, run)
	defer func() { f.ctx = before }()
	_, _ = f.apply(f.request(name, manifests...)) // what became of it is in the records
	reader, err := log.Read(f.ctx, "u", runlog.Query{Tail: -1})
	if err != nil {
		f.t.Fatal(err)
	}
	defer reader.Close()
	records, _ := reader.Next(f.ctx) // at its end there are none
	for _, r := range records {
		if r.Message == "run started" {
			continue
		}
		object := strings.ReplaceAll(r.Object, "/"+f.ns+"/", "/")
		lines = append(lines, strings.Join(strings.Fields(string(r.Stage)+" "+object+" "+r.Message), " "))
	}
	return lines, stages
}

func TestRunsTellWhatTheyDo(t *testing.T) {
	f := setup(t)
	const two = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two}\ndata: {a: b}"
	for _, step := range []struct {
		name          string
		manifests     []string
		lines, stages []string
	}{
		{"create", []string{settings, two},
			[]string{"validate validated 2 object(s)", "apply ConfigMap/settings created", "apply ConfigMap/two created", "apply applied 2 object(s)"}, []string{"validate", "apply"}},
		{"nothing", []string{settings, two}, nil, nil},
		{"change and prune", []string{strings.Replace(settings, "blue", "red", 1)},
			[]string{"apply ConfigMap/settings configured", "apply applied 1 object(s)", "prune ConfigMap/two deleted", "prune deleted 1 object(s)"}, []string{"apply", "prune"}},
		{"refuse", []string{settings, strings.Replace(two, "two", "Two", 1)},
			[]string{"validate ConfigMap/Two deploy/1.yaml: ", "validate validate failed"}, []string{"validate"}},
	} {
		lines, stages := f.recorded("app", step.manifests...)
		for i := range lines {
			// The refusal is the cluster's own words.
			if head, _, ok := strings.Cut(lines[i], "deploy/1.yaml: "); ok {
				lines[i] = head + "deploy/1.yaml: "
			}
		}
		if step.name == "create" && len(lines) == 4 && lines[1] > lines[2] {
			lines[1], lines[2] = lines[2], lines[1] // they are written at the same time
		}
		if diff := cmp.Diff(step.lines, lines); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
		if diff := cmp.Diff(step.stages, stages); diff != "" {
			t.Errorf("stages of %s (-want +got):\n%s", step.name, diff)
		}
	}
}

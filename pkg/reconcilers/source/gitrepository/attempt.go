package gitrepository

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	"github.com/leat-dev/leat/pkg/apis/meta"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/runlog"
	"github.com/leat-dev/leat/pkg/source/git"
)

// attempt is one run on its way.
type attempt struct {
	*Reconciler
	run *runtime.Run
	// obj is the object that the run began with; it does not change.
	obj *sourcev1.GitRepository
	// stored is the object with the status that was written last, status what
	// the run makes of that.
	stored *sourcev1.GitRepository
	status *sourcev1.GitRepositoryStatus
	// token is the latest request; requested says that this run answers it.
	token     string
	requested bool

	// kept is what the store has of the artifact in the status, if anything.
	kept *artifact.Record
	// fresh is the artifact that the run stored, for the commit with this
	// subject; nil if there was nothing to store.
	fresh   *artifact.Record
	subject string
}

func (r *Reconciler) begin(run *runtime.Run, obj *sourcev1.GitRepository) *attempt {
	a := &attempt{Reconciler: r, run: run, obj: obj, stored: obj, status: obj.Status.DeepCopy()}
	a.token, _ = meta.ReconcileRequested(obj.Annotations)
	a.requested = a.token != "" && a.token != obj.Status.LastHandledReconcileAt
	answers := ""
	if a.requested {
		run.ID, answers = a.token, a.token
	}
	run.Log.Answers(obj.Generation, answers)
	return a
}

// failure is how a run ends that did not succeed.
type failure struct {
	// condition is the one of negative polarity that becomes True besides Ready.
	condition, reason string
	err               error
	// stalled: only another spec helps. superseded: the next run begins at once.
	stalled, superseded bool
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

func fetchFailed(reason string, err error) *failure {
	return &failure{condition: meta.FetchFailedCondition, reason: reason, err: err}
}

// execute fetches and stores. It returns nil or a *failure, unless ctx ended.
func (a *attempt) execute(ctx context.Context) error {
	unsupported, err := a.fields.Unsupported(&a.obj.Spec)
	if err != nil {
		return fetchFailed(meta.FailedReason, err)
	}
	if len(unsupported) > 0 {
		return &failure{reason: meta.UnsupportedFieldReason, stalled: true, err: unsupportedError(unsupported)}
	}
	a.findKept(ctx)
	auth, err := credentials(ctx, a.Core, a.obj)
	if err != nil {
		return fetchFailed(meta.AuthenticationFailedReason, err)
	}
	result, err := a.fetch(ctx, auth)
	if err != nil {
		return err
	}
	if result.Unchanged && a.kept != nil {
		a.show(*a.kept)
		return nil
	}
	record, err := a.Artifacts.Publish(ctx, owner(a.obj), result.Revision, result.Tree, nil)
	if err != nil {
		if artifact.NoRoom(err) {
			err = fmt.Errorf("no room on the disk of the data directory: %w", err)
		}
		a.setCondition(meta.ArtifactOutdatedCondition, metav1.ConditionTrue, meta.NewRevisionReason,
			fmt.Sprintf("new upstream revision '%s'", result.Revision))
		return &failure{
			condition: meta.StorageOperationFailedCondition, reason: meta.ArchiveOperationFailedReason,
			err: fmt.Errorf("storing the artifact of revision %s: %w", result.Revision, err),
		}
	}
	if before := a.obj.Status.Artifact; !before.HasRevision(record.Revision) || !before.HasDigest(string(record.Archive)) || a.kept == nil {
		a.fresh, a.subject = &record, result.Subject
	}
	a.show(record)
	a.Garbage()
	return nil
}

// findKept looks for the artifact of the status in the store. What is not
// there, as after a start with an empty directory, is fetched anew; the status
// stops promising it.
func (a *attempt) findKept(ctx context.Context) {
	if a.status.Artifact == nil {
		return
	}
	for _, r := range a.Artifacts.Records(owner(a.obj)) {
		if r.Revision != a.status.Artifact.Revision || string(r.Archive) != a.status.Artifact.Digest {
			continue
		}
		if err := a.Artifacts.Check(r); err != nil {
			klog.FromContext(ctx).Error(err, "A stored artifact cannot be read and is fetched again", "revision", r.Revision)
			break
		}
		a.kept = &r
		return
	}
	a.status.Artifact = nil
}

// fetch asks the repository for what is newer than what the store has.
func (a *attempt) fetch(ctx context.Context, auth *git.Auth) (*git.Result, error) {
	request := git.Request{
		Key: string(a.obj.UID), URL: a.obj.Spec.URL, Ref: reference(a.obj.Spec.Reference), Auth: auth, Ignore: a.obj.Spec.Ignore,
	}
	if a.kept != nil {
		request.LastRevision, request.LastIgnore, request.LastTree = a.kept.Revision, a.obj.Status.ObservedIgnore, a.kept.Tree
	}
	timeout := a.obj.GetTimeout()
	fetching, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// A request does not stop a fetch that is under way: a big repository would
	// never arrive if somebody keeps asking for it. Another spec does.
	fetching, release := a.run.Interruptible(fetching, runtime.Spec)
	defer release()
	var result *git.Result
	stage := a.run.Log.Stage(runlog.Fetch, fmt.Sprintf("fetching from %s", redacted(a.obj.Spec.URL)))
	err := runtime.Patiently(fetching, a.Clock, a.Grace, func(ctx context.Context) (err error) {
		result, err = a.Fetcher.Fetch(ctx, request)
		return err
	}, func() {
		a.progress(ctx, fmt.Sprintf("fetching from '%s' with a timeout of %s", redacted(a.obj.Spec.URL), timeout))
	})
	stage.End(err, found(result))
	if err == nil {
		a.run.Log.On(result.Revision)
		return result, nil
	}
	if runtime.IsSuperseded(fetching) {
		return nil, &failure{superseded: true, err: runtime.ErrSuperseded}
	}
	err = fmt.Errorf("failed to fetch '%s': %w", redacted(a.obj.Spec.URL), err)
	var e *git.Error
	if !errors.As(err, &e) {
		return nil, fetchFailed(meta.GitOperationFailedReason, err)
	}
	f := fetchFailed(e.Reason, err)
	f.stalled = e.Terminal
	if e.Reason == meta.ArchiveOperationFailedReason {
		f.condition = meta.StorageOperationFailedCondition
	}
	return nil, f
}

// found says what a fetch has led to.
func found(r *git.Result) string {
	switch {
	case r == nil:
		return ""
	case r.Unchanged:
		return "revision " + r.Revision + " is the one that is there"
	}
	return "fetched revision " + r.Revision
}

func reference(r *sourcev1.GitRepositoryRef) git.Ref {
	if r == nil {
		return git.Ref{}
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	return git.Ref{Branch: text(r.Branch), Tag: text(r.Tag), SemVer: text(r.SemVer), Name: text(r.Name), Commit: text(r.Commit)}
}

// redacted is a URL without what may be a password.
func redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "an invalid URL"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// show puts an artifact into the status.
func (a *attempt) show(r artifact.Record) {
	commit := r.Revision[strings.LastIndexByte(r.Revision, ':')+1:]
	directory := fmt.Sprintf("gitrepository/%s/%s", a.obj.Namespace, a.obj.Name)
	size := r.Size
	a.status.Artifact = &meta.Artifact{
		Path: directory + "/" + commit + ".tar.gz",
		URL: fmt.Sprintf("/apis/%s/namespaces/%s/gitrepositories/%s/artifact?digest=%s",
			sourcev1.SchemeGroupVersion, a.obj.Namespace, a.obj.Name, r.Archive),
		Revision:       r.Revision,
		Digest:         string(r.Archive),
		LastUpdateTime: metav1.NewTime(r.UpdatedAt.Truncate(time.Second)),
		Size:           &size,
		Metadata:       r.Metadata,
	}
	a.status.ObservedIgnore = a.obj.Spec.Ignore
	a.status.ObservedRecurseSubmodules = false
	a.status.ObservedInclude, a.status.ObservedSparseCheckout, a.status.IncludedArtifacts = nil, nil, nil
}

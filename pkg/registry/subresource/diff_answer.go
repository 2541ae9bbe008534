package subresource

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/preview"
)

// diffAnswer writes a diff of an object.
type diffAnswer struct {
	*preview.Diff
	kind            string
	namespace, name string
	summary         leatv1alpha1.DiffSummary
}

func newDiffAnswer(kind string, obj runtime.Object, diff *preview.Diff) (*diffAnswer, error) {
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, fmt.Errorf("answering with a diff: %w", err)
	}
	a := &diffAnswer{Diff: diff, kind: kind, namespace: m.GetNamespace(), name: m.GetName()}
	for i := range diff.Objects {
		countObject(&a.summary, &diff.Objects[i].DiffObject)
	}
	return a, nil
}

// countObject counts an object by its action.
func countObject(summary *leatv1alpha1.DiffSummary, o *leatv1alpha1.DiffObject) {
	switch o.Action {
	case leatv1alpha1.DiffCreate:
		summary.Create++
	case leatv1alpha1.DiffUpdate:
		summary.Update++
	case leatv1alpha1.DiffRecreate:
		summary.Recreate++
	case leatv1alpha1.DiffDelete:
		summary.Delete++
	case leatv1alpha1.DiffUnchanged, leatv1alpha1.DiffSkip:
		summary.Unchanged++
	}
	if o.Unverified {
		summary.Unverified++
	}
}

func (a *diffAnswer) encode(output string) ([]byte, error) {
	switch output {
	case asText:
		return a.encodeText()
	case asMarkdown:
		return a.encodeMarkdown()
	case asYAML:
		data, err := yaml.Marshal(a.result())
		if err != nil {
			return nil, fmt.Errorf("encoding a DiffResult: %w", err)
		}
		return data, nil
	default:
		data, err := json.Marshal(a.result())
		if err != nil {
			return nil, fmt.Errorf("encoding a DiffResult: %w", err)
		}
		return append(data, '\n'), nil
	}
}

func (a *diffAnswer) result() *leatv1alpha1.DiffResult {
	result := &leatv1alpha1.DiffResult{
		TypeMeta:   metav1.TypeMeta{APIVersion: leatv1alpha1.SchemeGroupVersion.String(), Kind: leatv1alpha1.DiffResultKind},
		ObjectMeta: metav1.ObjectMeta{Namespace: a.namespace, Name: a.name},
		From:       a.From,
		To:         a.To,
		Summary:    a.summary,
		Objects:    make([]leatv1alpha1.DiffObject, 0, len(a.Objects)),
	}
	for i := range a.Objects {
		result.Objects = append(result.Objects, a.Objects[i].DiffObject)
	}
	return result
}

func (a *diffAnswer) size() int64 {
	const fixed = 256
	var total int64
	for i := range a.Objects {
		o := &a.Objects[i]
		total += fixed + int64(len(o.Message)+len(o.File))
		for _, body := range []*unstructured.Unstructured{o.Old, o.New} {
			if body != nil {
				total += sizeOf(body.Object)
			}
		}
		for _, f := range o.Fields {
			total += fixed + int64(len(f.Path))
			for _, value := range []*leatv1alpha1.JSONValue{f.Old, f.New} {
				if value != nil {
					total += int64(len(value.Raw))
				}
			}
		}
	}
	return total
}

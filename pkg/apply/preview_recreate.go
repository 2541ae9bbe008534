package apply

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/leat-dev/leat/pkg/target"
)

// recreated shows an item whose change is immutable as what would be created in
// place of the live object. A server does not say what a create would store
// under a name that is taken, so it is asked for one under another name: with
// the same defaults, validations and rights, and with webhooks that mostly do
// not look at names.
func (v *preview) recreated(ctx context.Context, s *sight) error {
	s.action = ActionRecreated
	if s.reason == "" {
		s.reason = "an immutable field changes"
	}
	t, id := v.e.target, v.p.req.Identity
	if s.err == nil {
		err := t.TryDelete(ctx, id, s.ref, target.Preconditions{UID: s.live.UID})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			s.err = fmt.Errorf("deleting it to create it again: %w", err)
		}
	}
	body, err := nameless(s.body)
	if err != nil {
		return err
	}
	w, err := t.Create(ctx, id, s.ref, body, true)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		s.unverified = true
		s.reason += fmt.Sprintf("; creating it could not be tried: under another name it is refused: %v", s.public(err))
		s.new, err = v.decode(s.body)
		return err
	}
	if s.new, err = v.decode(w.Body); err != nil {
		return err
	}
	given := s.new.GetName()
	rename(s.new.Object, given, s.key.Name)
	s.new.SetGenerateName("")
	return nil
}

// nameless has the server find a name for the object.
func nameless(body []byte) ([]byte, error) {
	var o struct {
		Metadata map[string]json.RawMessage `json:"metadata"`
	}
	rest := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &o); err != nil {
		return nil, fmt.Errorf("reading an object: %w", err)
	}
	if err := json.Unmarshal(body, &rest); err != nil {
		return nil, fmt.Errorf("reading an object: %w", err)
	}
	delete(o.Metadata, "name")
	o.Metadata["generateName"] = json.RawMessage(`"leat-preview-"`)
	meta, err := json.Marshal(o.Metadata)
	if err != nil {
		return nil, fmt.Errorf("encoding an object: %w", err)
	}
	rest["metadata"] = meta
	return json.Marshal(rest)
}

// rename puts a name where the server put another one: also into labels that it
// derives, such as a Job's.
func rename(v any, from, to string) any {
	switch v := v.(type) {
	case string:
		if v == from {
			return to
		}
	case map[string]any:
		for k, e := range v {
			v[k] = rename(e, from, to)
		}
	case []any:
		for i, e := range v {
			v[i] = rename(e, from, to)
		}
	}
	return v
}

package origin

import (
	"context"

	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/pkg/record"
)

// kind of the records.
const kind = "origin"

// Store keeps the origins of objects. Its errors name the record.
type Store struct {
	records *record.Store
}

// New returns a store over records.
func New(records *record.Store) *Store { return &Store{records: records} }

// Note writes down that an object was seen in a namespace. Only the first time
// counts: an object never moves.
func (s *Store) Note(ctx context.Context, object, namespace types.UID) error {
	_, err := s.records.Create(ctx, kind, string(object), []byte(namespace))
	return err
}

// All returns the UID of the namespace of each object that is known.
func (s *Store) All(ctx context.Context) (map[types.UID]types.UID, error) {
	records, err := s.records.All(ctx, kind)
	if err != nil {
		return nil, err
	}
	origins := make(map[types.UID]types.UID, len(records))
	for object, namespace := range records {
		origins[types.UID(object)] = types.UID(namespace)
	}
	return origins, nil
}

// Forget removes what is known of an object that is gone.
func (s *Store) Forget(ctx context.Context, object types.UID) error {
	return s.records.Delete(ctx, kind, string(object))
}

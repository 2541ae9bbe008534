package apiserver

import "k8s.io/apimachinery/pkg/runtime"

// withoutProtobuf is a serializer that neither reads nor writes protobuf.
//
// The types of this server have no protobuf encoding. Advertised all the same,
// as the codec factory does, it would be picked by every client that prefers it;
// kube-controller-manager does, and the deletion of each namespace that holds one
// of our objects would fail with 406 after the objects are gone
// (kubernetes/kubernetes#86666).
//
// Metadata on its own has a protobuf encoding and keeps it: the generic server
// negotiates once more, by another serializer, for what it has converted. So the
// garbage collector, which names protobuf before JSON, gets protobuf.
type withoutProtobuf struct {
	runtime.NegotiatedSerializer
}

// WithoutProtobuf takes protobuf out of what a serializer offers.
func WithoutProtobuf(s runtime.NegotiatedSerializer) runtime.NegotiatedSerializer {
	return withoutProtobuf{s}
}

// SupportedMediaTypes are those of the wrapped serializer, except protobuf.
func (s withoutProtobuf) SupportedMediaTypes() []runtime.SerializerInfo {
	all := s.NegotiatedSerializer.SupportedMediaTypes()
	kept := make([]runtime.SerializerInfo, 0, len(all))
	for _, info := range all {
		if info.MediaType != runtime.ContentTypeProtobuf {
			kept = append(kept, info)
		}
	}
	return kept
}

package apiserver

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
)

// Scheme knows the types that the server speaks.
//
// Every kind has one served version, and its Go type stands for that version
// and for the internal one, which the generic machinery converts everything to
// first. The scheme sees that the type is already the right one and only stamps
// the version: there are no conversions to write.
type Scheme struct {
	*runtime.Scheme

	// External knows the same types, but not by their internal versions. OpenAPI
	// is made from it: a document should not tell of a version that nobody can
	// ask for.
	External *runtime.Scheme

	// GroupVersions are the served ones, each group's preferred version first.
	GroupVersions []schema.GroupVersion

	Codecs         serializer.CodecFactory
	ParameterCodec runtime.ParameterCodec
}

// Types is what a scheme is made from: the types of one API group.
type Types interface {
	// GroupVersions are the versions of the group, the preferred one first.
	GroupVersions() []schema.GroupVersion

	// AddToScheme registers the types by their served versions.
	AddToScheme(*runtime.Scheme) error

	// AddInternalToScheme registers the same types by the internal version, with
	// all that only a server needs to know about them.
	AddInternalToScheme(*runtime.Scheme) error
}

// NewScheme returns a scheme that knows the types of the groups.
func NewScheme(groups ...Types) (*Scheme, error) {
	s := &Scheme{Scheme: runtime.NewScheme(), External: runtime.NewScheme()}
	for _, group := range groups {
		versions := group.GroupVersions()
		for _, scheme := range []*runtime.Scheme{s.Scheme, s.External} {
			if err := group.AddToScheme(scheme); err != nil {
				return nil, fmt.Errorf("registering the types of %s: %w", versions[0].Group, err)
			}
			if err := scheme.SetVersionPriority(versions...); err != nil {
				return nil, fmt.Errorf("ordering the versions of %s: %w", versions[0].Group, err)
			}
		}
		if err := group.AddInternalToScheme(s.Scheme); err != nil {
			return nil, fmt.Errorf("registering the internal types of %s: %w", versions[0].Group, err)
		}
		s.GroupVersions = append(s.GroupVersions, versions...)
	}
	for _, scheme := range []*runtime.Scheme{s.Scheme, s.External} {
		addUnversioned(scheme)
	}
	s.Codecs = serializer.NewCodecFactory(s.Scheme)
	s.ParameterCodec = runtime.NewParameterCodec(s.Scheme)
	return s, nil
}

// addUnversioned registers the types of the protocol itself. The generic server
// looks for options and for Status in a version "v1" without a group.
func addUnversioned(scheme *runtime.Scheme) {
	v1 := schema.GroupVersion{Version: "v1"}
	metav1.AddToGroupVersion(scheme, v1)
	scheme.AddUnversionedTypes(v1,
		&metav1.Status{},
		&metav1.APIVersions{},
		&metav1.APIGroupList{},
		&metav1.APIGroup{},
		&metav1.APIResourceList{},
	)
}

// StorageCodec encodes what goes into etcd, as JSON, and decodes what comes out.
func (s *Scheme) StorageCodec() runtime.Codec {
	return s.Codecs.LegacyCodec(s.GroupVersions...)
}

// StorageVersioner picks the version that a type is stored as: the served one.
// It must know all versions of all groups, because it is asked about each kind.
func (s *Scheme) StorageVersioner() runtime.GroupVersioner {
	return schema.GroupVersions(s.GroupVersions)
}

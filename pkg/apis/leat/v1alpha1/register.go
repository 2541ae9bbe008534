package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the name of this API group.
const GroupName = "leat.dev"

var (
	// SchemeGroupVersion is the group and version that these types are served as.
	SchemeGroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1alpha1"}

	// SchemeBuilder collects what AddToScheme adds.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme registers the types as they travel. A client,
	// and whatever names the published types, needs no more than this.
	AddToScheme = SchemeBuilder.AddToScheme
)

// Kind qualifies a kind with this group.
func Kind(kind string) schema.GroupKind {
	return SchemeGroupVersion.WithKind(kind).GroupKind()
}

// Resource qualifies a resource with this group.
func Resource(resource string) schema.GroupResource {
	return SchemeGroupVersion.WithResource(resource).GroupResource()
}

// AddInternalToScheme registers the same Go types as the group's internal
// version. Each kind has exactly one version, so no conversion is needed: the
// scheme only stamps the version. Only the server's scheme has it; a scheme
// that names published types must not, or the documents would show a version
// that nobody can ask for.
func AddInternalToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(schema.GroupVersion{Group: GroupName, Version: runtime.APIVersionInternal}, kinds()...)
	return nil
}

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(SchemeGroupVersion, kinds()...)
	metav1.AddToGroupVersion(scheme, SchemeGroupVersion)
	return nil
}

func kinds() []runtime.Object {
	return []runtime.Object{
		&ReconcileRequest{},
		&SuspendRequest{},
		&ResumeRequest{},
		&BuildRequest{},
		&DiffRequest{},
		&DiffResult{},
		&Tree{},
		&History{},
		&ArtifactList{},
		&ArtifactOptions{},
		&BuildOptions{},
		&DiffOptions{},
		&LogOptions{},
		&TreeOptions{},
		&HistoryOptions{},
	}
}

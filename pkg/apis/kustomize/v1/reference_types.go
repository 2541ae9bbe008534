package v1

// SourceKind is a kind whose artifact can be applied.
//
// +enum
type SourceKind string

const (
	// SourceKindOCIRepository is an artifact in an OCI registry.
	SourceKindOCIRepository SourceKind = "OCIRepository"
	// SourceKindGitRepository is a Git repository.
	SourceKindGitRepository SourceKind = "GitRepository"
	// SourceKindBucket is a bucket of an object store.
	SourceKindBucket SourceKind = "Bucket"
	// SourceKindExternalArtifact is an artifact that another controller made.
	SourceKindExternalArtifact SourceKind = "ExternalArtifact"
)

// CrossNamespaceSourceReference names a source, in another namespace if one is
// given.
type CrossNamespaceSourceReference struct {
	// API version of the source. Defaults to the one served for its kind.
	//
	// +optional
	APIVersion *string `json:"apiVersion,omitempty"`

	// Kind of the source.
	//
	// +required
	Kind SourceKind `json:"kind,omitempty"`

	// Name of the source.
	//
	// +required
	Name string `json:"name,omitempty"`

	// Namespace of the source. Defaults to the namespace of this object. Another
	// one is refused where the server does not allow references across
	// namespaces.
	//
	// +optional
	Namespace *string `json:"namespace,omitempty"`
}

// GetNamespace gives the namespace of the source, for a reference in an object
// of this namespace.
func (in *CrossNamespaceSourceReference) GetNamespace(own string) string {
	if in.Namespace == nil || *in.Namespace == "" {
		return own
	}
	return *in.Namespace
}

// DependencyReference names an object that must be ready first.
type DependencyReference struct {
	// Name of the object to wait for.
	//
	// +required
	Name string `json:"name,omitempty"`

	// Namespace of the object to wait for. Defaults to the namespace of this
	// object.
	//
	// +optional
	Namespace *string `json:"namespace,omitempty"`

	// CEL expression over self (this object) and dep (the other) that gives true
	// when this object may run. It replaces the usual check that the other is
	// ready.
	//
	// +optional
	ReadyExpr *string `json:"readyExpr,omitempty"`
}

// GetNamespace gives the namespace of the dependency, for a reference in an
// object of this namespace.
func (in *DependencyReference) GetNamespace(own string) string {
	if in.Namespace == nil || *in.Namespace == "" {
		return own
	}
	return *in.Namespace
}

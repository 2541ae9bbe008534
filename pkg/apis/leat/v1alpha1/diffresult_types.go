package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DiffResultKind is the kind of a DiffResult.
const DiffResultKind = "DiffResult"

// DiffAction says what applying would do with an object.
//
// +enum
type DiffAction string

const (
	// DiffCreate means that the object does not exist and would be created.
	DiffCreate DiffAction = "Create"
	// DiffUpdate means that fields of the object would change.
	DiffUpdate DiffAction = "Update"
	// DiffRecreate means that the object would be deleted and created anew,
	// because a field changes that is immutable.
	DiffRecreate DiffAction = "Recreate"
	// DiffDelete means that the object would be deleted.
	DiffDelete DiffAction = "Delete"
	// DiffUnchanged means that the object is as it is wanted.
	DiffUnchanged DiffAction = "Unchanged"
	// DiffSkip means that the object would be left alone; the message says why.
	DiffSkip DiffAction = "Skip"
)

// DiffResult says what applying would change, object by object.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type DiffResult struct {
	metav1.TypeMeta `json:",inline"`

	// Standard metadata of an object. Name and namespace are those of the object
	// that was compared.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What the old values are of: live for the cluster, or a revision.
	//
	// +optional
	From string `json:"from,omitempty"`

	// What the new values are of: a revision, live, or upload.
	//
	// +optional
	To string `json:"to,omitempty"`

	// How many objects each action would meet.
	//
	// +optional
	Summary DiffSummary `json:"summary,omitzero"`

	// The objects, in the order in which they would be applied, then those that
	// would be deleted.
	//
	// +optional
	// +listType=atomic
	Objects []DiffObject `json:"objects,omitzero"`
}

// DiffSummary counts objects.
type DiffSummary struct {
	// Objects that would be created.
	//
	// +optional
	Create int32 `json:"create"`

	// Objects that would change.
	//
	// +optional
	Update int32 `json:"update"`

	// Objects that would be deleted and created anew.
	//
	// +optional
	Recreate int32 `json:"recreate"`

	// Objects that would be deleted.
	//
	// +optional
	Delete int32 `json:"delete"`

	// Objects that are as they are wanted, or are left alone.
	//
	// +optional
	Unchanged int32 `json:"unchanged"`

	// Objects that no dry-run was possible for, because their definition or
	// namespace is part of the set. They are counted by their action too.
	//
	// +optional
	Unverified int32 `json:"unverified"`
}

// DiffObject says what applying would do with one object.
type DiffObject struct {
	// API version of the object.
	//
	// +required
	APIVersion string `json:"apiVersion,omitempty"`

	// Kind of the object.
	//
	// +required
	Kind string `json:"kind,omitempty"`

	// Namespace of the object, empty for objects of the whole cluster.
	//
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// Name of the object.
	//
	// +required
	Name string `json:"name,omitempty"`

	// What would be done with the object.
	//
	// +required
	Action DiffAction `json:"action,omitempty"`

	// Path of the file, in the source, that declares the object. It is empty for
	// what is generated or deleted.
	//
	// +optional
	File string `json:"file,omitempty"`

	// Whether the content is left out because the caller may not read the object.
	//
	// +optional
	Redacted bool `json:"redacted,omitempty"`

	// Whether no dry-run was possible.
	//
	// +optional
	Unverified bool `json:"unverified,omitempty"`

	// The fields that differ, sorted by path.
	//
	// +optional
	// +listType=atomic
	Fields []DiffField `json:"fields,omitzero"`

	// What else there is to say, for people.
	//
	// +optional
	Message string `json:"message,omitempty"`
}

// DiffField is one field that differs.
type DiffField struct {
	// Path of the field, as a JSON Pointer (RFC 6901).
	//
	// +required
	Path string `json:"path"`

	// Value before. It is left out where there was none.
	//
	// +optional
	Old *JSONValue `json:"old,omitempty"`

	// Value afterwards. It is left out where there is none.
	//
	// +optional
	New *JSONValue `json:"new,omitempty"`

	// Whether the values are secret: ***(same) or ***(changed) stands for them.
	//
	// +optional
	Masked bool `json:"masked,omitempty"`
}

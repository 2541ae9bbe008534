package v1

import "github.com/leat-dev/leat/pkg/apis/meta"

// BuildMetadataOption is something that kustomize notes in annotations.
//
// +enum
type BuildMetadataOption string

const (
	// BuildMetadataOriginAnnotations notes the file that an object came from.
	BuildMetadataOriginAnnotations BuildMetadataOption = "originAnnotations"
	// BuildMetadataTransformerAnnotations notes what changed an object.
	BuildMetadataTransformerAnnotations BuildMetadataOption = "transformerAnnotations"
)

// CommonMetadata is put on each object.
type CommonMetadata struct {
	// Annotations for each object. They replace those of the same name.
	//
	// +optional
	Annotations map[string]string `json:"annotations,omitzero"`

	// Labels for each object. They replace those of the same name.
	//
	// +optional
	Labels map[string]string `json:"labels,omitzero"`
}

// Patch changes one or several objects.
type Patch struct {
	// The change, as the text of a strategic merge patch or of a JSON patch
	// (RFC 6902), in YAML or JSON.
	//
	// +required
	Patch string `json:"patch,omitempty"`

	// Objects to change. A strategic merge patch without a target changes the
	// object that it names.
	//
	// +optional
	Target *Selector `json:"target,omitempty"`
}

// Selector chooses objects: all that match every field that is set. The names
// are regular expressions that must match the whole.
type Selector struct {
	// API group of the objects.
	//
	// +optional
	Group *string `json:"group,omitempty"`

	// API version of the objects, without the group.
	//
	// +optional
	Version *string `json:"version,omitempty"`

	// Kind of the objects.
	//
	// +optional
	Kind *string `json:"kind,omitempty"`

	// Namespace of the objects.
	//
	// +optional
	Namespace *string `json:"namespace,omitempty"`

	// Name of the objects.
	//
	// +optional
	Name *string `json:"name,omitempty"`

	// Selector over the annotations of the objects, such as team in (a, b).
	//
	// +optional
	AnnotationSelector *string `json:"annotationSelector,omitempty"`

	// Selector over the labels of the objects, such as app=web,tier!=test.
	//
	// +optional
	LabelSelector *string `json:"labelSelector,omitempty"`
}

// Image replaces the name, tag or digest of a container image.
type Image struct {
	// Name of the image as it stands in the manifests, without tag and digest.
	//
	// +required
	Name string `json:"name,omitempty"`

	// Name to put in its place.
	//
	// +optional
	NewName *string `json:"newName,omitempty"`

	// Tag to put in place of the one in the manifests.
	//
	// +optional
	NewTag *string `json:"newTag,omitempty"`

	// Digest to put in place of the tag. Where it is set, newTag is ignored.
	//
	// +optional
	Digest *string `json:"digest,omitempty"`
}

// SubstituteStrategy says when variables are replaced.
//
// +enum
type SubstituteStrategy string

const (
	// SubstituteWithVariables replaces variables only where some are defined.
	SubstituteWithVariables SubstituteStrategy = "WithVariables"
	// SubstituteAlways replaces variables also where none is defined.
	SubstituteAlways SubstituteStrategy = "Always"
)

// SubstituteKind is a kind that variables can be read from.
//
// +enum
type SubstituteKind string

const (
	// SubstituteKindSecret reads variables from a Secret.
	SubstituteKindSecret SubstituteKind = "Secret"
	// SubstituteKindConfigMap reads variables from a ConfigMap.
	SubstituteKindConfigMap SubstituteKind = "ConfigMap"
)

// PostBuild defines variables that are put into the built manifests.
type PostBuild struct {
	// Variables and their values. Names begin with a letter or an underscore and
	// go on with letters, digits and underscores. They win over substituteFrom.
	//
	// +optional
	Substitute map[string]string `json:"substitute,omitzero"`

	// ConfigMaps and Secrets whose data are variables. Later entries win over
	// earlier ones.
	//
	// +optional
	// +listType=atomic
	SubstituteFrom []SubstituteReference `json:"substituteFrom,omitzero"`

	// When to replace variables. Defaults to WithVariables, which leaves the
	// manifests untouched where no variable is defined; Always replaces also then.
	//
	// +optional
	SubstituteStrategy *SubstituteStrategy `json:"substituteStrategy,omitempty"`
}

// SubstituteReference names a ConfigMap or Secret whose data are variables.
type SubstituteReference struct {
	// Kind of the object: Secret or ConfigMap.
	//
	// +required
	Kind SubstituteKind `json:"kind,omitempty"`

	// Name of the object, in the same namespace, of 1 to 253 characters.
	//
	// +required
	// +k8s:validation:minLength=1
	// +k8s:validation:maxLength=253
	Name string `json:"name,omitempty"`

	// Whether to go on where the object does not exist.
	//
	// +optional
	// +default=false
	Optional *bool `json:"optional,omitempty"`
}

// DecryptionProvider is a tool that manifests are encrypted with.
//
// +enum
type DecryptionProvider string

// DecryptionProviderSOPS decrypts what SOPS encrypted.
const DecryptionProviderSOPS DecryptionProvider = "sops"

// Decryption says how to decrypt what is encrypted in the artifact.
type Decryption struct {
	// Tool that the manifests are encrypted with: sops.
	//
	// +required
	Provider DecryptionProvider `json:"provider,omitempty"`

	// Secret with the keys, in the same namespace: *.agekey, *.asc,
	// sops.vault-token, sops.aws-kms, sops.azure-kv and sops.gcp-kms.
	//
	// +optional
	SecretRef *meta.LocalObjectReference `json:"secretRef,omitempty"`

	// ServiceAccount in the same namespace whose workload identity is used with
	// a key management service.
	//
	// +optional
	ServiceAccountName *string `json:"serviceAccountName,omitempty"`
}

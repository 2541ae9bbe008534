package protocol

// Options is what a build does to the tree, apart from the variables. The zero
// value builds the root of the tree as it is.
type Options struct {
	// Path is the directory to build, relative to the root of the tree. It
	// cannot leave the tree: "..", like a leading slash, means the root there.
	Path string `json:"path,omitempty"`
	// TargetNamespace overrides the namespace of all objects.
	TargetNamespace string `json:"targetNamespace,omitempty"`
	// NamePrefix is put before the names of all objects.
	NamePrefix string `json:"namePrefix,omitempty"`
	// NameSuffix is put behind the names of all objects.
	NameSuffix string `json:"nameSuffix,omitempty"`
	// Patches are applied after those of the kustomization file.
	Patches []Patch `json:"patches,omitempty"`
	// Images replace the entries of the same name in the kustomization file
	// and are added to the others.
	Images []Image `json:"images,omitempty"`
	// Components are directories relative to Path, added to those of the
	// kustomization file.
	Components []string `json:"components,omitempty"`
	// IgnoreMissingComponents leaves out those of Components that the tree
	// does not have.
	IgnoreMissingComponents bool `json:"ignoreMissingComponents,omitempty"`
	// BuildMetadata is added to the option of that name in the kustomization
	// file.
	BuildMetadata []string `json:"buildMetadata,omitempty"`
	// Labels are set on every object, over what it has.
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations are set on every object, over what it has.
	Annotations map[string]string `json:"annotations,omitempty"`
	// Substitute says when variables are substituted.
	Substitute Strategy `json:"substitute,omitempty"`
}

// Strategy says when variables are substituted.
type Strategy string

const (
	// WithVariables substitutes if there is a variable. It is the default.
	WithVariables Strategy = "WithVariables"
	// Always substitutes also if there is none, so that defaults in the
	// manifests take effect and undefined variables are found.
	Always Strategy = "Always"
)

// Patch is a strategic merge patch or a list of JSON 6902 operations.
type Patch struct {
	// Patch is the patch, in YAML or JSON.
	Patch string `json:"patch"`
	// Target selects what is patched. Without it the patch names its object.
	Target *Selector `json:"target,omitempty"`
}

// Selector selects objects. Every field that is set must match; names and
// namespaces are anchored regular expressions.
type Selector struct {
	Group              string `json:"group,omitempty"`
	Version            string `json:"version,omitempty"`
	Kind               string `json:"kind,omitempty"`
	Name               string `json:"name,omitempty"`
	Namespace          string `json:"namespace,omitempty"`
	LabelSelector      string `json:"labelSelector,omitempty"`
	AnnotationSelector string `json:"annotationSelector,omitempty"`
}

// Image says what an image is replaced by.
type Image struct {
	// Name is the image name without tag or digest, as manifests have it.
	Name string `json:"name"`
	// NewName replaces the name.
	NewName string `json:"newName,omitempty"`
	// NewTag replaces the tag.
	NewTag string `json:"newTag,omitempty"`
	// Digest replaces the tag by a digest. It wins over NewTag.
	Digest string `json:"digest,omitempty"`
}

// Variable is a value for the references to its name in the objects.
type Variable struct {
	Name, Value string
	// Tainted says that the value came from a Secret or from decryption.
	Tainted bool
}

package meta

// LocalObjectReference names an object in the namespace of the object that
// refers to it.
type LocalObjectReference struct {
	// Name of the object referred to.
	//
	// +required
	Name string `json:"name,omitempty"`
}

// SecretKeyReference names a Secret in the namespace of the object that refers
// to it, and a key in it.
type SecretKeyReference struct {
	// Name of the Secret.
	//
	// +required
	Name string `json:"name,omitempty"`

	// Key in the Secret's data. Which key is read when none is given depends on
	// the field that holds the reference.
	//
	// +optional
	Key *string `json:"key,omitempty"`
}

// NamespacedObjectReference names an object, in another namespace if one is
// given.
type NamespacedObjectReference struct {
	// Name of the object referred to.
	//
	// +required
	Name string `json:"name,omitempty"`

	// Namespace of the object referred to. Defaults to the namespace of the
	// object that refers to it.
	//
	// +optional
	Namespace *string `json:"namespace,omitempty"`
}

// NamespacedObjectKindReference names an object of any kind, in another
// namespace if one is given.
type NamespacedObjectKindReference struct {
	// API version of the object referred to, such as apps/v1. Defaults to the
	// version that the cluster prefers for the kind.
	//
	// +optional
	APIVersion *string `json:"apiVersion,omitempty"`

	// Kind of the object referred to, such as Deployment.
	//
	// +required
	Kind string `json:"kind,omitempty"`

	// Name of the object referred to.
	//
	// +required
	Name string `json:"name,omitempty"`

	// Namespace of the object referred to. Defaults to the namespace of the
	// object that refers to it.
	//
	// +optional
	Namespace *string `json:"namespace,omitempty"`
}

// KubeConfigReference names where the credentials of another cluster are:
// either a ConfigMap or a Secret, never both.
//
// +k8s:validation:cel[0]:rule>has(self.configMapRef) || has(self.secretRef)
// +k8s:validation:cel[0]:message>exactly one of configMapRef and secretRef must be set
// +k8s:validation:cel[1]:rule>!has(self.configMapRef) || !has(self.secretRef)
// +k8s:validation:cel[1]:message>exactly one of configMapRef and secretRef must be set
type KubeConfigReference struct {
	// ConfigMap that says how to log in with a cloud identity. Its keys are
	// provider (aws, azure, gcp or generic), cluster, address, ca.crt, audiences
	// and serviceAccountName.
	//
	// +optional
	ConfigMapRef *LocalObjectReference `json:"configMapRef,omitempty"`

	// Secret that holds a kubeconfig. Where no key is given, the key value is
	// read, then value.yaml.
	//
	// +optional
	SecretRef *SecretKeyReference `json:"secretRef,omitempty"`
}

package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/pkg/apis/meta"
)

// GitRepositoryKind is the kind of a GitRepository.
const GitRepositoryKind = "GitRepository"

// GitProvider says how Leat logs in to the host of a repository.
//
// +enum
type GitProvider string

const (
	// GitProviderGeneric logs in with what the Secret holds, or not at all.
	GitProviderGeneric GitProvider = "generic"
	// GitProviderAWS logs in to AWS CodeCommit with a workload identity.
	GitProviderAWS GitProvider = "aws"
	// GitProviderAzure logs in to Azure DevOps with a workload identity.
	GitProviderAzure GitProvider = "azure"
	// GitProviderGitHub logs in as the GitHub App that the Secret describes.
	GitProviderGitHub GitProvider = "github"
)

// GitVerificationMode says which Git objects must carry a good signature.
//
// +enum
type GitVerificationMode string

const (
	// GitVerificationModeHeadLegacy is an older spelling of HEAD.
	GitVerificationModeHeadLegacy GitVerificationMode = "head"
	// GitVerificationModeHead verifies the commit that is fetched.
	GitVerificationModeHead GitVerificationMode = "HEAD"
	// GitVerificationModeTag verifies the annotated tag that is fetched.
	GitVerificationModeTag GitVerificationMode = "Tag"
	// GitVerificationModeTagAndHead verifies the tag and the commit it points to.
	GitVerificationModeTagAndHead GitVerificationMode = "TagAndHEAD"
)

// GitRepository fetches one branch, tag or commit of a Git repository at an
// interval, and keeps what it found as an artifact that others build from.
//
// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type GitRepository struct {
	metav1.TypeMeta `json:",inline"`

	// Standard metadata of an object.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Which repository to fetch, and how.
	//
	// +optional
	Spec GitRepositorySpec `json:"spec,omitzero"`

	// What was fetched last, and how the last run went.
	//
	// +optional
	Status GitRepositoryStatus `json:"status,omitzero"`
}

// GitRepositorySpec says which repository to fetch, and how.
//
// +k8s:validation:cel[0]:rule>!has(self.serviceAccountName) || (has(self.provider) && (self.provider == 'azure' || self.provider == 'aws'))
// +k8s:validation:cel[0]:message>serviceAccountName can be set only when provider is azure or aws
type GitRepositorySpec struct {
	// Address of the repository: an http, https or ssh URL, such as
	// https://git.example.com/team/app.git. The short form user@host:path is not
	// accepted.
	//
	// +required
	// +k8s:validation:pattern>^(http|https|ssh)://.*$
	URL string `json:"url,omitempty"`

	// Secret with the credentials, in the same namespace. For http and https its
	// keys are username and password, or bearerToken, and ca.crt, tls.crt and
	// tls.key; for ssh they are identity, known_hosts and, for an encrypted key,
	// password. Without it the repository is read anonymously.
	//
	// +optional
	SecretRef *meta.LocalObjectReference `json:"secretRef,omitempty"`

	// How to log in to the host of the repository. Defaults to generic, which is
	// the credentials of the Secret; azure and aws use a workload identity, github
	// a GitHub App.
	//
	// +optional
	Provider *GitProvider `json:"provider,omitempty"`

	// ServiceAccount in the same namespace whose workload identity is used. It
	// can be set only for the providers azure and aws.
	//
	// +optional
	ServiceAccountName *string `json:"serviceAccountName,omitempty"`

	// How often the repository is asked for a new revision, such as 1m or 1h30m.
	// The moments are spread by up to 5 percent, so that many objects do not ask
	// at once.
	//
	// +required
	// +k8s:validation:pattern>^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$
	Interval meta.Duration `json:"interval,omitempty"`

	// How long one listing or fetch may take, such as 60s or 2m. Hours are not
	// accepted.
	//
	// +optional
	// +default="60s"
	// +k8s:validation:pattern>^([0-9]+(\.[0-9]+)?(ms|s|m))+$
	Timeout *meta.Duration `json:"timeout,omitempty"`

	// What to check out. Defaults to the branch master.
	//
	// +optional
	Reference *GitRepositoryRef `json:"ref,omitempty"`

	// Signature that the fetched commit or tag must carry.
	//
	// +optional
	Verification *GitRepositoryVerification `json:"verify,omitempty"`

	// Secret with the address of a proxy, in the same namespace. Its keys are
	// address, username and password; the schemes http, https and socks5 are
	// known, and an address may have 2048 characters.
	//
	// +optional
	ProxySecretRef *meta.LocalObjectReference `json:"proxySecretRef,omitempty"`

	// Files to leave out of the artifact, in the syntax of a .gitignore file. It
	// is added to the .sourceignore files of the repository. Any pattern replaces
	// the built-in list (images, archives, files of build systems); only Git's own
	// files stay excluded always.
	//
	// +optional
	Ignore *string `json:"ignore,omitempty"`

	// Whether to leave the object alone. While it is true nothing is fetched; the
	// last artifact stays available.
	//
	// +optional
	Suspend *bool `json:"suspend,omitempty"`

	// Whether to fetch the submodules too, with the same credentials.
	//
	// +optional
	RecurseSubmodules *bool `json:"recurseSubmodules,omitempty"`

	// Artifacts of other GitRepositories in the same namespace that are copied
	// into this one.
	//
	// +optional
	// +listType=atomic
	Include []GitRepositoryInclude `json:"include,omitzero"`

	// Directories to check out; all others are left out. Each must exist in the
	// repository. A leading ./ is ignored.
	//
	// +optional
	// +listType=atomic
	SparseCheckout []string `json:"sparseCheckout,omitzero"`
}

// GitRepositoryRef says what to check out. Where several fields are set, commit
// wins over name, name over semver, semver over tag, and tag over branch.
type GitRepositoryRef struct {
	// Branch to check out. Together with commit it names the branch that holds
	// the commit, which makes fetching cheaper.
	//
	// +optional
	Branch *string `json:"branch,omitempty"`

	// Tag to check out.
	//
	// +optional
	Tag *string `json:"tag,omitempty"`

	// Range of versions, such as >=1.2.0 <2.0.0. The highest tag in it is checked
	// out.
	//
	// +optional
	SemVer *string `json:"semver,omitempty"`

	// Full name of a reference, such as refs/pull/42/head.
	//
	// +optional
	Name *string `json:"name,omitempty"`

	// Commit to check out, as its full hash.
	//
	// +optional
	Commit *string `json:"commit,omitempty"`
}

// GitRepositoryVerification says which signatures are trusted.
type GitRepositoryVerification struct {
	// Which Git objects must be signed: HEAD, Tag or TagAndHEAD. Defaults to
	// HEAD, which is the commit; head means the same.
	//
	// +optional
	// +default="HEAD"
	Mode *GitVerificationMode `json:"mode,omitempty"`

	// Secret with the trusted public keys, in the same namespace. Keys that end
	// in .sshpub hold SSH keys, all others PGP keys.
	//
	// +required
	SecretRef meta.LocalObjectReference `json:"secretRef,omitzero"`
}

// GitRepositoryInclude copies the artifact of another GitRepository into this
// one.
type GitRepositoryInclude struct {
	// GitRepository in the same namespace whose artifact is copied.
	//
	// +required
	GitRepositoryRef meta.LocalObjectReference `json:"repository,omitzero"`

	// Directory of the other artifact to copy. Defaults to its root.
	//
	// +optional
	FromPath *string `json:"fromPath,omitempty"`

	// Directory of this artifact to copy to. Defaults to the name of the other
	// GitRepository.
	//
	// +optional
	ToPath *string `json:"toPath,omitempty"`
}

// GitRepositoryStatus says what was fetched last, and how the last run went.
type GitRepositoryStatus struct {
	// Generation of the spec that the last completed run acted on; -1 before the
	// first.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// State of the object. Ready says whether the latest revision is available as
	// an artifact; where it is not, the others say why.
	//
	// +optional
	// +listType=atomic
	Conditions []metav1.Condition `json:"conditions,omitzero"`

	// Artifact of the revision that was fetched last.
	//
	// +optional
	Artifact *meta.Artifact `json:"artifact,omitempty"`

	// Artifacts that were copied into the last one, in the order of spec.include.
	//
	// +optional
	// +listType=atomic
	IncludedArtifacts []meta.Artifact `json:"includedArtifacts,omitzero"`

	// Value of spec.ignore that the last artifact was made with.
	//
	// +optional
	ObservedIgnore *string `json:"observedIgnore,omitempty"`

	// Value of spec.recurseSubmodules that the last artifact was made with.
	//
	// +optional
	ObservedRecurseSubmodules bool `json:"observedRecurseSubmodules,omitempty"`

	// Value of spec.include that the last artifact was made with.
	//
	// +optional
	// +listType=atomic
	ObservedInclude []GitRepositoryInclude `json:"observedInclude,omitzero"`

	// Value of spec.sparseCheckout that the last artifact was made with.
	//
	// +optional
	// +listType=atomic
	ObservedSparseCheckout []string `json:"observedSparseCheckout,omitzero"`

	// Mode in which the signature of the last artifact was verified.
	//
	// +optional
	SourceVerificationMode string `json:"sourceVerificationMode,omitempty"`

	// Value of the annotation reconcile.fluxcd.io/requestedAt that the last run
	// answered.
	//
	// +optional
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`
}

// GitRepositoryList is a list of GitRepositories.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type GitRepositoryList struct {
	metav1.TypeMeta `json:",inline"`

	// Standard metadata of a list.
	//
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// The GitRepositories.
	Items []GitRepository `json:"items"`
}

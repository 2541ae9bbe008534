package meta

// Types of conditions, as kstatus reads them: Reconciling and Stalled say the
// opposite of good news when they are True.
const (
	// ReadyCondition says whether the object did what its spec asks for.
	ReadyCondition = "Ready"
	// ReconcilingCondition is True while there is work in progress.
	ReconcilingCondition = "Reconciling"
	// StalledCondition is True when only a change of the spec can help.
	StalledCondition = "Stalled"
	// HealthyCondition says whether what was applied is healthy.
	HealthyCondition = "Healthy"
	// ArtifactInStorageCondition says that the artifact of the latest revision is kept.
	ArtifactInStorageCondition = "ArtifactInStorage"
	// SourceVerifiedCondition says whether the source's signature is good.
	SourceVerifiedCondition = "SourceVerified"
	// FetchFailedCondition is True when the source could not be fetched.
	FetchFailedCondition = "FetchFailed"
	// IncludeUnavailableCondition is True when an included artifact is missing.
	IncludeUnavailableCondition = "IncludeUnavailable"
	// ArtifactOutdatedCondition is True when a newer revision is known.
	ArtifactOutdatedCondition = "ArtifactOutdated"
	// StorageOperationFailedCondition is True when the store failed.
	StorageOperationFailedCondition = "StorageOperationFailed"
)

// Reasons that every kind uses.
const (
	SucceededReason            = "Succeeded"
	FailedReason               = "Failed"
	ProgressingReason          = "Progressing"
	ProgressingWithRetryReason = "ProgressingWithRetry"
	SuspendedReason            = "Suspended"
	DependencyNotReadyReason   = "DependencyNotReady"
	AccessDeniedReason         = "AccessDenied"
	FeatureGateDisabledReason  = "FeatureGateDisabled"
	InvalidCELReason           = "InvalidCELExpression"
	// UnsupportedFieldReason is Leat's own: the object sets a field that is
	// served and stored, but not acted on yet.
	UnsupportedFieldReason = "UnsupportedField"
)

// Reasons of sources.
const (
	ArtifactUpToDateReason             = "ArtifactUpToDate"
	NewArtifactReason                  = "NewArtifact"
	NewRevisionReason                  = "NewRevision"
	URLInvalidReason                   = "URLInvalid"
	AuthenticationFailedReason         = "AuthenticationFailed"
	VerificationErrorReason            = "VerificationError"
	ArchiveOperationFailedReason       = "ArchiveOperationFailed"
	StatOperationFailedReason          = "StatOperationFailed"
	DirectoryCreationFailedReason      = "DirectoryCreationFailed"
	InvalidPathReason                  = "InvalidPath"
	GarbageCollectionSucceededReason   = "GarbageCollectionSucceeded"
	GarbageCollectionFailedReason      = "GarbageCollectionFailed"
	ArtifactVerificationFailedReason   = "ArtifactVerificationFailed"
	GitOperationSucceededReason        = "GitOperationSucceeded"
	GitOperationFailedReason           = "GitOperationFailed"
	EmptyGitRepositoryReason           = "EmptyGitRepository"
	InvalidProviderConfigurationReason = "InvalidProviderConfiguration"
	SourceIgnoreErrorReason            = "SourceIgnoreError"
	IncludeChangeReason                = "IncludeChange"
	IllegalPathReason                  = "IllegalPath"
	NotFoundReason                     = "NotFound"
	NoArtifactReason                   = "NoArtifact"
)

// Reasons of what applies.
const (
	ReconciliationSucceededReason = "ReconciliationSucceeded"
	ReconciliationFailedReason    = "ReconciliationFailed"
	ArtifactFailedReason          = "ArtifactFailed"
	BuildFailedReason             = "BuildFailed"
	PruneFailedReason             = "PruneFailed"
	HealthCheckFailedReason       = "HealthCheckFailed"
	HealthCheckCanceledReason     = "HealthCheckCanceled"
)

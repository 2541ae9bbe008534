package kustomization

import (
	"github.com/leat-dev/leat/pkg/build"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
)

// count tells the metrics of a build that was needed. What is put right although
// the build gave what was applied last has drifted.
func (a *attempt) count(known *built, rendered *build.Result) {
	result, drifted := runtime.BuildNew, 0
	if known != nil && known.digest == rendered.Digest {
		result, drifted = runtime.BuildSame, len(a.changes)
	}
	a.Metrics.Built(MetricsName, result)
	a.Metrics.Drifted(MetricsName, drifted)
}

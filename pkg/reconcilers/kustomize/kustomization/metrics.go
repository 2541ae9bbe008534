package kustomization

import (
	"github.com/leat-dev/leat/pkg/build"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
)

// count tells the metrics of a build that was needed. What is put right although
// the build gave what was applied last has drifted.
func (a *attempt) count(known *built, rendered *build.Result) {
	if known == nil || known.digest != rendered.Digest {
		a.Metrics.Built(MetricsName, runtime.BuildNew)
		return
	}
	a.Metrics.Built(MetricsName, runtime.BuildSame)
	a.Metrics.Drifted(MetricsName, len(a.changes))
}

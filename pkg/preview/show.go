package preview

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/object"
)

// Filter selects objects by what a request says to show. The zero value selects
// all.
type Filter []leatv1alpha1.ObjectFilter

// Selects reports whether an object is to be shown. Its version may be empty,
// where it is not known yet: then none is asked for.
func (f Filter) Selects(key object.Key, version string) bool {
	for i := range f {
		if selects(&f[i], key, version) {
			return true
		}
	}
	return len(f) == 0
}

func selects(f *leatv1alpha1.ObjectFilter, key object.Key, version string) bool {
	if f.APIVersion != "" {
		gv, err := schema.ParseGroupVersion(f.APIVersion)
		if err != nil || gv.Group != key.Group || version != "" && gv.Version != version {
			return false
		}
	}
	for _, want := range [][2]string{{f.Kind, key.Kind}, {f.Namespace, key.Namespace}, {f.Name, key.Name}} {
		if want[0] != "" && want[0] != want[1] {
			return false
		}
	}
	return true
}

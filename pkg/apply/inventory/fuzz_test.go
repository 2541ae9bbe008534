package inventory

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is read is written so that it is read again as the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"level":1,"epoch":"e","entries":[{"g":"apps","v":"v1","k":"Deployment","ns":"a","n":"web","u":"1"}]}`))
	f.Add([]byte(`{"level":1,"entries":[{},{}]}`))
	f.Add([]byte(`{"level":0}`))
	f.Add([]byte(`{"level":1,"entries":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		inv, epoch, err := decode(data)
		if err != nil {
			return
		}
		encoded, err := encode(inv, epoch)
		if err != nil {
			t.Fatal(err)
		}
		again, epochAgain, err := decode(encoded)
		if err != nil {
			t.Fatalf("%s cannot be read: %v", encoded, err)
		}
		if diff := cmp.Diff(inv, again); diff != "" || epoch != epochAgain {
			t.Errorf("changes on the way, epoch %q to %q:\n%s", epoch, epochAgain, diff)
		}
	})
}

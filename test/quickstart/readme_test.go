package quickstart

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSteps(t *testing.T) {
	const text = "# Title\n$ not a command\n```\nmake up\n```\nthen\n```\n$ first\nprinted\ntwice\n$ cat <<END | cat\na $ b\nEND\na $ b\n$ cat <<< word\nword\n$ silent\n```\n"
	want := []Step{
		{Command: "first\n", Output: "printed\ntwice\n"},
		{Command: "cat <<END | cat\na $ b\nEND\n", Output: "a $ b\n"},
		{Command: "cat <<< word\n", Output: "word\n"},
		{Command: "silent\n"},
	}
	if diff := cmp.Diff(want, Steps(text)); diff != "" {
		t.Errorf("Steps differs (-want +got):\n%s", diff)
	}
}

func TestNormalise(t *testing.T) {
	const (
		a = "app   5m12s  main@sha1:74804a18751b299609c5f593a3e30e56939c4ab6 http://127.0.0.1:25401/x 2026-11-21T07:41:16.5Z"
		b = "app 18s main@sha1:89c30a9b6c322b04690579d3827f66ed6b796bbe  http://127.0.0.1:1/x 2027-01-01T00:00:00Z"
	)
	if Normalise(a) != Normalise(b) {
		t.Errorf("%q and %q should be the same", Normalise(a), Normalise(b))
	}
	if Normalise("Ready True") == Normalise("Ready False") {
		t.Error("what matters was normalised away")
	}
}

package build

import (
	"strings"
	"testing"
)

func TestStderr(t *testing.T) {
	h := &head{}
	const text = `panic: the password is hunter2
fatal error: runtime: out of memory

goroutine 1 [running]:
hunter2 in some line (of a panic)
sigs.k8s.io/kustomize/api/krusty.(*Kustomizer).Run(0xc000123456)
	/src/kustomizer.go:12 +0x1d
main.main()
`
	if _, err := h.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if !h.outOfMemory() {
		t.Error("running out of memory is not seen")
	}
	if got, want := h.summary(), " (fatal error: runtime: out of memory)"; got != want {
		t.Errorf("summary is %q, want %q", got, want)
	}
	want := "fatal error: runtime: out of memory\nsigs.k8s.io/kustomize/api/krusty.(*Kustomizer).Run(0xc000123456)\nmain.main()\n"
	if got := h.trace(); got != want {
		t.Errorf("trace is %q, want %q", got, want)
	}
	for range 10 {
		if n, err := h.Write([]byte(strings.Repeat("x", 4096))); n != 4096 || err != nil {
			t.Errorf("Write took %d bytes, %v", n, err)
		}
	}
	if len(h.text) != headSize || h.size() != int64(len(text))+10*4096 {
		t.Errorf("kept %d of %d bytes", len(h.text), h.size())
	}
}

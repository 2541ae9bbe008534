package supervisor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	ok := func(change func(*Program)) []Program {
		p := program("a")
		change(&p)
		return []Program{p}
	}
	tests := map[string]struct {
		programs []Program
		want     string // in the error; empty for success
	}{
		"good":             {ok(func(p *Program) { p.ReadyURL = "https://127.0.0.1:6443/readyz" }), ""},
		"localhost":        {ok(func(p *Program) { p.ReadyURL = "http://localhost:1/" }), ""},
		"IPv6 loopback":    {ok(func(p *Program) { p.ReadyURL = "http://[::1]:1/" }), ""},
		"another machine":  {ok(func(p *Program) { p.ReadyURL = "http://192.0.2.1/" }), "loopback"},
		"another name":     {ok(func(p *Program) { p.ReadyURL = "http://example.com/" }), "loopback"},
		"scheme":           {ok(func(p *Program) { p.ReadyURL = "file:///etc/passwd" }), "scheme"},
		"no command":       {ok(func(p *Program) { p.Command = nil }), "no command"},
		"path as a name":   {ok(func(p *Program) { p.Name = "../x" }), "name"},
		"name of our log":  {ok(func(p *Program) { p.Name = "audit" }), "log of devcluster"},
		"same name twice":  {[]Program{program("a"), program("a")}, "twice"},
		"too many of them": {make([]Program, maxPrograms+1), "51 programs: allowed are 50"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expectError(t, Validate(test.programs), test.want)
		})
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	value := func(name string) (string, error) {
		if name == "DIR" {
			return "/d", nil
		}
		return "", errors.New("not known: " + name)
	}
	tests := map[string]struct {
		text string
		want []Program
		err  string
	}{
		"YAML": {
			text: "- name: a\n  command: [sh, -c, 'echo $HOME ${DIR}/x']\n  env: {P: '${DIR}${DIR}'}\n  readyURL: http://localhost/${DIR}\n",
			want: []Program{{
				Name: "a", Command: []string{"sh", "-c", "echo $HOME /d/x"},
				Env: map[string]string{"P": "/d/d"}, ReadyURL: "http://localhost//d",
			}},
		},
		"JSON":          {text: `[{"name":"a","command":["b"]}]`, want: []Program{{Name: "a", Command: []string{"b"}}}},
		"unknown field": {text: `[{"name":"a","comand":["b"]}]`, err: "comand"},
		"unknown name":  {text: `[{"name":"a","command":["${X}"]}]`, err: "not known: X"},
		"not closed":    {text: `[{"name":"a","command":["${DIR"]}]`, err: "not closed"},
		"not valid":     {text: `[{"name":"a"}]`, err: "no command"},
		"too large":     {text: strings.Repeat("#", maxFile+1), err: "allowed are 1048576"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "programs")
			if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := Load(file, value)
			expectError(t, err, test.err)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("programs (-want +got):\n%s", diff)
			}
		})
	}
}

func expectError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("got error %v, want none", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("got error %v, want one with %q", err, want)
	}
}

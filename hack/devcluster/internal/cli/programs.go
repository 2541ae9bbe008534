package cli

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/hack/devcluster/internal/controlplane"
	"github.com/leat-dev/leat/hack/devcluster/internal/instance"
	"github.com/leat-dev/leat/hack/devcluster/internal/supervisor"
)

const (
	maxRunFile  = 1 << 20
	portsPrefix = "PORT_"
)

// readPrograms reads the file of --run, a list of programs. ${DIR},
// ${KUBECONFIG} and ${PORT_name} in it stand for the cluster's directory, the
// administrator's kubeconfig and a port that is chosen once; any other
// ${NAME} must be in the environment.
func (u *up) readPrograms() ([]supervisor.Program, error) {
	info, err := os.Stat(u.runFile)
	if err != nil {
		return nil, fmt.Errorf("reading the programs: %w", err)
	}
	if info.Size() > maxRunFile {
		return nil, fmt.Errorf("reading the programs: %s has %d bytes: allowed are %d", u.runFile, info.Size(), maxRunFile)
	}
	data, err := os.ReadFile(u.runFile)
	if err != nil {
		return nil, fmt.Errorf("reading the programs: %w", err)
	}
	var programs []supervisor.Program
	if err := yaml.UnmarshalStrict(data, &programs); err != nil {
		return nil, fmt.Errorf("reading the programs in %s: %w", u.runFile, err)
	}
	e := expander{dir: u.path}
	for i := range programs {
		e.program(&programs[i])
	}
	if e.err == nil {
		e.err = supervisor.Validate(programs)
	}
	if e.err != nil {
		return nil, fmt.Errorf("reading the programs in %s: %w", u.runFile, e.err)
	}
	return programs, nil
}

// expander replaces ${NAME} and keeps the first error.
type expander struct {
	dir string
	err error
}

func (e *expander) program(p *supervisor.Program) {
	for _, list := range [][]string{p.Command, p.ReadyCommand} {
		for i := range list {
			list[i] = e.expand(list[i])
		}
	}
	for name, value := range p.Env {
		p.Env[name] = e.expand(value)
	}
	p.Dir, p.ReadyURL = e.expand(p.Dir), e.expand(p.ReadyURL)
	if p.Env == nil {
		p.Env = map[string]string{}
	}
	if _, ok := p.Env["KUBECONFIG"]; !ok {
		p.Env["KUBECONFIG"] = controlplane.AdminKubeconfig(e.dir)
	}
}

// expand replaces ${NAME} only: a plain $ is common in shell commands.
func (e *expander) expand(s string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "${")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			e.fail(fmt.Errorf("%q: a ${ is not closed", s))
			return s
		}
		b.WriteString(e.value(name))
		s = after
	}
}

func (e *expander) value(name string) string {
	switch {
	case name == "DIR":
		return e.dir
	case name == "KUBECONFIG":
		return controlplane.AdminKubeconfig(e.dir)
	case strings.HasPrefix(name, portsPrefix):
		port, err := instance.Port(e.dir, strings.TrimPrefix(name, portsPrefix))
		if err != nil {
			e.fail(err)
		}
		return strconv.Itoa(port)
	}
	value, ok := os.LookupEnv(name)
	if !ok {
		e.fail(fmt.Errorf("${%s} is not known: it is not in the environment", name))
	}
	return value
}

func (e *expander) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

package supervisor

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

const maxFile = 1 << 20

// Load reads a list of programs from a YAML or JSON file. ${NAME} in a command,
// an environment, a directory or a URL is replaced by what value returns for
// the name.
func Load(file string, value func(name string) (string, error)) ([]Program, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("reading the programs: %w", err)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("reading the programs: %s has %d bytes: allowed are %d", file, info.Size(), maxFile)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the programs: %w", err)
	}
	var programs []Program
	if err := yaml.UnmarshalStrict(data, &programs); err != nil {
		return nil, fmt.Errorf("reading the programs in %s: %w", file, err)
	}
	for i := range programs {
		if err := programs[i].expand(value); err != nil {
			return nil, fmt.Errorf("reading the programs in %s: program %d: %w", file, i, err)
		}
	}
	if err := Validate(programs); err != nil {
		return nil, fmt.Errorf("reading the programs in %s: %w", file, err)
	}
	return programs, nil
}

func (p *Program) expand(value func(string) (string, error)) error {
	texts := []*string{&p.Dir, &p.ReadyURL}
	for _, list := range [][]string{p.Command, p.ReadyCommand} {
		for i := range list {
			texts = append(texts, &list[i])
		}
	}
	var errs []error
	for _, text := range texts {
		var err error
		*text, err = expand(*text, value)
		errs = append(errs, err)
	}
	for name, text := range p.Env {
		var err error
		p.Env[name], err = expand(text, value)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// expand replaces ${NAME} only: a plain $ is common in shell commands.
func expand(s string, value func(string) (string, error)) (string, error) {
	var b strings.Builder
	for rest := s; ; {
		before, after, found := strings.Cut(rest, "${")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(after, "}")
		if !closed {
			return "", fmt.Errorf("%q: a ${ is not closed", s)
		}
		v, err := value(name)
		if err != nil {
			return "", fmt.Errorf("%q: %w", s, err)
		}
		b.WriteString(v)
		rest = after
	}
}

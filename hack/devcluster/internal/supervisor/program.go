package supervisor

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Program is a program to keep running.
type Program struct {
	// Name names the program and its log.
	Name string `json:"name"`
	// Command is the program's path and its arguments.
	Command []string `json:"command"`
	// Env is added to the environment of the supervisor.
	Env map[string]string `json:"env,omitempty"`
	// Dir is the working directory, the supervisor's when empty.
	Dir string `json:"dir,omitempty"`
	// ReadyURL answers 200 on a loopback address once the program is ready. A
	// certificate is not verified, as a kubelet does not verify it: nothing is
	// sent that needs protection.
	ReadyURL string `json:"readyURL,omitempty"`
	// ReadyCommand ends with 0 once the program is ready. With neither, a
	// program is ready when it runs. A program that was ready once is called so
	// until it ends: it is not asked again.
	ReadyCommand []string `json:"readyCommand,omitempty"`
}

// maxPrograms bounds a list that somebody writes by hand.
const maxPrograms = 50

var validName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// reserved are the names of the supervisor's own logs.
var reserved = []string{"devcluster", "audit"}

// Validate says what is wrong with a list of programs.
func Validate(programs []Program) error {
	if len(programs) > maxPrograms {
		return fmt.Errorf("%d programs: allowed are %d", len(programs), maxPrograms)
	}
	seen := map[string]bool{}
	for i, p := range programs {
		switch {
		case !validName.MatchString(p.Name):
			return fmt.Errorf("program %d: name %q: allowed are up to 63 lower case letters, digits and dashes", i, p.Name)
		case slices.Contains(reserved, p.Name) || strings.HasPrefix(p.Name, "audit-"):
			return fmt.Errorf("program %s: the name is that of a log of devcluster itself", p.Name)
		case seen[p.Name]:
			return fmt.Errorf("program %s: the name is there twice", p.Name)
		case len(p.Command) == 0 || p.Command[0] == "":
			return fmt.Errorf("program %s: it has no command", p.Name)
		}
		seen[p.Name] = true
		if err := validateReadyURL(p.ReadyURL); err != nil {
			return fmt.Errorf("program %s: readyURL: %w", p.Name, err)
		}
	}
	return nil
}

func validateReadyURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return err
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("scheme %q: allowed are http and https", u.Scheme)
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("host %q: allowed are loopback addresses", u.Hostname())
	}
	return nil
}

func (p Program) equal(other Program) bool {
	return p.Name == other.Name && p.Dir == other.Dir && p.ReadyURL == other.ReadyURL &&
		slices.Equal(p.Command, other.Command) && slices.Equal(p.ReadyCommand, other.ReadyCommand) &&
		maps.Equal(p.Env, other.Env)
}

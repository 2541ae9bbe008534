package cli

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/leat-dev/leat/hack/devcluster/internal/controlplane"
	"github.com/leat-dev/leat/hack/devcluster/internal/instance"
	"github.com/leat-dev/leat/hack/devcluster/internal/supervisor"
)

const portsPrefix = "PORT_"

// readPrograms reads the file of --run. ${DIR}, ${KUBECONFIG} and ${PORT_name}
// in it stand for the cluster's directory, the administrator's kubeconfig and a
// port that is chosen once; any other ${NAME} must be in the environment. Each
// program finds the kubeconfig in its environment, too.
func (u *up) readPrograms() ([]supervisor.Program, error) {
	programs, err := supervisor.Load(u.runFile, u.value)
	if err != nil {
		return nil, err
	}
	for i := range programs {
		if programs[i].Env == nil {
			programs[i].Env = map[string]string{}
		}
		if _, ok := programs[i].Env["KUBECONFIG"]; !ok {
			programs[i].Env["KUBECONFIG"] = controlplane.AdminKubeconfig(u.path)
		}
	}
	return programs, nil
}

func (u *up) value(name string) (string, error) {
	switch {
	case name == "DIR":
		return u.path, nil
	case name == "KUBECONFIG":
		return controlplane.AdminKubeconfig(u.path), nil
	case strings.HasPrefix(name, portsPrefix):
		port, err := instance.Port(u.path, strings.TrimPrefix(name, portsPrefix))
		return strconv.Itoa(port), err
	}
	value, ok := os.LookupEnv(name)
	if !ok {
		return "", fmt.Errorf("${%s} is not known: it is not in the environment", name)
	}
	return value, nil
}

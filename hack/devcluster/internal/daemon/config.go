package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

const configName = "devcluster.json"

// MaxNodes is far above what anybody needs and below what makes a start slow.
const MaxNodes = 200

// Config is what decides how a control plane runs. `up` writes it into the
// cluster's directory and the daemon reads it there.
type Config struct {
	Nodes         int      `json:"nodes"`
	Fast          bool     `json:"fast,omitempty"`
	APIServerArgs []string `json:"apiServerArgs,omitempty"`
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	if c.Nodes < 1 || c.Nodes > MaxNodes {
		return fmt.Errorf("%d nodes: allowed are 1 to %d", c.Nodes, MaxNodes)
	}
	return nil
}

// Equal says whether both run the same control plane.
func (c Config) Equal(other Config) bool {
	return c.Nodes == other.Nodes && c.Fast == other.Fast && slices.Equal(c.APIServerArgs, other.APIServerArgs)
}

// Save writes the configuration into the directory.
func (c Config) Save(dir string) error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the configuration: %w", err)
	}
	file := filepath.Join(dir, configName)
	if err := os.WriteFile(file+".new", append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return nil
}

// LoadConfig reads the configuration in the directory.
func LoadConfig(dir string) (Config, error) {
	var c Config
	data, err := os.ReadFile(filepath.Join(dir, configName))
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil {
		return c, fmt.Errorf("reading the configuration of %s: %w", dir, err)
	}
	return c, errors.Join(c.Validate())
}

// Licences checks that every module that is linked into the given packages
// carries a licence that Leat may be distributed with, and prints what it found
// with -v. It reads the licence files in the module cache; it asks no network.
//
//	licences [-v] PACKAGE...
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// minCoverage is the share of a licence file, in per cent, that the text of
// known licences must make up before the file is believed.
const minCoverage = 75

// allowed are the licences that may be linked into an Apache-2.0 binary that is
// given away with its source. MPL-2.0 is file-based copyleft: unmodified use is
// fine, changing such a module is not.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "Unlicense", "CC0-1.0", "Zlib", "0BSD"}

func main() {
	verbose := flag.Bool("v", false, "print every module with its licences")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: licences [-v] PACKAGE...")
		os.Exit(2)
	}
	if err := run(flag.Args(), *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func run(packages []string, verbose bool) error {
	modules, err := linkedModules(packages)
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range modules {
		found, err := licencesOf(m.Dir)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.Path, err))
			continue
		}
		if verbose {
			fmt.Printf("%s\t%s\n", m.Path, strings.Join(found, ", "))
		}
		for _, l := range found {
			if !slices.Contains(allowed, l) {
				errs = append(errs, fmt.Errorf("%s: licence %s is not in the list of those allowed (%s)", m.Path, l, strings.Join(allowed, ", ")))
			}
		}
	}
	if len(errs) == 0 {
		fmt.Printf("licences: %d linked modules, all allowed\n", len(modules))
	}
	return errors.Join(errs...)
}

type module struct {
	Path, Dir string
	Main      bool
}

// linkedModules returns the modules that packages link, but for the main module
// and the standard library.
func linkedModules(packages []string) ([]module, error) {
	cmd := exec.Command("go", append([]string{"list", "-deps", "-json=Module"}, packages...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	seen := map[string]module{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ Module *module }
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("reading go list: %w", err)
		}
		if p.Module != nil && !p.Module.Main {
			seen[p.Module.Path] = *p.Module
		}
	}
	modules := make([]module, 0, len(seen))
	for _, m := range seen {
		modules = append(modules, m)
	}
	slices.SortFunc(modules, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return modules, nil
}

// licencesOf returns the SPDX names of the licences at the top of a module.
func licencesOf(dir string) ([]string, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, f := range files {
		if f.IsDir() || !isLicenceFile(f.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		cover := licensecheck.Scan(text)
		if cover.Percent < minCoverage {
			continue
		}
		for _, match := range cover.Match {
			if !slices.Contains(found, match.ID) {
				found = append(found, match.ID)
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no licence file was recognised in %s", dir)
	}
	return found, nil
}

func isLicenceFile(name string) bool {
	upper := strings.ToUpper(name)
	for _, prefix := range []string{"LICENSE", "LICENCE", "COPYING", "UNLICENSE"} {
		if strings.HasPrefix(upper, prefix) {
			return true
		}
	}
	return false
}

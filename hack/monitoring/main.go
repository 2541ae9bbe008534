// Monitoring checks rules of Prometheus and dashboards of Grafana with Prometheus'
// own parsers: every rule, template and query must be valid.
//
//	monitoring FILE...
//
// A file that ends with .json is a dashboard, any other one holds rules.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	var errs []error
	p := parser.NewParser(parser.Options{})
	for _, file := range os.Args[1:] {
		queries, err := check(file, p)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", file, err))
		} else if queries == 0 {
			errs = append(errs, fmt.Errorf("%s: it holds no query", file))
		}
	}
	if len(os.Args) < 2 {
		errs = append(errs, errors.New("usage: monitoring FILE..."))
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// check returns how many queries a file has.
func check(file string, p parser.Parser) (int, error) {
	if strings.HasSuffix(file, ".json") {
		return checkDashboard(file, p)
	}
	groups, errs := rulefmt.ParseFile(file, false, model.LegacyValidation, p, slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		return 0, errors.Join(errs...)
	}
	rules := 0
	for _, group := range groups.Groups {
		rules += len(group.Rules)
	}
	return rules, nil
}

// dashboard is what is read of a dashboard.
type dashboard struct {
	Title  string  `json:"title"`
	Panels []panel `json:"panels"`
	// Templating holds the variables that queries use.
	Templating struct {
		List []struct {
			Name string `json:"name"`
		} `json:"list"`
	} `json:"templating"`
}

type panel struct {
	Title   string  `json:"title"`
	Panels  []panel `json:"panels"`
	Targets []struct {
		Expr string `json:"expr"`
	} `json:"targets"`
}

func checkDashboard(file string, p parser.Parser) (int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		return 0, err
	}
	// Grafana puts in the values before Prometheus sees a query.
	values := []string{"$__rate_interval", "5m", "$__range", "1h"}
	for _, v := range d.Templating.List {
		values = append(values, "${"+v.Name+"}", "x", "$"+v.Name, "x")
	}
	return checkPanels(d.Panels, strings.NewReplacer(values...), p)
}

func checkPanels(panels []panel, variables *strings.Replacer, p parser.Parser) (int, error) {
	var errs []error
	queries := 0
	for _, panel := range panels {
		for _, t := range panel.Targets {
			queries++
			if _, err := p.ParseExpr(variables.Replace(t.Expr)); err != nil {
				errs = append(errs, fmt.Errorf("panel %q: %q: %w", panel.Title, t.Expr, err))
			}
		}
		below, err := checkPanels(panel.Panels, variables, p)
		queries += below
		errs = append(errs, err)
	}
	return queries, errors.Join(errs...)
}

// Bench measures Leat on this machine, beside the limit of this machine: the same
// objects applied server-side by a bare loop, in the same run.
//
//	bench [-n N] [-rounds 3] [-out bench.json]
//
// Every round has a fresh control plane, and every figure is the median of the
// rounds. Seconds are wall time; CPU seconds are those of all processes together
// (control plane, Leat with its workers, Git server and the bench itself), from
// /proc. docs/performance.md explains the cases.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// result is one line of bench.json. What does not apply is null.
type result struct {
	Name            string   `json:"name"`
	N               int      `json:"n"`
	Seconds         *float64 `json:"seconds"`
	CPUSeconds      *float64 `json:"cpu_seconds"`
	LimitSeconds    *float64 `json:"limit_seconds"`
	LimitCPUSeconds *float64 `json:"limit_cpu_seconds"`
	Requests        *float64 `json:"requests"`
	RSSMiB          *float64 `json:"rss_mib"`
}

func main() {
	n := flag.Int("n", 100, "Kustomizations in the mono-repo, four objects each")
	rounds := flag.Int("rounds", 3, "rounds, each with a fresh control plane")
	out := flag.String("out", "bench.json", "file to write the figures to")
	flag.Parse()
	if *n < 1 || *n > 10000 || *rounds < 1 {
		fmt.Fprintln(os.Stderr, "bench: -n is 1 to 10000, -rounds is 1 or more")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *n, *rounds, *out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, n, rounds int, out string) error {
	var all [][]result
	for i := range rounds {
		fmt.Printf("round %d of %d, N = %d\n", i+1, rounds, n)
		results, err := round(ctx, n)
		if err != nil {
			return fmt.Errorf("round %d: %w", i+1, err)
		}
		printTable(results)
		all = append(all, results)
	}
	results := medians(all)
	fmt.Printf("median of %d\n", rounds)
	printTable(results)
	data, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(out, append(data, '\n'), 0o644)
}

// medians takes the median of each figure over the rounds, which all have the
// same cases.
func medians(rounds [][]result) []result {
	merged := slices.Clone(rounds[0])
	for i := range merged {
		for _, figure := range []func(*result) **float64{
			func(r *result) **float64 { return &r.Seconds },
			func(r *result) **float64 { return &r.CPUSeconds },
			func(r *result) **float64 { return &r.LimitSeconds },
			func(r *result) **float64 { return &r.LimitCPUSeconds },
			func(r *result) **float64 { return &r.Requests },
			func(r *result) **float64 { return &r.RSSMiB },
		} {
			var values []float64
			for _, round := range rounds {
				if v := *figure(&round[i]); v != nil {
					values = append(values, *v)
				}
			}
			if len(values) == 0 {
				continue
			}
			slices.Sort(values)
			*figure(&merged[i]) = &values[len(values)/2]
		}
	}
	return merged
}

func printTable(results []result) {
	fmt.Printf("  %-10s %8s %8s %8s %8s %9s %8s\n", "case", "s", "CPU s", "limit s", "limit CPU", "requests", "MiB")
	for _, r := range results {
		fmt.Printf("  %-10s %8s %8s %8s %8s %9s %8s\n", r.Name,
			cell(r.Seconds, 2), cell(r.CPUSeconds, 1), cell(r.LimitSeconds, 2), cell(r.LimitCPUSeconds, 1), cell(r.Requests, 0), cell(r.RSSMiB, 0))
	}
}

func cell(v *float64, digits int) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.*f", digits, *v)
}

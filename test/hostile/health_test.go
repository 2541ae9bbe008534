package hostile

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"sync"
	"time"
)

const (
	// readyInterval is how often /readyz is asked, readyTimeout how long it may
	// take on a busy machine.
	readyInterval = 100 * time.Millisecond
	readyTimeout  = 20 * time.Second
	// maxGrowth is how much larger the process may be at the end than before the
	// first attack. Each of some attacks would need more, if it got what it wants;
	// the collector needs room above what is in use.
	maxGrowth = 400 << 20
)

// vitals watches over the server while it is attacked.
type vitals struct {
	before int64 // resident bytes
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex
	asked  int
	failed []error
}

// watchVitals begins to ask whether the server is ready.
func watchVitals(ctx context.Context) (*vitals, error) {
	before, err := resident()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	v := &vitals{before: before, cancel: cancel}
	client := &http.Client{Timeout: readyTimeout, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	v.done.Go(func() {
		defer client.CloseIdleConnections()
		ticker := time.NewTicker(readyInterval)
		defer ticker.Stop()
		for {
			v.note(ctx, ready(ctx, client))
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return v, nil
}

func (v *vitals) note(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked++
	if err != nil {
		v.failed = append(v.failed, fmt.Errorf("at %s: %w", time.Now().Format(time.TimeOnly), err))
	}
}

func ready(ctx context.Context, client *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, leat.URL()+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return fmt.Errorf("/readyz answers %d: %s", resp.StatusCode, body)
	}
	return nil
}

// panics are the traces that a panic leaves in the log, whoever recovers it.
var panics = regexp.MustCompile(`(?i)(panic|fatal error|runtime error|goroutine \d+ \[|DATA RACE).*`)

// check ends the watch and says what is wrong with the server.
func (v *vitals) check() error {
	v.cancel()
	v.done.Wait()
	var errs []error
	if v.asked == 0 {
		errs = append(errs, errors.New("/readyz was never asked"))
	}
	if len(v.failed) > 0 {
		errs = append(errs, fmt.Errorf("the server was not ready %d times of %d, first %w", len(v.failed), v.asked, v.failed[0]))
	}
	after, err := resident()
	if err != nil {
		errs = append(errs, fmt.Errorf("the server has ended: %w", err))
	}
	if after > v.before+maxGrowth {
		errs = append(errs, fmt.Errorf("the server has grown from %d to %d MiB", v.before>>20, after>>20))
	}
	fmt.Fprintf(os.Stderr, "hostile: ready %d times of %d, resident %d MiB before and %d MiB after\n", v.asked-len(v.failed), v.asked, v.before>>20, after>>20)
	text, err := os.ReadFile(logFile)
	if err != nil {
		errs = append(errs, err)
	}
	if trace := panics.Find(text); trace != nil {
		errs = append(errs, fmt.Errorf("the server's log tells of a panic: %.500s", trace))
	}
	return errors.Join(errs...)
}

// resident is the size of the server's process in memory, in bytes.
func resident() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", leat.PID()))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if value, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			kilobytes, err := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(value), []byte("kB")))), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, errors.New("no VmRSS in the status of the process")
}

package e2e

import (
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// notOurs are metrics that rules and dashboards ask others for.
var notOurs = []string{"aggregator_unavailable_apiservice"}

// TestMetrics asks the server for its metrics, after it has done something of
// everything, and compares them with what rules and dashboards ask for.
func TestMetrics(t *testing.T) {
	namespace := cluster.Namespace(t)
	r := newRepository(t)
	commit := r.push(map[string]string{"c.yaml": configMap("metrics", "a")})
	r.source(namespace, "repo")
	kustomization(t, namespace, "app", "./", "")
	waitApplied(t, namespace, "app", commit)
	text := leatMetrics(t)
	names := regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)`)
	var served []string
	for _, match := range names.FindAllStringSubmatch(text, -1) {
		served = append(served, match[1])
		if match[2] == "histogram" {
			served = append(served, match[1]+"_bucket", match[1]+"_sum", match[1]+"_count")
		}
	}
	// What has a colon before it is the name of a rule.
	asked := regexp.MustCompile(`(?:^|[^:a-z_])((?:gotk|leat|apiserver|process|go_memstats|aggregator|etcd)_[a-z_]+)`)
	files, err := filepath.Glob(filepath.Join(root, "artifacts/monitoring/*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("rules and dashboards: %q, %v", files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range asked.FindAllStringSubmatch(string(content), -1) {
			if name := match[1]; !slices.Contains(served, name) && !slices.Contains(notOurs, name) {
				t.Errorf("%s asks for %s, which the server does not have", filepath.Base(file), name)
			}
		}
	}
	for _, line := range []string{
		`gotk_reconcile_condition{kind="Kustomization",name="app",namespace="` + namespace + `",status="True",type="Ready"} 1`,
		`gotk_suspend_status{kind="GitRepository",name="repo",namespace="` + namespace + `"} 0`,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
	// What is gone has no series.
	kubectl(t, "delete", "--namespace", namespace, "kustomization/app", "gitrepository/repo")
	deadline := time.Now().Add(patience)
	for strings.Contains(leatMetrics(t), `namespace="`+namespace+`"`) {
		if time.Now().After(deadline) {
			t.Fatal("series of objects that are gone stay")
		}
	}
}

// leatMetrics scrapes the server as Prometheus does: at its own port, with a token.
func leatMetrics(t *testing.T) string {
	t.Helper()
	token := strings.TrimSpace(kubectl(t, "create", "token", "--namespace=leat-system", "leat-apiserver"))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, leat.URL()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	client := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("metrics: %s, %v: %.200s", resp.Status, err, text)
	}
	return string(text)
}

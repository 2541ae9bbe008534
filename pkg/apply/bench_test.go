package apply_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/pkg/apply"
)

// BenchmarkApply applies a hundred small apps, as a hundred owners of four
// objects each, and beside it the same objects by a bare loop that does nothing
// but to apply them server-side, eight at a time. "create" is a fresh
// namespace, "update" changes each object, "unchanged" changes none.
//
//	go test ./pkg/apply -run '^$' -bench Apply -benchtime 3x
func BenchmarkApply(b *testing.B) {
	const apps = 100
	for _, steps := range []struct {
		name string
		run  func(f *fixture, colour string)
	}{
		{"bare", func(f *fixture, colour string) { f.bareLoop(apps, colour) }},
		{"engine", func(f *fixture, colour string) { f.owners(apps, colour) }},
	} {
		var last []*fixture
		b.Run(steps.name+"/create", func(sub *testing.B) {
			last = prepare(b, sub.N)
			measure(sub, last, func(f *fixture) { steps.run(f, "blue") })
		})
		turn := 0
		b.Run(steps.name+"/update", func(sub *testing.B) {
			turn++
			measure(sub, last[:min(sub.N, len(last))], func(f *fixture) { steps.run(f, "red"+strconv.Itoa(turn)) })
		})
		b.Run(steps.name+"/unchanged", func(sub *testing.B) {
			measure(sub, last[:min(sub.N, len(last))], func(f *fixture) { steps.run(f, "red"+strconv.Itoa(turn)) })
		})
	}
}

// prepare makes a fixture an iteration, all of them on one target. They live as
// long as b, which is not the benchmark that they are measured in.
func prepare(b *testing.B, n int) []*fixture {
	var out []*fixture
	for range n {
		f := &fixture{t: b, ns: cluster.Namespace(b), store: &memory{data: map[string][]byte{}}}
		if len(out) == 0 {
			f.start()
		} else {
			f.ctx, f.target, f.engine, f.count = out[0].ctx, out[0].target, out[0].engine, out[0].count
		}
		out = append(out, f)
	}
	return out
}

func measure(b *testing.B, fs []*fixture, run func(*fixture)) {
	var requests int
	client, server := clientCPU(), serverCPU(b)
	b.ResetTimer()
	for _, f := range fs {
		f.t = b
		f.count.take()
		run(f)
		for _, n := range f.count.take() {
			requests += n
		}
	}
	b.StopTimer()
	time.Sleep(500 * time.Millisecond) // what the writes set off
	n := float64(len(fs))
	b.ReportMetric(float64(requests)/n, "requests/op")
	b.ReportMetric((clientCPU()-client).Seconds()*1000/n, "client-cpu-ms/op")
	b.ReportMetric((serverCPU(b)-server).Seconds()*1000/n, "cluster-cpu-ms/op")
}

// owners has each app applied by an owner of its own, eight at a time.
func (f *fixture) owners(apps int, colour string) {
	parallel(apps, func(i int) {
		p, err := f.engine.Plan(f.ctx, apply.Request{
			Owner: f.owner(fmt.Sprintf("app-%d", i)), Namespace: f.ns, Prune: true, Objects: f.objects(sample(i, colour)),
		})
		if err == nil {
			_, err = f.engine.Apply(f.ctx, p)
		}
		if err != nil {
			f.t.Error(err)
		}
	})
}

// bareLoop applies the same objects without asking or checking anything.
func (f *fixture) bareLoop(apps int, colour string) {
	type call struct {
		path, name string
		body       []byte
	}
	resources := map[string]string{
		"ServiceAccount": "api/v1/%sserviceaccounts", "Service": "api/v1/%sservices",
		"Deployment": "apis/apps/v1/%sdeployments", "Ingress": "apis/networking.k8s.io/v1/%singresses",
	}
	var calls []call
	for i := range apps {
		for _, o := range f.objects(sample(i, colour)) {
			body, err := json.Marshal(o.Object)
			if err != nil {
				f.t.Fatal(err)
			}
			calls = append(calls, call{"/" + fmt.Sprintf(resources[o.GetKind()], "namespaces/"+f.ns+"/"), o.GetName(), body})
		}
	}
	cfg := rest.CopyConfig(cluster.Config)
	cfg.QPS = -1
	cfg.GroupVersion, cfg.NegotiatedSerializer = &schema.GroupVersion{}, scheme.Codecs.WithoutConversion()
	client, err := rest.UnversionedRESTClientFor(cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	parallel(len(calls), func(i int) {
		c := calls[i]
		err := client.Patch(types.ApplyPatchType).AbsPath(c.path, c.name).
			Param("fieldManager", "bare").Param("force", "true").Body(c.body).Do(f.ctx).Error()
		if err != nil {
			f.t.Error(err)
		}
	})
}

func parallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	ch := make(chan int)
	for range 8 {
		wg.Go(func() {
			for i := range ch {
				f(i)
			}
		})
	}
	for i := range n {
		ch <- i
	}
	close(ch)
	wg.Wait()
}

func sample(i int, colour string) string {
	return strings.NewReplacer("$I", strconv.Itoa(i), "$COLOUR", colour).Replace(`
apiVersion: v1
kind: ServiceAccount
metadata: {name: app-$I, labels: {colour: $COLOUR}}
---
apiVersion: v1
kind: Service
metadata: {name: app-$I, labels: {colour: $COLOUR}}
spec: {selector: {app: app-$I}, ports: [{port: 80, name: http, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: app-$I, labels: {colour: $COLOUR}}
spec:
  replicas: 0
  selector: {matchLabels: {app: app-$I}}
  template:
    metadata: {labels: {app: app-$I}}
    spec:
      serviceAccountName: app-$I
      containers:
      - name: app
        image: example.org/app:1
        ports: [{containerPort: 8080, name: http}]
        resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {memory: 64Mi}}
        livenessProbe: {httpGet: {path: /healthz, port: http}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: app-$I, labels: {colour: $COLOUR}}
spec:
  rules:
  - host: app-$I.example.org
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app-$I, port: {name: http}}}}]}`)
}

func clientCPU() time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// serverCPU sums the processes that run in the cluster's directory.
func serverCPU(b *testing.B) time.Duration {
	stats, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		b.Fatal(err)
	}
	const tick = 10 * time.Millisecond
	var sum time.Duration
	for _, name := range stats {
		cmd, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(cmd, []byte(cluster.Dir)) {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(filepath.Dir(name), "stat"))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		user, _ := strconv.ParseInt(fields[11], 10, 64)
		system, _ := strconv.ParseInt(fields[12], 10, 64)
		sum += time.Duration(user+system) * tick
	}
	return sum
}

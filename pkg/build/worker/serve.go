package worker

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"sigs.k8s.io/kustomize/kyaml/openapi"

	"github.com/leat-dev/leat/pkg/build/protocol"
)

// gcPercent lets garbage grow to several times the live heap, which for a warm
// worker is a few megabytes of schema. The memory limit tightens it when a
// build is large.
const gcPercent = 400

// Serve runs builds until in ends. It must be called once in the life of a
// process, which it changes for good.
func Serve(in io.Reader, out io.Writer) error {
	conn := protocol.NewConn(in, out, protocol.MaxFrame)
	hello, err := receive[*protocol.Hello](conn)
	if err != nil {
		return fmt.Errorf("waiting for the pool: %w", err)
	}
	if hello.Version != protocol.Version {
		// The pool sees the difference in the answer.
		return conn.Send(&protocol.Ready{Version: protocol.Version})
	}
	if err := silence(); err != nil {
		return err
	}
	if err := warmUp(); err != nil {
		return fmt.Errorf("warming up: %w", err)
	}
	debug.SetGCPercent(gcPercent)
	ready := &protocol.Ready{Version: protocol.Version}
	if err := confine(hello.MemoryLimit); err != nil {
		ready.Unconfined = err.Error()
	}
	if err := conn.Send(ready); err != nil {
		return err
	}
	for {
		request, err := receive[*protocol.Build](conn)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := serveBuild(conn, request); err != nil {
			return err
		}
	}
}

func receive[M protocol.Message](conn *protocol.Conn) (M, error) {
	var none M
	m, err := conn.Receive()
	if err != nil {
		return none, err
	}
	typed, ok := m.(M)
	if !ok {
		return none, fmt.Errorf("received a %T instead of a %T", m, none)
	}
	return typed, nil
}

// serveBuild runs one build. An error is one of the connection.
func serveBuild(conn *protocol.Conn, request *protocol.Build) error {
	var broken error
	ask := func(questions []protocol.Question) ([]protocol.Found, error) {
		if broken = conn.Send(&protocol.Read{Questions: questions}); broken != nil {
			return nil, broken
		}
		var answer *protocol.Answer
		if answer, broken = receive[*protocol.Answer](conn); broken != nil {
			return nil, broken
		}
		if len(answer.Found) != len(questions) {
			broken = fmt.Errorf("received %d answers to %d questions", len(answer.Found), len(questions))
		}
		return answer.Found, broken
	}
	reply := render(ask, request)
	if broken != nil {
		return broken
	}
	return conn.Send(reply)
}

// warmUp does once what each build would find to be missing: the built-in
// schema is parsed, and all that kustomize sets up on first use is set up by a
// build that uses it.
func warmUp() error {
	openapi.Schema()
	tree := map[string]string{
		"kustomization.yaml": "resources: [deployment.yaml]\nnamespace: a\npatches: [{path: patch.yaml}]\nimages: [{name: a, newTag: b}]\nconfigMapGenerator: [{name: a, literals: [a=b]}]\n",
		"deployment.yaml":    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {template: {spec: {containers: [{name: a, image: a}]}}}\n",
		"patch.yaml":         "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {template: {spec: {containers: [{name: a, command: [a]}]}}}\n",
	}
	ask := func(questions []protocol.Question) ([]protocol.Found, error) {
		found := make([]protocol.Found, len(questions))
		for i, q := range questions {
			content, ok := tree[q.Path]
			switch {
			case ok:
				found[i] = protocol.Found{State: protocol.File, Content: []byte(content)}
			case q.Path == rootDir:
				found[i].State = protocol.Dir
			default:
				found[i].State = protocol.Absent
			}
		}
		return found, nil
	}
	limits := protocol.Limits{Depth: 2, Objects: 2, ResultBytes: 1 << 20}
	variables := []protocol.Variable{{Name: "a", Value: "b"}}
	if failed, ok := render(ask, &protocol.Build{Limits: limits, Variables: variables}).(*protocol.Failed); ok {
		return errors.New(failed.Message)
	}
	runtime.GC()
	return nil
}

package kubectl

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/leat-dev/leat/test/framework"
)

const (
	// patience is how long a test waits for what normally takes a second or, with
	// the garbage collector, some. It is reached only by a failure.
	patience     = 60 * time.Second
	pollInterval = 100 * time.Millisecond
)

// user runs kubectl as somebody, in a namespace.
type user struct {
	t         *testing.T
	client    *framework.Client
	namespace string
}

// admin is the administrator.
func admin(t *testing.T, namespace string) user { return user{t, cluster.Client, namespace} }

// try runs kubectl with text on its standard input.
func (u user) try(stdin string, args ...string) (stdout string, err error) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), patience)
	defer cancel()
	stdout, _, err = u.client.KubectlInput(ctx, stdin, append([]string{"--namespace=" + u.namespace}, args...)...)
	return stdout, err
}

// run runs kubectl, which has to succeed.
func (u user) run(args ...string) string {
	u.t.Helper()
	return u.input("", args...)
}

// input runs kubectl with a standard input; it has to succeed.
func (u user) input(stdin string, args ...string) string {
	u.t.Helper()
	out, err := u.try(stdin, args...)
	if err != nil {
		u.t.Fatal(err)
	}
	return out
}

// refused runs kubectl, which has to fail and say all of says.
func (u user) refused(stdin string, args []string, says ...string) {
	u.t.Helper()
	out, err := u.try(stdin, args...)
	if err == nil {
		u.t.Errorf("kubectl %s: succeeded, want a refusal\n%s", strings.Join(args, " "), out)
		return
	}
	for _, say := range says {
		if !strings.Contains(err.Error(), say) {
			u.t.Errorf("the refusal does not say %q: %v", say, err)
		}
	}
}

// get is one JSONPath of an object.
func (u user) get(object, jsonpath string, args ...string) string {
	u.t.Helper()
	return u.run(append([]string{"get", object, "-o", "jsonpath=" + jsonpath}, args...)...)
}

// apply applies manifests.
func (u user) apply(manifests string, args ...string) string {
	u.t.Helper()
	return u.input(manifests, append([]string{"apply", "-f", "-"}, args...)...)
}

// exists says whether an object is there.
func (u user) exists(object string) bool {
	u.t.Helper()
	return u.run("get", object, "--ignore-not-found", "-o", "name") != ""
}

// as is a user who has a ClusterRole in the namespace, or nothing.
func as(t *testing.T, namespace, name, clusterRole string) user {
	t.Helper()
	name += "." + namespace
	client, err := cluster.User(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if clusterRole != "" {
		admin(t, namespace).run("create", "rolebinding", name, "--clusterrole="+clusterRole, "--user="+name)
	}
	return user{t, client, namespace}
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, ask func(ctx context.Context) (bool, error)) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), pollInterval, patience, true, ask); err != nil {
		t.Fatalf("waiting until %s: %v", what, err)
	}
}

// contains reports each of wants that is not in the text.
func contains(t *testing.T, what, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%s lacks %q:\n%s", what, want, text)
		}
	}
}

// equal reports a difference of two texts.
func equal(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// process is a kubectl that runs until the test ends.
type process struct {
	t     *testing.T
	lines chan string
	seen  strings.Builder
}

// start starts kubectl and reads what it prints, line by line.
func (u user) start(args ...string) *process {
	u.t.Helper()
	ctx, cancel := context.WithCancel(u.t.Context())
	cmd := u.client.KubectlCommand(ctx, append([]string{"--namespace=" + u.namespace}, args...)...)
	reader, writer, err := os.Pipe()
	if err != nil {
		u.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = writer, writer
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	writer.Close()
	p := &process{t: u.t, lines: make(chan string, 1024)}
	go func() {
		defer close(p.lines)
		for scanner := bufio.NewScanner(reader); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
	}()
	u.t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
		for range p.lines {
		}
		reader.Close()
	})
	return p
}

// until reads lines up to one that contains all of the words, and returns that.
func (p *process) until(words ...string) string {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("kubectl ended without printing %q:\n%s", words, p.seen.String())
			}
			fmt.Fprintln(&p.seen, line)
			if all(line, words) {
				return line
			}
		case <-timeout:
			p.t.Fatalf("kubectl did not print %q:\n%s", words, p.seen.String())
		}
	}
}

func all(line string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(line, word) {
			return false
		}
	}
	return true
}

// writeKubeconfig writes a kubeconfig that connects with a token.
func writeKubeconfig(file string, to *rest.Config, token string) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["cluster"] = &clientcmdapi.Cluster{Server: to.Host, CertificateAuthorityData: to.CAData, CertificateAuthority: to.CAFile}
	config.AuthInfos["leat"] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["leat"] = &clientcmdapi.Context{Cluster: "cluster", AuthInfo: "leat"}
	config.CurrentContext = "leat"
	data, err := clientcmd.Write(*config)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}

// name is who the user is, to the servers.
func (u user) name() string {
	u.t.Helper()
	return u.run("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
}

package options

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	cliflag "k8s.io/component-base/cli/flag"
)

// parse returns the options that a command line leads to.
func parse(t *testing.T, args ...string) *Options {
	t.Helper()
	o := New()
	sections := cliflag.NamedFlagSets{}
	o.AddFlags(&sections)
	all := pflag.NewFlagSet("leat-apiserver", pflag.ContinueOnError)
	for _, fs := range sections.FlagSets {
		all.AddFlagSet(fs)
	}
	if err := all.Parse(args); err != nil {
		t.Fatal(err)
	}
	if err := o.Complete(); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestFlagsThatAreAccepted(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"--kubeconfig=K", "--data-dir=D", "--secure-port=1234", "--bind-address=127.0.0.1"},
		{"--etcd-servers=https://a:2379,https://b:2379", "--etcd-cafile=ca", "--etcd-certfile=c", "--etcd-keyfile=k", "--etcd-prefix=/tenant"},
		{"--etcd-servers=https://a:2379", "--etcd-cafile=ca"},
		{"--etcd-ephemeral", "--reconcile=false", "--register-apiservices=false"},
		{"--etcd-quota-backend-bytes=67108864"},
		{"--service-external-name=localhost", "--service-namespace=gitops", "--service-name=leat", "--adopt-flux-crds"},
		{"--tls-cert-file=c", "--tls-private-key-file=k", "--service-ca-file=ca"},
		{"--audit-log-path=-", "--enable-priority-and-fairness=false", "--default-service-account=deployer", "--no-cross-namespace-refs"},
	} {
		if err := parse(t, args...).Validate(); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestFlagsThatAreRefused(t *testing.T) {
	for line, want := range map[string]string{
		"--data-dir=":                                                  "--data-dir must be set",
		"--etcd-cafile=ca":                                             "need --etcd-servers",
		"--etcd-certfile=c --etcd-keyfile=k":                           "need --etcd-servers",
		"--etcd-servers-overrides=/a#http://b":                         "--etcd-servers-overrides needs --etcd-servers",
		"--etcd-servers=https://a:2379 --etcd-ephemeral":               "contradicts --etcd-servers",
		"--etcd-servers=https://a:2379 --etcd-certfile=c":              "must be set together",
		"--etcd-quota-backend-bytes=1024":                              "at least 16777216, not 1024",
		"--etcd-servers=https://a:2379 --etcd-quota-backend-bytes=1":   "--etcd-quota-backend-bytes is for the embedded etcd",
		"--storage-media-type=application/vnd.kubernetes.protobuf":     "stored as application/json only",
		"--enable-garbage-collector=false":                             "finalizers",
		"--etcd-compaction-interval=0":                                 "nobody else compacts",
		"--build-workers=0":                                            "--build-workers must be between 1 and 1024, not 0",
		"--concurrent=100000":                                          "--concurrent must be between 1 and 1024",
		"--service-name=Leat":                                          "--service-name",
		"--service-namespace=a.b":                                      "--service-namespace",
		"--service-external-name=no_host":                              "--service-external-name",
		"--service-external-name=a --register-apiservices=false":       "needs --register-apiservices",
		"--adopt-flux-crds --register-apiservices=false":               "--adopt-flux-crds needs",
		"--default-service-account=A":                                  "--default-service-account",
		"--secure-port=0":                                              "--secure-port must be set",
		"--tls-cert-file=c --service-ca-file=ca":                       "must be set together",
		"--tls-cert-file=c --tls-private-key-file=k":                   "--service-ca-file is needed",
		"--service-ca-file=ca":                                         "--service-ca-file is for",
		"--cert-dir=D":                                                 "--cert-dir is not used",
		"--request-timeout=-1s":                                        "--request-timeout",
		"--encryption-provider-config-automatic-reload":                "--encryption-provider-config",
		"--enable-admission-plugins=Nonsense":                          "Nonsense",
		"--authorization-webhook-cache-authorized-ttl=1s --data-dir=":  "--data-dir",
		"--etcd-servers=https://a:2379 --etcd-servers-overrides=wrong": "override",
	} {
		err := parse(t, strings.Fields(line)...).Validate()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", line, err, want)
		}
	}
}

func TestComplete(t *testing.T) {
	o := parse(t, "--kubeconfig=K", "--data-dir=relative")
	if o.Recommended.Authentication.RemoteKubeConfigFile != "K" || o.Recommended.Authorization.RemoteKubeConfigFile != "K" {
		t.Error("--kubeconfig is not the default of the delegated authentication and authorization")
	}
	if !filepath.IsAbs(o.DataDir) {
		t.Errorf("the data directory is %s", o.DataDir)
	}
	if filepath.Base(o.BuildWorker) != "leat-build" || !filepath.IsAbs(o.BuildWorker) {
		t.Errorf("the build worker is %s", o.BuildWorker)
	}
	o = parse(t, "--kubeconfig=K", "--authentication-kubeconfig=A", "--authorization-kubeconfig=B", "--build-worker=W")
	got := []string{o.Recommended.Authentication.RemoteKubeConfigFile, o.Recommended.Authorization.RemoteKubeConfigFile, o.BuildWorker}
	if diff := cmp.Diff([]string{"A", "B", "W"}, got); diff != "" {
		t.Errorf("what was set explicitly (-want +got):\n%s", diff)
	}
}

func TestAdmissionOrder(t *testing.T) {
	order := New().Recommended.Admission.RecommendedPluginOrder
	want := []string{"NamespaceLifecycle", "MutatingAdmissionPolicy", "MutatingAdmissionWebhook", "ReferencePermission", "ValidatingAdmissionPolicy", "ValidatingAdmissionWebhook", "ResourceQuota"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	for _, plugin := range order {
		if plugin != "ReferencePermission" && len(watchedBy()[plugin]) == 0 {
			t.Errorf("it is not known what %s watches", plugin)
		}
	}
}

func TestInsertAfter(t *testing.T) {
	if got := insertAfter([]string{"a", "b"}, "a", "x"); !slices.Equal(got, []string{"a", "x", "b"}) {
		t.Errorf("after one that is there: %v", got)
	}
	if got := insertAfter([]string{"a", "b"}, "c", "x"); !slices.Equal(got, []string{"a", "b", "x"}) {
		t.Errorf("after one that is not: %v", got)
	}
}

func TestHelpNamesEveryFlagOnce(t *testing.T) {
	o := New()
	sections := cliflag.NamedFlagSets{}
	o.AddFlags(&sections)
	seen := map[string]string{}
	for name, fs := range sections.FlagSets {
		fs.VisitAll(func(f *pflag.Flag) {
			if other, ok := seen[f.Name]; ok {
				t.Errorf("--%s is in %s and %s", f.Name, name, other)
			}
			seen[f.Name] = name
			if f.Usage == "" {
				t.Errorf("--%s has no help", f.Name)
			}
		})
	}
	for _, flag := range []string{"data-dir", "kubeconfig", "etcd-servers", "audit-policy-file", "tracing-config-file", "encryption-provider-config", "request-timeout", "secure-port", "feature-gates"} {
		if seen[flag] == "" {
			t.Errorf("there is no --%s", flag)
		}
	}
}

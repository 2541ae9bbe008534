package controlplane

import (
	"context"
	"fmt"

	"k8s.io/client-go/tools/cache"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	controllermanageroptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	scheduleroptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"

	"github.com/leat-dev/leat/hack/devcluster/internal/pki"
)

// runControllerManager runs kube-controller-manager until ctx ends.
func runControllerManager(ctx context.Context, o Options, keys *pki.Cluster, kubeconfig string) error {
	s, err := controllermanageroptions.NewKubeControllerManagerOptions()
	if err != nil {
		return fmt.Errorf("making kube-controller-manager's options: %w", err)
	}
	known, disabled, aliases := controllermanager.KnownControllers(), controllermanager.ControllersDisabledByDefault(), controllermanager.ControllerAliases()
	flags := s.Flags(known, disabled, aliases)
	err = parse("kube-controller-manager", &flags, []string{
		"--kubeconfig=" + kubeconfig,
		"--secure-port=0",
		"--leader-elect=false",
		// The default of 20 a second makes its start take five seconds more.
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
		"--root-ca-file=" + keys.CA.CertFile,
		"--cluster-signing-cert-file=" + keys.CA.CertFile,
		"--cluster-signing-key-file=" + keys.CA.KeyFile,
		"--service-account-private-key-file=" + keys.ServiceAccountKeyFile,
		// The default lies in /usr/libexec and is created there.
		"--flex-volume-plugin-dir=" + o.path("run", "flexvolume"),
	})
	if err != nil {
		return err
	}
	config, err := s.Config(ctx, known, disabled, aliases)
	if err != nil {
		return fmt.Errorf("completing kube-controller-manager's options: %w", err)
	}
	if err := controllermanager.Run(ctx, config.Complete()); err != nil && ctx.Err() == nil {
		return fmt.Errorf("running kube-controller-manager: %w", err)
	}
	return nil
}

// runScheduler runs kube-scheduler until ctx ends.
func runScheduler(ctx context.Context, kubeconfig string) error {
	s := scheduleroptions.NewOptions()
	err := parse("kube-scheduler", s.Flags, []string{
		"--kubeconfig=" + kubeconfig,
		"--secure-port=0",
		"--leader-elect=false",
	})
	if err != nil {
		return err
	}
	if s.InformerName, err = cache.NewInformerName("kube-scheduler"); err != nil {
		return fmt.Errorf("naming kube-scheduler's informers: %w", err)
	}
	config, sched, err := scheduler.Setup(ctx, s)
	if err != nil {
		return fmt.Errorf("setting up kube-scheduler: %w", err)
	}
	// It returns an error always, also when it was asked to end.
	if err := scheduler.Run(ctx, config, sched); ctx.Err() == nil {
		return fmt.Errorf("running kube-scheduler: %w", err)
	}
	return nil
}

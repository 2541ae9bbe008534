package controlplane

import (
	"context"
	"fmt"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	nodestages "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	podstages "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	"sigs.k8s.io/kwok/pkg/client/clientset/versioned"
	"sigs.k8s.io/kwok/pkg/config"
	"sigs.k8s.io/kwok/pkg/kwok/controllers"
	"sigs.k8s.io/kwok/pkg/utils/client"
)

const (
	// nodeLeaseSeconds is the kubelet's own lease duration; the lease is
	// renewed every quarter of it.
	nodeLeaseSeconds = 40
	// kubeletParallelism is enough for a few hundred Pods a second.
	kubeletParallelism = 8
)

// runKubelets lets kwok play the kubelet of every node: nodes become and stay
// Ready, Pods that are bound to them become Ready at once, those of Jobs then
// complete, and those that are deleted go. It returns when ctx ends.
func runKubelets(ctx context.Context, kubeconfig string) error {
	conf, err := kubeletConfig(kubeconfig)
	if err != nil {
		return fmt.Errorf("running the kubelets: %w", err)
	}
	controller, err := controllers.NewController(conf)
	if err != nil {
		return fmt.Errorf("running the kubelets: %w", err)
	}
	if err := controller.Start(ctx); err != nil {
		return fmt.Errorf("running the kubelets: %w", err)
	}
	<-ctx.Done()
	return nil
}

func kubeletConfig(kubeconfig string) (conf controllers.Config, err error) {
	clients, err := client.NewClientset("", kubeconfig)
	if err != nil {
		return conf, err
	}
	restConfig, err := clients.ToRESTConfig()
	if err != nil {
		return conf, err
	}
	conf = controllers.Config{
		Clock:                      clock.RealClock{},
		ImpersonatingDynamicClient: clients.ToImpersonatingDynamicClient(),
		ImpersonatingTypedClient:   clients.ToImpersonatingTypedClient(),
		ManageAllNodes:             true,
		CIDR:                       "10.0.0.1/24",
		NodeIP:                     "10.0.0.1",
		NodeLeaseDurationSeconds:   nodeLeaseSeconds,
		NodeLeaseParallelism:       kubeletParallelism,
		NodePlayStageParallelism:   kubeletParallelism,
		PodPlayStageParallelism:    kubeletParallelism,
		PodsOnNodeSyncParallelism:  kubeletParallelism,
	}
	if conf.DynamicClient, err = clients.ToDynamicClient(); err != nil {
		return conf, err
	}
	if conf.RESTMapper, err = clients.ToRESTMapper(); err != nil {
		return conf, err
	}
	if conf.RESTClient, err = rest.RESTClientFor(restConfig); err != nil {
		return conf, err
	}
	if conf.TypedClient, err = kubernetes.NewForConfig(restConfig); err != nil {
		return conf, err
	}
	if conf.TypedKwokClient, err = versioned.NewForConfig(restConfig); err != nil {
		return conf, err
	}
	if conf.ID, err = controllers.Identity(); err != nil {
		return conf, err
	}
	conf.LocalStages, err = stages(nodestages.DefaultNodeInit,
		podstages.DefaultPodReady, podstages.DefaultPodComplete, podstages.DefaultPodDelete)
	return conf, err
}

// stages groups kwok's life cycles by the kind that they are about.
func stages(manifests ...string) (map[internalversion.StageResourceRef][]*internalversion.Stage, error) {
	grouped := map[internalversion.StageResourceRef][]*internalversion.Stage{}
	for _, manifest := range manifests {
		stage, err := config.UnmarshalWithType[*internalversion.Stage](manifest)
		if err != nil {
			return nil, fmt.Errorf("reading a stage: %w", err)
		}
		ref := stage.Spec.ResourceRef
		grouped[ref] = append(grouped[ref], stage)
	}
	return grouped, nil
}

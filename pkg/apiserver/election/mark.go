package election

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
)

// ActiveLabel is on the Pod of the server that acts, with the value true. The
// Service selects it.
const ActiveLabel = "leat.dev/active"

const activeValue = "true"

// mark puts the label on this server's Pod and takes it off all others, until
// that has succeeded or ctx ends: without it no request arrives.
func (o *Options) mark(ctx context.Context) {
	backoff := wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.1, Steps: 7, Cap: 10 * time.Second}
	for {
		err := o.markOnce(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		pause := backoff.Step()
		klog.FromContext(ctx).Error(err, "Leading the Service to this server failed", "retryIn", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

func (o *Options) markOnce(ctx context.Context) error {
	pods, err := o.Client.CoreV1().Pods(o.Namespace).List(ctx, metav1.ListOptions{LabelSelector: o.Selector})
	if err != nil {
		return fmt.Errorf("listing the Pods of servers: %w", err)
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.Name != o.Pod && pod.Labels[ActiveLabel] != "" {
			if err := o.label(ctx, pod, nil); err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("taking the Service from Pod %s: %w", pod.Name, err)
			}
		}
	}
	active := activeValue
	if err := o.label(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: o.Pod}}, &active); err != nil {
		return fmt.Errorf("leading the Service to Pod %s: %w", o.Pod, err)
	}
	return nil
}

// label sets the label, or removes it if value is nil.
func (o *Options) label(ctx context.Context, pod *corev1.Pod, value *string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]*string{ActiveLabel: value}}})
	if err != nil {
		return fmt.Errorf("encoding the label: %w", err)
	}
	_, err = o.Client.CoreV1().Pods(o.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

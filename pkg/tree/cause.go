package tree

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// causeOf says why an object that a controller made is not well, as far as that
// lies in the object itself; nothing if it is well.
func causeOf(obj *unstructured.Unstructured) string {
	switch obj.GroupVersionKind().GroupKind() {
	case pods:
		var pod corev1.Pod
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, &pod); err != nil {
			return "" // it has a status that no Pod has
		}
		return podCause(&pod)
	case jobs:
		return conditionCause(obj, "Failed")
	case replicaSets:
		return conditionCause(obj, "ReplicaFailure")
	case claims:
		phase, _, _ := unstructured.NestedString(obj.Object, "status", "phase")
		if phase == "" || phase == string(corev1.ClaimBound) {
			return ""
		}
		class, _, _ := unstructured.NestedString(obj.Object, "spec", "storageClassName")
		return fmt.Sprintf("%s: not bound to a volume of storage class %q", phase, class)
	}
	return ""
}

// conditionCause is the reason and message of a condition that tells of trouble
// when it is True.
func conditionCause(obj *unstructured.Unstructured, kind string) string {
	conditions, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, c := range conditions {
		m, ok := c.(map[string]any)
		if !ok || m["type"] != kind || m["status"] != "True" {
			continue
		}
		reason, _ := m["reason"].(string)
		message, _ := m["message"].(string)
		return joinedBy(reason, ": ", message)
	}
	return ""
}

// podCause says why a Pod is not well. What comes first in the life of a Pod comes
// first:
//
//	it has no node                       what the scheduler says
//	it has ended well                    nothing
//	it was evicted, or refused           what the node says
//	a container cannot start, or crashes its reason; how it ended the last time
//	a container has ended badly          its exit code
//	it runs and is not ready             which containers are not
func podCause(pod *corev1.Pod) string {
	if c := podCondition(pod, corev1.PodScheduled); c != nil && c.Status == corev1.ConditionFalse {
		return joinedBy(c.Reason, ": ", c.Message)
	}
	if pod.Status.Phase == corev1.PodSucceeded {
		return ""
	}
	if pod.Status.Reason != "" {
		return joinedBy(pod.Status.Reason, ": ", pod.Status.Message)
	}
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for i := range list {
			if cause := containerCause(&list[i]); cause != "" {
				return fmt.Sprintf("container %s: %s", list[i].Name, cause)
			}
		}
	}
	if c := podCondition(pod, corev1.PodReady); c != nil && c.Status == corev1.ConditionFalse {
		return joinedBy(c.Reason, ": ", c.Message)
	}
	return ""
}

func podCondition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// containerCause says why a container does not run, unless it is merely about to.
func containerCause(c *corev1.ContainerStatus) string {
	last := c.LastTerminationState.Terminated
	switch {
	case c.State.Waiting != nil:
		reason := c.State.Waiting.Reason
		if reason == "" || reason == "ContainerCreating" || reason == "PodInitializing" {
			return ""
		}
		cause := joinedBy(reason, ": ", c.State.Waiting.Message)
		if last != nil {
			cause += "; the last time it ended with " + exit(last)
		}
		return cause
	case c.State.Terminated != nil && c.State.Terminated.ExitCode != 0:
		return "ended with " + exit(c.State.Terminated)
	case c.State.Running != nil && !c.Ready && last != nil:
		return fmt.Sprintf("not ready after %d restart(s); the last time it ended with %s", c.RestartCount, exit(last))
	}
	return ""
}

// exit says how a container ended. What the container itself wrote about it is left
// out: it is part of its log, which takes a right of its own to read.
func exit(t *corev1.ContainerStateTerminated) string {
	text := fmt.Sprintf("exit code %d", t.ExitCode)
	if t.Signal != 0 {
		text += fmt.Sprintf(", signal %d", t.Signal)
	}
	if t.Reason != "" && t.Reason != "Error" && t.Reason != "Completed" {
		text += " (" + t.Reason + ")"
	}
	return text
}

package tree

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func TestPodCauses(t *testing.T) {
	for name, tt := range map[string]struct{ status, want string }{
		"ready":          {`{phase: Running, conditions: [{type: Ready, status: "True"}], containerStatuses: [{name: main, ready: true, state: {running: {}}}]}`, ""},
		"has ended well": {`{phase: Succeeded, conditions: [{type: Ready, status: "False", reason: PodCompleted}], containerStatuses: [{name: main, state: {terminated: {exitCode: 0}}}]}`, ""},
		"about to start": {`{phase: Pending, conditions: [{type: PodScheduled, status: "True"}], containerStatuses: [{name: main, state: {waiting: {reason: ContainerCreating}}}]}`, ""},
		"no node":        {`{phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: "0/2 nodes are available"}]}`, "Unschedulable: 0/2 nodes are available"},
		"no image":       {`{phase: Pending, containerStatuses: [{name: main, state: {waiting: {reason: ErrImagePull, message: not found}}}]}`, "container main: ErrImagePull: not found"},
		"no Secret":      {`{phase: Pending, containerStatuses: [{name: main, state: {waiting: {reason: CreateContainerConfigError, message: 'secret "x" not found'}}}]}`, `container main: CreateContainerConfigError: secret "x" not found`},
		"crashes": {`{phase: Running, containerStatuses: [{name: side, ready: true, state: {running: {}}}, {name: main, restartCount: 4, state: {waiting: {reason: CrashLoopBackOff, message: back-off 40s}},
			lastState: {terminated: {exitCode: 2, reason: Error, message: "password is hunter2"}}}]}`, "container main: CrashLoopBackOff: back-off 40s; the last time it ended with exit code 2"},
		"takes too much memory": {`{phase: Running, containerStatuses: [{name: main, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, signal: 9, reason: OOMKilled}}}]}`,
			"container main: CrashLoopBackOff; the last time it ended with exit code 137, signal 9 (OOMKilled)"},
		"starts again":      {`{phase: Running, conditions: [{type: Ready, status: "False", reason: ContainersNotReady}], containerStatuses: [{name: main, restartCount: 2, state: {running: {}}, lastState: {terminated: {exitCode: 1, reason: Error}}}]}`, "container main: not ready after 2 restart(s); the last time it ended with exit code 1"},
		"has ended badly":   {`{phase: Failed, containerStatuses: [{name: main, state: {terminated: {exitCode: 3, reason: Error, message: "password is hunter2"}}}]}`, "container main: ended with exit code 3"},
		"cannot initialize": {`{phase: Pending, initContainerStatuses: [{name: init, state: {terminated: {exitCode: 1}}}], containerStatuses: [{name: main, state: {waiting: {reason: PodInitializing}}}]}`, "container init: ended with exit code 1"},
		"evicted":           {`{phase: Failed, reason: Evicted, message: "the node was low on memory"}`, "Evicted: the node was low on memory"},
		"not ready":         {`{phase: Running, conditions: [{type: Ready, status: "False", reason: ContainersNotReady, message: "unready: [main]"}], containerStatuses: [{name: main, state: {running: {}}}]}`, "ContainersNotReady: unready: [main]"},
		"nothing known":     {`{}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var status corev1.PodStatus
			if err := yaml.UnmarshalStrict([]byte(tt.status), &status); err != nil {
				t.Fatal(err)
			}
			if got := podCause(&corev1.Pod{Status: status}); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestOtherCauses(t *testing.T) {
	for name, tt := range map[string]struct{ object, want string }{
		"a Job that failed":             {`{apiVersion: batch/v1, kind: Job, status: {conditions: [{type: Failed, status: "True", reason: BackoffLimitExceeded, message: Job has reached the specified backoff limit}]}}`, "BackoffLimitExceeded: Job has reached the specified backoff limit"},
		"a Job that did not":            {`{apiVersion: batch/v1, kind: Job, status: {conditions: [{type: Failed, status: "False"}, {type: Complete, status: "True"}]}}`, ""},
		"a ReplicaSet without a quota":  {`{apiVersion: apps/v1, kind: ReplicaSet, status: {conditions: [{type: ReplicaFailure, status: "True", reason: FailedCreate, message: exceeded quota}]}}`, "FailedCreate: exceeded quota"},
		"a claim without a volume":      {`{apiVersion: v1, kind: PersistentVolumeClaim, spec: {storageClassName: fast}, status: {phase: Pending}}`, `Pending: not bound to a volume of storage class "fast"`},
		"a claim with one":              {`{apiVersion: v1, kind: PersistentVolumeClaim, status: {phase: Bound}}`, ""},
		"what nobody knows":             {`{apiVersion: example.com/v1, kind: Thing}`, ""},
		"a Pod with an impossible form": {`{apiVersion: v1, kind: Pod, status: {phase: 1}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			u := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(tt.object), &u.Object); err != nil {
				t.Fatal(err)
			}
			if got := causeOf(u); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

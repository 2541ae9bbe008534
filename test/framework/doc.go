// Package framework gives tests a real Kubernetes control plane: the one of
// hack/devcluster, driven through its command, so that this module never
// imports k8s.io/kubernetes.
//
// A package whose tests need a cluster starts one for all of them:
//
//	var cluster *framework.Cluster
//
//	func TestMain(m *testing.M) {
//		os.Exit(framework.Main(m, framework.Options{}, &cluster))
//	}
//
// When LEAT_TEST_CLUSTER names the directory of a running cluster, as in
// `make test`, packages that ask for nothing special share that one; tests keep
// apart by namespaces of their own (Cluster.Namespace). Otherwise every package
// runs its own, which ends with the test binary, however that ends.
//
// It must not import the packages under test.
package framework

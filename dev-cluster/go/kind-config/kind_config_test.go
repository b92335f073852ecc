// Package kindconfig checks the kind configuration where kind itself can't run.
package kindconfig

import (
	"os"
	"testing"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

func TestTheKindClusterHasThreeNodesOneOfThemTheControlPlane(t *testing.T) {
	file, err := os.Open("../../../kind-config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	var cluster v1alpha4.Cluster
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true) // as kind decodes it
	if err := decoder.Decode(&cluster); err != nil {
		t.Fatal(err)
	}
	v1alpha4.SetDefaultsCluster(&cluster)

	roles := map[v1alpha4.NodeRole]int{}
	for _, node := range cluster.Nodes {
		roles[node.Role]++
	}
	if roles[v1alpha4.ControlPlaneRole] != 1 || roles[v1alpha4.WorkerRole] != 2 {
		t.Fatalf("want one control plane and two workers, got %v", roles)
	}
	if cluster.Name != "chatbot" {
		t.Fatalf("the scripts call the cluster chatbot, the configuration %q", cluster.Name)
	}
}

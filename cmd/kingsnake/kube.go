package main

import (
	"errors"
	"flag"

	"kingsnake/workload/kube"
)

// noKube is the value of --kubeconfig that has no Kubernetes API asked.
const noKube = "none"

// kubeConfig says which Kubernetes API is asked about this node's pods.
type kubeConfig struct {
	path   string
	google bool
}

func (c *kubeConfig) flags(fs *flag.FlagSet) {
	c.pathFlag(fs)
	fs.BoolVar(&c.google, "gke", false, "ask Google Cloud's metadata server for the cluster's name and location")
}

// pathFlag is the flag that says which API is asked.
func (c *kubeConfig) pathFlag(fs *flag.FlagSet) {
	fs.StringVar(&c.path, "kubeconfig", "", "`file` that leads to the Kubernetes API, which is asked for owners, service accounts and labels of pods\n"+
		"(default: the service account of the pod this runs in, if any; \""+noKube+"\": it is not asked)")
}

// open returns the pods of a node. A machine without Kubernetes is no error.
func (c *kubeConfig) open(env Env, node string) (*kube.Pods, error) {
	if c.path == noKube {
		return kube.Without("the Kubernetes API is not asked (--kubeconfig " + noKube + ")"), nil
	}
	config := kube.Config{Kubeconfig: c.path, Node: node, Now: env.Now, Getenv: env.Getenv}
	if c.google {
		config.Metadata = kube.MetadataServer
	}
	pods, err := kube.Open(config)
	if errors.Is(err, kube.ErrNone) {
		return kube.Without("the Kubernetes API is not asked: " + err.Error()), nil
	}
	return pods, err
}

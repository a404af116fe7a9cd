package kube

import (
	"strconv"
	"strings"
	"time"

	"kingsnake/workload"
)

// Labels that controllers of Kubernetes put on the pods they make.
const (
	labelTemplateHash = "pod-template-hash"        // Deployment, on its ReplicaSets and their pods
	labelRevision     = "controller-revision-hash" // StatefulSet and DaemonSet
	labelGeneration   = "pod-template-generation"  // DaemonSet
	labelStateful     = "statefulset.kubernetes.io/pod-name"
	labelJob          = "batch.kubernetes.io/job-name"
	labelOldJob       = "job-name" // the same, before Kubernetes 1.27
)

// Infer returns the owner of a pod as its own labels and name tell, the way
// Kubernetes's controllers name what they make, for when the API cannot be asked.
// It returns no owner when they do not tell. created is when one of the pod's
// containers was made; the zero time when that is not known.
//
// For a Deployment, StatefulSet, DaemonSet, Job and CronJob the answer is the one
// the API would give, so that a finding does not change its name with the API's
// absence. Whoever may create pods may write such labels, but may write
// references to owners just as well.
func Infer(pod workload.Pod, created time.Time) (owner workload.Owner) {
	defer func() { owner.Inferred = owner.Name != "" }()
	if hash := pod.Labels[labelTemplateHash]; hash != "" {
		// The pod is called DEPLOYMENT-HASH-SUFFIX.
		if name, ok := strings.CutSuffix(cutLast(pod.Name), "-"+hash); ok && name != "" {
			return workload.Owner{Group: "apps", Kind: "Deployment", Name: name}
		}
		return workload.Owner{}
	}
	if pod.Labels[labelStateful] == pod.Name && pod.Name != "" {
		// SET-ORDINAL, and the revision is SET-HASH.
		name := cutLast(pod.Name)
		if name != "" && cutLast(pod.Labels[labelRevision]) == name {
			return workload.Owner{Group: "apps", Kind: "StatefulSet", Name: name}
		}
		return workload.Owner{}
	}
	if pod.Labels[labelGeneration] != "" && pod.Labels[labelRevision] != "" {
		if name := cutLast(pod.Name); name != "" {
			return workload.Owner{Group: "apps", Kind: "DaemonSet", Name: name}
		}
	}
	for _, label := range []string{labelJob, labelOldJob} {
		if job := pod.Labels[label]; job != "" && strings.HasPrefix(pod.Name, job+"-") {
			return jobOwner(job, created)
		}
	}
	return workload.Owner{}
}

// jobOwner returns the CronJob that made a Job, or the Job itself. A CronJob
// calls its Jobs after itself and the minute they were due, counted from 1970
// (k8s.io/kubernetes/pkg/controller/cronjob). A Job that somebody named so by
// hand was not made in that very hour.
func jobOwner(job string, created time.Time) workload.Owner {
	own := workload.Owner{Group: "batch", Kind: "Job", Name: job}
	name := cutLast(job)
	if name == "" || created.IsZero() {
		return own
	}
	minutes, err := strconv.ParseInt(job[len(name)+1:], 10, 64)
	if err != nil || len(job)-len(name)-1 != 8 {
		return own
	}
	if late := created.Sub(time.Unix(minutes*60, 0)); late < -time.Minute || late > maxLate {
		return own
	}
	return workload.Owner{Group: "batch", Kind: "CronJob", Name: name}
}

// maxLate is how long after its minute a CronJob's container may be made: images
// are pulled, and a Job may be tried again.
const maxLate = 24 * time.Hour

// cutLast returns name without its last part, "" when it has one only.
func cutLast(name string) string {
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		return name[:i]
	}
	return ""
}

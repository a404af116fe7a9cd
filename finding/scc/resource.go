package scc

import (
	"net/url"
	"regexp"

	pb "cloud.google.com/go/securitycenter/apiv2/securitycenterpb"

	"kingsnake/finding"
)

// place is what a finding's resource is called.
type place struct {
	name, display, kind, service, location string
}

// at returns cfg with what the finding itself knows of where it comes from in
// Google Cloud, in the place of what is not configured.
func (c Config) at(f finding.Finding) Config {
	cloud := f.Workload.Cloud
	if cloud.Provider != "gce" {
		return c
	}
	if c.Project == "" {
		c.Project, c.ProjectNumber = cloud.Project, ""
	}
	if c.Location == "" {
		c.Location = cloud.Location
	}
	if c.InstanceIDs[f.Workload.Node] == "" && cloud.InstanceID != "" {
		c.InstanceIDs = map[string]string{f.Workload.Node: cloud.InstanceID}
	}
	return c
}

// InstanceID returns the Compute Engine instance id of the machine a finding is
// from: the one that is configured, else the one its sensor was told; "" when
// neither is.
func (c Config) InstanceID(f finding.Finding) string { return c.at(f).InstanceIDs[f.Workload.Node] }

// placeOf names the resource a finding is about; see the package comment.
func placeOf(f finding.Finding, cfg Config) place {
	cfg = cfg.at(f)
	cluster := clusterOf(f, cfg)
	switch {
	case cfg.Project != "" && cfg.Location != "" && cluster != "":
		return place{
			name: "//container.googleapis.com/projects/" + segment(cfg.Project) + "/locations/" + segment(cfg.Location) +
				"/clusters/" + segment(cluster),
			display: text(cluster), kind: "google.container.Cluster",
			service: "container.googleapis.com", location: text(cfg.Location),
		}
	case cluster != "":
		return place{name: "//kingsnake.local/clusters/" + segment(cluster), display: text(cluster), kind: "kingsnake.Cluster", location: text(cfg.Location)}
	case f.Workload.PodName != "" || f.Workload.PodUID != "":
		return place{name: nodePlace(f.Workload.Node), display: text(f.Workload.Node), kind: "kingsnake.Node", location: text(cfg.Location)}
	default:
		return place{name: "//kingsnake.local/hosts/" + known(f.Workload.Node), display: text(f.Workload.Node), kind: "kingsnake.Host", location: text(cfg.Location)}
	}
}

func clusterOf(f finding.Finding, cfg Config) string {
	if f.Workload.Cluster != "" {
		return f.Workload.Cluster
	}
	return cfg.Cluster
}

func nodePlace(node string) string { return "//kingsnake.local/nodes/" + known(node) }

var zone = regexp.MustCompile(`^[a-z]+-[a-z]+[0-9]+-[a-z]$`)

// nodeName is the full resource name of the machine a node runs on. Which zone
// that is can be known when the node's own cloud said so, or the cluster lies in one.
func nodeName(f finding.Finding, cfg Config) string {
	cfg = cfg.at(f)
	in := f.Workload.Cloud.Zone
	if f.Workload.Cloud.Provider != "gce" || in == "" {
		in = cfg.Location
	}
	if placeOf(f, cfg).service != "" && zone.MatchString(in) {
		return "//compute.googleapis.com/projects/" + segment(cfg.Project) + "/zones/" + segment(in) + "/instances/" + known(f.Workload.Node)
	}
	return nodePlace(f.Workload.Node)
}

// segment makes s one segment of a resource name.
func segment(s string) string { return url.PathEscape(s) }

func known(s string) string {
	if s == "" {
		return Unknown
	}
	return segment(s)
}

const resourceManager = "//cloudresourcemanager.googleapis.com/"

// Resource returns the v2 resource that a finding is about.
func Resource(f finding.Finding, cfg Config) *pb.Resource {
	cfg = cfg.at(f)
	p := placeOf(f, cfg)
	r := &pb.Resource{Name: p.name, DisplayName: p.display, Type: p.kind, Service: p.service, Location: p.location}
	if cfg.Project == "" {
		return r
	}
	project := resourceManager + "projects/" + segment(cfg.projectKey())
	meta := &pb.GcpMetadata{
		Project: project, ProjectDisplayName: text(cfg.Project), Parent: project, ParentDisplayName: text(cfg.Project),
	}
	if cfg.Organization != "" {
		meta.Organization = "organizations/" + segment(cfg.Organization)
	}
	r.CloudProvider = pb.CloudProvider_GOOGLE_CLOUD_PLATFORM
	r.CloudProviderMetadata = &pb.Resource_GcpMetadata{GcpMetadata: meta}
	return r
}

// legacyResource is the resource as the older console writes it.
func legacyResource(f finding.Finding, cfg Config) map[string]any {
	cfg = cfg.at(f)
	p := placeOf(f, cfg)
	project, display := Unknown, Unknown
	if cfg.Project != "" {
		project, display = resourceManager+"projects/"+segment(cfg.projectKey()), text(cfg.Project)
	}
	r := map[string]any{
		"name": p.name, "display_name": p.display, "type": p.kind,
		"project_name": project, "project_display_name": display,
		"parent_name": project, "parent_display_name": display,
		"folders": []string{},
	}
	if p.location != "" {
		r["location"] = p.location
	}
	if p.service != "" {
		r["service"] = p.service
	}
	return r
}

// Package scc renders a finding in the wire forms of Google Security Command
// Center (SCC): the v2 API resource, the notification message that SCC
// publishes, and the JSON of its older console. It also makes the links and
// commands of SCC's runbook for a finding; see [Links].
//
// # Which form answers which path
//
// [V2JSON] is the Finding of the v2 API. [NotificationJSON] wraps it with its
// Resource. [LegacyJSON] has the siblings finding, resource and
// sourceProperties, with the resource in snake_case, so that
// resource.project_display_name and sourceProperties.Pod_Name resolve as SCC's
// runbooks write them; findingProviderId is a member of its finding, as in SCC's
// published examples. All three are deterministic and indented by two blanks.
//
// # Values that only Google Cloud has
//
// Project, organization, location and instance ids come from [Config]. Those
// that are not configured are left out where the form allows it, or else read
// [Unknown]; nothing is invented. A workload's resource is named as Google
// Kubernetes Engine would only when project, location and cluster are all
// known; otherwise below //kingsnake.local, which is ours:
//
//	//container.googleapis.com/projects/P/locations/L/clusters/C
//	//kingsnake.local/clusters/C    a cluster, its cloud unknown
//	//kingsnake.local/nodes/N       a node of a cluster without a name
//	//kingsnake.local/hosts/N       a machine without Kubernetes
//
// # Double encoding
//
// In SCC, paths, script contents, arguments and environment entries are strings
// that hold JSON strings. [Encode] and [Decode] say how bytes that are not
// UTF-8 travel in them. In other fields such bytes are shown as \xNN.
//
// # Hashes
//
// script.sha256 is the hash of the bytes in script.contents, hashedSize of them.
// partiallyHashed says that this is not the hash of the whole script, because
// contents is a prefix or has secrets replaced in it. The hash of the script as
// the interpreter read it is sourceProperties.Script_SHA256, and that of files
// for a script that is a file.
//
// All functions are pure and safe for concurrent use.
package scc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	pb "cloud.google.com/go/securitycenter/apiv2/securitycenterpb"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"kingsnake/finding"
)

// Unknown stands for a value that only Google Cloud has and nobody configured.
const Unknown = "unknown"

// Config holds what a finding cannot know itself. The zero Config is valid: it
// is an installation outside Google Cloud.
type Config struct {
	Organization  string // organization number
	Project       string // project id
	ProjectNumber string
	Location      string // the cluster's zone or region
	Cluster       string // the cluster's name; a finding's own cluster name goes first
	Source        string // SCC source id; "" means "kingsnake"

	// InstanceIDs maps a node's name to its Compute Engine instance id.
	InstanceIDs map[string]string

	ConsoleURL         string // base URL of this installation's console
	NotificationConfig string // name of the notification config, for notifications
}

// V2JSON returns a finding as the v2 API resource, in JSON.
func V2JSON(f finding.Finding, cfg Config) ([]byte, error) {
	return marshal(V2(f, cfg))
}

// Notification returns the message that SCC publishes for a finding.
func Notification(f finding.Finding, cfg Config) *pb.NotificationMessage {
	name := text(cfg.NotificationConfig)
	if name == "" {
		name = cfg.ancestor() + "/locations/global/notificationConfigs/kingsnake"
	}
	return &pb.NotificationMessage{
		NotificationConfigName: name,
		Event:                  &pb.NotificationMessage_Finding{Finding: V2(f, cfg)},
		Resource:               Resource(f, cfg),
	}
}

// NotificationJSON returns the body of a notification, in JSON.
func NotificationJSON(f finding.Finding, cfg Config) ([]byte, error) {
	return marshal(Notification(f, cfg))
}

// LegacyJSON returns a finding as SCC's older console shows it: an object with
// finding, resource and sourceProperties. Names are those of the v1 API, which
// have no location.
func LegacyJSON(f finding.Finding, cfg Config) ([]byte, error) {
	m := V2(f, cfg)
	source := cfg.sourceName(cfg.ancestor())
	m.Parent, m.Name = source, source+"/findings/"+segment(f.Name)
	m.CanonicalName = cfg.sourceName(cfg.nearest()) + "/findings/" + segment(f.Name)
	properties, err := protojson.Marshal(&pb.Finding{SourceProperties: m.SourceProperties})
	if err != nil {
		return nil, fmt.Errorf("marshal source properties: %w", err)
	}
	m.SourceProperties = nil
	body, err := protojson.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("marshal finding: %w", err)
	}
	var outer, inner map[string]json.RawMessage
	if err := json.Unmarshal(properties, &outer); err != nil {
		return nil, fmt.Errorf("read source properties back: %w", err)
	}
	if err := json.Unmarshal(body, &inner); err != nil {
		return nil, fmt.Errorf("read finding back: %w", err)
	}
	provider, _ := json.Marshal(cfg.ancestor() + "/thirdPartyFindingProviders/kingsnake")
	inner["findingProviderId"] = provider
	inner["sourceDisplayName"] = inner["parentDisplayName"]
	return indent(map[string]any{
		"finding":          inner,
		"resource":         legacyResource(f, cfg),
		"sourceProperties": outer["sourceProperties"],
	})
}

// marshal renders m with one fixed layout. protojson varies its own on purpose.
func marshal(m proto.Message) ([]byte, error) {
	b, err := protojson.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("marshal %s: %w", m.ProtoReflect().Descriptor().Name(), err)
	}
	return indent(json.RawMessage(b))
}

func indent(v any) ([]byte, error) {
	var compact, out bytes.Buffer
	enc := json.NewEncoder(&compact)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	if err := json.Indent(&out, compact.Bytes(), "", "  "); err != nil {
		return nil, fmt.Errorf("indent: %w", err)
	}
	return out.Bytes(), nil
}

// ancestor is the organization or project that findings are filed under.
func (c Config) ancestor() string {
	switch {
	case c.Organization != "":
		return "organizations/" + segment(c.Organization)
	case c.Project != "":
		return "projects/" + segment(c.projectKey())
	default:
		return "organizations/" + Unknown
	}
}

// nearest is the closest known ancestor of the resource.
func (c Config) nearest() string {
	if c.Project != "" {
		return "projects/" + segment(c.projectKey())
	}
	return c.ancestor()
}

func (c Config) projectKey() string {
	if c.ProjectNumber != "" {
		return c.ProjectNumber
	}
	return c.Project
}

func (c Config) sourceName(ancestor string) string {
	source := c.Source
	if source == "" {
		source = "kingsnake"
	}
	return ancestor + "/sources/" + segment(source)
}

// console is the address of a finding's page, or "".
func (c Config) console(name string) string {
	if c.ConsoleURL == "" {
		return ""
	}
	return strings.TrimRight(text(c.ConsoleURL), "/") + "/findings/" + segment(name)
}

package scc

import (
	"regexp"
	"slices"
	"strings"

	pb "cloud.google.com/go/securitycenter/apiv2/securitycenterpb"

	"kingsnake/finding"
)

// technique is one entry of SCC's list of ATT&CK techniques, with the tactic
// that running Python in a container most often serves by it.
type technique struct {
	enum   pb.MitreAttack_Technique
	tactic pb.MitreAttack_Tactic
}

// techniques maps ATT&CK ids to SCC's names for them, which are all that its
// enumeration has. Source: the comments of mitre_attack.proto, version 2.
var techniques = map[string]technique{
	"T1001":     {pb.MitreAttack_DATA_OBFUSCATION, pb.MitreAttack_COMMAND_AND_CONTROL},
	"T1001.002": {pb.MitreAttack_DATA_OBFUSCATION_STEGANOGRAPHY, pb.MitreAttack_COMMAND_AND_CONTROL},
	"T1003":     {pb.MitreAttack_OS_CREDENTIAL_DUMPING, pb.MitreAttack_CREDENTIAL_ACCESS},
	"T1003.007": {pb.MitreAttack_OS_CREDENTIAL_DUMPING_PROC_FILESYSTEM, pb.MitreAttack_CREDENTIAL_ACCESS},
	"T1003.008": {pb.MitreAttack_OS_CREDENTIAL_DUMPING_ETC_PASSWORD_AND_ETC_SHADOW, pb.MitreAttack_CREDENTIAL_ACCESS},
	"T1005":     {pb.MitreAttack_DATA_FROM_LOCAL_SYSTEM, pb.MitreAttack_COLLECTION},
	"T1020":     {pb.MitreAttack_AUTOMATED_EXFILTRATION, pb.MitreAttack_EXFILTRATION},
	"T1027":     {pb.MitreAttack_OBFUSCATED_FILES_OR_INFO, pb.MitreAttack_DEFENSE_EVASION},
	"T1027.003": {pb.MitreAttack_STEGANOGRAPHY, pb.MitreAttack_DEFENSE_EVASION},
	"T1027.004": {pb.MitreAttack_COMPILE_AFTER_DELIVERY, pb.MitreAttack_DEFENSE_EVASION},
	"T1027.010": {pb.MitreAttack_COMMAND_OBFUSCATION, pb.MitreAttack_DEFENSE_EVASION},
	"T1029":     {pb.MitreAttack_SCHEDULED_TRANSFER, pb.MitreAttack_EXFILTRATION},
	"T1033":     {pb.MitreAttack_SYSTEM_OWNER_USER_DISCOVERY, pb.MitreAttack_DISCOVERY},
	"T1036":     {pb.MitreAttack_MASQUERADING, pb.MitreAttack_DEFENSE_EVASION},
	"T1036.005": {pb.MitreAttack_MATCH_LEGITIMATE_NAME_OR_LOCATION, pb.MitreAttack_DEFENSE_EVASION},
	"T1037":     {pb.MitreAttack_BOOT_OR_LOGON_INITIALIZATION_SCRIPTS, pb.MitreAttack_PERSISTENCE},
	"T1037.005": {pb.MitreAttack_STARTUP_ITEMS, pb.MitreAttack_PERSISTENCE},
	"T1046":     {pb.MitreAttack_NETWORK_SERVICE_DISCOVERY, pb.MitreAttack_DISCOVERY},
	"T1053":     {pb.MitreAttack_SCHEDULED_TASK_JOB, pb.MitreAttack_PERSISTENCE},
	"T1053.003": {pb.MitreAttack_SCHEDULED_TASK_JOB_CRON, pb.MitreAttack_PERSISTENCE},
	"T1053.007": {pb.MitreAttack_CONTAINER_ORCHESTRATION_JOB, pb.MitreAttack_PERSISTENCE},
	"T1055":     {pb.MitreAttack_PROCESS_INJECTION, pb.MitreAttack_DEFENSE_EVASION},
	"T1056":     {pb.MitreAttack_INPUT_CAPTURE, pb.MitreAttack_COLLECTION},
	"T1056.001": {pb.MitreAttack_INPUT_CAPTURE_KEYLOGGING, pb.MitreAttack_COLLECTION},
	"T1057":     {pb.MitreAttack_PROCESS_DISCOVERY, pb.MitreAttack_DISCOVERY},
	"T1059":     {pb.MitreAttack_COMMAND_AND_SCRIPTING_INTERPRETER, pb.MitreAttack_EXECUTION},
	"T1059.004": {pb.MitreAttack_UNIX_SHELL, pb.MitreAttack_EXECUTION},
	"T1059.006": {pb.MitreAttack_PYTHON, pb.MitreAttack_EXECUTION},
	"T1068":     {pb.MitreAttack_EXPLOITATION_FOR_PRIVILEGE_ESCALATION, pb.MitreAttack_PRIVILEGE_ESCALATION},
	"T1069":     {pb.MitreAttack_PERMISSION_GROUPS_DISCOVERY, pb.MitreAttack_DISCOVERY},
	"T1069.003": {pb.MitreAttack_CLOUD_GROUPS, pb.MitreAttack_DISCOVERY},
	"T1070":     {pb.MitreAttack_INDICATOR_REMOVAL, pb.MitreAttack_DEFENSE_EVASION},
	"T1070.002": {pb.MitreAttack_INDICATOR_REMOVAL_CLEAR_LINUX_OR_MAC_SYSTEM_LOGS, pb.MitreAttack_DEFENSE_EVASION},
	"T1070.003": {pb.MitreAttack_INDICATOR_REMOVAL_CLEAR_COMMAND_HISTORY, pb.MitreAttack_DEFENSE_EVASION},
	"T1070.004": {pb.MitreAttack_INDICATOR_REMOVAL_FILE_DELETION, pb.MitreAttack_DEFENSE_EVASION},
	"T1070.006": {pb.MitreAttack_INDICATOR_REMOVAL_TIMESTOMP, pb.MitreAttack_DEFENSE_EVASION},
	"T1070.008": {pb.MitreAttack_INDICATOR_REMOVAL_CLEAR_MAILBOX_DATA, pb.MitreAttack_DEFENSE_EVASION},
	"T1071":     {pb.MitreAttack_APPLICATION_LAYER_PROTOCOL, pb.MitreAttack_COMMAND_AND_CONTROL},
	"T1071.004": {pb.MitreAttack_DNS, pb.MitreAttack_COMMAND_AND_CONTROL},
	"T1072":     {pb.MitreAttack_SOFTWARE_DEPLOYMENT_TOOLS, pb.MitreAttack_EXECUTION},
	"T1078":     {pb.MitreAttack_VALID_ACCOUNTS, pb.MitreAttack_INITIAL_ACCESS},
	"T1078.001": {pb.MitreAttack_DEFAULT_ACCOUNTS, pb.MitreAttack_INITIAL_ACCESS},
	"T1078.003": {pb.MitreAttack_LOCAL_ACCOUNTS, pb.MitreAttack_INITIAL_ACCESS},
	"T1078.004": {pb.MitreAttack_CLOUD_ACCOUNTS, pb.MitreAttack_INITIAL_ACCESS},
	"T1083":     {pb.MitreAttack_FILE_AND_DIRECTORY_DISCOVERY, pb.MitreAttack_DISCOVERY},
	"T1087.001": {pb.MitreAttack_ACCOUNT_DISCOVERY_LOCAL_ACCOUNT, pb.MitreAttack_DISCOVERY},
	"T1090":     {pb.MitreAttack_PROXY, pb.MitreAttack_COMMAND_AND_CONTROL},
	"T1090.002": {pb.MitreAttack_EXTERNAL_PROXY, pb.MitreAttack_COMMAND_AND_CONTROL},
	"T1090.003": {pb.MitreAttack_MULTI_HOP_PROXY, pb.MitreAttack_COMMAND_AND_CONTROL},
	"T1098":     {pb.MitreAttack_ACCOUNT_MANIPULATION, pb.MitreAttack_PERSISTENCE},
	"T1098.001": {pb.MitreAttack_ADDITIONAL_CLOUD_CREDENTIALS, pb.MitreAttack_PERSISTENCE},
	"T1098.003": {pb.MitreAttack_ADDITIONAL_CLOUD_ROLES, pb.MitreAttack_PERSISTENCE},
	"T1098.004": {pb.MitreAttack_SSH_AUTHORIZED_KEYS, pb.MitreAttack_PERSISTENCE},
	"T1098.006": {pb.MitreAttack_ADDITIONAL_CONTAINER_CLUSTER_ROLES, pb.MitreAttack_PERSISTENCE},
	"T1104":     {pb.MitreAttack_MULTI_STAGE_CHANNELS, pb.MitreAttack_COMMAND_AND_CONTROL},
	"T1105":     {pb.MitreAttack_INGRESS_TOOL_TRANSFER, pb.MitreAttack_COMMAND_AND_CONTROL},
	"T1106":     {pb.MitreAttack_NATIVE_API, pb.MitreAttack_EXECUTION},
	"T1110":     {pb.MitreAttack_BRUTE_FORCE, pb.MitreAttack_CREDENTIAL_ACCESS},
	"T1119":     {pb.MitreAttack_AUTOMATED_COLLECTION, pb.MitreAttack_COLLECTION},
	"T1129":     {pb.MitreAttack_SHARED_MODULES, pb.MitreAttack_EXECUTION},
	"T1132":     {pb.MitreAttack_DATA_ENCODING, pb.MitreAttack_COMMAND_AND_CONTROL},
	"T1132.001": {pb.MitreAttack_STANDARD_ENCODING, pb.MitreAttack_COMMAND_AND_CONTROL},
	"T1134":     {pb.MitreAttack_ACCESS_TOKEN_MANIPULATION, pb.MitreAttack_DEFENSE_EVASION},
	"T1134.001": {pb.MitreAttack_TOKEN_IMPERSONATION_OR_THEFT, pb.MitreAttack_DEFENSE_EVASION},
	"T1136":     {pb.MitreAttack_CREATE_ACCOUNT, pb.MitreAttack_PERSISTENCE},
	"T1136.001": {pb.MitreAttack_LOCAL_ACCOUNT, pb.MitreAttack_PERSISTENCE},
	"T1140":     {pb.MitreAttack_DEOBFUSCATE_DECODE_FILES_OR_INFO, pb.MitreAttack_DEFENSE_EVASION},
	"T1190":     {pb.MitreAttack_EXPLOIT_PUBLIC_FACING_APPLICATION, pb.MitreAttack_INITIAL_ACCESS},
	"T1195":     {pb.MitreAttack_SUPPLY_CHAIN_COMPROMISE, pb.MitreAttack_INITIAL_ACCESS},
	"T1195.001": {pb.MitreAttack_COMPROMISE_SOFTWARE_DEPENDENCIES_AND_DEVELOPMENT_TOOLS, pb.MitreAttack_INITIAL_ACCESS},
	"T1203":     {pb.MitreAttack_EXPLOITATION_FOR_CLIENT_EXECUTION, pb.MitreAttack_EXECUTION},
	"T1204":     {pb.MitreAttack_USER_EXECUTION, pb.MitreAttack_EXECUTION},
	"T1222.002": {pb.MitreAttack_LINUX_AND_MAC_FILE_AND_DIRECTORY_PERMISSIONS_MODIFICATION, pb.MitreAttack_DEFENSE_EVASION},
	"T1484":     {pb.MitreAttack_DOMAIN_POLICY_MODIFICATION, pb.MitreAttack_DEFENSE_EVASION},
	"T1485":     {pb.MitreAttack_DATA_DESTRUCTION, pb.MitreAttack_IMPACT},
	"T1486":     {pb.MitreAttack_DATA_ENCRYPTED_FOR_IMPACT, pb.MitreAttack_IMPACT},
	"T1489":     {pb.MitreAttack_SERVICE_STOP, pb.MitreAttack_IMPACT},
	"T1490":     {pb.MitreAttack_INHIBIT_SYSTEM_RECOVERY, pb.MitreAttack_IMPACT},
	"T1495":     {pb.MitreAttack_FIRMWARE_CORRUPTION, pb.MitreAttack_IMPACT},
	"T1496":     {pb.MitreAttack_RESOURCE_HIJACKING, pb.MitreAttack_IMPACT},
	"T1498":     {pb.MitreAttack_NETWORK_DENIAL_OF_SERVICE, pb.MitreAttack_IMPACT},
	"T1526":     {pb.MitreAttack_CLOUD_SERVICE_DISCOVERY, pb.MitreAttack_DISCOVERY},
	"T1528":     {pb.MitreAttack_STEAL_APPLICATION_ACCESS_TOKEN, pb.MitreAttack_CREDENTIAL_ACCESS},
	"T1531":     {pb.MitreAttack_ACCOUNT_ACCESS_REMOVAL, pb.MitreAttack_IMPACT},
	"T1537":     {pb.MitreAttack_TRANSFER_DATA_TO_CLOUD_ACCOUNT, pb.MitreAttack_EXFILTRATION},
	"T1539":     {pb.MitreAttack_STEAL_WEB_SESSION_COOKIE, pb.MitreAttack_CREDENTIAL_ACCESS},
	"T1543":     {pb.MitreAttack_CREATE_OR_MODIFY_SYSTEM_PROCESS, pb.MitreAttack_PERSISTENCE},
	"T1546":     {pb.MitreAttack_EVENT_TRIGGERED_EXECUTION, pb.MitreAttack_PERSISTENCE},
	"T1547":     {pb.MitreAttack_BOOT_OR_LOGON_AUTOSTART_EXECUTION, pb.MitreAttack_PERSISTENCE},
	"T1547.006": {pb.MitreAttack_KERNEL_MODULES_AND_EXTENSIONS, pb.MitreAttack_PERSISTENCE},
	"T1547.009": {pb.MitreAttack_SHORTCUT_MODIFICATION, pb.MitreAttack_PERSISTENCE},
	"T1548":     {pb.MitreAttack_ABUSE_ELEVATION_CONTROL_MECHANISM, pb.MitreAttack_PRIVILEGE_ESCALATION},
	"T1548.001": {pb.MitreAttack_ABUSE_ELEVATION_CONTROL_MECHANISM_SETUID_AND_SETGID, pb.MitreAttack_PRIVILEGE_ESCALATION},
	"T1548.003": {pb.MitreAttack_ABUSE_ELEVATION_CONTROL_MECHANISM_SUDO_AND_SUDO_CACHING, pb.MitreAttack_PRIVILEGE_ESCALATION},
	"T1552":     {pb.MitreAttack_UNSECURED_CREDENTIALS, pb.MitreAttack_CREDENTIAL_ACCESS},
	"T1552.001": {pb.MitreAttack_CREDENTIALS_IN_FILES, pb.MitreAttack_CREDENTIAL_ACCESS},
	"T1552.003": {pb.MitreAttack_BASH_HISTORY, pb.MitreAttack_CREDENTIAL_ACCESS},
	"T1552.004": {pb.MitreAttack_PRIVATE_KEYS, pb.MitreAttack_CREDENTIAL_ACCESS},
	"T1553":     {pb.MitreAttack_SUBVERT_TRUST_CONTROL, pb.MitreAttack_DEFENSE_EVASION},
	"T1553.004": {pb.MitreAttack_INSTALL_ROOT_CERTIFICATE, pb.MitreAttack_DEFENSE_EVASION},
	"T1554":     {pb.MitreAttack_COMPROMISE_HOST_SOFTWARE_BINARY, pb.MitreAttack_PERSISTENCE},
	"T1555":     {pb.MitreAttack_CREDENTIALS_FROM_PASSWORD_STORES, pb.MitreAttack_CREDENTIAL_ACCESS},
	"T1556":     {pb.MitreAttack_MODIFY_AUTHENTICATION_PROCESS, pb.MitreAttack_CREDENTIAL_ACCESS},
	"T1556.003": {pb.MitreAttack_PLUGGABLE_AUTHENTICATION_MODULES, pb.MitreAttack_CREDENTIAL_ACCESS},
	"T1556.006": {pb.MitreAttack_MULTI_FACTOR_AUTHENTICATION, pb.MitreAttack_CREDENTIAL_ACCESS},
	"T1562":     {pb.MitreAttack_IMPAIR_DEFENSES, pb.MitreAttack_DEFENSE_EVASION},
	"T1562.001": {pb.MitreAttack_DISABLE_OR_MODIFY_TOOLS, pb.MitreAttack_DEFENSE_EVASION},
	"T1562.006": {pb.MitreAttack_INDICATOR_BLOCKING, pb.MitreAttack_DEFENSE_EVASION},
	"T1562.012": {pb.MitreAttack_DISABLE_OR_MODIFY_LINUX_AUDIT_SYSTEM, pb.MitreAttack_DEFENSE_EVASION},
	"T1564":     {pb.MitreAttack_HIDE_ARTIFACTS, pb.MitreAttack_DEFENSE_EVASION},
	"T1564.001": {pb.MitreAttack_HIDDEN_FILES_AND_DIRECTORIES, pb.MitreAttack_DEFENSE_EVASION},
	"T1564.002": {pb.MitreAttack_HIDDEN_USERS, pb.MitreAttack_DEFENSE_EVASION},
	"T1567":     {pb.MitreAttack_EXFILTRATION_OVER_WEB_SERVICE, pb.MitreAttack_EXFILTRATION},
	"T1567.002": {pb.MitreAttack_EXFILTRATION_TO_CLOUD_STORAGE, pb.MitreAttack_EXFILTRATION},
	"T1568":     {pb.MitreAttack_DYNAMIC_RESOLUTION, pb.MitreAttack_COMMAND_AND_CONTROL},
	"T1570":     {pb.MitreAttack_LATERAL_TOOL_TRANSFER, pb.MitreAttack_LATERAL_MOVEMENT},
	"T1574":     {pb.MitreAttack_HIJACK_EXECUTION_FLOW, pb.MitreAttack_PERSISTENCE},
	"T1574.006": {pb.MitreAttack_HIJACK_EXECUTION_FLOW_DYNAMIC_LINKER_HIJACKING, pb.MitreAttack_PERSISTENCE},
	"T1578":     {pb.MitreAttack_MODIFY_CLOUD_COMPUTE_INFRASTRUCTURE, pb.MitreAttack_DEFENSE_EVASION},
	"T1578.001": {pb.MitreAttack_CREATE_SNAPSHOT, pb.MitreAttack_DEFENSE_EVASION},
	"T1580":     {pb.MitreAttack_CLOUD_INFRASTRUCTURE_DISCOVERY, pb.MitreAttack_DISCOVERY},
	"T1587":     {pb.MitreAttack_DEVELOP_CAPABILITIES, pb.MitreAttack_RESOURCE_DEVELOPMENT},
	"T1587.001": {pb.MitreAttack_DEVELOP_CAPABILITIES_MALWARE, pb.MitreAttack_RESOURCE_DEVELOPMENT},
	"T1588":     {pb.MitreAttack_OBTAIN_CAPABILITIES, pb.MitreAttack_RESOURCE_DEVELOPMENT},
	"T1588.001": {pb.MitreAttack_OBTAIN_CAPABILITIES_MALWARE, pb.MitreAttack_RESOURCE_DEVELOPMENT},
	"T1588.006": {pb.MitreAttack_OBTAIN_CAPABILITIES_VULNERABILITIES, pb.MitreAttack_RESOURCE_DEVELOPMENT},
	"T1595":     {pb.MitreAttack_ACTIVE_SCANNING, pb.MitreAttack_RECONNAISSANCE},
	"T1595.001": {pb.MitreAttack_SCANNING_IP_BLOCKS, pb.MitreAttack_RECONNAISSANCE},
	"T1608":     {pb.MitreAttack_STAGE_CAPABILITIES, pb.MitreAttack_RESOURCE_DEVELOPMENT},
	"T1608.001": {pb.MitreAttack_UPLOAD_MALWARE, pb.MitreAttack_RESOURCE_DEVELOPMENT},
	"T1609":     {pb.MitreAttack_CONTAINER_ADMINISTRATION_COMMAND, pb.MitreAttack_EXECUTION},
	"T1610":     {pb.MitreAttack_DEPLOY_CONTAINER, pb.MitreAttack_EXECUTION},
	"T1611":     {pb.MitreAttack_ESCAPE_TO_HOST, pb.MitreAttack_PRIVILEGE_ESCALATION},
	"T1613":     {pb.MitreAttack_CONTAINER_AND_RESOURCE_DISCOVERY, pb.MitreAttack_DISCOVERY},
	"T1620":     {pb.MitreAttack_REFLECTIVE_CODE_LOADING, pb.MitreAttack_DEFENSE_EVASION},
	"T1649":     {pb.MitreAttack_STEAL_OR_FORGE_AUTHENTICATION_CERTIFICATES, pb.MitreAttack_CREDENTIAL_ACCESS},
	"T1657":     {pb.MitreAttack_FINANCIAL_THEFT, pb.MitreAttack_IMPACT},
}

var techniqueID = regexp.MustCompile(`^T[0-9]{4}(\.[0-9]{3})?$`)

// lookup returns the entries for an ATT&CK id, the parent technique first. An
// id that SCC has no name for gives its parent alone, or nothing.
func lookup(id string) []technique {
	var out []technique
	parent, _, sub := strings.Cut(id, ".")
	if t, ok := techniques[parent]; ok {
		out = append(out, t)
	}
	if t, ok := techniques[id]; ok && sub {
		out = append(out, t)
	}
	return out
}

// mitre says which tactics and techniques a finding shows: Python was executed,
// and what the verdict's reasons name.
func mitre(f finding.Finding) *pb.MitreAttack {
	m := &pb.MitreAttack{PrimaryTactic: pb.MitreAttack_EXECUTION}
	switch f.Category {
	case finding.AddedBinary:
		m.PrimaryTactic = pb.MitreAttack_COMMAND_AND_CONTROL
		m.PrimaryTechniques = append(m.PrimaryTechniques, pb.MitreAttack_INGRESS_TOOL_TRANSFER)
	case finding.FilelessExecution:
		m.PrimaryTactic = pb.MitreAttack_DEFENSE_EVASION
		m.PrimaryTechniques = append(m.PrimaryTechniques, pb.MitreAttack_REFLECTIVE_CODE_LOADING)
	case finding.ReverseShell, finding.UnexpectedChildShell:
		m.PrimaryTechniques = append(m.PrimaryTechniques, pb.MitreAttack_COMMAND_AND_SCRIPTING_INTERPRETER, pb.MitreAttack_UNIX_SHELL)
	default:
		m.PrimaryTechniques = append(m.PrimaryTechniques, pb.MitreAttack_COMMAND_AND_SCRIPTING_INTERPRETER, pb.MitreAttack_PYTHON)
	}
	for _, r := range f.Verdict.Reasons {
		for _, t := range lookup(r.Technique) {
			if !slices.Contains(m.PrimaryTechniques, t.enum) && !slices.Contains(m.AdditionalTechniques, t.enum) {
				m.AdditionalTechniques = append(m.AdditionalTechniques, t.enum)
			}
			if t.tactic != m.PrimaryTactic && !slices.Contains(m.AdditionalTactics, t.tactic) {
				m.AdditionalTactics = append(m.AdditionalTactics, t.tactic)
			}
		}
	}
	return m
}

// attackLinks are the ATT&CK pages of a finding: those that belong to its
// category, then those of its reasons.
func attackLinks(f finding.Finding) []Link {
	ids := []string{"T1059", "T1059.006", "T1105"}
	switch f.Category {
	case finding.AddedBinary:
		ids = []string{"T1105"}
	case finding.FilelessExecution:
		ids = []string{"T1620"}
	case finding.ReverseShell, finding.UnexpectedChildShell:
		ids = []string{"T1059", "T1059.004"}
	}
	for _, r := range f.Verdict.Reasons {
		if techniqueID.MatchString(r.Technique) && !slices.Contains(ids, r.Technique) {
			ids = append(ids, r.Technique)
		}
	}
	var out []Link
	for _, id := range ids {
		name := id
		if t, ok := techniques[id]; ok {
			name += " " + title(t.enum.String())
		}
		out = append(out, Link{Name: name, URL: "https://attack.mitre.org/techniques/" + strings.Replace(id, ".", "/", 1) + "/"})
	}
	return out
}

// title turns INGRESS_TOOL_TRANSFER into Ingress Tool Transfer.
func title(enum string) string {
	words := strings.Split(strings.ToLower(enum), "_")
	for i, w := range words {
		if w != "and" && w != "or" && w != "of" && w != "to" && w != "for" && w != "" {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, " ")
}

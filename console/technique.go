package console

import "strings"

// technique is an entry of MITRE ATT&CK. The zero technique is none.
type technique struct {
	ID   string
	Name string // "" when it is not in our table
	URL  string
}

// techniqueNames are the ATT&CK techniques a reason may name, with the names
// that attack.mitre.org gives them (Enterprise matrix).
var techniqueNames = map[string]string{
	"T1003":     "OS Credential Dumping",
	"T1005":     "Data from Local System",
	"T1016":     "System Network Configuration Discovery",
	"T1018":     "Remote System Discovery",
	"T1021":     "Remote Services",
	"T1021.004": "Remote Services: SSH",
	"T1027":     "Obfuscated Files or Information",
	"T1027.013": "Obfuscated Files or Information: Encrypted/Encoded File",
	"T1033":     "System Owner/User Discovery",
	"T1036":     "Masquerading",
	"T1037":     "Boot or Logon Initialization Scripts",
	"T1041":     "Exfiltration Over C2 Channel",
	"T1046":     "Network Service Discovery",
	"T1048":     "Exfiltration Over Alternative Protocol",
	"T1053":     "Scheduled Task/Job",
	"T1053.003": "Scheduled Task/Job: Cron",
	"T1055":     "Process Injection",
	"T1056":     "Input Capture",
	"T1056.001": "Input Capture: Keylogging",
	"T1057":     "Process Discovery",
	"T1059":     "Command and Scripting Interpreter",
	"T1059.004": "Command and Scripting Interpreter: Unix Shell",
	"T1059.006": "Command and Scripting Interpreter: Python",
	"T1070":     "Indicator Removal",
	"T1070.004": "Indicator Removal: File Deletion",
	"T1071":     "Application Layer Protocol",
	"T1071.001": "Application Layer Protocol: Web Protocols",
	"T1071.004": "Application Layer Protocol: DNS",
	"T1074":     "Data Staged",
	"T1082":     "System Information Discovery",
	"T1083":     "File and Directory Discovery",
	"T1087":     "Account Discovery",
	"T1090":     "Proxy",
	"T1095":     "Non-Application Layer Protocol",
	"T1098":     "Account Manipulation",
	"T1098.004": "Account Manipulation: SSH Authorized Keys",
	"T1102":     "Web Service",
	"T1105":     "Ingress Tool Transfer",
	"T1110":     "Brute Force",
	"T1113":     "Screen Capture",
	"T1115":     "Clipboard Data",
	"T1119":     "Automated Collection",
	"T1125":     "Video Capture",
	"T1132":     "Data Encoding",
	"T1132.001": "Data Encoding: Standard Encoding",
	"T1140":     "Deobfuscate/Decode Files or Information",
	"T1190":     "Exploit Public-Facing Application",
	"T1195":     "Supply Chain Compromise",
	"T1195.002": "Supply Chain Compromise: Compromise Software Supply Chain",
	"T1203":     "Exploitation for Client Execution",
	"T1218":     "System Binary Proxy Execution",
	"T1222":     "File and Directory Permissions Modification",
	"T1485":     "Data Destruction",
	"T1486":     "Data Encrypted for Impact",
	"T1490":     "Inhibit System Recovery",
	"T1496":     "Resource Hijacking",
	"T1497":     "Virtualization/Sandbox Evasion",
	"T1498":     "Network Denial of Service",
	"T1499":     "Endpoint Denial of Service",
	"T1518":     "Software Discovery",
	"T1528":     "Steal Application Access Token",
	"T1529":     "System Shutdown/Reboot",
	"T1539":     "Steal Web Session Cookie",
	"T1543":     "Create or Modify System Process",
	"T1543.002": "Create or Modify System Process: Systemd Service",
	"T1546":     "Event Triggered Execution",
	"T1546.004": "Event Triggered Execution: Unix Shell Configuration Modification",
	"T1547":     "Boot or Logon Autostart Execution",
	"T1548":     "Abuse Elevation Control Mechanism",
	"T1552":     "Unsecured Credentials",
	"T1552.001": "Unsecured Credentials: Credentials In Files",
	"T1552.005": "Unsecured Credentials: Cloud Instance Metadata API",
	"T1552.007": "Unsecured Credentials: Container API",
	"T1555":     "Credentials from Password Stores",
	"T1555.003": "Credentials from Password Stores: Credentials from Web Browsers",
	"T1560":     "Archive Collected Data",
	"T1562":     "Impair Defenses",
	"T1562.001": "Impair Defenses: Disable or Modify Tools",
	"T1564":     "Hide Artifacts",
	"T1564.001": "Hide Artifacts: Hidden Files and Directories",
	"T1567":     "Exfiltration Over Web Service",
	"T1567.004": "Exfiltration Over Web Service: Exfiltration Over Webhook",
	"T1568":     "Dynamic Resolution",
	"T1571":     "Non-Standard Port",
	"T1572":     "Protocol Tunneling",
	"T1573":     "Encrypted Channel",
	"T1574":     "Hijack Execution Flow",
	"T1574.006": "Hijack Execution Flow: Dynamic Linker Hijacking",
	"T1609":     "Container Administration Command",
	"T1610":     "Deploy Container",
	"T1611":     "Escape to Host",
	"T1613":     "Container and Resource Discovery",
	"T1620":     "Reflective Code Loading",
	"T1622":     "Debugger Evasion",
	"T1657":     "Financial Theft",
}

// techniqueOf returns the technique of that id. A text that is not the id of a
// technique gives the zero technique, so that a page never links to it.
func techniqueOf(id string) technique {
	if !isTechnique(id) {
		return technique{}
	}
	return technique{
		ID: id, Name: techniqueNames[id],
		URL: "https://attack.mitre.org/techniques/" + strings.ReplaceAll(id, ".", "/") + "/",
	}
}

// isTechnique reports whether id has the form T1234 or T1234.567.
func isTechnique(id string) bool {
	if len(id) != 5 && len(id) != 9 || id[0] != 'T' {
		return false
	}
	for i, c := range []byte(id[1:]) {
		if i == 4 && c != '.' || i != 4 && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

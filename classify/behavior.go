package classify

// behavior is something a script can be seen to do. A behavior is both a
// feature, which training may weigh either way, and the words for a reason.
//
// Names are dotted names as they resolve after imports and simple assignments:
// "os.dup2", "socket.socket().connect" (the method of a value that the call
// returned), and "?.recv" for a method of a value of unknown origin. Texts are
// looked for in string literals, in lower case, with every run of slashes and
// backslashes read as one slash.
type behavior struct {
	id        string   // stable name: features hash it, so renaming one needs a new model
	says      string   // what it is, as the predicate of "the script …"
	technique string   // MITRE ATT&CK, enterprise matrix; "" when none fits
	names     []string // calls and references
	texts     []string
}

// behaviors is the table of everything the features name. Its order is part of
// the model's format: append, never insert.
var behaviors = []behavior{
	{"net.connect", "opens a network connection", "T1095",
		[]string{"socket.socket().connect", "socket.socket().connect_ex", "socket.create_connection", "asyncio.open_connection", "ssl.wrap_socket().connect", "ssl.SSLContext().wrap_socket().connect", "socks.socksocket().connect", "gevent.socket.create_connection", "multiprocessing.connection.Client", "websocket.create_connection", "websockets.connect", "websocket.WebSocketApp"}, nil},
	{"net.socket", "creates a network socket", "T1095", []string{"socket.socket", "_socket.socket", "socket.SocketType", "socks.socksocket", "socket.socketpair"}, nil},
	{"net.listen", "listens for network connections", "T1571", []string{"socket.socket().bind", "socket.socket().listen", "socket.socket().accept", "?.listen", "?.accept", "socketserver.TCPServer", "socketserver.ThreadingTCPServer", "SocketServer.TCPServer", "asyncio.start_server", "http.server.HTTPServer", "BaseHTTPServer.HTTPServer"}, nil},
	{"net.recv", "receives data from the network", "T1095", []string{"?.recv", "?.recvfrom", "socket.socket().recv", "socket.create_connection().recv", "socket.socket().makefile", "?.recv_into"}, nil},
	{"net.send", "sends data over the network", "T1095", []string{"?.sendall", "?.sendto", "socket.socket().send", "socket.socket().sendall", "socket.socket().sendto", "socket.create_connection().sendall", "socket.create_connection().send"}, nil},
	{"net.raw", "sends raw packets", "T1498", []string{"socket.SOCK_RAW", "scapy.all.send", "scapy.all.sendp", "scapy.all.IP", "scapy.all.sr1", "socket.IPPROTO_RAW"}, nil},
	{"http.get", "fetches something over HTTP", "T1105",
		[]string{"urllib.request.urlopen", "urllib2.urlopen", "urllib.urlopen", "requests.get", "requests.request", "requests.Session().get", "requests.session().get", "httpx.get", "httpx.Client().get", "urllib3.PoolManager().request", "http.client.HTTPSConnection().request", "http.client.HTTPConnection().request", "httplib.HTTPConnection().request", "httplib.HTTPSConnection().request", "urllib.request.build_opener().open", "urllib2.build_opener().open", "aiohttp.ClientSession().get", "six.moves.urllib.request.urlopen", "urllib.request.FancyURLopener().open", "pycurl.Curl"}, nil},
	{"http.post", "sends data over HTTP", "T1071.001", []string{"requests.post", "requests.put", "requests.Session().post", "requests.session().post", "httpx.post", "aiohttp.ClientSession().post", "urllib.request.Request().add_data", "xmlrpc.client.ServerProxy", "xmlrpclib.ServerProxy"}, nil},
	{"http.save", "downloads a file", "T1105", []string{"urllib.request.urlretrieve", "urllib.urlretrieve", "wget.download", "urllib.URLopener().retrieve", "urllib.request.URLopener().retrieve", "gdown.download", "?.urlretrieve"}, []string{"curl -o", "curl -s", "curl -fs", "wget -q", "wget http", "wget -o", "certutil -urlcache", "invoke-webrequest", "downloadfile(", "downloadstring(", "bitsadmin", "tftp -g", "ftpget"}},
	{"net.dns", "looks names up in the DNS", "T1071.004", []string{"socket.gethostbyname", "socket.getaddrinfo", "dns.resolver.resolve", "dns.resolver.query", "dns.resolver.Resolver"}, []string{"nslookup "}},
	{"net.mail", "sends mail", "T1071.003", []string{"smtplib.SMTP", "smtplib.SMTP_SSL", "smtplib.SMTP().sendmail", "smtplib.SMTP_SSL().sendmail"}, []string{"smtp.gmail.com"}},
	{"net.ftp", "transfers files by FTP", "T1071.002", []string{"ftplib.FTP", "ftplib.FTP().storbinary", "ftplib.FTP().retrbinary", "ftplib.FTP_TLS"}, nil},
	{"net.ssh", "logs in to other machines by SSH", "T1021.004", []string{"paramiko.SSHClient", "paramiko.SSHClient().connect", "paramiko.SSHClient().exec_command", "paramiko.Transport", "pexpect.pxssh.pxssh", "pxssh.pxssh", "asyncssh.connect"}, []string{"stricthostkeychecking=no", "sshpass"}},
	{"net.telnet", "logs in to other machines by Telnet", "T1021", []string{"telnetlib.Telnet", "telnetlib.Telnet().write"}, nil},
	{"exec.code", "executes code built at run time", "T1059.006", []string{"exec", "builtins.exec", "__builtins__.exec", "__builtin__.exec", "execfile", "runpy.run_path", "runpy.run_module", "types.FunctionType", "code.InteractiveInterpreter().runcode", "code.interact", "six.exec_", "?.runsource"}, nil},
	{"exec.eval", "evaluates an expression built at run time", "T1059.006", []string{"eval", "builtins.eval", "__builtins__.eval", "__builtin__.eval"}, nil},
	{"exec.compile", "compiles code at run time", "T1059.006", []string{"compile", "builtins.compile", "__builtins__.compile", "types.CodeType"}, nil},
	{"exec.import", "imports modules by name at run time", "T1129", []string{"__import__", "importlib.import_module", "builtins.__import__", "imp.load_source", "importlib.machinery.SourceFileLoader", "importlib.util.spec_from_file_location", "imp.new_module", "types.ModuleType"}, nil},
	{"exec.getattr", "reaches functions by computed names", "T1027", []string{"getattr", "globals", "vars", "__builtins__.__dict__", "builtins.__dict__", "builtins.getattr", "globals().get", "operator.attrgetter", "__builtins__.getattr"}, nil},
	{"proc.shell", "runs shell commands", "T1059.004", []string{"os.system", "os.popen", "os.popen().read", "posix.system", "nt.system", "subprocess.getoutput", "subprocess.getstatusoutput", "commands.getoutput", "commands.getstatusoutput", "asyncio.create_subprocess_shell", "os.popen2", "os.popen3", "popen2.popen2", "platform.popen"}, nil},
	{"proc.run", "starts processes", "T1059", []string{"subprocess.Popen", "subprocess.call", "subprocess.run", "subprocess.check_output", "subprocess.check_call", "subprocess.Popen().communicate", "os.spawnl", "os.spawnv", "os.spawnlp", "os.spawnve", "os.posix_spawn", "os.posix_spawnp", "asyncio.create_subprocess_exec", "pexpect.spawn", "sh.Command", "_posixsubprocess.fork_exec", "multiprocessing.Process"}, nil},
	{"proc.replace", "replaces itself with another program", "T1059.004", []string{"os.execl", "os.execle", "os.execlp", "os.execv", "os.execve", "os.execvp", "os.execvpe", "posix.execv", "posix.execve", "os.execlpe"}, nil},
	{"proc.pty", "gives a shell a terminal", "T1059.004", []string{"pty.spawn", "pty.fork", "pty.openpty", "os.openpty", "os.forkpty", "pty._copy", "tty.setraw"}, nil},
	{"proc.open", "opens a file with its program", "T1204.002", []string{"os.startfile", "webbrowser.open"}, nil},
	{"fd.dup", "duplicates file descriptors", "T1059.004", []string{"os.dup2", "os.dup", "posix.dup2", "fcntl.F_DUPFD", "socket.socket().detach"}, nil},
	{"fd.fileno", "takes a connection's file descriptor", "T1059.004", []string{"?.fileno", "socket.socket().fileno", "socket.create_connection().fileno"}, nil},
	{"proc.fork", "detaches itself into the background", "T1543", []string{"os.fork", "os.setsid", "daemon.DaemonContext", "os.setpgrp", "os.daemon"}, []string{"nohup ", "setsid ", "disown"}},
	{"text.shell", "names a command shell", "T1059.004", nil, []string{"/bin/sh", "/bin/bash", "bash -c", "sh -c", "bash -i", "sh -i", "/bin/ash", "/bin/dash", "/bin/zsh", "busybox sh"}},
	{"text.cmdexe", "names the Windows command shell", "T1059.003", nil, []string{"cmd.exe", "cmd /c", "cmd /k", "comspec", "system32"}},
	{"text.powershell", "runs PowerShell", "T1059.001", nil, []string{"powershell", "pwsh", "-encodedcommand", "-executionpolicy", "-windowstyle hidden", "-ep bypass"}},
	{"text.devtcp", "opens a network connection from a shell", "T1059.004", nil, []string{"/dev/tcp/", "/dev/udp/", "nc -e", "ncat -e", "nc -lvp", "mkfifo /tmp", "socat exec", "socat tcp", "nc -c", "ncat "}},
	{"text.pipesh", "pipes a download into a shell", "T1059.004", nil, []string{"| sh", "|sh", "| bash", "|bash", "bash <(", "| python", "|python", "| sudo bash"}},
	{"dec.base64", "decodes base64", "T1140", []string{"base64.b64decode", "base64.standard_b64decode", "base64.urlsafe_b64decode", "base64.decodestring", "base64.decodebytes", "base64.b32decode", "base64.b16decode", "base64.a85decode", "base64.b85decode", "binascii.a2b_base64", "?.b64decode", "base64.decode"}, []string{"base64 -d", "base64 --decode", "frombase64string"}},
	{"dec.hex", "decodes hexadecimal", "T1140", []string{"bytes.fromhex", "bytearray.fromhex", "binascii.unhexlify", "binascii.a2b_hex", "?.fromhex", "codecs.decode", "codecs.getdecoder"}, nil},
	{"dec.zlib", "decompresses data", "T1140", []string{"zlib.decompress", "lzma.decompress", "bz2.decompress", "gzip.decompress", "zlib.decompressobj", "?.decompress", "gzip.GzipFile"}, nil},
	{"dec.marshal", "loads compiled code from data", "T1027", []string{"marshal.loads", "marshal.load", "pickle.loads", "cPickle.loads", "dill.loads"}, nil},
	{"dec.chr", "spells text out of character codes", "T1027", []string{"chr", "builtins.chr", "unichr", "map().join"}, nil},
	{"dec.cipher", "decrypts data", "T1140", []string{"cryptography.fernet.Fernet().decrypt", "Crypto.Cipher.AES.new", "Crypto.Cipher.ARC4.new", "?.decrypt", "Cryptodome.Cipher.AES.new", "Crypto.Cipher.DES3.new", "Crypto.Cipher.XOR.new"}, nil},
	{"enc.cipher", "encrypts data", "T1486", []string{"cryptography.fernet.Fernet().encrypt", "cryptography.fernet.Fernet", "cryptography.fernet.Fernet.generate_key", "?.encrypt", "Crypto.PublicKey.RSA.generate", "Crypto.PublicKey.RSA.importKey", "Crypto.PublicKey.RSA.import_key", "pyAesCrypt.encryptFile"}, nil},
	{"enc.base64", "encodes data in base64", "T1132.001", []string{"base64.b64encode", "base64.urlsafe_b64encode", "binascii.hexlify", "binascii.b2a_base64", "base64.encodestring", "base64.b32encode"}, nil},
	{"file.write", "writes files", "T1105", []string{"open().write", "io.open().write", "pathlib.Path().write_bytes", "pathlib.Path().write_text", "os.write", "codecs.open().write", "os.fdopen().write", "tempfile.NamedTemporaryFile().write", "os.memfd_create", "file().write"}, nil},
	{"file.chmod", "makes a file executable", "T1222.002", []string{"os.chmod", "pathlib.Path().chmod", "os.fchmod", "?.chmod"}, []string{"chmod +x", "chmod 777", "chmod 755", "chmod a+x", "chmod u+s", "chmod 4755", "icacls "}},
	{"file.temp", "works in the temporary folder", "", []string{"tempfile.mkstemp", "tempfile.mkdtemp", "tempfile.gettempdir", "tempfile.NamedTemporaryFile", "tempfile.TemporaryDirectory", "tempfile.mktemp"}, []string{"/tmp/", "/var/tmp/", "/dev/shm/", "%temp%", "appdata/local/temp"}},
	{"file.delete", "deletes files", "T1070.004", []string{"os.remove", "os.unlink", "shutil.rmtree", "pathlib.Path().unlink", "os.rmdir"}, []string{"rm -rf", "rm -f", "del /f", "shred "}},
	{"file.self", "reads or moves its own file", "T1036", []string{"__file__", "sys.argv", "sys.executable"}, nil},
	{"file.copy", "copies files", "T1074.001", []string{"shutil.copy", "shutil.copyfile", "shutil.copy2", "shutil.move", "shutil.copytree", "os.rename", "os.replace"}, nil},
	{"file.walk", "walks the file system", "T1083", []string{"os.walk", "os.listdir", "os.scandir", "glob.glob", "glob.iglob", "pathlib.Path().rglob", "pathlib.Path().iterdir", "pathlib.Path().glob"}, nil},
	{"file.zip", "packs files into an archive", "T1560.002", []string{"zipfile.ZipFile", "zipfile.ZipFile().write", "shutil.make_archive", "tarfile.open", "tarfile.open().add"}, nil},
	{"env.read", "reads environment variables", "T1082", []string{"os.getenv", "os.environ.get", "os.environ"}, nil},
	{"env.all", "takes all environment variables at once", "T1552.001", []string{"os.environ.items", "os.environ.copy", "os.environ.values", "os.environ.keys", "dict<-os.environ", "str<-os.environ", "json.dumps<-os.environ", "repr<-os.environ"}, []string{"printenv", "/proc/self/environ", "/environ"}},
	{"host.info", "collects facts about the machine", "T1082", []string{"platform.node", "platform.uname", "platform.platform", "platform.release", "platform.version", "platform.machine", "platform.processor", "os.uname", "psutil.virtual_memory", "psutil.cpu_count", "psutil.disk_partitions", "wmi.WMI", "uuid.getnode", "cpuinfo.get_cpu_info", "GPUtil.getGPUs"}, []string{"uname -a", "systeminfo", "wmic ", "/etc/os-release", "/proc/cpuinfo", "csproduct get uuid"}},
	{"host.user", "collects user and host names", "T1033", []string{"getpass.getuser", "os.getlogin", "socket.gethostname", "socket.getfqdn", "os.getuid", "os.geteuid", "pwd.getpwuid", "pwd.getpwall", "platform.node", "os.environ.USERNAME"}, []string{"whoami", "hostname", "computername", "userprofile", "/etc/passwd", "id -u"}},
	{"host.net", "finds out the machine's network addresses", "T1016", []string{"netifaces.interfaces", "psutil.net_if_addrs", "psutil.net_connections", "netifaces.ifaddresses", "socket.gethostbyname<-socket.gethostname"}, []string{"ifconfig", "ipconfig", "ip addr", "netstat -", "arp -a", "/proc/net/", "ip route", "/etc/resolv.conf", "/etc/hosts"}},
	{"host.publicip", "asks a public service for its own address", "T1016", nil, []string{"api.ipify.org", "ipinfo.io", "ifconfig.me", "icanhazip", "ip-api.com", "checkip.", "ipapi.co", "myexternalip", "ident.me", "ipwho.is", "geolocation-db", "httpbin.org/ip", "ipwhois"}},
	{"host.proc", "lists or stops other processes", "T1057", []string{"psutil.process_iter", "psutil.pids", "psutil.Process().kill", "os.kill", "os.killpg", "psutil.Process().terminate"}, []string{"ps aux", "ps -ef", "pkill", "killall", "taskkill", "tasklist", "kill -9"}},
	{"cred.ssh", "reads or changes SSH keys", "T1552.004", nil, []string{"/.ssh/", "id_rsa", "authorized_keys", "id_ed25519", "ssh-rsa aaaa", "ssh-ed25519 aaaa", "known_hosts", "ssh-keygen"}},
	{"cred.shadow", "reads the system's passwords", "T1003.008", nil, []string{"/etc/shadow", "/etc/sudoers", "sam.hive", "lsass", "mimikatz", "hklm/sam", "nopasswd"}},
	{"cred.cloud", "reads cloud credentials", "T1552.001", nil, []string{".aws/credentials", "aws_secret_access_key", "aws_access_key_id", ".config/gcloud", ".azure/", "application_default_credentials", ".docker/config.json", ".kube/config", ".git-credentials", ".netrc", ".npmrc", ".pypirc", "gh_token", "github_token"}},
	{"cred.metadata", "asks the cloud's metadata service", "T1552.005", nil, []string{"169.254.169.254", "metadata.google.internal", "computemetadata/v1", "latest/meta-data", "iam/security-credentials", "metadata-flavor", "169.254.170.2", "x-aws-ec2-metadata-token", "service-accounts/default/token", "fd00:ec2::254", "100.100.100.200"}},
	{"cred.k8s", "reads the pod's service-account token", "T1528", nil, []string{"serviceaccount/token", "kubernetes.io/serviceaccount", "serviceaccount/ca.crt", "serviceaccount/namespace"}},
	{"k8s.api", "calls the Kubernetes API", "T1613", []string{"kubernetes.config.load_incluster_config", "kubernetes.client.CoreV1Api", "kubernetes.client.BatchV1Api", "kubernetes.client.AppsV1Api"}, []string{"kubernetes.default", "kubernetes_service_host", "/api/v1/namespaces", "/api/v1/pods", "/api/v1/nodes", "kubectl "}},
	{"k8s.secrets", "reads Kubernetes secrets or runs commands in pods", "T1552.007", []string{"kubernetes.client.CoreV1Api().list_secret_for_all_namespaces", "kubernetes.client.CoreV1Api().list_namespaced_secret", "kubernetes.client.CoreV1Api().read_namespaced_secret", "kubernetes.stream.stream"}, []string{"/api/v1/secrets", "%s/secrets", "}/secrets", "/exec?command", "get secrets", "clusterrolebinding", "cluster-admin", ":10250", ":2379", ":10255"}},
	{"ctr.docker", "talks to the container runtime", "T1610", []string{"docker.from_env", "docker.DockerClient", "docker.from_env().containers.run", "docker.APIClient"}, []string{"docker.sock", "containerd.sock", "crio.sock", "/containers/create", "tcp:/0.0.0.0:2375", ":2375", "docker run"}},
	{"ctr.escape", "reaches out of its container to the host", "T1611", []string{"os.unshare", "os.setns", "os.chroot"}, []string{"release_agent", "notify_on_release", "nsenter", "/proc/1/root", "/proc/1/ns", "privileged", "core_pattern", "hostpid", "/proc/sysrq-trigger", "--pid=host", "cap_sys_admin", "/host/", "uevent_helper", "/sys/fs/cgroup", "hostpath"}},
	{"persist.cron", "schedules itself with cron", "T1053.003", []string{"crontab.CronTab"}, []string{"crontab", "/etc/cron", "/var/spool/cron", "* * * *", "@reboot"}},
	{"persist.unix", "starts itself at boot or log-in", "T1543.002", nil, []string{"/etc/systemd/system", "systemctl enable", "/etc/rc.local", "/etc/init.d", ".bashrc", ".bash_profile", "/etc/profile.d", ".config/autostart", "launchagents", "launchdaemons", ".profile", "/etc/ld.so.preload", "update-rc.d", ".zshrc", "sitecustomize", "usercustomize", ".pth"}},
	{"persist.windows", "starts itself with Windows", "T1547.001", []string{"winreg.SetValueEx", "winreg.OpenKey", "winreg.CreateKey", "_winreg.SetValueEx", "_winreg.OpenKey"}, []string{"currentversion/run", "start menu/programs/startup", "schtasks", "reg add", "programs/startup", "sc create", "winlogon"}},
	{"steal.browser", "reads passwords and cookies of browsers", "T1555.003", []string{"win32crypt.CryptUnprotectData", "browser_cookie3.load", "browser_cookie3.chrome", "browser_cookie3"}, []string{"login data", "user data/default", "google/chrome", "local state", "cookies.sqlite", "logins.json", "encrypted_key", "web data", "brave-browser", "bravesoftware", "opera software", "key4.db", "mozilla/firefox", "yandexbrowser", "microsoft/edge", "logins where"}},
	{"steal.wallet", "reads cryptocurrency wallets", "T1555", nil, []string{"wallet", "metamask", "exodus", "electrum", "atomic/local storage", "leveldb", "nkbihfbeogaeaoehlefnkodbefgpgknn", "seed phrase", "mnemonic", "private key", ".solana/", "id.json"}},
	{"steal.chat", "reads chat and game accounts", "T1528", nil, []string{"discordcanary", "discordptb", "discord/local storage", "/users/@me", "billing/payment-sources", "telegram desktop", "tdata", "steam/config", "roblosecurity", "dqw4w9wgxcq", "mfa.", "premium_type", "minecraft"}},
	{"exfil.webhook", "sends data to a chat service", "T1567.004", []string{"discord_webhook.DiscordWebhook", "dhooks.Webhook", "discord.Webhook.from_url", "telebot.TeleBot", "telegram.Bot", "discord.SyncWebhook.from_url", "dhooks_lite.Webhook"}, []string{"discord.com/api/webhooks", "discordapp.com/api/webhooks", "api.telegram.org/bot", "hooks.slack.com", "canary.discord.com/api", "ptb.discord.com/api"}},
	{"exfil.drop", "uses an anonymous drop site or tunnel", "T1567", nil, []string{"pastebin.com", "transfer.sh", "anonfiles", "file.io", "gofile.io", "ngrok", "webhook.site", "pipedream", "requestbin", "burpcollaborator", "oastify", "interact.sh", "oast.", "hastebin", "rentry.co", "paste.ee", "0x0.st", "catbox.moe", "termbin", "serveo.net", ".onion", "beeceptor", "ix.io", "duckdns", "dpaste", "trycloudflare", "store1.gofile", "bashupload", "tmpfiles.org", "requestcatcher", "canarytokens"}},
	{"exfil.raw", "takes a file from a hosting site", "T1105", nil, []string{"raw.githubusercontent.com", "cdn.discordapp.com", "githubusercontent.com", "/releases/download/", "dl.dropbox", "dropbox.com", "bit.ly", "tinyurl", "gist.github", "drive.google.com/uc", "/raw/", "onedrive.live", "mediafire", "replit", "repl.co", "glitch.me", "herokuapp"}},
	{"net.ipurl", "uses a bare network address", "T1071.001", nil, nil}, // set by the string reader
	{"text.exe", "names an executable file", "T1204.002", nil, []string{".exe", ".scr", ".bat", ".vbs", ".ps1", ".dll", ".hta", ".elf", ".msi"}},
	{"spy.keys", "records what is typed", "T1056.001", []string{"pynput.keyboard.Listener", "keyboard.on_press", "keyboard.hook", "keyboard.on_release", "keyboard.record", "pyHook.HookManager", "pyWinhook.HookManager", "keyboard.read_event", "ctypes.windll.user32.GetAsyncKeyState", "?.GetAsyncKeyState", "pyxhook.HookManager", "pynput.keyboard", "pynput.mouse.Listener", "win32api.GetAsyncKeyState", "?.HookKeyboard"}, []string{"keylog"}},
	{"spy.screen", "takes pictures of the screen or camera", "T1113", []string{"PIL.ImageGrab.grab", "pyautogui.screenshot", "pyscreenshot.grab", "mss.mss", "cv2.VideoCapture", "ImageGrab.grab", "mss.mss().shot", "?.screenshot"}, []string{"screenshot", "webcam"}},
	{"spy.audio", "records sound", "T1123", []string{"pyaudio.PyAudio", "sounddevice.rec", "pyaudio.PyAudio().open"}, nil},
	{"spy.clip", "reads or changes the clipboard", "T1115", []string{"pyperclip.paste", "pyperclip.copy", "win32clipboard.GetClipboardData", "win32clipboard.OpenClipboard", "clipboard.paste", "win32clipboard.SetClipboardText", "?.GetClipboardData"}, nil},
	{"spy.input", "drives the keyboard and mouse", "T1056", []string{"pyautogui.typewrite", "pyautogui.press", "pyautogui.hotkey", "pynput.keyboard.Controller", "win32api.keybd_event", "pyautogui.click"}, nil},
	{"mem.native", "calls native code in memory", "T1055", []string{"ctypes.windll.kernel32.VirtualAlloc", "ctypes.windll.kernel32.CreateThread", "ctypes.windll.kernel32.RtlMoveMemory", "ctypes.windll.kernel32.WriteProcessMemory", "?.VirtualAlloc", "?.VirtualAllocEx", "?.CreateRemoteThread", "?.WriteProcessMemory", "?.RtlMoveMemory", "?.OpenProcess", "?.VirtualProtect", "?.CreateThread", "?.NtCreateThreadEx", "?.QueueUserAPC", "ctypes.CFUNCTYPE", "mmap.PROT_EXEC", "?.mprotect", "?.MoveMemory"}, nil},
	{"mem.dll", "loads native libraries", "T1129", []string{"ctypes.CDLL", "ctypes.WinDLL", "ctypes.cdll.LoadLibrary", "ctypes.windll", "ctypes.windll.user32", "ctypes.windll.kernel32", "ctypes.windll.shell32.ShellExecuteW", "ctypes.util.find_library", "?.syscall", "?.memfd_create"}, nil},
	{"hide.window", "hides its window", "T1564.003", []string{"win32gui.ShowWindow", "subprocess.STARTUPINFO", "subprocess.CREATE_NO_WINDOW", "ctypes.windll.user32.ShowWindow", "?.ShowWindow", "?.GetConsoleWindow", "subprocess.SW_HIDE", "subprocess.DETACHED_PROCESS", "win32console.GetConsoleWindow"}, []string{"attrib +h", "pythonw"}},
	{"hide.debug", "looks for debuggers, sandboxes and virtual machines", "T1497.001", []string{"sys.gettrace", "sys.settrace", "?.IsDebuggerPresent", "?.CheckRemoteDebuggerPresent"}, []string{"vmware", "virtualbox", "vbox", "qemu", "sandbox", "wireshark", "processhacker", "ollydbg", "x64dbg", "httpdebugger", "fiddler", "ida64", "virustotal", "vmtoolsd", "procmon", "dockerenv"}},
	{"hide.name", "gives itself another name", "T1036.005", []string{"setproctitle.setproctitle", "prctl.set_name", "?.prctl"}, []string{"kworker", "[kthread", "libc.so.6", "/proc/self/comm"}},
	{"hide.trace", "removes traces", "T1070.003", nil, []string{"histfile", "history -c", ".bash_history", "histsize", "/var/log/", "unset hist"}},
	{"hide.defence", "switches defenses off", "T1562.001", []string{"ssl._create_unverified_context", "?.disable_warnings", "urllib3.disable_warnings"}, []string{"setenforce", "iptables -f", "ufw disable", "disableantispyware", "add-mppreference", "set-mppreference", "windows defender", "netsh advfirewall", "exclusionpath", "apparmor", "disabletaskmgr", "uac"}},
	{"hide.admin", "raises its privileges", "T1548", []string{"ctypes.windll.shell32.IsUserAnAdmin", "os.setuid", "os.setgid", "os.setresuid", "?.IsUserAnAdmin", "?.ShellExecuteW", "os.seteuid"}, []string{"runas", "fodhelper", "sudo -s", "eventvwr", "computerdefaults", "sudo -n"}},
	{"wait.loop", "waits and tries again", "", []string{"time.sleep", "asyncio.sleep"}, nil},
	{"thread.start", "works in background threads", "", []string{"threading.Thread", "threading.Thread().start", "_thread.start_new_thread", "thread.start_new_thread", "threading.Timer", "concurrent.futures.ThreadPoolExecutor"}, nil},
	{"install.hook", "runs code while a package is installed", "T1195.002", []string{"setuptools.command.install.install", "setuptools.command.develop.develop", "setuptools.command.egg_info.egg_info", "setuptools.command.install.install.run", "setuptools.command.build_py.build_py", "distutils.command.install.install", "atexit.register", "setuptools.command.sdist.sdist"}, nil},
	{"install.setup", "describes a package", "", []string{"setuptools.setup", "distutils.core.setup", "setuptools.find_packages"}, nil},
	{"install.pip", "installs packages while it runs", "T1195.001", []string{"pip.main", "pip._internal.main", "pip._internal.cli.main.main"}, []string{"pip install", "pip3 install", "-m pip", "apt-get install", "apt install", "yum install", "apk add"}},
	{"impact.miner", "mines cryptocurrency", "T1496", nil, []string{"stratum+tcp", "stratum+ssl", "xmrig", "minerd", "cryptonight", "nicehash", "monero", "--donate-level", "randomx", "cpuminer", "hashvault", "minexmr", "supportxmr", "nanopool", "ethminer", "xmr-", "moneroocean", "c3pool", "kdevtmpfsi", "kinsing"}},
	{"impact.ransom", "demands a ransom", "T1486", nil, []string{"bitcoin", "ransom", "your files", ".encrypted", ".locked", "decrypt your", "have been encrypted", "vssadmin", "shadowcopy", "read_me", ".onion", "readme_"}},
	{"impact.flood", "floods a target with traffic", "T1498", []string{"random._urandom", "random.randbytes"}, []string{"ddos", "udp flood", "syn flood", "slowloris", "botnet", "hulk"}},
	{"impact.wipe", "destroys data or shuts the machine down", "T1485", nil, []string{"shutdown /s", "shutdown -h", "rm -rf /", "mkfs", "dd if=/dev/", "format c:", "/dev/sda", ":(){", "shutdown /r", "deltree", "no-preserve-root"}},
	{"spread.scan", "scans the network for other machines", "T1046", []string{"nmap.PortScanner", "ipaddress.ip_network", "ipaddress.IPv4Network", "socket.socket().connect_ex", "netaddr.IPNetwork", "?.connect_ex", "shodan.Shodan"}, []string{"nmap ", "masscan", "zmap", "port scan"}},
	{"spread.exploit", "attacks other machines", "T1210", nil, []string{"root:root", "admin:admin", "busybox", "exploit", "cgi-bin", "config set dir", "slaveof", "payload", "jndi:", "wget%20", "wget+http", "${ifs}", "../../..", "shellcode", "union select", "goahead", "gpon", "hnap1", "tr-069", "setup.cgi", "brute"}},
	{"c2.words", "speaks of victims and commands like a remote-control tool", "T1071", nil, []string{"victim", "backdoor", "reverse shell", "reverse_shell", "c2 server", "c&c", "implant", "persistence", "beacon", "hacked", "stealer", "grabber", "infected", "malware", "trojan", "rootkit", "bot_id", "botid", "rat ", "spyware", "[+] connected", "hacker", "pwned"}},
	{"data.read", "reads files", "T1005", []string{"open().read", "io.open().read", "pathlib.Path().read_text", "pathlib.Path().read_bytes", "open().readlines", "codecs.open().read"}, nil},
	{"data.sqlite", "reads databases of other programs", "T1005", []string{"sqlite3.connect", "sqlite3.connect().cursor", "sqlite3.connect().execute"}, nil},
	{"proc.bot", "takes its orders from a chat", "T1102.002", []string{"discord.ext.commands.Bot", "discord.Client", "telebot.TeleBot().message_handler", "telegram.ext.Updater", "discord.Intents.all", "discord.ext.commands.Bot().command", "pyrogram.Client", "irc.bot.SingleServerIRCBot"}, []string{"privmsg", "join #"}},
	{"text.inlinepy", "starts Python with code on the command line", "T1059.006", nil, []string{"python -c", "python3 -c", "python2 -c", "python -m", "perl -e", "php -r", "ruby -rsocket", "lua -e", "node -e"}},
	{"file.fetchpart", "saves what it fetched", "T1105", []string{"open().write<-requests.get().content", "open().write<-urllib.request.urlopen().read", "shutil.copyfileobj", "open().write<-urllib2.urlopen().read", "open().write<-requests.get().text"}, nil},
	{"code.fetched", "executes code that it fetched", "T1059.006", []string{"exec<-requests.get().text", "exec<-requests.get().content", "exec<-urllib.request.urlopen().read", "exec<-urllib2.urlopen().read", "exec<-urllib.urlopen().read", "eval<-requests.get().text", "exec<-socket.socket().recv", "exec<-?.recv", "compile<-urllib.request.urlopen().read", "exec<-urllib.request.urlopen().read().decode", "exec<-requests.get().content.decode"}, nil},
	{"hide.output", "throws away what its commands print", "T1564", []string{"subprocess.DEVNULL"}, []string{"/dev/null 2>&1", "> /dev/null", ">/dev/null", "&>/dev/null"}},
	{"check.digest", "checks digests or signatures", "", []string{"hashlib.sha256", "hashlib.sha512", "hashlib.sha1", "hashlib.md5", "hashlib.new", "hmac.compare_digest", "hashlib.file_digest", "hashlib.blake2b"}, []string{"gpg --verify", "sha256sum", "checksum", "sha256", "--verify"}},
	{"net.loopback", "talks to its own machine", "", nil, []string{"localhost", "127.0.0.1", "http:/[::1]"}},
}

// combination is two behaviors that mean more together. Reasons say it in one
// sentence when the model weighed both.
type combination struct {
	first, second string
	says          string
	technique     string
}

// combinations is in order of preference: the first that fits is said.
var combinations = []combination{
	{"net.connect", "fd.dup", "opens a network connection and duplicates it onto standard input and output", "T1059.004"},
	{"net.socket", "fd.dup", "opens a network connection and duplicates it onto standard input and output", "T1059.004"},
	{"net.connect", "proc.pty", "connects a shell's terminal to the network", "T1059.004"},
	{"net.socket", "proc.pty", "connects a shell's terminal to the network", "T1059.004"},
	{"net.recv", "proc.shell", "runs commands that it receives from the network", "T1059.004"},
	{"net.recv", "proc.run", "runs commands that it receives from the network", "T1059.004"},
	{"net.recv", "exec.code", "executes code that it receives from the network", "T1059.006"},
	{"dec.base64", "exec.code", "decodes base64 and executes the result", "T1140"},
	{"dec.zlib", "exec.code", "decompresses data and executes the result", "T1140"},
	{"dec.hex", "exec.code", "decodes hexadecimal and executes the result", "T1140"},
	{"dec.marshal", "exec.code", "loads compiled code from data and executes it", "T1027"},
	{"dec.cipher", "exec.code", "decrypts data and executes the result", "T1140"},
	{"dec.chr", "exec.code", "spells code out of character codes and executes it", "T1027"},
	{"http.get", "exec.code", "downloads code and executes it", "T1059.006"},
	{"http.save", "proc.shell", "downloads a file and runs it", "T1105"},
	{"http.save", "proc.run", "downloads a file and runs it", "T1105"},
	{"http.get", "file.chmod", "downloads a file and makes it executable", "T1105"},
	{"http.save", "file.chmod", "downloads a file and makes it executable", "T1105"},
	{"http.get", "proc.shell", "downloads something and runs commands", "T1105"},
	{"http.get", "proc.run", "downloads something and starts processes", "T1105"},
	{"cred.k8s", "net.connect", "reads the pod's service-account token and connects elsewhere", "T1528"},
	{"cred.k8s", "http.post", "reads the pod's service-account token and sends data over HTTP", "T1528"},
	{"cred.metadata", "http.post", "takes credentials from the metadata service and sends data over HTTP", "T1552.005"},
	{"env.all", "http.post", "takes all environment variables and sends data over HTTP", "T1552.001"},
	{"env.all", "http.get", "takes all environment variables and talks to a server", "T1552.001"},
	{"steal.browser", "http.post", "reads what browsers store and sends data over HTTP", "T1555.003"},
	{"steal.browser", "exfil.webhook", "reads what browsers store and sends it to a chat service", "T1555.003"},
	{"host.user", "http.post", "collects user and host names and sends them over HTTP", "T1033"},
	{"host.user", "http.get", "collects user and host names and reports them over HTTP", "T1033"},
	{"file.walk", "enc.cipher", "walks the file system and encrypts files", "T1486"},
	{"install.hook", "proc.run", "starts processes while a package is installed", "T1195.002"},
	{"install.hook", "http.get", "fetches something while a package is installed", "T1195.002"},
	{"install.hook", "http.post", "sends data while a package is installed", "T1195.002"},
}

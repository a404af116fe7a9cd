package kube

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// accountDir is where Kubernetes puts a pod's token and the certificate
// authority of its API.
const accountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// maxFile bounds a token or kubeconfig file.
const maxFile = 1 << 20

// ErrNone says that nothing tells where a Kubernetes API would be: the program
// runs in no pod, and was given no kubeconfig file.
var ErrNone = errors.New("no kubeconfig file was given, and this does not run in a pod with a service account")

// connection is how to reach an API.
type connection struct {
	server     string
	authority  []byte // PEM; nil means the system's
	serverName string // in the server's certificate, when it is not the host's
	insecure   bool
	cert       *tls.Certificate
	token      func() (string, error)
}

// newClient returns a client of the API that kubeconfig names, or, when it is
// "", of the cluster that this process runs in. The error wraps ErrNone when
// there is none.
func newClient(kubeconfig string, getenv func(string) string, timeout time.Duration) (*client, error) {
	var c connection
	var err error
	if kubeconfig != "" {
		c, err = fromFile(kubeconfig)
	} else {
		c, err = fromPod(getenv, accountDir)
	}
	if err != nil {
		return nil, err
	}
	server, err := url.Parse(c.server)
	if err != nil || server.Host == "" || server.Scheme != "https" && server.Scheme != "http" {
		return nil, fmt.Errorf("the API's address %q is no URL", shorten(c.server))
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.serverName, InsecureSkipVerify: c.insecure} //nolint:gosec // as the kubeconfig file says
	if c.authority != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(c.authority) {
			return nil, errors.New("the API's certificate authority is no PEM certificate")
		}
	}
	if c.cert != nil {
		config.Certificates = []tls.Certificate{*c.cert}
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: timeout, KeepAlive: silence}).DialContext,
		TLSClientConfig:     config,
		TLSHandshakeTimeout: 5 * time.Second,
		ForceAttemptHTTP2:   true,
		// A watch says nothing for minutes: only probing tells whether the
		// connection still stands.
		HTTP2:           &http.HTTP2Config{SendPingTimeout: silence, PingTimeout: silence / 2},
		IdleConnTimeout: 2 * time.Minute,
	}
	return &client{server: server, http: &http.Client{Transport: transport, CheckRedirect: stay}, token: c.token, timeout: timeout}, nil
}

// stay refuses to be sent elsewhere: the token is for the API alone.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// fromPod is the connection of a process that Kubernetes runs. The token is read
// each time: the kubelet replaces it within the hour.
func fromPod(getenv func(string) string, dir string) (connection, error) {
	host, port := getenv("KUBERNETES_SERVICE_HOST"), getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return connection{}, ErrNone
	}
	token := tokenFile(filepath.Join(dir, "token"))
	if _, err := token(); errors.Is(err, os.ErrNotExist) {
		return connection{}, ErrNone
	} else if err != nil {
		return connection{}, fmt.Errorf("read this pod's token: %v", err)
	}
	authority, err := readFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return connection{}, fmt.Errorf("read the API's certificate authority: %v", err)
	}
	return connection{server: "https://" + net.JoinHostPort(host, port), authority: authority, token: token}, nil
}

// kubeconfig is what we read of a kubeconfig file.
type kubeconfig struct {
	CurrentContext string `json:"current-context"`
	Contexts       []struct {
		Name    string `json:"name"`
		Context struct {
			Cluster string `json:"cluster"`
			User    string `json:"user"`
		} `json:"context"`
	} `json:"contexts"`
	Clusters []struct {
		Name    string `json:"name"`
		Cluster struct {
			Server        string `json:"server"`
			Authority     string `json:"certificate-authority"`
			AuthorityData string `json:"certificate-authority-data"`
			ServerName    string `json:"tls-server-name"`
			Insecure      bool   `json:"insecure-skip-tls-verify"`
		} `json:"cluster"`
	} `json:"clusters"`
	Users []struct {
		Name string         `json:"name"`
		User kubeconfigUser `json:"user"`
	} `json:"users"`
}

type kubeconfigUser struct {
	Token     string          `json:"token"`
	TokenFile string          `json:"tokenFile"`
	Cert      string          `json:"client-certificate"`
	CertData  string          `json:"client-certificate-data"`
	Key       string          `json:"client-key"`
	KeyData   string          `json:"client-key-data"`
	Exec      *map[string]any `json:"exec"`
}

// fromFile is the connection of a kubeconfig file's current context. Users who
// prove themselves by another program are refused: a sensor runs none.
func fromFile(path string) (connection, error) {
	text, err := readFile(path)
	if err != nil {
		return connection{}, fmt.Errorf("read the kubeconfig file: %v", err)
	}
	var k kubeconfig
	if err := yaml.Unmarshal(text, &k); err != nil {
		return connection{}, fmt.Errorf("the kubeconfig file %s is unreadable: %s", path, shorten(err.Error()))
	}
	dir := filepath.Dir(path)
	for _, context := range k.Contexts {
		if context.Name != k.CurrentContext {
			continue
		}
		var c connection
		for _, cluster := range k.Clusters {
			if cluster.Name != context.Context.Cluster {
				continue
			}
			c.server, c.serverName, c.insecure = cluster.Cluster.Server, cluster.Cluster.ServerName, cluster.Cluster.Insecure
			if c.authority, err = fileOrData(dir, cluster.Cluster.Authority, cluster.Cluster.AuthorityData); err != nil {
				return connection{}, fmt.Errorf("read the API's certificate authority: %v", err)
			}
		}
		for _, user := range k.Users {
			if user.Name == context.Context.User {
				if err := user.User.prove(&c, dir); err != nil {
					return connection{}, fmt.Errorf("user %q of the kubeconfig file: %v", shorten(user.Name), err)
				}
			}
		}
		return c, nil
	}
	return connection{}, fmt.Errorf("the kubeconfig file has no context %q, which it says is the current one", shorten(k.CurrentContext))
}

// prove puts into c how the user proves who it is.
func (u kubeconfigUser) prove(c *connection, dir string) error {
	if u.Exec != nil {
		return errors.New("it gets its token from another program, which a sensor does not run; use a token, a token file or a certificate")
	}
	cert, err := fileOrData(dir, u.Cert, u.CertData)
	if err != nil {
		return err
	}
	key, err := fileOrData(dir, u.Key, u.KeyData)
	if err != nil {
		return err
	}
	if cert != nil && key != nil {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return err
		}
		c.cert = &pair
	}
	switch {
	case u.TokenFile != "":
		c.token = tokenFile(under(dir, u.TokenFile))
	case u.Token != "":
		c.token = func() (string, error) { return u.Token, nil }
	}
	return nil
}

// fileOrData returns what a kubeconfig file gives in itself, or names a file for.
func fileOrData(dir, path, data string) ([]byte, error) {
	switch {
	case data != "":
		return base64.StdEncoding.DecodeString(data)
	case path != "":
		return readFile(under(dir, path))
	default:
		return nil, nil
	}
}

// under returns path as seen from dir, as kubeconfig files mean it.
func under(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func tokenFile(path string) func() (string, error) {
	return func() (string, error) {
		text, err := readFile(path)
		return strings.TrimSpace(string(text)), err
	}
}

// readFile reads a small file.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxFile))
}

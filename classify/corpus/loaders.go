package corpus

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// A loader is a well-known program that carries another: what it is judged by
// is the payload. The wraps are imitations, faithful in structure.
type loader struct {
	name, kind string
	wrap       func(payload string, r *rand.Rand) string
}

var loaders = []loader{
	{"ansiballz", "stdin", func(p string, r *rand.Rand) string {
		mod := madeName(r)
		return "#!/usr/bin/python3\n# -*- coding: utf-8 -*-\n_ANSIBALLZ_WRAPPER = True\ndef _ansiballz_main():\n    import os, os.path, sys, base64, runpy, shutil, tempfile, zipfile\n" +
			"    ANSIBALLZ_PARAMS = '{\"ANSIBLE_MODULE_ARGS\": {\"_ansible_check_mode\": false}}'\n    ZIPDATA = \"\"\"" +
			base64.StdEncoding.EncodeToString(zipped("ansible/modules/"+mod+".py", p, "ansible/__init__.py", "")) + "\"\"\"\n" +
			"    temp_path = tempfile.mkdtemp(prefix='ansible_" + mod + "_payload_')\n    zipped_mod = os.path.join(temp_path, 'payload.zip')\n" +
			"    with open(zipped_mod, 'wb') as f:\n        f.write(base64.b64decode(ZIPDATA))\n    sys.path.insert(0, zipped_mod)\n" +
			"    from ansible.module_utils import basic\n    basic._ANSIBLE_ARGS = ANSIBALLZ_PARAMS.encode('utf-8')\n" +
			"    runpy.run_module(mod_name='ansible.modules." + mod + "', init_globals=None, run_name='__main__', alter_sys=True)\n" +
			"    shutil.rmtree(temp_path)\n\nif __name__ == '__main__':\n    _ansiballz_main()\n"
	}},
	{"ansible-module", "file", func(p string, _ *rand.Rand) string {
		return "#!/usr/bin/python\n# This module was sent by the controller.\nimport json, sys\nANSIBLE_ARGS = json.loads('{\"ANSIBLE_MODULE_ARGS\": {}}')\n\ndef main():\n" + indent(p) +
			"\n    print(json.dumps({'changed': True}))\n\nif __name__ == '__main__':\n    main()\n"
	}},
	{"mitogen", "c", func(p string, r *rand.Rand) string {
		blob := base64.StdEncoding.EncodeToString(deflated(p))
		if r.IntN(2) == 0 {
			return `import codecs,os,sys;_=codecs.decode;exec(_(_("` + blob + `".encode(),"base64"),"zip"))`
		}
		return `import sys;sys.path=[p for p in sys.path if p];import binascii,os,zlib;exec(zlib.decompress(binascii.a2b_base64("` + blob + `")))`
	}},
	{"mitogen-stage", "stdin", func(p string, r *rand.Rand) string {
		return "import os, sys, types, zlib, base64\nclass Importer(object):\n    def __init__(self, sources):\n        self.sources = sources\n    def load(self, name):\n        mod = types.ModuleType(name)\n" +
			"        sys.modules[name] = mod\n        exec(compile(zlib.decompress(self.sources[name]), 'master:' + name, 'exec'), mod.__dict__)\n        return mod\n" +
			"sources = {'task': base64.b64decode('" + base64.StdEncoding.EncodeToString(deflated(p)) + "')}\n" +
			fmt.Sprintf("config = {'context_id': %d, 'in_fd': 100, 'out_fd': 1, 'whitelist': []}\nImporter(sources).load('task')\n", r.IntN(900))
	}},
	{"get-pip", "file", func(p string, _ *rand.Rand) string {
		return "#!/usr/bin/env python\n# The text below is a whole program, zipped and encoded in base85.\nimport sys, os.path, pkgutil, shutil, tempfile\nfrom base64 import b85decode\n\n" +
			"def bootstrap(tmpdir):\n    sys.path.insert(0, os.path.join(tmpdir, 'pip.zip'))\n    from pip._internal.cli.main import main as pip_entry_point\n    sys.exit(pip_entry_point(['install', '--upgrade', 'pip']))\n\n" +
			"def main():\n    tmpdir = tempfile.mkdtemp()\n    try:\n        with open(os.path.join(tmpdir, 'pip.zip'), 'wb') as fp:\n            fp.write(b85decode(DATA.replace(b'\\n', b'')))\n        bootstrap(tmpdir)\n    finally:\n        shutil.rmtree(tmpdir, ignore_errors=True)\n\n" +
			"DATA = b\"\"\"\n" + folded(base85(zipped("pip/_internal/cli/main.py", "def main(args):\n"+indent(p)+"\n", "pip/__init__.py", ""))) + "\"\"\"\n\nif __name__ == '__main__':\n    main()\n"
	}},
	{"pip-shim-old", "c", func(p string, r *rand.Rand) string {
		return fmt.Sprintf(`import sys, setuptools, tokenize; sys.argv[0] = '"'"'/tmp/pip-req-build-%06x/setup.py'"'"'; __file__=sys.argv[0];code=%s.replace('\r\n', '\n');exec(compile(code, __file__, 'exec'))`,
			r.IntN(1<<24), strconv.QuoteToASCII("from setuptools import setup\n"+p+"\nsetup(name='x')\n"))
	}},
	{"pip-shim", "c", func(p string, r *rand.Rand) string {
		return fmt.Sprintf("exec(compile('''\n# This is the caller that pip writes.\nimport os, sys, tokenize, traceback\n\ntry:\n    import setuptools\nexcept ImportError:\n    print(\"ERROR: Can not run setup.py without setuptools.\", file=sys.stderr)\n    sys.exit(1)\n\n"+
			"__file__ = %%r\nsys.argv[0] = __file__\nsetup_py_code = %s\nexec(compile(setup_py_code, __file__, \"exec\"))\n''' %% ('/tmp/pip-install-%06x/setup.py',), \"<pip-setuptools-caller>\", \"exec\"))",
			strings.NewReplacer(`\`, `\\`, "%", "%%", "'", `\'`).Replace(strconv.QuoteToASCII("from setuptools import setup\n"+p+"\nsetup(name='x')\n")), r.IntN(1<<24))
	}},
	{"execnet", "stdin", func(p string, r *rand.Rand) string {
		return fmt.Sprintf("import sys;exec(eval(%s))\n", strconv.QuoteToASCII(strconv.QuoteToASCII(p+fmt.Sprintf("\nio.write('1'.encode('ascii'))\nserve(io, id='gw%d-worker')\n", r.IntN(8)))))
	}},
	{"xdist-worker", "stdin", func(p string, r *rand.Rand) string {
		return "import os, sys, time\nimport pytest\nfrom execnet.gateway_base import dumps\n\ndef setup_config(config, basetemp):\n    config.option.looponfail = False\n    config.option.usepdb = False\n    config.option.basetemp = basetemp\n\n" +
			"if __name__ == '__channelexec__':\n    channel = channel  # noqa\n    workerinput, args, option_dict, change_sys_path = channel.receive()\n" + indent(p) + fmt.Sprintf("\n    os.environ['PYTEST_XDIST_WORKER'] = 'gw%d'\n", r.IntN(8))
	}},
	{"sshuttle", "stdin", func(p string, _ *rand.Rand) string {
		return "import sys, zlib, types, base64\nverbosity = 0\nz = zlib.decompressobj()\nCONTENT = [('helpers', " + strconv.Quote(base64.StdEncoding.EncodeToString(deflated(p))) + ")]\n" +
			"for name, content in CONTENT:\n    content = z.decompress(base64.b64decode(content))\n    module = types.ModuleType(name)\n    module.__dict__['__builtins__'] = __builtins__\n    exec(compile(content, name, 'exec'), module.__dict__)\n    sys.modules[name] = module\n"
	}},
	{"zipapp", "file", func(p string, _ *rand.Rand) string {
		return "#!/usr/bin/env python3\n" + string(zipped("__main__.py", p))
	}},
	{"pex", "file", func(p string, _ *rand.Rand) string {
		return "#!/usr/bin/env python3\n" + string(zipped("PEX-INFO", `{"entry_point": "app:main", "zip_safe": true}`, "app.py", "def main():\n"+indent(p)+"\n",
			"__main__.py", "import os, sys\n__entry_point__ = os.path.dirname(__file__)\nsys.path[0] = os.path.abspath(os.path.join(__entry_point__, '.bootstrap'))\nfrom pex.pex_bootstrapper import bootstrap_pex\nbootstrap_pex(__entry_point__)\n"))
	}},
	{"shiv", "file", func(p string, _ *rand.Rand) string {
		return "#!/usr/bin/env python3\n" + string(zipped("__main__.py", "import _bootstrap\n_bootstrap.bootstrap()\n", "environment.json", `{"entry_point": "app.cli:main", "compile_pyc": true}`, "site-packages/app/cli.py", "def main():\n"+indent(p)+"\n"))
	}},
	{"bazel", "file", func(p string, _ *rand.Rand) string {
		return "#!/usr/bin/env python3\n" + string(zipped("__main__.py", "import os, subprocess, sys, tempfile, zipfile\n_STAGE2_BOOTSTRAP = 'app/main.py'\n\ndef extract(path):\n    d = tempfile.mkdtemp('', 'Bazel.runfiles_')\n    zipfile.ZipFile(path).extractall(d)\n    return d\n\n"+
			"def main():\n    runfiles = os.path.join(extract(os.path.dirname(__file__)), 'runfiles')\n    sys.exit(subprocess.call([sys.executable, os.path.join(runfiles, _STAGE2_BOOTSTRAP)] + sys.argv[1:]))\n\nif __name__ == '__main__':\n    main()\n",
			"runfiles/app/main.py", p))
	}},
	{"jupyter", "file", func(p string, r *rand.Rand) string {
		return fmt.Sprintf("#!/usr/bin/env python\n# coding: utf-8\n\n# In[%d]:\n\n\nget_ipython().run_line_magic('matplotlib', 'inline')\nimport pandas as pd\n\n\n# In[%d]:\n\n\n%s\n\n\n# In[ ]:\n", r.IntN(9), 9+r.IntN(9), p)
	}},
	{"ipykernel", "c", func(p string, _ *rand.Rand) string {
		return "get_ipython().run_cell(" + strconv.QuoteToASCII(p) + ", store_history=False, silent=True)"
	}},
	{"papermill", "file", func(p string, r *rand.Rand) string {
		return fmt.Sprintf("# %%%% tags=[\"parameters\"]\nday = None\nbucket = 'data'\n\n# %%%% tags=[\"injected-parameters\"]\n# Parameters\nday = '2024-05-%02d'\n\n# %%%%\n%s\n", 1+r.IntN(28), p)
	}},
	{"airflow-dag", "file", func(p string, r *rand.Rand) string {
		return fmt.Sprintf("from datetime import datetime, timedelta\nfrom airflow import DAG\nfrom airflow.operators.python import PythonOperator\n\n\ndef work(**context):\n%s\n\n\nwith DAG('report_%d', start_date=datetime(2024, 1, 1), schedule='@daily', catchup=False,\n         default_args={'retries': 2, 'retry_delay': timedelta(minutes=5)}) as dag:\n    PythonOperator(task_id='work', python_callable=work)\n", indent(p), r.IntN(99))
	}},
	{"airflow-venv", "file", func(p string, _ *rand.Rand) string {
		return "import pickle\nimport sys\n\nif len(sys.argv) > 1 and sys.argv[1]:\n    with open(sys.argv[1], \"rb\") as file:\n        arg_dict = pickle.load(file)\nelse:\n    arg_dict = {\"args\": [], \"kwargs\": {}}\n\n# Script\ndef work(*args, **kwargs):\n" + indent(p) +
			"\n\ntry:\n    res = work(*arg_dict[\"args\"], **arg_dict[\"kwargs\"])\nexcept Exception as e:\n    with open(sys.argv[4], \"w\") as file:\n        file.write(str(e))\n    raise\nwith open(sys.argv[2], \"wb\") as file:\n    if res is not None:\n        pickle.dump(res, file)\n"
	}},
	{"ray", "file", func(p string, _ *rand.Rand) string {
		return "import ray\n\nray.init(address=\"auto\", ignore_reinit_error=True)\n\n\n@ray.remote(num_cpus=1)\ndef work(shard):\n" + indent(p) + "\n    return shard\n\n\nprint(ray.get([work.remote(i) for i in range(4)]))\n"
	}},
	{"spark", "file", func(p string, _ *rand.Rand) string {
		return "from pyspark.sql import SparkSession\n\nspark = SparkSession.builder.appName(\"job\").getOrCreate()\n\n\ndef part(rows):\n" + indent(p) + "\n    return iter([sum(1 for _ in rows)])\n\n\nprint(spark.sparkContext.parallelize(range(1000), 8).mapPartitions(part).collect())\nspark.stop()\n"
	}},
	{"dask", "file", func(p string, _ *rand.Rand) string {
		return "from dask.distributed import Client\n\nclient = Client(\"tcp://scheduler:8786\")\n\n\ndef on_worker(dask_worker=None):\n" + indent(p) + "\n\n\nclient.run(on_worker)\n"
	}},
	{"kubeflow", "file", func(p string, r *rand.Rand) string {
		f := madeName(r)
		return "\nimport kfp\nfrom kfp import dsl\nfrom kfp.dsl import *\nfrom typing import *\n\ndef " + f + "(rows: int = 10) -> str:\n" + indent(p) + "\n    return 'done'\n\n"
	}},
	{"kubeflow-v1", "c", func(p string, r *rand.Rand) string {
		f := madeName(r)
		return "def " + f + "():\n" + indent(p) + "\n\nimport argparse\n_parser = argparse.ArgumentParser(prog='Work', description='')\n_parsed_args = vars(_parser.parse_args())\n\n_outputs = " + f + "(**_parsed_args)\n"
	}},
	{"kubeflow-writer", "c", func(p string, _ *rand.Rand) string {
		return "import subprocess, sys, tempfile, os\nprogram_path = tempfile.mkdtemp()\nsource = " + strconv.QuoteToASCII("import kfp\nfrom kfp.dsl import *\n\ndef work():\n"+indent(p)+"\n\nwork()\n") +
			"\nwith open(os.path.join(program_path, 'ephemeral_component.py'), 'w') as f:\n    f.write(source)\nexec(compile(source, 'ephemeral_component.py', 'exec'))\n"
	}},
	{"uv-build", "stdin", func(p string, _ *rand.Rand) string {
		return "import sys\n\nif sys.path[0] == \"\":\n    sys.path.pop(0)\n\nsys.path = [\"/tmp/uv-build\"] + sys.path\n\n" + p + "\n\nimport setuptools.build_meta as backend\n\nget_requires_for_build = getattr(backend, \"get_requires_for_build_wheel\", None)\nrequires = get_requires_for_build({}) if get_requires_for_build else []\nwith open(\"requires.txt\", \"w\") as fp:\n    import json\n    json.dump(requires, fp)\n"
	}},
	{"virtualenv", "file", func(p string, _ *rand.Rand) string {
		return "import os, site, sys\nabs_file = os.path.abspath(__file__)\nbin_dir = os.path.dirname(abs_file)\nbase = bin_dir[:-len('bin') - 1]\nos.environ['PATH'] = os.pathsep.join([bin_dir] + os.environ.get('PATH', '').split(os.pathsep))\nos.environ['VIRTUAL_ENV'] = base\n" +
			"prev_length = len(sys.path)\nsite.addsitedir(os.path.join(base, 'lib'))\nsys.path[:] = sys.path[prev_length:] + sys.path[:prev_length]\nsys.prefix = base\n\n" + p + "\n"
	}},
	{"conda", "c", func(p string, _ *rand.Rand) string {
		return "import sys, os\nos.environ.setdefault('CONDA_PREFIX', sys.prefix)\nfrom conda.base.context import reset_context; reset_context(())\n" + p
	}},
	{"multiprocessing", "file", func(p string, r *rand.Rand) string {
		return "import multiprocessing as mp\n\n\ndef work(n):\n" + indent(p) + fmt.Sprintf("\n    return n\n\n\nif __name__ == '__main__':\n    mp.set_start_method('spawn')\n    mp.freeze_support()\n    with mp.Pool(%d) as pool:\n        pool.map(work, range(4))\n", 1+r.IntN(8))
	}},
	{"spawn-main", "c", func(p string, r *rand.Rand) string {
		return fmt.Sprintf("from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=%d, pipe_handle=%d)\n", 3+r.IntN(9), 12+r.IntN(9)) + p
	}},
	{"resource-tracker", "c", func(p string, r *rand.Rand) string {
		return fmt.Sprintf("from multiprocessing.resource_tracker import main;main(%d)\n", 3+r.IntN(9)) + p
	}},
	{"pydevd", "c", func(p string, r *rand.Rand) string {
		return fmt.Sprintf("import sys; sys.path.insert(0, r'/opt/pydevd'); import pydevd; pydevd.settrace(host='127.0.0.1', port=%d, suspend=False, patch_multiprocessing=True)\n", 5678+r.IntN(9)) + p
	}},
	{"console-script", "file", func(p string, r *rand.Rand) string {
		tool := []string{"gunicorn.app.wsgiapp", "celery.__main__", "uvicorn.main"}[r.IntN(3)]
		return "#!/opt/venv/bin/python3\n# -*- coding: utf-8 -*-\nimport re\nimport sys\nfrom " + tool + " import main\n" + p + "\nif __name__ == '__main__':\n    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])\n    sys.exit(main())\n"
	}},
	{"salt-shim", "c", func(p string, _ *rand.Rand) string {
		return `import base64; exec(base64.b64decode("""` + base64.StdEncoding.EncodeToString([]byte(p)) + `""").decode("utf-8"))`
	}},
	{"cloud-init", "file", func(p string, r *rand.Rand) string {
		return fmt.Sprintf("#!/usr/bin/python3\n# part-%03d of the user data\nimport logging\nlogging.basicConfig(filename='/var/log/cloud-init-output.log')\n", r.IntN(9)) + p + "\nopen('/run/cloud-init/part-done', 'w').close()\n"
	}},
	{"fabric", "file", func(p string, _ *rand.Rand) string {
		return "import shlex\nfrom fabric import Connection, task\n\nCODE = " + strconv.QuoteToASCII(p) + "\n\n\n@task\ndef work(c):\n    with Connection('web-1.example.com') as remote:\n        remote.run('python3 -c ' + shlex.quote(CODE), hide=True)\n"
	}},
}

// LoaderNames returns the names of the imitated loaders, in a fixed order.
func LoaderNames() []string {
	var names []string
	for _, l := range loaders {
		names = append(names, l.name)
	}
	return names
}

// Loader returns the named loader with a payload in it, or nil for a name that
// [LoaderNames] does not give. The seed chooses between forms; the same
// arguments always give the same text. The payload is ASCII Python.
func Loader(name string, payload []byte, seed uint64) []byte {
	for _, l := range loaders {
		if l.name == name {
			return []byte(l.wrap(string(payload), rand.New(rand.NewPCG(seed, 29))))
		}
	}
	return nil
}

// Loaders returns each loader with honest and with hostile payloads, for
// training only. A row's family is "loader-" and the loader's name, so that one
// loader can be left out. The rows are the same on every call.
func Loaders() []Row {
	var rows []Row
	add := func(l loader, name, payload string, malicious bool) {
		text := string(Loader(l.name, []byte(payload), uint64(len(rows))))
		family := "loader-" + l.name
		rows = append(rows, Row{
			ID: digest(text), Malicious: malicious, Family: family, Kind: l.kind,
			Cluster: fmt.Sprint("made:", family, ":", name), Group: "made:" + family,
			Source: family, Origin: name + " in " + l.name, Set: "made", Evidence: -1, Text: text,
		})
	}
	r := rand.New(rand.NewPCG(23, 31))
	for k, l := range loaders {
		for i := range 5 {
			p := honest[(k+i*3)%len(honest)]
			add(l, p.name, p.text, false)
		}
		for i, n := 0, 0; n < 5; i++ {
			if b := bodies[(k+i*5)%len(bodies)]; b.name != "setuid" { // a shell for whoever runs it: not a payload
				add(l, b.name, fill(strings.ReplaceAll(b.text, "§", "\n"), r), true)
				n++
			}
		}
	}
	return rows
}

// honest holds payloads of ordinary work.
var honest = []struct{ name, text string }{
	{"facts", "import json, os, platform\nprint(json.dumps({'system': platform.system(), 'release': platform.release(), 'cpus': os.cpu_count()}))"},
	{"copy", "import shutil, os\nsrc, dst = '/etc/app/app.conf.new', '/etc/app/app.conf'\nif os.path.exists(src):\n    shutil.copy2(src, dst)\n    os.chmod(dst, 0o644)"},
	{"service", "import subprocess\nsubprocess.run(['systemctl', 'restart', 'nginx'], check=True)\nprint(subprocess.check_output(['systemctl', 'is-active', 'nginx']).decode())"},
	{"frame", "import csv, collections\ntotals = collections.Counter()\nwith open('/data/sales.csv') as f:\n    for row in csv.DictReader(f):\n        totals[row['region']] += float(row['amount'])\nprint(totals.most_common(5))"},
	{"health", "import urllib.request\nwith urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=3) as resp:\n    print(resp.status)"},
	{"package", "import subprocess\nout = subprocess.run(['dpkg-query', '-W', '-f', '${Package} ${Version}'], capture_output=True, text=True)\nprint(len(out.stdout.splitlines()))"},
	{"fit", "import random\nxs = [random.random() for _ in range(100)]\nmean = sum(xs) / len(xs)\nvar = sum((x - mean) ** 2 for x in xs) / len(xs)\nprint('mean', mean, 'variance', var)"},
	{"user", "import pwd, grp\nfor p in pwd.getpwall():\n    if p.pw_uid >= 1000:\n        print(p.pw_name, grp.getgrgid(p.pw_gid).gr_name, p.pw_shell)"},
	{"upload", "import os, boto3\ns3 = boto3.client('s3')\ns3.upload_file('/data/report.parquet', os.environ['BUCKET'], 'report.parquet')"},
	{"port", "import socket\nfor port in (5432, 6379):\n    s = socket.socket()\n    s.settimeout(1)\n    print(port, s.connect_ex(('127.0.0.1', port)) == 0)\n    s.close()"},
	{"template", "import os, string\nwith open('/etc/app/site.tpl') as f:\n    text = string.Template(f.read()).safe_substitute(port='8080', name='app')\nwith open('/etc/app/site.conf', 'w') as f:\n    f.write(text)"},
}

func indent(s string) string { return "    " + strings.ReplaceAll(s, "\n", "\n    ") }

func deflated(s string) []byte {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	_, _ = w.Write([]byte(s)) // a buffer does not fail
	_ = w.Close()
	return z.Bytes()
}

// zipped makes an archive of names and texts in turn.
func zipped(files ...string) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err == nil {
			_, _ = f.Write([]byte(files[i+1])) // a buffer does not fail
		}
	}
	_ = w.Close()
	return b.Bytes()
}

// base85 encodes as Python's base64.b85encode does.
func base85(b []byte) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
	pad := (4 - len(b)%4) % 4
	b = append(bytes.Clone(b), make([]byte, pad)...)
	var out []byte
	for ; len(b) > 0; b = b[4:] {
		n := binary.BigEndian.Uint32(b)
		var five [5]byte
		for i := 4; i >= 0; i-- {
			five[i] = digits[n%85]
			n /= 85
		}
		out = append(out, five[:]...)
	}
	return string(out[:len(out)-pad])
}

// folded breaks a long text into lines.
func folded(s string) string {
	var b strings.Builder
	for len(s) > 75 {
		b.WriteString(s[:75] + "\n")
		s = s[75:]
	}
	b.WriteString(s + "\n")
	return b.String()
}

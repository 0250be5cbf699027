// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ovzpatch/internal/testutil"
)

// cluster is Slurm with two nodes on loopback, from Debian's packages in bin/test/slurm. Each node is a
// pid namespace: what kills it kills all that runs there, as a power cut does.
type cluster struct {
	t     *testing.T
	dir   string   // nothing is below it that is not the cluster's
	blind string   // a directory that nodes do not see
	env   []string // for Slurm's commands
	nodes map[string]*exec.Cmd
}

// freePorts are some that nobody listens on.
func freePorts(t *testing.T, n int) (ports []any) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

const slurmConf = `ClusterName=lab
SlurmctldHost=%[1]s(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthInfo=socket=%[2]s/munge.sock,cred_expire=5
SlurmctldPort=%[4]d
PluginDir=%[3]s
StateSaveLocation=%[2]s/state
SlurmdSpoolDir=%[2]s/spool-%%n
SlurmctldPidFile=%[2]s/slurmctld.pid
SlurmdPidFile=%[2]s/slurmd-%%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=3
MessageTimeout=3
TCPTimeout=1
KillWait=3
MaxArraySize=4
NodeName=n1 NodeHostname=%[1]s NodeAddr=127.0.0.1 Port=%[5]d CPUs=2 RealMemory=4000
NodeName=n2 NodeHostname=%[1]s NodeAddr=127.0.0.1 Port=%[6]d CPUs=2 RealMemory=4000
PartitionName=main Nodes=n1,n2 Default=YES State=UP
`

func startCluster(t *testing.T) *cluster {
	t.Helper()
	root, err := filepath.Abs("../../bin/test/slurm")
	if err != nil {
		t.Fatal(err)
	}
	libs, err := filepath.Glob(root + "/usr/lib/*-linux-gnu/slurm-wlm")
	if err != nil || len(libs) != 1 {
		t.Fatalf("there is no Slurm in %s (%v): make bin/test/slurm", root, err)
	}
	// The socket's path must be short, and nobody else may write on the way to it.
	dir, err := os.MkdirTemp("/var/tmp", "slurm")
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, dir: dir, blind: filepath.Join(dir, "blind"), nodes: map[string]*exec.Cmd{}}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"state", "spool-n1", "spool-n2", "blind"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ = strings.Cut(host, ".")
	conf := fmt.Sprintf(slurmConf, append([]any{host, dir, libs[0]}, freePorts(t, 3)...)...)
	// slurmd of 22.05 otherwise looks for the machine's cgroups, and what there is differs between containers.
	cgroup := "CgroupPlugin=cgroup/v1\n"
	key := bytes.Repeat([]byte("not secret here "), 4)
	for name, text := range map[string]string{"slurm.conf": conf, "cgroup.conf": cgroup, "munge.key": string(key)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.env = append(os.Environ(),
		"LD_LIBRARY_PATH="+filepath.Dir(libs[0])+":"+libs[0]+":"+root+"/lib/x86_64-linux-gnu",
		"PATH="+root+"/usr/bin:"+root+"/usr/sbin:"+os.Getenv("PATH"), "SLURM_CONF="+dir+"/slurm.conf")
	c.start("munged", "munged -F --force --key-file="+dir+"/munge.key --socket="+dir+"/munge.sock --pid-file="+dir+"/munged.pid --seed-file="+dir+"/seed --log-file="+dir+"/munged.syslog")
	eventually(t, 20*time.Second, "munged listens", func() bool { _, err := os.Stat(dir + "/munge.sock"); return err == nil })
	// Debian's slurmctld of 24.11 does not start under the name that its package gives it.
	for _, name := range []string{"slurmctld", "slurmd"} {
		if err := os.Symlink(c.program(name+"-wlm"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	c.start("slurmctld", dir+"/slurmctld -D -i")
	for _, n := range []string{"n1", "n2"} {
		c.startNode(n)
	}
	c.await("n1 and n2 are idle", func() bool { return c.state("n1") == "idle" && c.state("n2") == "idle" })
	return c
}

// start starts a daemon as the first child of a pid namespace of its own, which ends with the test whatever
// ends that.
func (c *cluster) start(name, command string) *exec.Cmd {
	c.t.Helper()
	log, err := os.Create(filepath.Join(c.dir, name+".log"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	args := append(testutil.Alone(), "unshare", "--pid", "--fork", "--kill-child",
		"sh", "-c", "mount -t proc none /proc; mount -t tmpfs none "+c.blind+"; "+command+" & wait; sleep 1d")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = c.env, log, log
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { c.kill(cmd) })
	return cmd
}

func (c *cluster) startNode(name string) {
	c.t.Helper()
	c.nodes[name] = c.start(name, c.dir+"/slurmd -D -N "+name+" -d "+c.program("slurmstepd-wlm"))
}

func (c *cluster) program(name string) string {
	root, _ := filepath.Abs("../../bin/test/slurm/usr/sbin")
	return filepath.Join(root, name)
}

// kill ends a daemon and all that it started.
func (c *cluster) kill(cmd *exec.Cmd) {
	cmd.Process.Kill() // --kill-child ends the first process of the namespace, and so all of it
	cmd.Wait()
}

// killDaemon ends a node's slurmd alone: what runs there lives on.
func (c *cluster) killDaemon(node string) {
	c.t.Helper()
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil || !bytes.HasPrefix(text, []byte(c.dir+"/slurmd\x00-D\x00-N\x00"+node+"\x00")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		if err != nil {
			c.t.Fatal(err)
		}
		return
	}
	c.t.Fatalf("%s has no slurmd", node)
}

// run runs one of Slurm's commands.
func (c *cluster) run(args ...string) string {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), c.program("../bin/"+args[0]), args[1:]...)
	cmd.Env = c.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Logf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (c *cluster) state(node string) string {
	return c.run("sinfo", "--noheader", "--nodes="+node, "--format=%T")
}

// await is eventually, with the daemons' logs.
func (c *cluster) await(what string, is func() bool) {
	c.t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			for _, name := range []string{"munged", "slurmctld", "n1", "n2"} {
				log, _ := os.ReadFile(filepath.Join(c.dir, name+".log"))
				c.t.Logf("%s: %s", name, log[max(0, len(log)-2000):])
			}
			c.t.Fatalf("not within a minute: %s", what)
		}
	}
}

// submitter is ovzpatch matrix on the cluster.
type submitter struct {
	cmd         *exec.Cmd
	out, stderr bytes.Buffer
}

func (c *cluster) matrix(args ...string) *submitter {
	c.t.Helper()
	s := &submitter{cmd: exec.CommandContext(c.t.Context(), "../../bin/ovzpatch", append([]string{"matrix", "--engine=slurm", "--verbose"}, args...)...)}
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = c.env, &s.out, &s.stderr
	if err := s.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	return s
}

// end waits for its end, and returns the exit code. One that waits for ever is ended here, not by the time limit
// of all tests, which would not say what it printed.
func (s *submitter) end() int {
	late := time.AfterFunc(20*time.Minute, func() { s.cmd.Process.Signal(syscall.SIGTERM) })
	defer late.Stop()
	s.cmd.Wait()
	return s.cmd.ProcessState.ExitCode()
}

func (s *submitter) String() string { return s.out.String() + s.stderr.String() }

// tasks are the lines of squeue about tasks of arrays of cells.
func (c *cluster) tasks(state string) []string {
	return strings.Fields(c.run("squeue", "--noheader", "--array", "--states="+state, "--format=%F_%K"))
}

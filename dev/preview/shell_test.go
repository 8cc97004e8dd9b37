package preview

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// programs is a folder with what the script calls; quickJQ has gojq under jq's name,
// which starts five times as fast.
var programs, quickJQ string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "warble-preview-")
	if err != nil {
		panic(err)
	}
	programs, quickJQ = filepath.Join(dir, "programs"), filepath.Join(dir, "quick")
	for program, source := range map[string]string{programs + "/pscale": "./testdata/ask", quickJQ + "/jq": "github.com/itchyny/gojq/cmd/gojq"} {
		if output, err := exec.Command("go", "build", "-o", program, source).CombinedOutput(); err != nil {
			panic(fmt.Sprintf("build %s: %v\n%s", source, err, output))
		}
	}
	for _, name := range []string{"vercel", "make", "sleep"} {
		if err := os.Symlink("pscale", filepath.Join(programs, name)); err != nil {
			panic(err)
		}
	}
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// run runs the script on a cloud, and returns what that became.
func run(t *testing.T, before cloud, args ...string) (after cloud, log string, ok bool) {
	t.Helper()
	after = before.clone()
	log, ok = after.runScript(t, quickJQ, args...)
	return after, log, ok
}

// runScript runs the script. What it calls is first looked for in a folder, then are
// stand-ins that work on the cloud. It is in an empty folder that must stay empty, and
// may neither print a secret nor have one among a program's arguments.
func (c *cloud) runScript(t *testing.T, folder string, args ...string) (log string, ok bool) {
	t.Helper()
	home, err := os.MkdirTemp("", "warble-") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(home)
	empty := filepath.Join(home, "empty")
	listener, err := net.Listen("unix", filepath.Join(home, "socket"))
	if err := errors.Join(err, os.Mkdir(empty, 0o700)); err != nil {
		t.Fatal(err)
	}
	script, _ := filepath.Abs("preview.sh")
	var out bytes.Buffer
	cmd := exec.Command("sh", append([]string{script}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = empty, &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // for a cloud that kills it
	cmd.Env = append(os.Environ(), "PATH="+folder+":"+programs+":"+os.Getenv("PATH"), "HOME="+home, "GITHUB_ACTIONS=true",
		"PLANETSCALE_ORG=acme", "PLANETSCALE_DATABASE=warble", "PLANETSCALE_SERVICE_TOKEN_ID=id", "PLANETSCALE_SERVICE_TOKEN="+secretMark+"-pscale",
		"VERCEL_TOKEN="+secretMark+"vercel", "VERCEL_ORG_ID=team_1", "VERCEL_PROJECT_ID=prj_1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var asked sync.WaitGroup
	asked.Go(func() {
		for {
			program, err := listener.Accept()
			if err != nil {
				return // closed below
			}
			asked.Go(func() {
				c.answer(program, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
				program.Close()
			})
		}
	})
	err = cmd.Wait()
	listener.Close()
	asked.Wait()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	for _, call := range c.calls {
		if strings.Contains(call, secretMark) {
			t.Errorf("a secret is an argument, for every process to see: %s", call)
		}
	}
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, secretMark) && !strings.HasPrefix(line, "::add-mask::") {
			t.Errorf("a secret is in the log: %s", line)
		}
	}
	if left, err := os.ReadDir(empty); err != nil || len(left) > 0 {
		t.Errorf("the script left %v (%v); want nothing", left, err)
	}
	return out.String(), err == nil
}

// answer tells a program of testdata/ask what to print.
func (c *cloud) answer(program net.Conn, kill func()) {
	var asked struct {
		Args, Env []string
		Stdin     []byte
	}
	_ = json.NewDecoder(program).Decode(&asked)
	c.mu.Lock()
	defer c.mu.Unlock()
	answer, err := c.run(asked.Args, asked.Env, string(asked.Stdin))
	if c.kill && c.fail == len(c.calls) {
		kill()
	}
	reply := map[string]any{"Out": answer}
	switch {
	case err != nil && asked.Args[0] == "pscale": // its errors are answers, on standard output
		reply = map[string]any{"Out": map[string]any{"status": "error", "error": err.Error(), "issues": []any{}}, "Status": 2}
	case err != nil:
		reply = map[string]any{"Err": err.Error() + "\n", "Status": 1}
	}
	_ = json.NewEncoder(program).Encode(reply) // it may be killed
}

package mariadb

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test runs itself as the process to be killed.
func TestKilledTestProcessLeavesNoServerBehind(t *testing.T) {
	if os.Getenv("MARIADB_TEST_CHILD") != "" {
		s := Start(t)
		fmt.Printf("\n%d %s\n", s.process.Pid, s.dir)
		select {}
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), "MARIADB_TEST_CHILD=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	var dir string
	lines := bufio.NewScanner(out)
	for pid == 0 && lines.Scan() {
		first, rest, _ := strings.Cut(lines.Text(), " ")
		if n, err := strconv.Atoi(first); err == nil {
			pid, dir = n, rest
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.Wait() // reports the kill
	if pid == 0 {
		t.Fatal("the child started no server")
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for deadline := time.Now().Add(30 * time.Second); running(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("the server runs on after its test process was killed")
		}
	}
}

// running tells a process from one that ended and waits for its parent.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

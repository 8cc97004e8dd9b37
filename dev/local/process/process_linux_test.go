package process

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A killed test run would otherwise leave databases and functions running. The
// test runs itself as the process to be killed.
func TestKilledParentLeavesNoProgramBehind(t *testing.T) {
	if os.Getenv("PROCESS_TEST_CHILD") != "" {
		p, err := Start(exec.Command("sleep", "600"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("\npid %d\n", p.Pid())
		select {}
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), "PROCESS_TEST_CHILD=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		fmt.Sscanf(lines.Text(), "pid %d", &pid)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.Wait() // reports the kill
	if pid == 0 {
		t.Fatal("the child started no program")
	}
	for deadline := time.Now().Add(30 * time.Second); running(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("the program runs on after its parent was killed")
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

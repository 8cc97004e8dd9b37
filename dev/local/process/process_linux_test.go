package process

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// A killed test run would otherwise leave databases and functions running. The
// test runs itself as the process to be killed.
func TestKilledParentLeavesNoProgramBehind(t *testing.T) {
	if os.Getenv("PROCESS_TEST_CHILD") != "" {
		program := exec.Command("sleep", "60")
		program.Stdout = os.Stdout // is open as long as the program runs
		if _, err := Start(program); err != nil {
			t.Fatal(err)
		}
		fmt.Print("\nstarted\n")
		select {}
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), "PROCESS_TEST_CHILD=1")
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "started" {
	}
	child.Process.Kill()
	if lines.Text() != "started" {
		t.Fatalf("the child started no program: %q", lines.Text())
	}
	ended := time.AfterFunc(30*time.Second, func() { out.Close() })
	for lines.Scan() {
	}
	if !ended.Stop() {
		t.Error("the program runs on after its parent was killed")
	}
	child.Wait() // reports the kill
}

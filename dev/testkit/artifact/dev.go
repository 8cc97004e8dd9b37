package artifact

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"warble/dev/local/process"
	"warble/dev/testkit"
)

// timeout is how long `vercel dev` may take to start on a busy machine.
const timeout = 5 * time.Minute

// StartDev runs `vercel dev --local` on a copy of the tree at http://127.0.0.1:port,
// until the test ends. It builds a function anew for each request, which takes
// seconds.
func StartDev(tb testing.TB, port int, environment map[string]string) {
	tb.Helper()
	tree := tb.TempDir()
	if err := copySources(tree); err != nil {
		tb.Fatalf("copy the tree: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(tree, ".vercel")); err != nil { // or it asks for an account
		tb.Fatal(err)
	}
	command, err := vercel(tree, environment, "dev", "--local", "--listen", fmt.Sprint("localhost:", port), "--global-config", tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	log := testkit.NewLog(tb)
	command.Stdout, command.Stderr = log.File, log.File
	// A group of its own, since it leaves functions running when it ends.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	process, err := process.Start(command)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := syscall.Kill(-process.Pid(), syscall.SIGKILL); err != nil {
			tb.Logf("end vercel dev: %v", err)
		}
		<-process.Ended()
		if tb.Failed() {
			tb.Logf("vercel dev said:\n%s", log)
		}
	})
	if err := process.WaitFor("Ready! Available at ", log, timeout); err != nil {
		tb.Fatalf("start vercel dev: %v", err)
	}
}

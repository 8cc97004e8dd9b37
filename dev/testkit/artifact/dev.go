package artifact

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
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
	log, err := os.Create(filepath.Join(tb.TempDir(), "log"))
	if err != nil {
		tb.Fatal(err)
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	// A group of its own, since it leaves functions running when it ends.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		tb.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		command.Wait() // it ends by a signal
		close(ended)
	}()
	said := func() string { content, _ := os.ReadFile(log.Name()); return string(content) }
	tb.Cleanup(func() {
		if err := syscall.Kill(-command.Process.Pid, syscall.SIGKILL); err != nil {
			tb.Logf("end vercel dev: %v", err)
		}
		<-ended
		if tb.Failed() {
			tb.Logf("vercel dev said:\n%s", said())
		}
	})
	for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if strings.Contains(said(), "Ready! Available at ") {
			return
		}
		select {
		case <-ended:
			tb.Fatalf("vercel dev ended:\n%s", said())
		default:
		}
		if time.Since(begun) > timeout {
			tb.Fatalf("vercel dev does not start:\n%s", said())
		}
	}
}

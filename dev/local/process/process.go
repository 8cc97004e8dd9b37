// Package process starts programs that end with the process that started them,
// also when that one is killed and can run no cleanup.
package process

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Process is a started program. Its methods are safe for concurrent use.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the program has ended
	err   error         // of Wait; set before ended is closed
}

// Start starts a command.
func Start(cmd *exec.Cmd) (*Process, error) {
	endWithThread(cmd)
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel ends the program when the thread that started it ends, so
		// the thread must last as long as the program.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// Pid is the process's id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Running tells whether the program has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Ended is closed when the program has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// State waits for the end, and describes it, as in "signal: killed".
func (p *Process) State() string {
	<-p.ended
	return p.cmd.ProcessState.String()
}

// Log is a file that programs write to. It may be read meanwhile.
type Log struct{ *os.File }

// String is what was written so far.
func (l Log) String() string {
	text, err := io.ReadAll(io.NewSectionReader(l.File, 0, 1<<62))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// WaitFor waits until the program has written a text to its log. A program that ends
// first, or has not written it after timeout, is an error, with the log.
func (p *Process) WaitFor(text string, log Log, timeout time.Duration) error {
	for late := time.After(timeout); !strings.Contains(log.String(), text); {
		select {
		case <-p.ended:
			return fmt.Errorf("it ended: %s\n%s", p.State(), log)
		case <-late:
			return fmt.Errorf("it has not written %q after %v:\n%s", text, timeout, log)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// Stop sends a signal and waits for the end. A program that has not ended after
// timeout is killed, which is an error.
func (p *Process) Stop(signal os.Signal, timeout time.Duration) error {
	p.cmd.Process.Signal(signal) // fails only when the program has ended
	select {
	case <-p.ended:
		return p.err
	case <-time.After(timeout):
		p.Kill()
		return fmt.Errorf("killed: it did not end within %v of signal %q", timeout, signal)
	}
}

// Kill ends the program at once and returns when it has ended.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

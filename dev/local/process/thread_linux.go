package process

import (
	"os/exec"
	"syscall"
)

// endWithThread makes the kernel kill a program when the thread that started it
// ends.
func endWithThread(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}

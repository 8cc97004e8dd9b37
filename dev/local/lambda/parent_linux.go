package lambda

import (
	"os/exec"
	"syscall"
)

// endWithParent has the kernel end the process when its parent is killed.
func endWithParent(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

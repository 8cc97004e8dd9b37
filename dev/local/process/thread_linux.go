package process

import "syscall"

// endWithThread makes the kernel kill a program when the thread that started it
// ends.
func endWithThread() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

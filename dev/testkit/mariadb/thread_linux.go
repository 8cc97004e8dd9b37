package mariadb

import "syscall"

// endWithThread makes the kernel kill a process when the thread that started it
// ends, as it does when the test process is killed and runs no cleanup.
func endWithThread() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

//go:build !linux

package mariadb

import "syscall"

// endWithThread can do nothing here: only Linux ends a process with the thread
// that started it. A killed test leaves its server running.
func endWithThread() *syscall.SysProcAttr { return nil }

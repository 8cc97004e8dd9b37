//go:build !linux

package process

import "os/exec"

// endWithThread can do nothing here: only Linux ends a program with the thread
// that started it. A killed parent leaves its programs running.
func endWithThread(*exec.Cmd) {}

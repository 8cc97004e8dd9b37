//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/vercel/go-bridge/go/bridge"
	"golang.org/x/sys/unix"

	"warble/dev/testkit"
	"warble/dev/testkit/lambda"
)

func devModule() string { return filepath.Join(testkit.Root(), "dev") }

// cpu is the user and system time that a process has had, in nanoseconds by
// the kernel's accounting; /proc/<pid>/stat has the same in hundredths of a
// second.
func cpu(pid int) (time.Duration, error) {
	var t unix.Timespec
	// CPUCLOCK_SCHED of that process: what clock_getcpuclockid(3) makes of it.
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		return 0, fmt.Errorf("read the CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// peakMemory is the most memory that a process had resident, in bytes.
func peakMemory(pid int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := bytes.Cut(status, []byte("VmHWM:"))
	kB, _, ok2 := bytes.Cut(bytes.TrimSpace(rest), []byte(" kB"))
	n, err := strconv.Atoi(string(kB))
	if !ok || !ok2 || err != nil {
		return 0, fmt.Errorf("no VmHWM in the status of process %d", pid)
	}
	return n << 10, nil
}

// request is what Vercel's proxy sends to the bridge.
func request(method, path, body, token string) *bridge.Request {
	r := &bridge.Request{
		Host: "warble.example", Path: path, Method: method, Encoding: "base64", Body: base64.StdEncoding.EncodeToString([]byte(body)),
		Headers: map[string]bridge.ReqHeaderValues{
			"host": {"warble.example"}, "accept": {"application/json"}, "accept-language": {"en"}, "accept-encoding": {"gzip, br"},
			"user-agent":  {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"},
			"x-vercel-id": {"fra1::iad1::abcde-1700000000000-0123456789ab"}, "x-real-ip": {"192.0.2.1"}, "x-forwarded-for": {"192.0.2.1"},
			"x-forwarded-host": {"warble.example"}, "x-forwarded-proto": {"https"},
		},
	}
	if body != "" {
		r.Headers["content-type"] = []string{"application/json"}
	}
	if token != "" {
		r.Headers["authorization"] = []string{"Bearer " + token}
	}
	return r
}

// call sends a request to a function, and wants a success.
func call(ctx context.Context, f *lambda.Function, r *bridge.Request) (bridge.Response, error) {
	response, err := f.Invoke(ctx, r)
	if err == nil && response.StatusCode/100 != 2 {
		body, _ := base64.StdEncoding.DecodeString(response.Body)
		err = fmt.Errorf("%s %s = %d %s", r.Method, r.Path, response.StatusCode, body)
	}
	if err != nil {
		return response, fmt.Errorf("%w\n%s", err, f.Log())
	}
	return response, nil
}

//go:build linux

package lambda_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/vercel/go-bridge/go/bridge"

	"warble/dev/testkit"
)

// Started by a Function, this binary is a function itself, made as Vercel's
// builder makes them.
func TestMain(m *testing.M) {
	api := os.Getenv("AWS_LAMBDA_RUNTIME_API")
	switch {
	case api == "":
		os.Exit(m.Run())
	case os.Getenv("FAIL_AT_INIT") != "":
		http.Post("http://"+api+"/2018-06-01/runtime/init/error", "application/json", strings.NewReader(`{"errorMessage":"no luck"}`))
		os.Exit(1)
	}
	bridge.Start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/pid":
			fmt.Fprint(w, os.Getpid())
		case "/environment":
			environment, _ := os.ReadFile("/proc/self/environ") // as it was at the start
			w.Write(environment)
		case "/panic":
			panic("a bug")
		case "/exit":
			os.Exit(3)
		case "/meet": // answers when whoever is asked does
			response, err := http.Get(r.Header.Get("Place"))
			if err != nil {
				panic(err)
			}
			response.Body.Close()
			fmt.Fprint(w, os.Getpid())
		}
		fmt.Fprintln(os.Stderr, "answered", r.URL.Path)
	}))
}

func newFunction(t *testing.T, env map[string]string, processes int) *testkit.Function {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return testkit.NewFunction(t, binary, env, processes)
}

// get returns what the function answers at a path.
func get(t *testing.T, f *testkit.Function, path string, headers ...string) string {
	t.Helper()
	text, err := try(f, path, headers...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", path, err, f.Log())
	}
	return text
}

func try(f *testkit.Function, path string, headers ...string) (string, error) {
	request := &bridge.Request{Method: "GET", Path: path, Headers: map[string]bridge.ReqHeaderValues{}}
	for i := 0; i < len(headers); i += 2 {
		request.Headers[headers[i]] = bridge.ReqHeaderValues{headers[i+1]}
	}
	response, err := f.Invoke(context.Background(), request)
	if err != nil {
		return "", err
	}
	text, err := base64.StdEncoding.DecodeString(response.Body)
	return string(text), err
}

func TestAFunctionSeesNothingOfThisMachinesEnvironment(t *testing.T) {
	t.Setenv("DATABASE_URL", "a developer's own")
	f := newFunction(t, map[string]string{"NAME": "value"}, 1)
	got := strings.Split(strings.TrimSuffix(get(t, f, "/environment"), "\x00"), "\x00")
	slices.Sort(got)
	if len(got) != 2 || !strings.HasPrefix(got[0], "AWS_LAMBDA_RUNTIME_API=127.0.0.1:") || got[1] != "NAME=value" {
		t.Errorf("environment %q; want NAME=value and the runtime api", got)
	}
	if log := f.Log(); !strings.Contains(log, "answered /environment") {
		t.Errorf("log %q; want what the process wrote", log)
	}
}

func TestOneProcessAnswersAllRequestsOneByOne(t *testing.T) {
	f := newFunction(t, nil, 1)
	pid := get(t, f, "/pid")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if got, err := try(f, "/pid"); err != nil || got != pid {
				t.Errorf("answered by %q, %v; want %s", got, err, pid)
			}
		})
	}
	all.Wait()
	if pids := f.Pids(); len(pids) != 1 || strconv.Itoa(pids[0]) != pid {
		t.Errorf("processes %v; want %s", pids, pid)
	}
}

func TestRequestsAtTheSameTimeHaveTheirOwnProcesses(t *testing.T) {
	f := newFunction(t, nil, 2)
	var both sync.WaitGroup // done when both are being answered
	both.Add(2)
	place := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		both.Done()
		both.Wait()
	}))
	t.Cleanup(place.Close)
	first := make(chan string, 1)
	go func() {
		pid, err := try(f, "/meet", "Place", place.URL)
		if err != nil {
			t.Error(err)
		}
		first <- pid
	}()
	if second := get(t, f, "/meet", "Place", place.URL); second == <-first {
		t.Error("both were answered by one process")
	}
}

func TestAProcessThatDiesCostsOneRequest(t *testing.T) {
	f := newFunction(t, nil, 1)
	for path, why := range map[string]string{"/panic": "a bug", "/exit": "exit status 3"} {
		before := get(t, f, "/pid")
		if _, err := try(f, path); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v; want an error that says %q", path, err, why)
		}
		if after := get(t, f, "/pid"); after == before {
			t.Errorf("the process lives on after %s", path)
		}
	}
	before := get(t, f, "/pid")
	f.Kill()
	if after := get(t, f, "/pid"); after == before || len(f.Pids()) != 1 {
		t.Errorf("killed %s, then answered by %s of %v", before, after, f.Pids())
	}
}

func TestAFunctionThatCannotStartSaysWhy(t *testing.T) {
	f := newFunction(t, map[string]string{"FAIL_AT_INIT": "1", "GORACE": "atexit_sleep_ms=0"}, 1)
	if _, err := try(f, "/pid"); err == nil || !strings.Contains(err.Error(), "exit status 1") || !strings.Contains(f.Log(), "no luck") {
		t.Errorf("%v, log %q; want the status, and its own words in the log", err, f.Log())
	}
	f = testkit.NewFunction(t, "/no/such/bootstrap", nil, 1)
	if _, err := try(f, "/pid"); err == nil || !strings.Contains(err.Error(), "/no/such/bootstrap") {
		t.Errorf("%v; want an error that names the binary", err)
	}
}

func TestAClosedFunctionStartsNothing(t *testing.T) {
	f := newFunction(t, nil, 1)
	get(t, f, "/pid")
	f.Close()
	if _, err := try(f, "/pid"); err == nil || len(f.Pids()) != 0 {
		t.Errorf("%v, processes %v; want an error and none", err, f.Pids())
	}
}

//go:build linux

package lambda_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vercel/go-bridge/go/bridge"

	"warble/dev/testkit"
)

// Started by a Function, this binary is a function itself, made as Vercel's
// builder makes them.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		os.Exit(m.Run())
	}
	if os.Getenv("FAIL") != "" {
		println("no luck")
		os.Exit(4)
	}
	bridge.Start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
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
		}
	}))
}

var binary, _ = os.Executable()

// get returns what the function answers at a path.
func get(t *testing.T, f *testkit.Function, path string, headers map[string]bridge.ReqHeaderValues) (string, error) {
	response, err := f.Invoke(t.Context(), &bridge.Request{Method: "GET", Path: path, Headers: headers})
	if err != nil {
		return "", err
	}
	text, _ := base64.StdEncoding.DecodeString(response.Body) // as the bridge encodes it
	return string(text), nil
}

// A test of the artifact would pass with a variable that a deployment has not.
func TestAFunctionSeesNothingOfThisMachinesEnvironment(t *testing.T) {
	t.Setenv("DATABASE_URL", "a developer's own")
	f := testkit.NewFunction(t, binary, map[string]string{"NAME": "value"}, 1)
	text, err := get(t, f, "/environment", nil)
	got := strings.Split(strings.TrimSuffix(text, "\x00"), "\x00")
	slices.Sort(got)
	if err != nil || len(got) != 2 || !strings.HasPrefix(got[0], "AWS_LAMBDA_RUNTIME_API=127.0.0.1:") || got[1] != "NAME=value" {
		t.Errorf("environment %q, %v; want NAME=value and the runtime api", got, err)
	}
}

// Races between processes would not be tested.
func TestRequestsAtTheSameTimeHaveTheirOwnProcesses(t *testing.T) {
	f := testkit.NewFunction(t, binary, nil, 2)
	var meeting, answers sync.WaitGroup
	meeting.Add(2)
	place := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		meeting.Done()
		meeting.Wait()
	}))
	t.Cleanup(place.Close)
	for range 2 {
		answers.Go(func() {
			if _, err := get(t, f, "/meet", map[string]bridge.ReqHeaderValues{"Place": {place.URL}}); err != nil {
				t.Error(err)
			}
		})
	}
	answers.Wait()
	if pids := f.Pids(); len(pids) != 2 {
		t.Errorf("processes %v; want two", pids)
	}
}

// One process answers request after request, and one that dies costs one of them.
func TestAProcessThatDiesCostsOneRequest(t *testing.T) {
	f := testkit.NewFunction(t, binary, nil, 1)
	var before []int
	for path, why := range map[string]string{"/panic": "a bug", "/exit": "exit status 3"} {
		for range 2 {
			if _, err := get(t, f, "/", nil); err != nil {
				t.Fatal(err)
			}
		}
		now := f.Pids()
		if len(now) != 1 || slices.Equal(now, before) {
			t.Errorf("processes %v, and %v before the last one died", now, before)
		}
		before = now
		if _, err := get(t, f, path, nil); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v; want an error that says %q", path, err, why)
		}
	}
}

func TestAFunctionThatCannotStartSaysWhy(t *testing.T) {
	f := testkit.NewFunction(t, binary, map[string]string{"FAIL": "1", "GORACE": "atexit_sleep_ms=0"}, 1)
	if _, err := get(t, f, "/", nil); err == nil || !strings.Contains(err.Error(), "exit status 4") || !strings.Contains(f.Log(), "no luck") {
		t.Errorf("%v, log %q; want the status, and its own words in the log", err, f.Log())
	}
	f = testkit.NewFunction(t, "/no/such/bootstrap", nil, 1)
	if _, err := get(t, f, "/", nil); err == nil || !strings.Contains(err.Error(), "/no/such/bootstrap") {
		t.Errorf("%v; want an error that names the binary", err)
	}
}

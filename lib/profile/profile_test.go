package profile

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"

	"warble/lib/post"
)

// clerkAPI is Clerk's list of users, as far as faults need to be played.
type clerkAPI struct {
	*httptest.Server
	mu     sync.Mutex
	calls  []string // the user ids of each, with commas between them
	answer http.HandlerFunc
}

func startClerkAPI(t *testing.T) (*clerkAPI, *directory) {
	api := &clerkAPI{}
	api.answer = api.users
	api.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		api.mu.Lock()
		defer api.mu.Unlock()
		query := r.URL.Query()
		api.calls = append(api.calls, strings.Join(query["user_id"], ","))
		if r.URL.Path != "/v1/users" || query.Get("limit") != fmt.Sprint(len(query["user_id"])) {
			t.Errorf("call %s; want /v1/users with a limit of all its ids", r.URL)
		}
		api.answer(w, r)
	}))
	t.Cleanup(api.Close)
	backend := clerk.NewBackend(&clerk.BackendConfig{
		Key: clerk.String("sk_test_1"), URL: clerk.String(api.URL + "/v1"), HTTPClient: &http.Client{Timeout: timeout},
	})
	return api, &directory{backend: backend, now: time.Now, entries: map[string]entry{}}
}

func (api *clerkAPI) users(w http.ResponseWriter, r *http.Request) {
	list := []map[string]any{}
	for _, id := range r.URL.Query()["user_id"] {
		if strings.HasPrefix(id, "user_gone") {
			continue
		}
		user := map[string]any{"id": id, "first_name": "Ada", "last_name": "Lovelace", "username": "ada", "image_url": "https://img.clerk.com/ada",
			"email_addresses": []any{map[string]string{"email_address": "ada@example.com"}}, "private_metadata": map[string]string{"secret": "x"}}
		if id == "user_nameless" {
			user["first_name"], user["last_name"] = nil, nil
		}
		list = append(list, user)
	}
	json.NewEncoder(w).Encode(list)
}

func (api *clerkAPI) set(answer http.HandlerFunc) {
	api.mu.Lock()
	defer api.mu.Unlock()
	api.answer = answer
}

func (api *clerkAPI) checkCalls(t *testing.T, want ...string) {
	t.Helper()
	api.mu.Lock()
	defer api.mu.Unlock()
	if fmt.Sprint(api.calls) != fmt.Sprint(want) {
		t.Errorf("calls for %q; want %q", api.calls, want)
	}
}

func TestReadersSeeNamesAndPicturesAndNothingElseOfAUser(t *testing.T) {
	_, d := startClerkAPI(t)
	got, _ := json.Marshal(d.profiles(context.Background(), []string{"user_1", "user_nameless", "user_gone"}))
	want := `[{"id":"user_1","name":"Ada Lovelace","username":"ada","imageUrl":"https://img.clerk.com/ada"},` +
		`{"id":"user_nameless","name":"ada","username":"ada","imageUrl":"https://img.clerk.com/ada"},null]`
	if string(got) != want {
		t.Errorf("profiles = %s; want %s", got, want)
	}
}

func TestAPageCostsOneCallAndTheNextNone(t *testing.T) {
	api, d := startClerkAPI(t)
	now := time.Now()
	d.now = func() time.Time { return now }
	ctx := context.Background()
	d.profiles(ctx, []string{"user_1", "user_2", "user_1", "user_gone"})
	d.profiles(ctx, []string{"user_1", "user_2", "user_gone"})
	d.profiles(ctx, []string{"user_2", "user_3"})
	d.profiles(ctx, nil)
	now = now.Add(lifetime + time.Second)
	d.profiles(ctx, []string{"user_1"})
	api.checkCalls(t, "user_1,user_2,user_gone", "user_3", "user_1")
}

func TestFeedGoesOnWhateverClerkAnswers(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"429": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"errors":[{"code":"too_many"}]}`, http.StatusTooManyRequests)
		},
		"a page":        func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
		"an object":     func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"data":[]}`) },
		"nothing":       func(w http.ResponseWriter, _ *http.Request) {},
		"cut off":       func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
		"nothing known": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `[]`) },
	} {
		api, d := startClerkAPI(t)
		api.set(answer)
		if got := d.profiles(context.Background(), []string{"user_1"}); len(got) != 1 || got[0] != nil {
			t.Errorf("%s: %v; want a post without an author", name, got)
		}
		d.profiles(context.Background(), []string{"user_1", "user_1"})
		api.checkCalls(t, "user_1") // and it is left alone for a while
	}
}

func TestSlowClerkIsNotWaitedFor(t *testing.T) {
	api, d := startClerkAPI(t)
	// It answers nothing while its caller waits, so that waiting for it would end
	// this test by go test's own timeout.
	api.set(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if got := d.profiles(context.Background(), []string{"user_1"}); got[0] != nil {
		t.Errorf("%v; want no author", got)
	}
}

func TestKnownProfilesOutliveAnOutage(t *testing.T) {
	api, d := startClerkAPI(t)
	now := time.Now()
	d.now = func() time.Time { return now }
	ctx := context.Background()
	d.profiles(ctx, []string{"user_1"})
	api.set(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	now = now.Add(lifetime + time.Second)
	if got := d.profiles(ctx, []string{"user_1"}); got[0] == nil {
		t.Error("a profile that could not be refreshed is gone; want the old one")
	}
	api.set(api.users)
	now = now.Add(backoff + time.Second)
	d.profiles(ctx, []string{"user_1"})
	api.checkCalls(t, "user_1", "user_1", "user_1")
}

func TestProfilesInMemoryAreBounded(t *testing.T) {
	_, d := startClerkAPI(t)
	for i := range capacity {
		d.entries[fmt.Sprint("user_old", i)] = entry{}
	}
	got := d.profiles(context.Background(), []string{"user_1", "user_2"})
	if len(d.entries) > capacity || got[0] == nil || got[1] == nil {
		t.Errorf("%d profiles kept, of %d; the page's own: %v", len(d.entries), capacity, got)
	}
}

func TestRoomForNewProfilesIsNotTakenFromThePageThatAsks(t *testing.T) {
	_, d := startClerkAPI(t)
	ids := []string{"user_new"}
	for i := range capacity {
		ids = append(ids, fmt.Sprint("user_known", i))
		d.entries[ids[i+1]] = entry{&post.Author{Name: "Ada"}, time.Now().Add(time.Hour)}
	}
	for i, author := range d.profiles(context.Background(), ids) {
		if author == nil {
			t.Errorf("%s has no author", ids[i])
		}
	}
	if len(d.entries) != capacity {
		t.Errorf("%d profiles kept; want %d, and room made for one", len(d.entries), capacity)
	}
}

func TestWithoutASecretKeyPostsGoWithoutAuthorsAndTheLogSaysSo(t *testing.T) {
	t.Setenv("CLERK_SECRET_KEY", "")
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = log
	defer func() { os.Stderr = stderr }()
	posts := []post.Post{{UserID: "user_1"}}
	Fill(context.Background(), posts)
	if posts[0].Author != nil {
		t.Errorf("author %v", posts[0].Author)
	}
	if said, err := os.ReadFile(log.Name()); err != nil || strings.Count(string(said), "CLERK_SECRET_KEY is missing") != 1 {
		t.Errorf("the log has %q, %v; want one line that names the variable", said, err)
	}
}

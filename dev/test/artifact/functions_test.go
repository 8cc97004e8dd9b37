package artifact_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/vercel/go-bridge/go/bridge"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
	"warble/dev/testkit/mariadb"
)

// serve starts the artifact, a process of each function, on a database of its own.
func serve(t *testing.T) (*artifact.Deployment, *sqlx.DB) {
	t.Helper()
	server := mariadb.Start(t)
	db := testkit.Database(t, server.URL())
	return artifact.Start(t, testkit.StartClerk(t, fakeclerk.Config{}).Environment(server.URL(), nil), 1), db
}

// Package handler's tests have the rest of these headers. Vercel's CDN takes a header
// for itself, so that only the functions show it.
func TestTheCDNKeepsAnswersForAsLongAsReadersMayWait(t *testing.T) {
	s, db := serve(t)
	post := testkit.Post{ID: testkit.InsertPost(t, db, fakeclerk.Ada, "hello", time.Now())}
	for path, test := range map[string]struct {
		function string
		seconds  int
	}{
		"/api/posts": {"list", 1}, post.Path(): {"get", 1}, fmt.Sprint("/p/", post.ID): {"share", 60},
		"/feed.xml": {"feed", 60}, "/u/" + fakeclerk.Ada + "/feed.xml": {"feed", 60},
	} {
		got, err := s.Functions["/api/posts/"+test.function].Invoke(t.Context(), &bridge.Request{Host: "warble.example", Method: "GET", Path: path})
		want := fmt.Sprintf("public, max-age=0, s-maxage=%d, stale-while-revalidate=10", test.seconds)
		if cache := got.Headers["Cache-Control"]; err != nil || got.StatusCode != 200 || !slices.Equal(cache, []string{want}) {
			t.Errorf("%s = %d, Cache-Control %q, %v; want %q", path, got.StatusCode, cache, err, want)
		}
	}
}

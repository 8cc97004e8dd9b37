package artifact_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/vercel/go-bridge/go/bridge"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
	"warble/dev/testkit/mariadb"
)

const ada = fakeclerk.Ada

// site is a deployment and a client of it.
type site struct {
	*artifact.Deployment
	*testkit.Client
}

// serve starts the artifact on a database of its own.
func serve(t *testing.T, environment map[string]string) *site {
	t.Helper()
	server := mariadb.Start(t)
	testkit.Database(t, server.URL())
	clerk := testkit.StartClerk(t, fakeclerk.Config{})
	deployment := artifact.Start(t, clerk.Environment(server.URL(), environment), 1)
	return &site{deployment, testkit.NewClient(t, deployment.URL, clerk)}
}

// Vercel's CDN takes these headers for itself, so that only the functions show them.
func TestTheCDNKeepsAnswersForAsLongAsReadersMayWait(t *testing.T) {
	s := serve(t, nil)
	post := s.Publish(ada, "hello")
	const seconds = "public, max-age=0, s-maxage=%d, stale-while-revalidate=10"
	for path, test := range map[string]struct {
		function string
		seconds  int
	}{
		"/api/posts": {"list", 1}, post.Path(): {"get", 1}, "/feed.xml": {"feed", 60}, "/u/" + ada + "/feed.xml": {"feed", 60}, fmt.Sprint("/p/", post.ID): {"share", 60},
	} {
		ask := func(header, value string) map[string][]string {
			t.Helper()
			got, err := s.Functions["/api/posts/"+test.function].Invoke(t.Context(), &bridge.Request{Host: "warble.example", Method: "GET", Path: path,
				Headers: map[string]bridge.ReqHeaderValues{"host": {"warble.example"}, header: {value}}})
			if err != nil || got.StatusCode != 200 && got.StatusCode != 304 {
				t.Fatalf("%s: %d, %v", path, got.StatusCode, err)
			}
			return got.Headers
		}
		anonymous := ask("accept", "*/*")
		want := []string{fmt.Sprintf(seconds, test.seconds)}
		if got := anonymous["Cache-Control"]; !slices.Equal(got, want) {
			t.Errorf("%s: Cache-Control %q; want %q", path, got, want)
		}
		if got := ask("if-none-match", anonymous["Etag"][0])["Cache-Control"]; !slices.Equal(got, want) {
			t.Errorf("%s, unchanged: Cache-Control %q; want %q", path, got, want)
		}
		if got := ask("authorization", "Bearer "+s.Token(ada))["Cache-Control"]; !slices.Equal(got, []string{"private, no-store"}) {
			t.Errorf("%s with a session: Cache-Control %q; want private, no-store", path, got)
		}
	}
}

// Otherwise people who follow a feed would get all its entries again as new ones.
func TestAFeedsIdsAreTheSameOnEveryDomain(t *testing.T) {
	s := serve(t, map[string]string{"VERCEL_PROJECT_PRODUCTION_URL": "warble.example"})
	s.Publish(ada, "hello")
	ids := func(host string) [][]byte {
		t.Helper()
		got, err := s.Functions["/api/posts/feed"].Invoke(t.Context(), &bridge.Request{Host: host, Method: "GET", Path: "/feed.xml",
			Headers: map[string]bridge.ReqHeaderValues{"host": {host}}})
		if err != nil || got.StatusCode != 200 {
			t.Fatalf("%d, %v", got.StatusCode, err)
		}
		feed, err := base64.StdEncoding.DecodeString(got.Body)
		if err != nil || !bytes.Contains(feed, []byte("https://"+host+"/p/")) {
			t.Fatalf("%v, %s; want links to %s", err, feed, host)
		}
		return regexp.MustCompile(`<id>[^<]*</id>`).FindAll(feed, -1)
	}
	one, other := ids("warble.example"), ids("www.warble.example")
	if len(one) != 2 || fmt.Sprintf("%s", one) != fmt.Sprintf("%s", other) {
		t.Errorf("ids %s and %s; want the same two", one, other)
	}
}

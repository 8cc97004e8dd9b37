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

// ask asks a function itself for a path of a host. Vercel's CDN takes a header for
// itself, so that only the functions show it.
func (s *site) ask(t *testing.T, function, host, path string) (body []byte, header map[string][]string) {
	t.Helper()
	got, err := s.Functions["/api/posts/"+function].Invoke(t.Context(), &bridge.Request{Host: host, Method: "GET", Path: path,
		Headers: map[string]bridge.ReqHeaderValues{"host": {host}}})
	if err != nil || got.StatusCode != 200 {
		t.Fatalf("%s: %d, %v", path, got.StatusCode, err)
	}
	body, err = base64.StdEncoding.DecodeString(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body, got.Headers
}

// Package handler's tests have the rest of these headers.
func TestTheCDNKeepsAnswersForAsLongAsReadersMayWait(t *testing.T) {
	s := serve(t, nil)
	post := s.Publish(ada, "hello")
	for path, test := range map[string]struct {
		function string
		seconds  int
	}{
		"/api/posts": {"list", 1}, post.Path(): {"get", 1}, "/feed.xml": {"feed", 60}, "/u/" + ada + "/feed.xml": {"feed", 60}, fmt.Sprint("/p/", post.ID): {"share", 60},
	} {
		_, header := s.ask(t, test.function, "warble.example", path)
		want := fmt.Sprintf("public, max-age=0, s-maxage=%d, stale-while-revalidate=10", test.seconds)
		if got := header["Cache-Control"]; !slices.Equal(got, []string{want}) {
			t.Errorf("%s: Cache-Control %q; want %q", path, got, want)
		}
	}
}

// Otherwise people who follow a feed would get all its entries again as new ones.
func TestAFeedsIdsAreTheSameOnEveryDomain(t *testing.T) {
	s := serve(t, map[string]string{"VERCEL_PROJECT_PRODUCTION_URL": "warble.example"})
	s.Publish(ada, "hello")
	ids := func(host string) [][]byte {
		feed, _ := s.ask(t, "feed", host, "/feed.xml")
		if !bytes.Contains(feed, []byte("https://"+host+"/p/")) {
			t.Fatalf("%s; want links to %s", feed, host)
		}
		return regexp.MustCompile(`<id>[^<]*</id>`).FindAll(feed, -1)
	}
	one, other := ids("warble.example"), ids("www.warble.example")
	if len(one) != 2 || fmt.Sprintf("%s", one) != fmt.Sprintf("%s", other) {
		t.Errorf("ids %s and %s; want the same two", one, other)
	}
}

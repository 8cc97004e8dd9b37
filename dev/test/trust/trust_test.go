// Package trust tries to break Warble as it is deployed: the built functions,
// several processes of each, behind the routes of their build. It injects faults
// into the database, the network, the processes and Clerk, and sends hostile
// requests.
package trust

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
	"warble/dev/testkit/faults"
	"warble/dev/testkit/teston"
)

func TestMain(m *testing.M) {
	// The local Vercel says there which of its functions was killed.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	m.Run()
}

// site is a deployment, a client of it, and what it stands on.
type site struct {
	*artifact.Deployment // nil of one process
	*testkit.Client
	tb     testing.TB
	clerk  *testkit.Clerk
	server *teston.Server
	proxy  *faults.Proxy // between the functions and the database
	db     *sqlx.DB      // past both
	log    func() string // what the functions wrote so far
}

// deploy starts the built functions on a server of their own, with so many
// processes each. A variable that environment says is empty is unset.
func deploy(tb testing.TB, processes int, environment map[string]string) *site {
	tb.Helper()
	s := newSite(tb)
	s.Deployment = artifact.Start(tb, s.clerk.Environment(s.proxy.URL(), environment), processes)
	s.serves(s.Deployment.URL, s.Deployment.Log)
	return s
}

// oneProcess starts all functions in one process, built with the race detector, that
// answers dozens of requests at once: Vercel's builder is on its way there.
func oneProcess(tb testing.TB, environment map[string]string) *site {
	tb.Helper()
	s := newSite(tb)
	product := testkit.Start(tb, s.clerk.Environment(s.proxy.URL(), environment))
	s.serves(product.URL, product.Log)
	return s
}

func newSite(tb testing.TB) *site {
	tb.Helper()
	server := teston.Start(tb)
	return &site{tb: tb, clerk: testkit.StartClerk(tb, fakeclerk.Config{}), server: server, proxy: faults.New(tb, server.URL), db: testkit.Database(tb, server.URL)}
}

// serves gives s its client, and has the functions' log searched when the test ends.
func (s *site) serves(url string, log func() string) {
	s.Client, s.log = testkit.NewClient(s.tb, url, s.clerk), log
	s.tb.Cleanup(func() { searchLog(s.tb, log()) })
}

// Any other user of a good token is good too.
const (
	nobody = testkit.Nobody
	ada    = fakeclerk.Ada
	grace  = fakeclerk.Grace
	hedy   = fakeclerk.Hedy // a moderator
)

// private is in every text and idempotency key that these tests send, so that
// none of those is in a log which this word is not in. The random ids of requests
// have no capital letters.
const private = "Xyzzy"

func at(id int64) string { return testkit.Post{ID: id}.Path() }

func upTo(rng *rand.Rand, d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }

// pause waits, or returns earlier when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// searchLog checks that a log has nothing that a log must not have.
func searchLog(tb testing.TB, log string) {
	tb.Helper()
	for sign, secret := range map[string]string{
		"eyJ":      "a session token",
		"Bearer ":  "an Authorization header",
		"sk_test_": "Clerk's secret key",
		"w@rble":   "the database's password",
		"w%40rble": "the database's password",
		private:    "a post or an idempotency key",
	} {
		if at := strings.Index(log, sign); at >= 0 {
			tb.Errorf("the log has %s: …%.200s", secret, log[max(0, at-100):])
		}
	}
}

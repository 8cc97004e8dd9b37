package page

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
	"warble/dev/testkit/browser"
	"warble/dev/testkit/faults"
	"warble/dev/testkit/mariadb"
)

// deploy starts what `vercel build` makes as browsers meet it: Warble at one host and
// Clerk at the one in the key, both over TLS.
func deploy(t *testing.T, environment map[string]string) *site {
	t.Helper()
	const host = "warble.test"
	server := mariadb.Start(t)
	s := &site{URL: "https://" + host, db: testkit.Database(t, server.URL()), proxy: faults.New(t, server.URL())}
	clerk := testkit.StartClerk(t, fakeclerk.Config{Origin: s.URL, Scripts: filepath.Join(testkit.Root(), "dev", fakeclerk.ScriptsFolder)})
	frontend := httptest.NewTLSServer(clerk)
	t.Cleanup(frontend.Close)
	built := artifact.Start(t, clerk.Environment(s.proxy.URL(), environment), 4)
	s.local = built.URL
	routes := http.NewServeMux()
	routes.Handle("/", built.Handler)
	routes.Handle(fakeclerk.Prefix+"/img/", clerk) // the pictures are on no other host, which the policy would not allow
	front := httptest.NewTLSServer(routes)
	t.Cleanup(front.Close)
	s.browser = browser.Open(t, chromedp.IgnoreCertErrors, chromedp.Flag("host-resolver-rules",
		fmt.Sprintf("MAP %s:443 %s, MAP %s:443 %s", host, front.Listener.Addr(), fakeclerk.DefaultHost, frontend.Listener.Addr())))
	s.browser.Ready = modulesAreThere
	return s
}

// mostRequests may be made before the first post shows, the page's own included.
const mostRequests = 6

// The promises above are kept by the sources. What is bundled of them, behind the
// functions' own processes, may break any: these reach each module and each function.
func TestTheDeployedPageIsTheSameAndQuick(t *testing.T) {
	t.Parallel()
	s := deploy(t, nil)
	for promise, check := range map[string]func(*testing.T, *site){
		"the whole flow works by keyboard alone":                     byKeyboard,
		"the first posts can be read before the modules are there":   readEarly,
		"older posts come by scrolling and by the button, each once": olderPosts,
	} {
		t.Run(promise, func(t *testing.T) {
			s.db.MustExec("DELETE FROM posts")
			check(t, s)
		})
	}

	tab := s.as(t, "ada")
	claims := browser.Eval[map[string]any](tab, `Clerk.session.getToken().then((token) => JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))))`)
	if claims["azp"] != s.URL || claims["iss"] != "https://"+fakeclerk.DefaultHost {
		t.Errorf("the page's token is of azp %v and iss %v", claims["azp"], claims["iss"])
	}
	if policy := browser.Eval[string](tab, `document.querySelector('meta[http-equiv="Content-Security-Policy"]').content`); !strings.Contains(policy, "script-src 'self' https://"+fakeclerk.DefaultHost+" ") {
		t.Errorf("the page narrows its policy to %s; want exactly this instance's host", policy)
	}
	if n := len(tab.Requests("GET", fakeclerk.Prefix+"/v1/")); n > 0 {
		t.Errorf("%d requests to a proxy that a deployed page has not", n)
	}

	tab = s.browser.NewContext(t)
	tab.AddScript(`new MutationObserver((_, observer) => {
		if (!document.querySelector('article')) return;
		window.first = performance.now();
		observer.disconnect();
	}).observe(document, { childList: true, subtree: true })`)
	for _, visit := range []string{"first visit", "again, from its cache"} {
		tab.Go(s.URL + "/robots.txt")
		tab.StartLoading(s.URL)
		tab.Wait(`location.pathname === '/' && window.first`)
		// The posts do not wait for their pictures, nor for the icon, which comes when the browser likes.
		// Without a status are what the browser thought of too early: its policy lets scripts load
		// when their elements are there.
		requests := browser.Eval[int](tab, `1 + performance.getEntriesByType('resource').filter((e) => e.startTime < first && e.responseStatus && !/\/img\/|favicon/.test(e.name)).length`)
		fmt.Printf("page: %s: %d requests before the first post\n", visit, requests)
		if requests > mostRequests {
			t.Errorf("%s: %d requests before the first post; want at most %d", visit, requests, mostRequests)
		}
	}
}

// Whoever has Vercel's command line and keys of a Clerk instance may work with
// `vercel dev` instead of `make run`.
func TestPeopleSignInReadAndPublishInVercelDev(t *testing.T) {
	t.Parallel()
	const host = "quick-owl-1.clerk.accounts.dev" // as development instances have it
	port := testkit.FreePort()
	origin := fmt.Sprint("http://127.0.0.1:", port)
	clerk := testkit.StartClerk(t, fakeclerk.Config{Origin: origin, Host: host, Scripts: filepath.Join(testkit.Root(), "dev", fakeclerk.ScriptsFolder)})
	frontend := httptest.NewTLSServer(clerk)
	t.Cleanup(frontend.Close)
	server := mariadb.Start(t)
	testkit.Database(t, server.URL())
	artifact.StartDev(t, port, clerk.Environment(server.URL(), map[string]string{"CLERK_AUTHORIZED_PARTIES": ""}))
	for _, call := range []string{"GET /api/posts", "POST /api/posts", "PATCH /api/posts/1", "DELETE /api/posts/1"} {
		method, path, _ := strings.Cut(call, " ")
		request, err := http.NewRequest(method, origin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request) // the first builds the function, for longer than the page waits
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}

	tab := browser.Open(t, chromedp.IgnoreCertErrors, chromedp.Flag("host-resolver-rules",
		fmt.Sprintf("MAP %s:443 %s", host, frontend.Listener.Addr())))
	// It builds a function again for each request: a busy machine takes longer than the page waits.
	tab.AddScript(`const real = AbortSignal.timeout; AbortSignal.timeout = (after) => real.call(AbortSignal, 10 * after)`)
	tab.Go(origin)
	signIn(tab, "ada")
	publish(tab, "from vercel dev")
	tab.Text("Ada Lovelace")
	tab.Reload()
	tab.Text("from vercel dev")
	isSignedIn(tab)
	tab.Press(newest, "Delete")
	tab.Press("dialog[open]", "Delete")
	tab.NoText("from vercel dev")
}

// breaches are the violations of its policy that a tab reports, which this test
// is about, in place of failures.
type breaches struct {
	testing.TB
	mu   sync.Mutex
	said []string
}

func (b *breaches) Errorf(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.said = append(b.said, fmt.Sprintf(format, args...))
}

// Until the page names Clerk's host in a <meta>, scripts from any https host are
// what Clerk needs; markup that somebody slipped in must not make use of that.
func TestScriptsThatSlipIntoThePageRunNowhere(t *testing.T) {
	t.Parallel()
	p := testkit.Start(t, nil)
	response, err := http.Get(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	header := map[string]string{"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": response.Header.Get("Content-Security-Policy")}
	const slipped = `<script>ran = ['inline']</script><script src="https://elsewhere.test/classic.js"></script>` +
		`<script type="module" src="https://elsewhere.test/module.js"></script><script src="/slipped.js"></script>` +
		`<img src="/none.png" onerror="ran = ['handler']"><iframe srcdoc="<script>parent.ran = ['frame']</script>"></iframe><main>`

	found := &breaches{TB: t}
	tab := browser.Open(found)
	tab.Intercept("*", func(request *network.Request) browser.Outcome {
		switch {
		case request.URL == p.URL+"/":
			return browser.Outcome{Status: http.StatusOK, Header: header, Body: strings.Replace(string(page), "<main>", slipped, 1)}
		case strings.Contains(request.URL, "elsewhere.test") || strings.HasSuffix(request.URL, "/slipped.js"):
			return browser.Outcome{Status: http.StatusOK, Header: map[string]string{"Content-Type": "text/javascript", "Access-Control-Allow-Origin": "*"}, Body: "window.ran = ['loaded']"}
		}
		return browser.Outcome{}
	})
	tab.Go(p.URL)
	signIn(tab, "ada") // the page's own scripts and Clerk's do run
	if ran := browser.Eval[bool](tab, `'ran' in window`); ran {
		t.Errorf("a slipped script ran: %s", browser.Eval[string](tab, `JSON.stringify(ran)`))
	}
	found.mu.Lock()
	defer found.mu.Unlock()
	for _, blocked := range []string{"inline script", "classic.js", "module.js", "slipped.js", "event handler"} {
		if !slices.ContainsFunc(found.said, func(said string) bool { return strings.Contains(said, blocked) }) {
			t.Errorf("the browser does not say that it refused the %s: %q", blocked, found.said)
		}
	}
}

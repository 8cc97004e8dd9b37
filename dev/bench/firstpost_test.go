//go:build linux

package bench

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/klauspost/compress/gzhttp"

	"warble/dev/local/fakeclerk"
	"warble/dev/local/fakevercel"
	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
	"warble/dev/testkit/browser"
	"warble/dev/testkit/mariadb"
)

// conditions are the readers' networks and processors.
var conditions = []struct {
	name string
	throttling
}{
	// Lighthouse's mobile: of a network itself, not of what DevTools make of one.
	{"lighthouse", throttling{Latency: 150 * time.Millisecond, Download: 1.6e6 / 8, Upload: 750e3 / 8, CPU: 4}},
	{"slow4g", throttling{Latency: 562500 * time.Microsecond, Download: .9 * 1.6e6 / 8, Upload: .9 * 750e3 / 8, CPU: 1}},
}

// throttling is a slow network, and a processor that takes CPU times as long. The
// latency is that of each request, whatever the connection; rates are in bytes a second.
type throttling struct {
	Latency          time.Duration
	Download, Upload float64
	CPU              float64
}

// throttle slows a tab down.
func throttle(tab *browser.Tab, t throttling) {
	tab.Do("throttle", browser.Command(network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{Latency: t.Latency.Seconds() * 1e3, DownloadThroughput: t.Download, UploadThroughput: t.Upload}}}),
		browser.Command(emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: t.CPU}))
}

// firstPost makes a promise of when the first post's text was painted, as the browser
// tells it, in ms since the navigation began, and of the requests until then, the page's own
// included. Pictures and the icon are nothing that the posts wait for.
const firstPost = `window.firstPost = new Promise((done) => new MutationObserver((_, observer) => {
	const text = document.querySelector('article p');
	if (!text) return;
	observer.disconnect();
	text.setAttribute('elementtiming', 'first post');
	new PerformanceObserver((list) => {
		const [{ renderTime }] = list.getEntries();
		const before = performance.getEntriesByType('resource').filter((e) => e.startTime < renderTime && e.responseStatus && !/\/img\/|favicon/.test(e.name));
		done([renderTime, 1 + before.length]);
	}).observe({ type: 'element', buffered: true });
}).observe(document, { childList: true, subtree: true }))`

// How long a reader waits for the first post, beside the least page that shows the
// same posts by the same read, on the same server: HTTP/2 over TLS, compressed.
func BenchmarkFirstPost(b *testing.B) {
	const origin, elsewhere = "https://warble.test", "https://elsewhere.test"
	clerk := testkit.StartClerk(b, fakeclerk.Config{Origin: origin})
	server := mariadb.Start(b)
	db := testkit.Database(b, server.URL())
	var id int64
	for i := range 21 {
		id = testkit.InsertPost(b, db, fakeclerk.People[i%len(fakeclerk.People)].ID, fmt.Sprintf("Post %d. %s", i, strings.Repeat("What people write is about as long as this. ", 1+i%3)), time.Now().Add(-time.Hour))
	}
	routes := http.NewServeMux()
	routes.Handle("/", artifact.Start(b, clerk.Environment(server.URL(), nil), 2).Handler)
	routes.Handle(fakeclerk.Prefix+"/img/", clerk)
	routes.Handle("/least.html", &fakevercel.Server{Static: filepath.Join(testkit.Root(), "dev/bench/testdata")})
	routes.HandleFunc("elsewhere.test/", func(http.ResponseWriter, *http.Request) {})
	front := httptest.NewUnstartedServer(gzhttp.GzipHandler(routes)) // Vercel compresses by brotli for browsers, a little smaller
	front.EnableHTTP2 = true
	front.StartTLS()
	b.Cleanup(front.Close)
	// Chromium keeps nothing in its cache from a server whose certificate it merely ignores.
	key := sha256.Sum256(front.Certificate().RawSubjectPublicKeyInfo)
	chromium := browser.Open(b, chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(key[:])),
		chromedp.Flag("host-resolver-rules", fmt.Sprintf("MAP warble.test:443 %[1]s, MAP elsewhere.test:443 %[1]s, MAP %[2]s ^NOTFOUND", front.Listener.Addr(), fakeclerk.DefaultHost)))

	places := []struct{ name, ours, least string }{
		{"feed", "/", "/least.html"},
		{"person", "/u/" + fakeclerk.Ada, "/least.html?userId=" + fakeclerk.Ada},
		{"post", fmt.Sprint("/p/", id), fmt.Sprint("/least.html#/", id)},
	}
	for _, condition := range conditions {
		for _, visit := range []string{"first", "second"} {
			for _, place := range places {
				b.Run(fmt.Sprintf("net=%s/visit=%s/place=%s", condition.name, visit, place.name), func(b *testing.B) {
					once(b, func() {
						load := func(path string) (milliseconds, requests float64) {
							tab := chromium.NewContext(b)
							tab.AddScript(firstPost)
							throttle(tab, condition.throttling)
							if visit == "second" {
								tab.StartLoading(origin + path)
								browser.Eval[[]float64](tab, `firstPost`)
							}
							// Readers come from another site, and the browser has a process ready. From about:blank
							// the least page would go on in its own, while ours, by its opener policy, waits for a new
							// one after its answer.
							tab.Go(elsewhere)
							tab.StartLoading(origin + path)
							figures := browser.Eval[[]float64](tab, `firstPost`)
							// It polls no more, and its throttled process would take CPU from the next.
							tab.Go("about:blank")
							throttle(tab, throttling{CPU: 1})
							return figures[0], figures[1]
						}
						ours, requests := load(place.ours)
						least, leastRequests := load(place.least)
						report(b, ours, "first-post-ms")
						report(b, requests, "requests")
						report(b, least, "floor-first-post-ms")
						report(b, leastRequests, "floor-requests")
						report(b, ours/least, "first-post-ratio")
						if requests > 6 {
							b.Errorf("%v requests before the first post; want at most 6", requests)
						}
					})
				})
			}
		}
	}
}

// once measures once a round, whatever -benchtime says: what takes seconds.
func once(b *testing.B, measure func()) {
	for i := 0; b.Loop(); i++ {
		if i == 0 {
			measure()
		}
	}
	b.ReportMetric(0, "ns/op")
}

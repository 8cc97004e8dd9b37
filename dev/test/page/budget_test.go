package page

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"warble/dev/testkit"
	"warble/dev/testkit/browser"
)

// budget is the most that HTML, CSS and JavaScript of ours may weigh as sources, gzipped:
// they have comments for people, and the build takes those away.
const budget = 48 << 10

// mostRequests may be made of the sources before the first post shows, the page's own included.
const mostRequests = 20

func TestBudget(t *testing.T) {
	p := testkit.Start(t, nil)
	total := 0
	weigh := func(name string, content []byte) {
		var zipped bytes.Buffer
		w, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
		w.Write(content)
		w.Close()
		total += zipped.Len()
		fmt.Printf("page: %6d bytes, %5d gzipped: %s\n", len(content), zipped.Len(), name)
	}
	for _, pattern := range []string{"*.html", "*.css", "js/*.js"} {
		files, err := filepath.Glob(filepath.Join(testkit.Root(), "public", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			weigh(filepath.Base(file), content)
		}
	}
	response, err := http.Get(p.URL + "/config.js") // as lib/page/build.sh wrote it
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var config bytes.Buffer
	if _, err := config.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	weigh("config.js", config.Bytes())
	fmt.Printf("page: %d bytes gzipped in all, of %d\n", total, budget)
	if total > budget {
		t.Errorf("the page weighs %d bytes gzipped; its budget is %d", total, budget)
	}

	tab := browser.Open(t)
	tab.Fail(scripts, browser.Outcome{Delay: 6 * time.Second})
	tab.AddScript(`new MutationObserver((_, observer) => {
		if (!document.querySelector('article')) return;
		window.first = performance.now();
		observer.disconnect();
	}).observe(document, { childList: true, subtree: true })`)
	tab.SpeedUpTimers(1. / 60) // the page waits a second for the posts; this machine may be busy
	for _, visit := range []string{"first visit", "again, from its cache"} {
		tab.StartLoading(p.URL + "/robots.txt")
		tab.Wait(`location.pathname === '/robots.txt'`)
		tab.StartLoading(p.URL)
		tab.Wait(`location.pathname === '/' && window.first`)
		// The posts do not wait for their pictures, nor for the icon, which comes when the browser likes.
		// Without a status are what the browser thought of too early: its policy lets scripts load
		// when their elements are there.
		requests := browser.Eval[int](tab, `1 + performance.getEntriesByType('resource').filter((e) => e.startTime < first && e.responseStatus && !/\/img\/|favicon/.test(e.name)).length`)
		fmt.Printf("page: %s, Clerk delayed by 6 s: first post after %.0f ms and %d requests\n", visit, browser.Eval[float64](tab, `first`), requests)
		if requests > mostRequests {
			t.Errorf("%d requests before the first post; want at most %d", requests, mostRequests)
		}
	}
}

func TestTypes(t *testing.T) {
	tsc := exec.Command(fromNPM(t, ".bin/tsc"), "-p", filepath.Join(testkit.Root(), "dev/test/page"))
	if output, err := tsc.CombinedOutput(); err != nil {
		t.Errorf("tsc: %v\n%s", err, output)
	}
}

package page

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"warble/dev/testkit/browser"
)

// reads is the address of the feed, its further pages and single posts.
const reads = "*/api/posts*"

// visibleButton is an expression: the button of the feed whose name begins so, if
// there is one to see.
func visibleButton(name string) string {
	return `[...document.querySelectorAll('main section button')].find((b) => b.innerText.includes(` + browser.Quote(name) + `) && b.checkVisibility())`
}

// reach shows what waits behind "new posts", scrolls to the end again and again,
// until these posts are shown, each once and in this order.
func reach(t *testing.T, tab *browser.Tab, want []string) {
	t.Helper()
	var got []string
	for begun := time.Now(); time.Since(begun) < 30*time.Second; time.Sleep(50 * time.Millisecond) {
		got = browser.Eval[[]string](tab, `(() => {
			`+visibleButton("new post")+`?.click();
			scrollTo(0, 1e6);
			`+visibleButton("Older")+`?.click();
			return `+shown+`;
		})()`)
		if slices.Equal(got, want) {
			return
		}
	}
	t.Fatalf("%d posts are stored, and %d of them can be reached: %q", len(want), len(got), got)
}

// numbered publishes posts of Ada's, one after another, that say "post" and a number.
func (s *site) numbered(t *testing.T, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		s.insert(t, ada, fmt.Sprint("post ", i), 0)
	}
}

// numbers are the texts that numbered stores, newest first.
func numbers(from, to int) []string {
	var texts []string
	for i := to; i >= from; i-- {
		texts = append(texts, fmt.Sprint("post ", i))
	}
	return texts
}

// hide hides a tab, as another one in front of it does, or shows it again. Without a
// screen, Chromium takes each tab for visible, so this is the page's view of it.
func hide(tab *browser.Tab, hidden bool) {
	browser.Eval[bool](tab, fmt.Sprintf(`Object.defineProperty(document, 'hidden', { value: %v, configurable: true }).dispatchEvent(new Event('visibilitychange'))`, hidden))
}

// What other devices do.
const (
	editText   = "UPDATE posts SET content = CONCAT(content, ', edited'), updated_at = UTC_TIMESTAMP(3) + INTERVAL 1 SECOND WHERE content = ?"
	deleteText = "DELETE FROM posts WHERE content = ?"
)

// newPosts is what a reader in the middle of the feed sees of what others do. Which
// posts are shown, wait and can be reached, whatever is mixed, is feed.test.js's.
func newPosts(t *testing.T, s *site) {
	s.numbered(t, 1, 50)
	tab := s.visit(t, "/", fast)
	reach(t, tab, numbers(1, 50))
	const at = `[...document.querySelectorAll('article')].find((a) => a.innerText.includes('post 25'))`
	const top = at + `.getBoundingClientRect().top`
	was := browser.Eval[float64](tab, `(`+at+`.scrollIntoView(), `+top+`)`)
	if header := browser.Eval[float64](tab, `document.querySelector('header').getBoundingClientRect().bottom`); was < header {
		t.Errorf("a post that is scrolled to begins at %v, behind the header", was)
	}

	hide(tab, true)
	browser.Eval[bool](tab, `new Promise((done) => setTimeout(done, 20_000, true))`) // the next look would be over
	s.numbered(t, 51, 53)
	want := numbers(1, 50)
	for _, gone := range []string{"post 45", "post 20"} {
		s.db.MustExec(deleteText, gone)
		want = slices.DeleteFunc(want, func(text string) bool { return text == gone })
	}
	for _, edited := range []string{"post 44", "post 21"} {
		s.db.MustExec(editText, edited)
		want[slices.Index(want, edited)] += ", edited"
	}
	hide(tab, false)
	tab.Wait(visibleButton("3 new posts") + `?.getBoundingClientRect().top > 0`)
	wantShown(tab, want...) // nothing is pushed under the reader's eyes
	if now := browser.Eval[float64](tab, top); math.Abs(now-was) > 2 {
		t.Errorf("what is being read moved from %v to %v when others wrote and deleted above", was, now)
	}
	tab.Press("main", "3 new posts")
	tab.Wait(`scrollY === 0 && document.activeElement.matches('article') && document.activeElement.innerText.includes('post 53')`)

	// More than a page of them, while the API rests: what lies between is not skipped.
	s.numbered(t, 54, 90)
	tab.Wait(visibleButton("20+ new posts"))
	tab.Fail(reads, problem(503, "1"))
	tab.Press("main", "20+ new posts")
	tab.Text("Trying again in")
	tab.StopIntercepting()
	tab.Wait(textOf(newest) + ` === 'post 90'`) // by itself
	wantShown(tab, numbers(71, 90)...)
	tab.NoText("Trying again")
	reach(t, tab, append(numbers(51, 90), want...))

	s.db.MustExec("DELETE FROM posts")
	tab.Text("Nobody has written yet.")
	wantShown(tab)
}

func ownChanges(t *testing.T, s *site) {
	s.insert(t, grace, "from before", time.Hour)
	tab := s.as(t, "ada")
	tab.Text("from before")
	old := browser.Eval[string](tab, `fetch('/api/posts').then((answer) => answer.text())`)
	tab.Intercept(posts, on("GET", 1000, answer(old)))
	publish(tab, "my own")
	publish(tab, "deleted elsewhere")
	tab.Reload()
	wantShown(tab, "deleted elsewhere", "my own", "from before")
	s.db.MustExec(deleteText, "deleted elsewhere")
	tab.Reload()
	wantShown(tab, "my own", "from before")
	edit(tab, "my own, better")
	tab.Text("Saved.")
	tab.Reload()
	wantShown(tab, "my own, better", "from before")
	remove(tab)
	s.wantStored(t, "from before")
	tab.Wait(deletionKnown)
	tab.Reload()
	wantShown(tab, "from before")
}

// deletionKnown is an expression: the answer to a deletion has come.
const deletionKnown = `sessionStorage['warble.own']?.includes('"post":null')`

// buttons is an expression: which posts can be edited or deleted, and by how many buttons.
const buttons = `[...document.querySelectorAll('article')].map((a) => [a.querySelector('p[dir]').textContent, [...a.querySelectorAll('button')].filter((b) => /^(Edit|Delete)$/.test(b.innerText) && b.checkVisibility()).length]).filter(([, n]) => n).join()`

func buttonsFollowSession(t *testing.T, s *site) {
	s.insert(t, ada, "Ada's", time.Hour)
	s.insert(t, grace, "Grace's", 2*time.Hour)
	tab := s.visit(t, "/")
	wantShown(tab, "Ada's", "Grace's")
	for _, one := range []struct {
		change func()
		want   string
	}{
		{func() { signIn(tab, "ada") }, "Ada's,2"},
		{func() { signInAgain(tab, "grace") }, "Grace's,2"},
		{func() { signOut(tab) }, ""},
	} {
		tab.Do("to Ada", chromedp.Click(chromedp.CSS(`article header a[href="/u/`+ada+`"]`)))
		tab.Wait(`location.pathname !== '/' && document.querySelectorAll('article').length === 1`)
		one.change()
		// As far as it goes: ClerkJS makes an entry of its own at signing out.
		browser.Eval[bool](tab, `navigation.traverseTo(navigation.entries()[0].key).finished.then(() => true)`)
		tab.Wait(`location.pathname === '/' && document.querySelectorAll('article').length === 2`)
		// Which other places hear too.
		if title := browser.Eval[string](tab, `document.dispatchEvent(new Event('session')) && document.title`); title != "Warble" {
			t.Errorf("the window is called %q", title)
		}
		if got := browser.Eval[string](tab, buttons); got != one.want {
			t.Errorf("somebody signs in or out on another page; after Back there are buttons on %q; want %q", got, one.want)
		}
	}
}

// place is an expression: the first post that is whole on the screen, and where.
const place = `(() => { const a = [...document.querySelectorAll('article')].find((a) => a.getBoundingClientRect().top >= 0); return a && [a.querySelector('p[dir]').textContent, Math.round(a.getBoundingClientRect().top)]; })()`

func placeIsKept(t *testing.T, s *site) {
	s.numbered(t, 1, 60)
	id := s.insert(t, grace, "a post alone", 100*time.Hour)
	tab := s.visit(t, "/", fast)
	tab.Wait(`(() => { scrollTo(0, scrollY + 600); const a = [...document.querySelectorAll('article')].find((a) => a.innerText.includes('post 15')); a?.scrollIntoView(); scrollBy(0, -40); return a; })()`)
	at := browser.Eval[[]any](tab, place)
	kept := func(what string) { // the post is again where it was on the screen
		t.Helper()
		top := fmt.Sprintf(`[...document.querySelectorAll('article')].find((a) => a.querySelector('p[dir]').textContent === %s)?.getBoundingClientRect().top`, browser.Quote(at[0]))
		for begun := time.Now(); time.Since(begun) < 20*time.Second; time.Sleep(50 * time.Millisecond) {
			if browser.Eval[bool](tab, fmt.Sprintf(`Math.abs(%s - %v) <= 2`, top, at[1])) {
				return
			}
		}
		t.Errorf("after %s the reader is at %s; want %v", what, browser.Eval[json.RawMessage](tab, place+` ?? null`), at)
	}
	for _, stored := range []int{60, 63, 88} {
		s.numbered(t, len(s.contents(t)), stored) // which counts the post alone
		tab.Fail(reads, problem(503, ""))
		tab.Reload() // and once more, before there is anything
		tab.StopIntercepting()
		tab.Reload()
		kept(fmt.Sprintf("a reload while there are %d posts", stored))
	}
	tab.Go(s.URL + "/robots.txt") // another site, as far as the page knows
	tab.Back(1)
	tab.Wait(`document.querySelector('article')`)
	kept("Back from another site")
	for range 12 { // more places than are kept
		browser.Eval[bool](tab, fmt.Sprintf(`(() => { const a = document.createElement('a'); a.href = location.pathname === '/p/%d' ? '/u/%s' : '/p/%[1]d'; document.body.append(a); a.click(); a.remove(); return true; })()`, id, ada))
		tab.Wait(`document.querySelector('article')`)
	}
	tab.Back(12)
	tab.Wait(`location.pathname === '/' && document.querySelector('article')`)
	kept("Back from twelve places on")
}

func hashLinks(t *testing.T, s *site) {
	id := s.insert(t, ada, "a post alone", 2*time.Hour)
	s.insert(t, grace, fmt.Sprintf("see %s/p/%d#answers and %s/#posts and %s/u/%s#x", s.URL, id, s.URL, s.URL, ada), time.Hour)
	tab := s.visit(t, "/")
	for _, one := range []struct {
		address string
		posts   int
	}{{fmt.Sprintf("/p/%d#answers", id), 1}, {"/u/" + ada + "#x", 1}, {"/#posts", 2}} {
		_, hash, _ := strings.Cut(one.address, "#")
		tab.Do("click "+hash, chromedp.Click(chromedp.CSS(`article p a[href$="#`+hash+`"]`)))
		tab.Wait(fmt.Sprintf(`location.pathname + location.hash === %q && document.querySelectorAll('article').length === %d`, one.address, one.posts))
		tab.Back(1)
		tab.Wait(`location.pathname + location.hash === '/' && document.querySelectorAll('article').length === 2`)
	}
}

func readsFillTheCache(t *testing.T, s *site) {
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		if r.In.Method != "GET" || !strings.HasPrefix(r.In.URL.Path, "/api/posts") {
			return
		}
		for _, name := range []string{"If-None-Match", "If-Modified-Since", "Authorization", "Range", "Pragma", "Cache-Control"} {
			if value := r.In.Header.Get(name); value != "" { // as it left the browser
				t.Errorf("an anonymous read is sent with %s: %q; the CDN may not keep its answer, or not answer from its cache", name, value)
			}
		}
	}})
	t.Cleanup(server.Close)
	for i := range 30 {
		s.insert(t, "user_without_a_picture", fmt.Sprint("post ", i+1), 0) // which would come from another origin
	}
	tab := s.browser.NewContext(t)
	tab.SpeedUpTimers(20)
	tab.Fail(scripts, browser.Outcome{Block: true}) // Clerk does not know this origin
	tab.Go(server.URL)
	reach(t, tab, numbers(1, 30))
	tab.Reload()
	tab.Text("post 30")
	s.insert(t, "user_without_a_picture", "post 31", 0)
	tab.Wait(visibleButton("1 new post"))
}

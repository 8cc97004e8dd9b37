package page

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"warble/dev/testkit"
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
		if texts := slices.Compact(slices.Sorted(slices.Values(got))); len(texts) != len(got) {
			t.Fatalf("a post is shown twice: %q", got)
		}
		if slices.Equal(got, want) {
			return
		}
	}
	t.Fatalf("%d posts are stored, and %d of them can be reached: %q", len(want), len(got), got)
}

// submit publishes a text, and does not wait for what becomes of it.
func submit(tab *browser.Tab, text string) {
	browser.Eval[bool](tab, `(() => {
		const field = document.querySelector('form textarea');
		field.value = `+browser.Quote(text)+`;
		field.dispatchEvent(new Event('input', { bubbles: true }));
		field.form.requestSubmit();
		return true;
	})()`)
}

// numbers are the texts that numbered stores, newest first.
func numbers(from, to int) []string {
	var texts []string
	for i := to; i >= from; i-- {
		texts = append(texts, fmt.Sprint("post ", i))
	}
	return texts
}

// hold keeps requests of a method waiting until release is called.
func hold(tab *browser.Tab, method string) (release func()) {
	released := make(chan struct{})
	tab.Intercept(posts, on(method, 1, browser.Outcome{Until: released}))
	return sync.OnceFunc(func() { close(released) })
}

func manyArrive(t *testing.T, s *site) {
	for _, before := range []int{30, 0} {
		if _, err := s.db.Exec("DELETE FROM posts"); err != nil {
			t.Fatal(err)
		}
		s.numbered(t, 1, before)
		tab := s.browser.NewContext(t)
		tab.SpeedUpTimers(10)
		tab.Go(s.URL)
		signIn(tab, "ada")
		release := hold(tab, "POST")
		submit(tab, "published meanwhile")
		tab.Text("On its way")
		s.numbered(t, before+1, before+50)
		release()
		tab.Wait(draft + ` === ''`)
		want := append([]string{"published meanwhile"}, numbers(1, before+50)...)
		tab.Wait(visibleButton("new post"))
		reach(t, tab, want)
	}

	// The same for a reader who does nothing but read.
	if _, err := s.db.Exec("DELETE FROM posts"); err != nil {
		t.Fatal(err)
	}
	tab := s.browser.NewContext(t)
	tab.SpeedUpTimers(10)
	tab.Go(s.URL)
	tab.Text("Nobody has written yet.")
	s.numbered(t, 1, 50)
	tab.Wait(visibleButton("new post"))
	reach(t, tab, numbers(1, 50))
}

func interleavings(t *testing.T, s *site) {
	seed := testkit.Seed(t)
	random := rand.New(rand.NewPCG(seed, 0))
	tab := s.browser.NewContext(t)
	tab.SpeedUpTimers(20)
	tab.Go(s.URL)
	signIn(tab, "ada")
	for round := range 4 {
		if _, err := s.db.Exec("DELETE FROM posts"); err != nil {
			t.Fatal(err)
		}
		browser.Eval[bool](tab, `sessionStorage.clear(), true`) // what is remembered of the round before
		var list []string                                       // what is stored, oldest first
		steps := []string{fmt.Sprint("seed ", seed, ", round ", round)}
		arrive := func(most int) {
			n := random.IntN(most + 1)
			for range n {
				text := fmt.Sprint("arrived ", round, ".", len(list))
				s.insert(t, grace, text, 0)
				list = append(list, text)
			}
			steps = append(steps, fmt.Sprint(n, " arrive"))
		}
		arrive(45)
		tab.Go(s.URL)
		isSignedIn(tab)
		for range 10 {
			switch random.IntN(6) {
			case 0:
				arrive(45)
			case 1:
				arrive(5)
			case 2:
				text := fmt.Sprint("published ", round, ".", len(list))
				release := hold(tab, "POST")
				submit(tab, text)
				if random.IntN(2) == 0 {
					arrive(45)
				}
				release()
				tab.Wait(draft + ` === ''`)
				list = append(list, text)
				steps = append(steps, "publish")
			case 3:
				pressed := browser.Eval[bool](tab, `(() => { const button = `+visibleButton("new post")+`; button?.click(); return Boolean(button); })()`)
				steps = append(steps, fmt.Sprint("new posts: ", pressed))
			case 4:
				to := random.IntN(8_000)
				browser.Eval[bool](tab, fmt.Sprintf(`scrollTo(0, %d), true`, to))
				steps = append(steps, fmt.Sprint("scroll to ", to))
			case 5: // until it has looked for new posts
				asked := len(tab.Requests("GET", "/api/posts"))
				for len(tab.Requests("GET", "/api/posts")) == asked {
					time.Sleep(10 * time.Millisecond)
				}
				steps = append(steps, "look")
			}
		}
		t.Log(strings.Join(steps, "; "))
		want := slices.Clone(list)
		slices.Reverse(want)
		reach(t, tab, want)
	}
}

// speed is how many times as fast timers run in the tests of waits.
const speed = 40

// countReads makes a tab note when its page asks for posts: `asked`, in the page's
// sped-up seconds.
func countReads(tab *browser.Tab) {
	tab.SpeedUpTimers(speed)
	tab.AddScript(fmt.Sprintf(`{
		const real = window.fetch;
		window.asked = [];
		window.fetch = (path, how) => {
			if (String(path).startsWith('/api/posts') && (how?.method ?? 'GET') === 'GET') asked.push(performance.now() / 1000 * %d);
			return real(path, how);
		};
	}`, speed))
}

// outage is what an API that fails answers.
func outage(retryAfter string) browser.Outcome {
	return browser.Outcome{Status: 503, Header: map[string]string{"Content-Type": "application/problem+json", "Retry-After": retryAfter}, Body: `{"detail":"The database does not answer right now."}`}
}

// wantGaps wants each wait between two reads, of those from one on, to be at least
// Retry-After and, on top of it, the least of a time that doubles.
func wantGaps(t *testing.T, tab *browser.Tab, from, reads int, retryAfter float64) {
	t.Helper()
	tab.Wait(fmt.Sprintf(`asked.length >= %d`, from+reads))
	asked := browser.Eval[[]float64](tab, `asked`)[from:]
	for i := 1; i < reads; i++ {
		// A timer may fire a millisecond early.
		least := retryAfter + min(float64(int(1)<<(i-1)), 60)/2 - 0.001*speed
		if gap := asked[i] - asked[i-1]; gap < least {
			t.Errorf("read %d after a failure comes %.1f s after the one before; want at least %.1f s (%.1f)", i, gap, least, asked)
		}
	}
}

func readsSlowDown(t *testing.T, s *site) {
	tab := s.browser.NewContext(t)
	countReads(tab)
	tab.Fail(reads, outage("1"))
	tab.Go(s.URL)
	wantGaps(t, tab, 0, 6, 1)
	tab.StopIntercepting()
	tab.Text("Nobody has written yet.")

	// One that shows posts, and looks for new ones.
	s.insert(t, grace, "before the outage", time.Hour)
	tab.Text("1 new post")
	for _, retryAfter := range []float64{1, 90} {
		from := browser.Eval[int](tab, `asked.length`)
		tab.Fail(reads, outage(fmt.Sprint(retryAfter)))
		tab.Wait(fmt.Sprintf(`asked.length > %d`, from+1)) // the first of these may have been answered
		wantGaps(t, tab, from+1, 3, retryAfter)
	}
	tab.StopIntercepting()
	s.insert(t, grace, "after the outage", 0)
	tab.Text("2 new posts")
}

// hideScript makes hide work.
const hideScript = `{
	let hidden = false;
	Object.defineProperty(document, 'hidden', { get: () => hidden });
	Object.defineProperty(document, 'visibilityState', { get: () => hidden ? 'hidden' : 'visible' });
	window.hide = (now) => {
		if (hidden === now) return true;
		hidden = now;
		return document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
	};
}`

// hide hides a tab, as another one in front of it does, or shows it again. Without a
// screen, Chromium takes each tab for visible, so this is the page's view of it.
func hide(tab *browser.Tab, hidden bool) {
	browser.Eval[bool](tab, fmt.Sprintf(`hide(%v)`, hidden))
}

func hiddenAsksNothing(t *testing.T, s *site) {
	s.insert(t, grace, "still here", time.Hour)
	for what, outcome := range map[string]browser.Outcome{"a feed": {}, "a feed that could not be loaded": outage("1")} {
		tab := s.browser.NewContext(t)
		countReads(tab)
		tab.AddScript(hideScript)
		tab.Fail(reads, outcome)
		tab.Go(s.URL)
		tab.Wait(`asked.length > 1`)
		hide(tab, true)
		asked := browser.Eval[int](tab, `asked.length`)
		browser.Eval[bool](tab, `new Promise((done) => setTimeout(done, 200_000, true))`)
		if now := browser.Eval[int](tab, `asked.length`); now > asked {
			t.Errorf("%s that is hidden asked %d times", what, now-asked)
		}
		released := make(chan struct{})
		outcome.Until = released
		tab.Fail(reads, outcome)
		asked = browser.Eval[int](tab, `asked.length`)
		for _, now := range []bool{false, true, false, true, false} { // somebody looks for the right window
			hide(tab, now)
		}
		tab.Wait(fmt.Sprintf(`asked.length > %d`, asked))
		if now := browser.Eval[int](tab, `asked.length`); now != asked+1 {
			t.Errorf("%s that is shown again asked %d times; want once", what, now-asked)
		}
		close(released)
		tab.Wait(fmt.Sprintf(`asked.length > %d`, asked+1)) // and goes on
		again := browser.Eval[[]float64](tab, `asked`)
		if gap := again[asked+1] - again[asked]; gap < 1 {
			t.Errorf("%s that is shown again asked a second time after %.1f s", what, gap)
		}
	}
}

// change changes stored posts as other devices do.
func (s *site) change(t *testing.T, query string, args ...any) {
	t.Helper()
	result, err := s.db.Exec(query, args...)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := result.RowsAffected(); n == 0 || err != nil {
		t.Fatalf("%s %v: %d rows, %v", query, args, n, err)
	}
}

const (
	editText   = "UPDATE posts SET content = CONCAT(content, ', edited'), updated_at = UTC_TIMESTAMP(3) + INTERVAL 1 SECOND WHERE content = ?"
	deleteText = "DELETE FROM posts WHERE content = ?"
)

func othersChanges(t *testing.T, s *site) {
	s.numbered(t, 1, 50)
	tab := s.browser.NewContext(t)
	tab.SpeedUpTimers(10)
	tab.Go(s.URL)
	reach(t, tab, numbers(1, 50))
	one := tab.NewTab()
	one.SpeedUpTimers(10)
	one.Go(s.URL)
	reach(t, one, numbers(1, 50))
	one.Do("one post", chromedp.Click(chromedp.CSS(`article:last-of-type a[href^="/p/"]`)))
	wantShown(one, "post 1")

	tab.BringToFront()
	// The reader looks at post 25; nothing that changes above moves it.
	const at = `[...document.querySelectorAll('article')].find((a) => a.innerText.includes('post 25'))`
	browser.Eval[bool](tab, at+`.scrollIntoView(), true`)
	top := browser.Eval[float64](tab, at+`.getBoundingClientRect().top`)
	want := numbers(1, 50)
	for _, gone := range []string{"post 45", "post 20", "post 5"} {
		s.change(t, deleteText, gone)
		want = slices.DeleteFunc(want, func(text string) bool { return text == gone })
	}
	for _, edited := range []string{"post 44", "post 21", "post 4", "post 1"} {
		s.change(t, editText, edited)
		want[slices.Index(want, edited)] += ", edited"
	}
	wantShown(tab, want...)
	if now := browser.Eval[float64](tab, at+`.getBoundingClientRect().top`); now < top-2 || now > top+2 {
		t.Errorf("what is being read moved from %v to %v when others deleted posts above", top, now)
	}
	tab.Wait(`[...document.querySelectorAll('article')].filter((a) => /edited$/m.test(a.querySelector('footer').innerText)).length === 4`)
	s.change(t, "DELETE FROM posts WHERE content <> 'post 1, edited'")
	wantShown(tab, "post 1, edited")

	one.BringToFront()
	wantShown(one, "post 1, edited")
	s.change(t, "DELETE FROM posts")
	one.Text("It was deleted, or it never was.")
	wantShown(one)
	tab.BringToFront()
	tab.Text("Nobody has written yet.")
	wantShown(tab)
}

// One's own new posts stand above posts that one has not seen.
func ownAboveUnseen(t *testing.T, s *site) {
	tab := s.browser.NewContext(t)
	tab.SpeedUpTimers(10)
	tab.Go(s.URL)
	signIn(tab, "grace")
	var want []string
	stored := func(text string) { want = append([]string{text}, want...) }
	arrive := func(text string) {
		s.insert(t, ada, text, 0)
		stored(text)
	}
	submitted := func(text string) {
		submit(tab, text)
		tab.Wait(draft + ` === ''`)
		stored(text)
	}
	arrive("the first")
	tab.Wait(visibleButton("1 new post"))
	submitted("Grace's first")
	submitted("Grace's second")
	for i := range 25 { // more than a page above them
		arrive(fmt.Sprint("arrived ", i))
	}
	tab.Wait(visibleButton("+ new posts"))
	s.change(t, deleteText, "Grace's first")
	s.change(t, editText, "Grace's second")
	tab.NoText("Grace's first")
	tab.Text("Grace's second, edited")
	want = slices.DeleteFunc(want, func(text string) bool { return text == "Grace's first" })
	want[slices.Index(want, "Grace's second")] += ", edited"
	reach(t, tab, want)

	arrive("not seen")
	tab.Wait(visibleButton("1 new post"))
	for i := range 21 { // more than a page of them above it
		submitted(fmt.Sprint("Grace's ", i))
	}
	asked := len(tab.Requests("GET", "/api/posts"))
	for len(tab.Requests("GET", "/api/posts")) < asked+6 { // three looks, of two pages at most
		time.Sleep(10 * time.Millisecond)
	}
	reach(t, tab, want)
}

func ownDeletedElsewhere(t *testing.T, s *site) {
	s.insert(t, grace, "from before", time.Hour)
	tab := s.browser.NewContext(t)
	tab.SpeedUpTimers(10)
	tab.Go(s.URL)
	signIn(tab, "ada")
	publish(tab, "gone elsewhere")
	publish(tab, "changed elsewhere")
	s.change(t, deleteText, "gone elsewhere")
	s.change(t, editText, "changed elsewhere")
	wantShown(tab, "changed elsewhere, edited", "from before")
	tab.AddScript(`window.cameBack = false; new MutationObserver(() => cameBack ||= Boolean(document.body?.innerText.includes('gone elsewhere'))).observe(document, { childList: true, subtree: true, characterData: true })`)
	tab.Reload()
	wantShown(tab, "changed elsewhere, edited", "from before")
	if browser.Eval[bool](tab, `cameBack`) {
		t.Error("a post that was seen to be deleted comes back on reload")
	}

	// One whose deletion this tab did not see before the reload.
	publish(tab, "published here")
	tab.Fail(reads, browser.Outcome{Block: true})
	s.change(t, deleteText, "published here")
	tab.StopIntercepting()
	tab.Reload()
	asked := len(tab.Requests("GET", "/api/posts"))
	for len(tab.Requests("GET", "/api/posts")) < asked+3 {
		time.Sleep(10 * time.Millisecond)
	}
	if got := browser.Eval[[]string](tab, shown); !slices.Equal(got, []string{"changed elsewhere, edited", "from before"}) {
		t.Errorf("after a reload and three reads %q is shown; want what is stored, without the post that was deleted elsewhere", got)
	}
}

// buttons is an expression: which posts can be edited or deleted, and by how many buttons.
const buttons = `[...document.querySelectorAll('article')].map((a) => [a.querySelector('p[dir]').textContent, [...a.querySelectorAll('button')].filter((b) => /^(Edit|Delete)$/.test(b.innerText) && b.checkVisibility()).length]).filter(([, n]) => n).join()`

func buttonsFollowSession(t *testing.T, s *site) {
	s.insert(t, ada, "Ada's", time.Hour)
	s.insert(t, grace, "Grace's", 2*time.Hour)
	tab := s.visit(t, "/")
	wantShown(tab, "Ada's", "Grace's")
	tab.Wait(buttons + ` === ''`)
	to := func(path string) {
		t.Helper()
		tab.Do("to "+path, chromedp.Click(chromedp.CSS(`article header a[href="`+path+`"]`)))
		tab.Wait(`location.pathname === ` + browser.Quote(path) + ` && document.querySelectorAll('article').length === 1`)
	}
	back := func() {
		t.Helper()
		// As far as it goes: ClerkJS makes an entry of its own at signing out.
		browser.Eval[bool](tab, `navigation.traverseTo(navigation.entries()[0].key).finished.then(() => true)`)
		tab.Wait(`location.pathname === '/' && document.querySelectorAll('article').length === 2`)
	}
	to("/u/" + grace)
	signIn(tab, "ada")
	back()
	if got := browser.Eval[string](tab, buttons); got != "Ada's,2" {
		t.Errorf("Ada signs in on another page; after Back there are buttons on %q; want her own post's two", got)
	}
	to("/u/" + ada)
	if got := browser.Eval[string](tab, buttons); got != "Ada's,2" {
		t.Errorf("on Ada's page there are buttons on %q", got)
	}
	signInAgain(tab, "grace")
	back()
	if got := browser.Eval[string](tab, buttons); got != "Grace's,2" {
		t.Errorf("Grace signs in on another page; after Back there are buttons on %q; want her own post's two", got)
	}
	to("/u/" + ada)
	signOut(tab)
	back()
	if got := browser.Eval[string](tab, buttons); got != "" {
		t.Errorf("Grace signs out on another page; after Back there are buttons on %q", got)
	}
}

func reloadGoesOn(t *testing.T, s *site) {
	s.numbered(t, 1, 20)
	tab := s.browser.NewContext(t)
	tab.SpeedUpTimers(10)
	tab.Go(s.URL)
	wantShown(tab, numbers(1, 20)...)
	s.numbered(t, 21, 80)
	tab.Wait(visibleButton("20+ new posts"))
	tab.Fail(reads, outage("1"))
	tab.Press("main", "20+ new posts")
	tab.Wait(`/Trying again in \d+ seconds?/.test(document.querySelector('main').innerText)`)
	tab.StopIntercepting()
	tab.Wait(textOf(newest) + ` === 'post 80'`) // by itself
	tab.NoText("Trying again")
	reach(t, tab, numbers(1, 80))
}

// notPosts are answers that are no page of posts.
var notPosts = []string{
	`<!doctype html><title>Wi-Fi</title>Log in to the network`, ``, `null`, `"posts"`, `[]`, `{}`, `{"posts":null}`, `{"posts":{}}`,
	`{"posts":[null]}`, `{"posts":[{}]}`,
}

func notAPageOfPosts(t *testing.T, s *site) {
	s.numbered(t, 1, 25)
	tab := s.browser.NewContext(t)
	tab.SpeedUpTimers(10)
	for i, body := range notPosts {
		wrong := browser.Outcome{Status: 200, Header: map[string]string{"Content-Type": "application/json"}, Body: body}
		if strings.HasPrefix(body, "<") {
			wrong.Header["Content-Type"] = "text/html"
		}
		tab.Fail(reads, wrong)
		tab.Go(s.URL)
		tab.Text("Trying again in")
		tab.StopIntercepting()
		tab.Wait(textOf(newest) + ` === ` + browser.Quote(fmt.Sprint("post ", i+25))) // by itself
		tab.NoText("Trying again in")

		asked := len(tab.Requests("GET", "/api/posts"))
		tab.Fail(reads, wrong)
		for len(tab.Requests("GET", "/api/posts")) < asked+2 { // the first of them was answered
			time.Sleep(10 * time.Millisecond)
		}
		browser.Eval[bool](tab, `scrollTo(0, 1e6), true`)
		tab.Wait(`document.querySelector('.foot [role="status"]').innerText`)
		s.numbered(t, i+26, i+26)
		tab.StopIntercepting()
		tab.Wait(visibleButton("1 new post"))
		reach(t, tab, numbers(1, i+26))
		if t.Failed() {
			t.Fatalf("the body was %q", body)
		}
	}
}

// place is an expression: the first post that is whole on the screen, and where.
const place = `(() => { const a = [...document.querySelectorAll('article')].find((a) => a.getBoundingClientRect().top >= 0); return a && [a.querySelector('p[dir]').textContent, Math.round(a.getBoundingClientRect().top)]; })()`

// wantPlace waits until a post is again where it was on the screen.
func wantPlace(t *testing.T, tab *browser.Tab, what, text string, top int) {
	t.Helper()
	const at = `[...document.querySelectorAll('article')].find((a) => a.querySelector('p[dir]').textContent === %s)?.getBoundingClientRect().top`
	expression := fmt.Sprintf(at, browser.Quote(text))
	for begun := time.Now(); time.Since(begun) < 20*time.Second; time.Sleep(50 * time.Millisecond) {
		if browser.Eval[bool](tab, fmt.Sprintf(`Math.abs(%s - %d) <= 2`, expression, top)) {
			return
		}
	}
	t.Errorf("after %s the reader is at %s; want %q at %d px", what, browser.Eval[json.RawMessage](tab, place+` ?? null`), text, top)
}

func placeIsKept(t *testing.T, s *site) {
	s.numbered(t, 1, 130)
	id := s.insert(t, grace, "a post alone", 100*time.Hour)
	tab := s.browser.NewContext(t)
	tab.SpeedUpTimers(10)
	tab.Go(s.URL)
	tab.Text("post 130")
	stored := 130
	for _, deep := range []int{115, 25} { // on the first page; on the sixth
		text := fmt.Sprint("post ", deep)
		tab.Wait(`(() => { scrollTo(0, scrollY + 600); const a = [...document.querySelectorAll('article')].find((a) => a.innerText.includes('` + text + `')); a?.scrollIntoView(); scrollBy(0, -40); return a; })()`)
		at := browser.Eval[[]any](tab, place)
		text, top := fmt.Sprint(at[0]), int(at[1].(float64))
		for _, arrived := range []int{0, 3, 25} {
			s.numbered(t, stored+1, stored+arrived)
			stored += arrived
			tab.Reload()
			wantPlace(t, tab, fmt.Sprintf("a reload while %d posts arrived", arrived), text, top)
		}
		tab.Go(s.URL + "/robots.txt") // another site, as far as the page knows
		tab.Back(1)
		tab.Wait(`document.querySelector('article')`)
		wantPlace(t, tab, "Back from another site", text, top)

		for range 12 { // more places than are kept
			browser.Eval[bool](tab, fmt.Sprintf(`(() => { const a = document.createElement('a'); a.href = location.pathname === '/p/%d' ? '/u/%s' : '/p/%[1]d'; document.body.append(a); a.click(); a.remove(); return true; })()`, id, ada))
			tab.Wait(`document.querySelector('article')`)
		}
		tab.Back(12)
		tab.Wait(`location.pathname === '/' && document.querySelector('article')`)
		wantPlace(t, tab, "Back from twelve places on", text, top)
	}
}

func hashLinks(t *testing.T, s *site) {
	id := s.insert(t, ada, "a post alone", 2*time.Hour)
	s.insert(t, grace, fmt.Sprintf("see %s/p/%d#answers and %s/#posts and %s/u/%s#x", s.URL, id, s.URL, s.URL, ada), time.Hour)
	tab := s.visit(t, "/")
	tab.Text("a post alone")
	click := func(hash string) {
		t.Helper()
		tab.Do("click "+hash, chromedp.Click(chromedp.CSS(`article p a[href$="`+hash+`"]`)))
	}
	back := func(path string) {
		t.Helper()
		tab.Back(1)
		tab.Wait(`location.pathname + location.hash === ` + browser.Quote(path))
	}
	click("#answers")
	tab.Wait(fmt.Sprintf(`location.pathname === '/p/%d' && location.hash === '#answers'`, id))
	wantShown(tab, "a post alone")
	back("/")
	tab.Text("see")
	click("#x")
	tab.Wait(`location.pathname === '/u/` + ada + `' && location.hash === '#x'`)
	wantShown(tab, "a post alone")
	back("/")
	tab.Text("see")
	click("#posts")
	tab.Wait(`location.pathname + location.hash === '/#posts'`)
	back("/")
	tab.Wait(`document.querySelectorAll('article').length === 2`)
	// The link for the keyboard moves the focus, and loads nothing.
	browser.Eval[bool](tab, `document.querySelector('a[href="#posts"]').click(), true`)
	tab.Wait(`document.activeElement.id === 'posts'`)
}

func readsFillTheCache(t *testing.T, s *site) {
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	var mu sync.Mutex
	var asked []http.Header // as they left the browser
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" && strings.HasPrefix(r.URL.Path, "/api/posts") {
			mu.Lock()
			asked = append(asked, r.Header.Clone())
			mu.Unlock()
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	for i := range 30 {
		s.insert(t, "user_without_a_picture", fmt.Sprint("post ", i+1), 0) // which would come from another origin
	}
	tab := s.browser.NewContext(t)
	tab.SpeedUpTimers(20)
	tab.Fail(scripts, browser.Outcome{Block: true}) // Clerk does not know this origin
	tab.Go(server.URL)
	tab.Text("post 30")
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(asked)
	}
	for count() < 4 {
		time.Sleep(10 * time.Millisecond)
	}
	reach(t, tab, numbers(1, 30))
	tab.Reload()
	tab.Text("post 30")
	s.insert(t, "user_without_a_picture", "post 31", 0)
	tab.Wait(visibleButton("1 new post"))
	mu.Lock()
	defer mu.Unlock()
	for _, header := range asked {
		for _, name := range []string{"If-None-Match", "If-Modified-Since", "Authorization", "Range", "Pragma", "Cache-Control"} {
			if header.Get(name) != "" {
				t.Fatalf("an anonymous read is sent with %s: %q; the CDN may not keep its answer, or not answer from its cache", name, header.Get(name))
			}
		}
	}
}

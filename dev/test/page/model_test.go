package page

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
	"warble/dev/testkit/browser"
)

// others is who publishes, edits and deletes without a tab of this test.
const others = fakeclerk.Alan

// mostPosts is how many posts may be stored before many are deleted: five pages.
const mostPosts = 90

// model is what the test knows of what happened, and what must be true of it.
type model struct {
	t      *testing.T
	s      *site
	random *rand.Rand
	tabs   []*modelTab
	texts  map[string]*modelText // all that were ever typed
	posts  map[int64]*modelPost  // all that were ever stored
	order  []int64               // those that are stored now, newest first
	old    []string              // feeds as they were, for a CDN that answers from before
	trace  []string
}

// modelTab is a tab, and the faults that its requests will meet.
type modelTab struct {
	*browser.Tab
	name    string
	offline bool

	mu     sync.Mutex
	faults []*modelFault
}

type modelFault struct {
	method  string // of requests to the API, or "token" for those for a session token
	times   int
	outcome browser.Outcome
}

// modelText is a text that somebody typed. No two are equal.
type modelText struct {
	by     string // who was signed in then; "" is nobody yet
	post   int64  // which post it is an edit of, or 0
	stored bool   // it has been in the database: modelPost follows it from there
	over   bool   // its author wrote another in its place, gave it up or deleted its post
}

// modelPost is a stored post.
type modelPost struct {
	ID      int64  `db:"id"`
	UserID  string `db:"user_id"`
	Content string `db:"content"`

	gone    bool
	mayGo   bool            // somebody who may do so asked to delete it
	mayTurn map[string]bool // what its author asked to make of it
}

// view is what a tab shows and keeps.
type view struct {
	User   string // who is signed in, or ""
	Path   string
	Draft  string // in the composer's field
	Locked bool   // while it is on its way
	Forms  []form // of edits
	Kept   []keptText
	Posts  []shownPost
	Fresh  bool   // posts wait behind the button
	Says   string // at the end of the feed
}

type form struct {
	ID   int64
	Text string
}

// keptText is a draft, or an edit that was not saved, in localStorage.
type keptText struct {
	By, Text string
	Draft    bool
}

type shownPost struct {
	ID       int64 // 0 while it is on its way
	UserID   string
	Text     string
	Buttons  []string // that can be pressed
	Changing bool     // "Saving…"
}

// modelScript is what the steps need in the page: window.model.
const modelScript = `window.model = {
	can: (element) => element?.checkVisibility() && !element.disabled && element.ariaDisabled !== 'true',
	all: (selector) => [...document.querySelectorAll(selector)],
	buttons: (root) => [...root?.querySelectorAll('button') ?? []].filter(model.can),
	name: (button) => button.innerText.trim(),
	press(root, name) {
		const button = model.buttons(root).find((one) => model.name(one).startsWith(name));
		button?.click();
		return Boolean(button);
	},
	fresh: () => model.buttons(document.querySelector('main section')).find((one) => model.name(one).includes('new post')),
	user: () => window.Clerk?.user?.id ?? '',
	id: (article) => Number(article?.querySelector('a[href^="/p/"]')?.pathname.slice(3) ?? 0),
	posts: () => model.all('[data-place] article'),
	field: () => document.querySelector('form textarea'),
	kept: () => Object.entries(localStorage).flatMap(([name, value]) => {
		if (!/^warble.(draft|edit)/.test(name)) return [];
		const { by, text, post } = JSON.parse(value);
		return [{ By: by, Text: text, Draft: !post }];
	}),
	async look() {
		while (!(` + modulesAreThere + `)) await new Promise((done) => setTimeout(done, 10));
		return model.see();
	},
	see: () => ({
		User: model.user(),
		Path: location.pathname,
		Draft: model.field().value,
		Locked: model.field().readOnly,
		Forms: model.all('article textarea').map((field) => ({ ID: model.id(field.closest('article')), Text: field.value })),
		Kept: model.kept(),
		Posts: model.posts().map((article) => ({
			ID: model.id(article),
			UserID: article.querySelector('a[href^="/u/"]').pathname.slice(3),
			Text: article.querySelector('p[dir]').textContent,
			Buttons: model.buttons(article).map(model.name).filter((name) => name === 'Edit' || name === 'Delete'),
			Changing: article.innerText.includes('Saving…'),
		})),
		Fresh: Boolean(model.fresh()),
		Says: document.querySelector('main section').lastElementChild.innerText,
	}),
	fill(field, text) {
		if (!model.can(field) || field.readOnly || document.querySelector('dialog[open]')) return;
		const old = field.value;
		field.value = text;
		field.dispatchEvent(new Event('input', { bubbles: true }));
		return { Old: old, User: model.user(), ID: model.id(field.closest('article')) };
	},
	pick: (list, n) => list[n % list.length],
	article: (n, name) => model.pick(model.posts().filter((one) => model.buttons(one).some((button) => model.name(button) === name)), n),
	form: (n) => model.pick(model.all('article textarea').filter(model.can), n),
	follow(link) {
		link?.click();
		return Boolean(link);
	},
}`

// It runs on the built page: what is bundled must keep what the sources promise.
// WARBLE_STEPS makes it take more steps than in make test, WARBLE_SEED the same again.
func TestPeopleReadAndWriteAtRandomAndNothingIsLost(t *testing.T) {
	seed := testkit.Seed(t)
	steps, err := strconv.Atoi(cmp.Or(os.Getenv("WARBLE_STEPS"), "200"))
	if err != nil {
		t.Fatalf("WARBLE_STEPS: %v", err)
	}
	interval := "0"
	if seed%4 == 0 {
		interval = "1"
	}
	m := &model{
		t: t, s: deploy(t, map[string]string{"POST_INTERVAL": interval}), random: rand.New(rand.NewPCG(seed, 0)),
		texts: map[string]*modelText{}, posts: map[int64]*modelPost{},
	}
	m.open("ada's", m.s.browser.NewContext(t))
	m.open("ada's phone", m.tabs[0].NewTab())
	m.open("grace's", m.s.browser.NewContext(t))
	m.tabs[1].Size(390, 844)
	for i, username := range []string{"ada", "", "grace"} {
		m.tabs[i].BringToFront()
		m.tabs[i].Go(m.s.URL)
		if username != "" {
			signIn(m.tabs[i].Tab, username)
		}
	}
	m.arrive(25)
	begun := time.Now()
	for i := range steps {
		m.step(i)
		m.check()
		if i%500 == 499 {
			t.Logf("%d steps in %v", i+1, time.Since(begun).Round(time.Second))
		}
	}
	m.calm()
	for _, tab := range m.tabs {
		m.settle(tab)
		m.reach(tab)
	}
	m.check()
	for _, username := range []string{"ada", "grace"} {
		for _, tab := range m.tabs {
			m.publishAll(tab, username)
		}
	}
	t.Logf("%d steps in %v, %d texts typed, %d posts stored at one time or another", steps, time.Since(begun).Round(time.Second), len(m.texts), len(m.posts))
}

// open adds a tab.
func (m *model) open(name string, tab *browser.Tab) {
	one := &modelTab{Tab: tab, name: name}
	tab.SpeedUpTimers(20)
	tab.AddScript(hideScript)
	tab.AddScript(modelScript)
	tab.Intercept("*", one.decide)
	m.tabs = append(m.tabs, one)
}

// decide plays the first fault that is for a request's method.
func (tab *modelTab) decide(request *network.Request) browser.Outcome {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	method := request.Method
	switch u, err := url.Parse(request.URL); {
	case err == nil && strings.HasSuffix(u.Path, "/tokens"):
		method = "token"
	case err != nil || !strings.HasPrefix(u.Path, "/api/posts"):
		return browser.Outcome{}
	}
	for i, fault := range tab.faults {
		if fault.method != method || method == "GET" && fault.outcome.Status == http.StatusOK && !strings.HasSuffix(request.URL, "/api/posts") {
			continue
		}
		if fault.times--; fault.times == 0 {
			tab.faults = slices.Delete(tab.faults, i, i+1)
		}
		return fault.outcome
	}
	return browser.Outcome{}
}

// fail makes the next requests of a method fail.
func (tab *modelTab) fail(fault modelFault) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	tab.faults = append(tab.faults, &fault)
}

// goOffline takes a tab off the network, or puts it back.
func (tab *modelTab) goOffline(offline bool) {
	tab.Do("offline", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		conditions := &network.Conditions{Offline: offline, DownloadThroughput: -1, UploadThroughput: -1}
		if _, err := chromedp.Call(ctx, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
			MatchedNetworkConditions: []*network.Conditions{conditions}}); err != nil {
			return err
		}
		_, err := chromedp.Call(ctx, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: offline, DownloadThroughput: -1, UploadThroughput: -1})
		return err
	}))
	tab.offline = offline
}

// stale is a CDN that answers with a feed as it was.
func stale(body string, times int) modelFault {
	return modelFault{"GET", times, browser.Outcome{Status: 200, Header: map[string]string{"Content-Type": "application/json"}, Body: body}}
}

// note says in the trace what a step did.
func (m *model) note(what string, args ...any) {
	m.trace = append(m.trace, fmt.Sprintf(what, args...))
}

// fatal ends the test with the steps that led there.
func (m *model) fatal(what string, args ...any) {
	m.t.Helper()
	last := m.trace[max(0, len(m.trace)-60):]
	m.t.Fatalf("%s\nthe last steps of %d:\n%s", fmt.Sprintf(what, args...), len(m.trace), strings.Join(last, "\n"))
}

// run evaluates an expression about window.model.
func run[T any](tab *modelTab, expression string, args ...any) T {
	quoted := make([]any, len(args))
	for i, arg := range args {
		quoted[i] = browser.Quote(arg)
	}
	return browser.Eval[T](tab.Tab, fmt.Sprintf(expression, quoted...))
}

// text makes up a text that was never typed before.
func (m *model) text(tab *modelTab) string {
	return fmt.Sprintf("text %d, %s", len(m.texts)+1, tab.name)
}

// typed is what model.fill gives.
type typed struct {
	Old, User string
	ID        int64
}

// type_ puts a new text into a field: the composer's, or that of an edit.
func (m *model) type_(tab *modelTab, field string) {
	text := m.text(tab)
	done := run[*typed](tab, `model.fill(`+field+`, %s) ?? null`, text)
	if done == nil {
		m.note("%s: there is nothing to type into", tab.name)
		return
	}
	if old := m.texts[done.Old]; old != nil && done.Old != m.contentOf(done.ID) {
		old.over = true
	}
	m.texts[text] = &modelText{by: done.User, post: done.ID}
	m.note("%s: %s types %q in place of %q, post %d", tab.name, cmp.Or(done.User, "nobody"), text, done.Old, done.ID)
}

func (m *model) contentOf(id int64) string {
	if post := m.posts[id]; post != nil && !post.gone {
		return post.Content
	}
	return ""
}

// step takes a random step in a random tab. What it does depends on the seed and
// on what can be done there.
func (m *model) step(i int) {
	tab := m.tabs[m.random.IntN(len(m.tabs))]
	n, roll := m.random.IntN(1_000), m.random.IntN(204)
	m.front(tab)
	m.trace = append(m.trace, fmt.Sprintf("-- step %d, %s", i, tab.name))
	type choice struct {
		weight int
		act    func()
	}
	for _, one := range []choice{
		{18, func() {
			if n%3 > 0 && run[bool](tab, `model.field().value !== ''`) {
				m.publish(tab) // what could not be published is sent again more often than it is given up
			} else {
				m.type_(tab, `model.field()`)
			}
		}},
		{22, func() { m.publish(tab) }},
		{10, func() {
			m.note("edits %d", run[int64](tab, fmt.Sprintf(`(() => { const one = model.article(%d, 'Edit'); model.press(one, 'Edit'); return model.id(one); })()`, n%4)))
		}},
		{12, func() { m.type_(tab, fmt.Sprintf(`model.form(%d)`, n)) }},
		{12, func() { m.save(tab, n) }},
		{3, func() { m.cancel(tab, n) }},
		{6, func() { m.delete(tab, n) }},
		{12, func() { m.note("new posts: %v", run[bool](tab, `model.follow(model.fresh())`)) }},
		{10, func() {
			m.note("scrolls to %d", run[int](tab, fmt.Sprintf(`(scrollTo(0, %d * document.body.scrollHeight / 1000), Math.round(scrollY))`, n)))
		}},
		{3, func() {
			m.note("older: %v", run[bool](tab, `model.press(document.querySelector('main section'), 'Older')`))
		}},
		{6, func() {
			m.note("person: %v", run[bool](tab, fmt.Sprintf(`model.follow(model.pick(model.all('article header a'), %d))`, n)))
		}},
		{4, func() {
			m.note("post: %v", run[bool](tab, fmt.Sprintf(`model.follow(model.pick(model.all('article a[href^="/p/"]'), %d))`, n)))
		}},
		{6, func() {
			m.note("home: %v", run[bool](tab, `model.follow(document.querySelector('header a[href="/"]'))`))
		}},
		{8, func() { m.note("back: %v", run[bool](tab, `navigation.canGoBack && (history.back(), true)`)) }},
		{4, func() { m.note("forward: %v", run[bool](tab, `navigation.canGoForward && (history.forward(), true)`)) }},
		{3, func() { m.reload(tab) }},
		{14, func() { m.session(tab, n) }},
		{6, func() { m.arrive(1 + n%4) }},
		{2, func() { m.arrive(20 + n%20) }},
		{8, func() { m.elsewhere(n) }},
		{18, func() { m.fault(tab, n) }},
		{4, func() { m.networkFault(tab, n) }},
		{6, func() { m.calm(); m.settle(tab) }},
		{2, func() { m.calm(); m.reach(tab) }},
	} {
		if roll -= one.weight; roll < 0 {
			one.act()
			return
		}
	}
	m.note("waits")
	time.Sleep(100 * time.Millisecond)
}

func (m *model) publish(tab *modelTab) {
	// What was stored and then edited is not to be published a second time: the page
	// says so, and people do not press the button then.
	var edited []string
	for content, text := range m.texts {
		if text.stored && m.contentOf(text.post) != content && !m.posts[text.post].gone {
			edited = append(edited, content)
		}
	}
	sent := run[string](tab, `(() => {
		const { form, value } = model.field();
		if (!model.user() || document.querySelector('dialog[open]') || %s.includes(value)) return ''; // signing in is a step of its own
		return model.press(form, 'Publish') || model.press(form, 'Send again') ? value : '';
	})()`, append([]string{}, edited...))
	if sent != "" && m.random.IntN(5) == 0 { // a double click
		run[bool](tab, `model.press(model.field().form, '')`)
	}
	m.note("publishes %q", sent)
}

func (m *model) save(tab *modelTab, n int) {
	saved := run[*form](tab, fmt.Sprintf(`(() => {
		const field = model.form(%d);
		const saved = field && { ID: model.id(field.closest('article')), Text: field.value };
		return saved && model.press(field.form, 'Save') ? saved : null;
	})()`, n))
	if saved == nil {
		m.note("there is nothing to save")
		return
	}
	m.note("saves %q, post %d", saved.Text, saved.ID)
	for content, text := range m.texts {
		if text.post == saved.ID && content != saved.Text && m.posts[saved.ID].mayTurn[content] {
			text.over = true // an edit before this one, of which only the end is known
		}
	}
	m.posts[saved.ID].mayTurn[saved.Text] = true
}

func (m *model) cancel(tab *modelTab, n int) {
	if m.random.IntN(2) == 0 { // which keeps the text
		run[bool](tab, fmt.Sprintf(`(model.form(%d)?.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' })), true)`, n))
		m.note("leaves by Escape")
		return
	}
	left := run[*form](tab, fmt.Sprintf(`(() => {
		const field = model.form(%d);
		const left = field && { ID: model.id(field.closest('article')), Text: field.value };
		return left && model.press(field.form, 'Cancel') ? left : null;
	})()`, n))
	if left == nil {
		m.note("there is nothing to cancel")
		return
	}
	m.note("cancels %q, post %d", left.Text, left.ID)
	if text := m.texts[left.Text]; text != nil && left.Text != m.contentOf(left.ID) {
		text.over = true
	}
}

func (m *model) delete(tab *modelTab, n int) {
	id := run[int64](tab, fmt.Sprintf(`(() => {
		const article = model.article(%d, 'Delete');
		const id = model.id(article);
		model.press(article, 'Delete');
		return document.querySelector('dialog[open]') ? id : 0;
	})()`, n))
	if id == 0 {
		m.note("there is nothing to delete")
		return
	}
	if n%4 == 0 {
		run[bool](tab, `model.press(document.querySelector('dialog[open]'), 'Keep it')`)
		m.note("does not delete %d after all", id)
		return
	}
	m.goes(id) // before it happens
	run[bool](tab, `model.press(document.querySelector('dialog[open]'), 'Delete')`)
	m.note("deletes %d", id)
}

// goes notes that a post may be deleted from now on.
func (m *model) goes(id int64) {
	m.posts[id].mayGo = true
	for _, text := range m.texts {
		if text.post == id {
			text.over = true
		}
	}
}

func (m *model) reload(tab *modelTab) {
	if tab.offline {
		m.note("does not reload offline")
		return
	}
	tab.Reload()
	m.note("reloads")
	if m.random.IntN(2) == 0 {
		tab.Wait(`window.Clerk?.loaded`)
	}
}

// session signs out, or in as one of the two.
func (m *model) session(tab *modelTab, n int) {
	if tab.offline {
		m.note("does not sign in or out offline")
		return
	}
	username := []string{"ada", "grace"}[n%2]
	if n%5 == 0 { // in this browser, whoever it was
		username = "grace"
		if strings.HasPrefix(tab.name, "ada's") {
			username = "ada"
		}
	}
	now := browser.Eval[string](tab.Tab, `(async () => {
		if (!window.Clerk?.loaded) return 'Clerk is not there yet';
		try {
			if (Clerk.user) {
				if (`+fmt.Sprint(n%3 != 0)+`) return 'stays ' + Clerk.user.username;
				await Clerk.signOut();
			} else {
				const { createdSessionId } = await Clerk.client.signIn.create({ strategy: 'password', identifier: '`+username+`', password: '`+fakeclerk.Password+`' });
				await Clerk.setActive({ session: createdSessionId });
			}
		} catch (error) {
			return 'refused: ' + error;
		}
		return 'is ' + (Clerk.user?.username ?? 'nobody');
	})()`)
	m.note("%s", now)
}

// arrive stores posts of somebody who has no tab here.
func (m *model) arrive(count int) {
	m.note("%d posts arrive", count)
	for range count {
		text := fmt.Sprintf("text %d, from elsewhere", len(m.texts)+1)
		m.texts[text] = &modelText{by: others}
		m.s.insert(m.t, others, text, 0)
	}
	m.read()
}

// elsewhere edits or deletes a post as another device of its author does, or deletes many.
func (m *model) elsewhere(n int) {
	if len(m.order) > mostPosts {
		for _, id := range m.order[mostPosts/3:] {
			m.goes(id)
			_, _ = m.s.db.Exec("DELETE FROM posts WHERE id = ?", id) // or it went just now
		}
		m.note("all but %d posts are deleted", mostPosts/3)
		m.read()
		return
	}
	if len(m.order) == 0 {
		return
	}
	post := m.posts[m.order[n%len(m.order)]]
	if n%3 == 0 {
		m.goes(post.ID)
		m.note("post %d is deleted elsewhere", post.ID)
		_, _ = m.s.db.Exec("DELETE FROM posts WHERE id = ?", post.ID)
	} else {
		text := fmt.Sprintf("text %d, from elsewhere", len(m.texts)+1)
		m.texts[text] = &modelText{by: post.UserID, post: post.ID, over: true} // nobody typed it here
		post.mayTurn[text] = true
		m.note("post %d is edited elsewhere: %q", post.ID, text)
		_, _ = m.s.db.Exec("UPDATE posts SET content = ?, updated_at = UTC_TIMESTAMP(3) WHERE id = ?", text, post.ID)
	}
	m.read()
}

// fault makes requests of a tab fail that are still to come.
func (m *model) fault(tab *modelTab, n int) {
	method := []string{"POST", "POST", "POST", "PATCH", "DELETE", "GET", "token"}[n%7]
	times := 1 + n/7%3
	kinds := []browser.Outcome{
		{Lose: true}, {Lose: true}, {Lose: true}, {Block: true}, {Delay: 200 * time.Millisecond}, tooSoon("1"), outage("1"),
		{Status: 500, Header: map[string]string{"Content-Type": "application/problem+json"}, Body: `{"detail":"Something broke."}`},
		{Status: 401, Header: map[string]string{"Content-Type": "application/problem+json"}, Body: `{"detail":"Sign in again."}`},
		{Status: 502, Header: map[string]string{"Content-Type": "text/html"}, Body: `<h1>Bad Gateway</h1>`},
	}
	fault := modelFault{method, times, kinds[n/21%len(kinds)]}
	if method == "token" {
		run[bool](tab, `(window.Clerk?.session?.clearCache(), true)`)
	}
	if method == "GET" && m.random.IntN(2) == 0 && len(m.old) > 0 {
		fault = stale(m.old[n%len(m.old)], times)
		m.note("the CDN answers from before, %d times", times)
	} else {
		m.note("%d times %s ends with %d, lost %v, blocked %v", times, method, fault.outcome.Status, fault.outcome.Lose, fault.outcome.Block)
	}
	tab.fail(fault)
}

// networkFault takes the tab off the network, or does to the database's what faults can.
func (m *model) networkFault(tab *modelTab, n int) {
	switch n % 4 {
	case 0:
		tab.goOffline(!tab.offline)
		m.note("offline: %v", tab.offline)
	case 1:
		statement := []string{"INSERT", "UPDATE", "DELETE", "SELECT"}[n/4%4]
		m.s.proxy.SwallowAnswer(statement)
		m.note("the database's next answer to %s is lost", statement)
	case 2:
		m.s.proxy.Down()
		m.note("the database is down")
	case 3:
		m.s.proxy.Cut()
		m.note("the database is up, all connections were cut")
	}
}

// calm ends all faults.
func (m *model) calm() {
	m.s.proxy.Up()
	for _, tab := range m.tabs {
		tab.mu.Lock()
		tab.faults = nil
		tab.mu.Unlock()
		if tab.offline {
			tab.goOffline(false)
		}
	}
	// A feed as it is now, for later.
	response, err := http.Get(m.s.local + "/api/posts")
	if err != nil {
		m.fatal("read the feed: %v", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode == http.StatusOK {
		m.old = append(m.old, string(body))
		m.old = m.old[max(0, len(m.old)-3):]
	}
}

// read takes over what is stored, and checks that nothing else can have come or gone.
func (m *model) read() {
	m.t.Helper()
	var stored []modelPost
	if err := m.s.db.Select(&stored, "SELECT id, user_id, content FROM posts ORDER BY created_at DESC, id DESC"); err != nil {
		m.t.Fatal(err)
	}
	var order []int64
	seen := map[string]int64{}
	for _, row := range stored {
		order = append(order, row.ID)
		text := m.texts[row.Content]
		if text == nil {
			m.fatal("post %d says %q, which nobody wrote", row.ID, row.Content)
		}
		if text.by == "" {
			text.by = row.UserID
		}
		if text.by != row.UserID {
			m.fatal("post %d of %s says %q, which %s wrote", row.ID, row.UserID, row.Content, text.by)
		}
		if twice := seen[row.Content]; twice != 0 {
			m.fatal("%q is stored twice, as posts %d and %d", row.Content, twice, row.ID)
		}
		seen[row.Content] = row.ID
		post := m.posts[row.ID]
		switch {
		case post == nil && text.post != 0 && !m.posts[text.post].gone:
			m.fatal("post %d says %q, which is an edit of post %d", row.ID, row.Content, text.post)
		case post == nil:
			post = &modelPost{ID: row.ID, UserID: row.UserID, mayTurn: map[string]bool{row.Content: true}}
			text.post = row.ID
			m.posts[row.ID] = post
		case post.gone:
			m.fatal("post %d, %q, was deleted and is back", row.ID, row.Content)
		case !post.mayTurn[row.Content]:
			m.fatal("post %d says %q, which its author did not save", row.ID, row.Content)
		}
		post.Content = row.Content
		text.stored = true
	}
	for id, post := range m.posts {
		post.gone = !slices.Contains(order, id)
		if post.gone && !post.mayGo {
			m.fatal("post %d, %q, is gone, and nobody deleted it", id, post.Content)
		}
	}
	m.order = order
}

// front makes a tab the one that its person looks at.
func (m *model) front(tab *modelTab) {
	for _, other := range m.tabs {
		if other != tab && other.name[:3] == tab.name[:3] {
			hide(other.Tab, true)
		}
	}
	tab.BringToFront()
	hide(tab.Tab, false)
}

// check checks what must be true at any time. Pages first: a text goes from them to
// the database, never back.
func (m *model) check() {
	m.t.Helper()
	var wrong string
	var views []view
	for try := range 4 {
		if try > 0 {
			time.Sleep(250 * time.Millisecond) // a page that was about to change
		}
		views = views[:0]
		for _, tab := range m.tabs {
			views = append(views, run[view](tab, `model.look()`))
		}
		m.read()
		if wrong = m.wrong(views); wrong == "" {
			return
		}
	}
	for i, tab := range m.tabs {
		m.note("%s: %s", tab.name, browser.Quote(views[i]))
	}
	m.fatal("%s", wrong)
}

// wrong is what is wrong at any time; "" when nothing is.
func (m *model) wrong(views []view) string {
	kept := map[string]bool{} // texts that their author can still find
	find := func(where, text, by string) string {
		known := m.texts[text]
		if known == nil {
			return ""
		}
		if known.by == "" {
			known.by = by
		}
		if known.by != by {
			return fmt.Sprintf("%q, which %s wrote, is found by %s in %s", text, known.by, cmp.Or(by, "nobody"), where)
		}
		kept[text] = true
		return ""
	}
	for i, shows := range views {
		name := m.tabs[i].name
		for _, one := range shows.Kept {
			if wrong := find("the storage of "+name, one.Text, one.By); wrong != "" {
				return wrong
			}
		}
		if wrong := find("the composer of "+name, shows.Draft, shows.User); wrong != "" {
			return wrong
		}
		for _, one := range shows.Forms {
			if wrong := find("a form of "+name, one.Text, shows.User); wrong != "" {
				return wrong
			}
		}
		ids, texts := map[int64]bool{}, map[string]bool{}
		for _, one := range shows.Posts {
			if one.ID == 0 {
				if len(one.Buttons) > 0 {
					return fmt.Sprintf("%s: %q is on its way and has buttons", name, one.Text)
				}
				continue
			}
			if ids[one.ID] || texts[one.Text] {
				return fmt.Sprintf("%s: %q is shown twice", name, one.Text)
			}
			ids[one.ID], texts[one.Text] = true, true
			if len(one.Buttons) > 0 && one.UserID != shows.User {
				return fmt.Sprintf("%s: %s has buttons on %q of %s", name, cmp.Or(shows.User, "nobody"), one.Text, one.UserID)
			}
			if post := m.posts[one.ID]; post == nil || post.UserID != one.UserID {
				return fmt.Sprintf("%s: %q is shown under another name, %s", name, one.Text, one.UserID)
			}
		}
	}
	for content, text := range m.texts {
		if text.by != others && !text.stored && !text.over && !kept[content] {
			return fmt.Sprintf("%q of %s, post %d, is lost", content, cmp.Or(text.by, "nobody"), text.post)
		}
	}
	return ""
}

// wanted are the posts that a place is about, newest first.
func (m *model) wanted(path string) []*modelPost {
	var wanted []*modelPost
	for _, id := range m.order {
		post := m.posts[id]
		if path == "/" || path == "/u/"+post.UserID || path == fmt.Sprint("/p/", id) {
			wanted = append(wanted, post)
		}
	}
	return wanted
}

// settle waits until a tab shows what is true: its next look must bring that.
func (m *model) settle(tab *modelTab) {
	m.t.Helper()
	m.front(tab)
	m.note("%s settles", tab.name)
	m.eventually(tab, func(shows view) string {
		wanted := m.wanted(shows.Path)
		var first *shownPost
		for i, one := range shows.Posts {
			changing := slices.ContainsFunc(shows.Forms, func(form form) bool { return form.ID == one.ID })
			at := slices.IndexFunc(wanted, func(post *modelPost) bool { return post.ID == one.ID })
			switch {
			case one.ID == 0 || one.Changing:
				return fmt.Sprintf("%q is still on its way", one.Text)
			case at < 0 && !changing:
				return fmt.Sprintf("post %d, %q, was deleted and is still shown", one.ID, one.Text)
			case at >= 0 && wanted[at].Content != one.Text:
				return fmt.Sprintf("post %d still says %q, and is %q", one.ID, one.Text, wanted[at].Content)
			case at >= 0 && i > 0 && slices.Index(m.order, shows.Posts[i-1].ID) > slices.Index(m.order, one.ID):
				return fmt.Sprintf("post %d, %q, is not in its place", one.ID, one.Text)
			case shows.User == one.UserID && len(one.Buttons) != 2 && !changing:
				return fmt.Sprintf("one's own post %d has the buttons %q", one.ID, one.Buttons)
			}
			if first == nil && at >= 0 {
				first = &one
			}
		}
		switch {
		case shows.Locked:
			return "the composer is locked"
		case len(wanted) > 0 && !shows.Fresh && (first == nil || first.ID != wanted[0].ID):
			return fmt.Sprintf("post %d, %q, is the newest, and is neither shown nor behind the button", wanted[0].ID, wanted[0].Content)
		}
		return ""
	})
}

// reach waits until each post has come by "new posts" and by scrolling.
func (m *model) reach(tab *modelTab) {
	m.t.Helper()
	m.front(tab)
	m.note("%s goes to the end", tab.name)
	m.eventually(tab, func(shows view) string {
		var got, want []int64
		for _, one := range shows.Posts {
			if !m.posts[one.ID].gone || !slices.ContainsFunc(shows.Forms, func(form form) bool { return form.ID == one.ID }) {
				got = append(got, one.ID)
			}
		}
		for _, post := range m.wanted(shows.Path) {
			want = append(want, post.ID)
		}
		if slices.Equal(got, want) {
			return ""
		}
		run[bool](tab, `(model.follow(model.fresh()), scrollTo(0, 1e6), model.press(document.querySelector('main section'), 'Older'))`)
		return fmt.Sprintf("%d posts can be reached, %v, of %d that are stored, %v", len(got), got, len(want), want)
	})
}

// publishAll checks that somebody finds each draft of theirs in the composer, and can
// publish it there.
func (m *model) publishAll(tab *modelTab, username string) {
	m.t.Helper()
	m.front(tab)
	tab.Reload() // ClerkJS may not know what another tab did
	signIn(tab.Tab, username)
	run[bool](tab, `model.follow(document.querySelector('header a[href="/"]'))`)
	m.note("%s: %s publishes all drafts", tab.name, username)
	for {
		m.check()
		draft := run[view](tab, `model.look()`).Draft
		if draft == "" { // is there another one, which no other tab shows?
			tab.Reload()
			isSignedIn(tab.Tab)
			left := ""
			m.eventually(tab, func(shows view) string {
				draft, left = shows.Draft, ""
				for _, one := range shows.Kept {
					if one.Draft && one.By == shows.User && !m.shownElsewhere(tab, one.Text) {
						left = one.Text
					}
				}
				if draft == "" && left != "" {
					return fmt.Sprintf("the draft %q cannot be found", left)
				}
				return ""
			})
			if draft == "" {
				return
			}
		}
		if text := m.texts[draft]; text.stored && m.contentOf(text.post) != draft && !m.posts[text.post].gone {
			run[*typed](tab, `model.fill(model.field(), '') ?? null`) // it was published, and edited since
		}
		m.eventually(tab, func(shows view) string {
			if shows.Draft == draft {
				m.publish(tab) // also after the warning that an earlier text of this draft was published
				return fmt.Sprintf("%q cannot be published: %s", draft, run[string](tab, `model.field().form.innerText`))
			}
			return ""
		})
	}
}

// shownElsewhere says whether another tab has a text in its composer.
func (m *model) shownElsewhere(tab *modelTab, text string) bool {
	for _, other := range m.tabs {
		if other != tab && run[string](other, `model.field().value`) == text {
			return true
		}
	}
	return false
}

// eventually waits until nothing is wrong with what a tab shows. wrong says what is.
func (m *model) eventually(tab *modelTab, wrong func(view) string) {
	m.t.Helper()
	said := ""
	for begun := time.Now(); time.Since(begun) < 45*time.Second; time.Sleep(50 * time.Millisecond) {
		shows := run[view](tab, `model.look()`)
		m.read()
		if said = wrong(shows); said == "" {
			return
		}
	}
	m.note("%s: %s", tab.name, browser.Quote(run[view](tab, `model.look()`)))
	m.fatal("%s: %s", tab.name, said)
}

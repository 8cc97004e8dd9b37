package page

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
	"warble/dev/testkit/browser"
)

// others is who publishes without a tab of this test.
const others = fakeclerk.Alan

// model is what the test knows of what happened, and what must be true of it.
type model struct {
	t      *testing.T
	s      *site
	random *rand.Rand
	tabs   []*modelTab
	texts  map[string]*modelText // all that were ever typed
	posts  map[int64]*modelPost  // all that were ever stored
	order  []int64               // those that are stored now, newest first
	old    string                // the feed as it was, for a CDN that answers from before
	trace  []string
}

type modelTab struct {
	*browser.Tab
	name string
}

// modelText is a text that somebody typed. No two are equal.
type modelText struct {
	by     string // who was signed in then; "" is nobody yet
	post   int64  // which post it is an edit of, or 0
	stored bool   // it has been in the database
	over   bool   // its author wrote another in its place, gave it up or deleted its post
}

// modelPost is a stored post.
type modelPost struct {
	ID      int64  `db:"id"`
	UserID  string `db:"user_id"`
	Content string `db:"content"`
	gone    bool
	mayGo   bool // somebody who may do so asked to delete it
}

// view is what a tab shows and keeps.
type view struct {
	User   string // who is signed in, or ""
	Path   string
	Found  []foundText // in fields and in storage, the composer's first
	Drafts int         // stored ones of who is signed in
	Posts  []shownPost
}

type foundText struct{ By, Text string }

type shownPost struct {
	ID           int64 // 0 while it is on its way
	UserID, Text string
	Buttons      int  // Edit and Delete, where they can be pressed
	Edited       bool // just now, in a form
}

// modelScript is what the steps need in the page: window.model. Each act says what it
// has done, and does nothing where a person could not.
const modelScript = `window.model = {
	can: (element) => element?.checkVisibility() && !element.disabled && element.ariaDisabled !== 'true',
	all: (selector) => [...document.querySelectorAll(selector)],
	pick: (list, n) => list[n % list.length],
	button: (root, name) => [...root?.querySelectorAll('button') ?? []].find((one) => model.can(one) && one.innerText.includes(name)),
	press(root, name) {
		const button = model.button(root, name);
		button?.click();
		return Boolean(button);
	},
	follow(link) {
		link?.click();
		return link?.pathname ?? '';
	},
	id: (element) => Number(element?.closest('article')?.querySelector('a[href^="/p/"]')?.pathname.slice(3) ?? 0),
	place: () => document.querySelector('main section'),
	field: () => document.querySelector('form textarea'),
	form: (n) => model.pick(model.all('article textarea').filter(model.can), n),
	article: (n, name) => model.pick(model.all('[data-place] article').filter((one) => model.button(one, name)), n),
	user: () => window.Clerk?.user?.id ?? '',
	async look() {
		while (!(` + modulesAreThere + `)) await new Promise((done) => setTimeout(done, 10));
		const stored = Object.entries(localStorage).filter(([name]) => /^warble.(draft|edit)/.test(name)).map(([, value]) => JSON.parse(value));
		return {
			User: model.user(),
			Path: location.pathname,
			Found: [
				...[model.field(), ...model.all('article textarea')].map((field) => ({ By: model.user(), Text: field.value })),
				...stored.map(({ by, text }) => ({ By: by, Text: text })),
			],
			Drafts: stored.filter(({ by, post }) => by === model.user() && !post).length,
			Posts: model.all('[data-place] article').map((article) => ({
				ID: model.id(article),
				UserID: article.querySelector('a[href^="/u/"]').pathname.slice(3),
				Text: article.querySelector('p[dir]').textContent,
				Buttons: ['Edit', 'Delete'].filter((name) => model.button(article, name)).length,
				Edited: Boolean(article.querySelector('textarea')),
			})),
		};
	},
	type(field, text) {
		if (!model.can(field) || field.readOnly || document.querySelector('dialog[open]')) return null;
		const typed = { Old: field.value, User: model.user(), ID: model.id(field) };
		field.value = text;
		field.dispatchEvent(new Event('input', { bubbles: true }));
		return typed;
	},
	publish() {
		const { form, value } = model.field();
		if (!model.user() || document.querySelector('dialog[open]')) return ''; // signing in is a step of its own
		return model.press(form, 'Publish') || model.press(form, 'Send again') ? value : '';
	},
	end(field, how) {
		if (!field) return null;
		const ended = { ID: model.id(field), Text: field.value };
		if (how === 'Escape') field.dispatchEvent(new KeyboardEvent('keydown', { key: how }));
		else if (!model.press(field.form, how)) return null;
		return ended;
	},
	ask(article) {
		const id = model.id(article);
		return model.press(article, 'Delete') && document.querySelector('dialog[open]') ? id : 0;
	},
}`

// A walk through the whole page, by people who read and write in two tabs of one
// browser. Which posts are shown whatever is mixed, and what becomes of drafts in two
// tabs, have random tests of their own, feed.test.js and draft.test.js: here they meet
// the browser, ClerkJS and the functions. It runs on the built page: what is bundled
// must keep what the sources promise. WARBLE_STEPS makes it take more steps than in
// make test, WARBLE_SEED the same again.
func TestPeopleReadAndWriteAtRandomAndNothingIsLost(t *testing.T) {
	t.Parallel()
	seed := testkit.Seed(t)
	steps, err := strconv.Atoi(cmp.Or(os.Getenv("WARBLE_STEPS"), "200"))
	if err != nil {
		t.Fatalf("WARBLE_STEPS: %v", err)
	}
	m := &model{
		t: t, s: deploy(t, map[string]string{"POST_INTERVAL": "0"}), random: rand.New(rand.NewPCG(seed, 0)),
		texts: map[string]*modelText{}, posts: map[int64]*modelPost{},
	}
	first := m.s.browser.NewContext(t)
	for i, tab := range []*browser.Tab{first, first.NewTab()} {
		one := &modelTab{Tab: tab, name: []string{"desk", "phone"}[i]}
		m.tabs = append(m.tabs, one)
		tab.SpeedUpTimers(20)
		tab.AddScript(modelScript)
		tab.Go(m.s.URL)
	}
	m.tabs[1].Size(390, 844)
	first.BringToFront()
	signIn(first, "ada")
	m.arrive(25)
	m.calm()
	for i := range steps {
		m.step(i)
		m.check()
	}
	m.calm()
	for _, tab := range m.tabs {
		m.reach(tab)
	}
	m.check()
	m.s.leave(m.tabs[1].Tab)
	m.tabs = m.tabs[:1]
	first.BringToFront()
	for _, username := range []string{"ada", "grace"} {
		m.publishAll(m.tabs[0], username)
	}
	t.Logf("%d steps, %d texts typed, %d posts stored at one time or another", steps, len(m.texts), len(m.posts))
}

// note says in the trace what a step did.
func (m *model) note(what string, args ...any) {
	m.trace = append(m.trace, fmt.Sprintf(what, args...))
}

// fatal ends the test with the steps that led there.
func (m *model) fatal(what string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("%s\nthe last steps of %d:\n%s", fmt.Sprintf(what, args...), len(m.trace), strings.Join(m.trace[max(0, len(m.trace)-60):], "\n"))
}

// run evaluates an expression about window.model, and notes what it gives.
func run[T any](m *model, tab *modelTab, what, expression string, args ...any) T {
	got := browser.Eval[T](tab.Tab, fmt.Sprintf(expression, args...))
	m.note("%s: %s", what, browser.Quote(got))
	return got
}

func look(tab *modelTab) view { return browser.Eval[view](tab.Tab, `model.look()`) }

// step takes a random step in a random tab. What it does depends on the seed and
// on what can be done there.
func (m *model) step(i int) {
	tab := m.tabs[m.random.IntN(len(m.tabs))]
	n := m.random.IntN(1_000)
	tab.BringToFront()
	in := func(script string) func() { // the page, with n
		return func() { m.note("%v", browser.Eval[any](tab.Tab, fmt.Sprintf(`((n) => (%s) ?? null)(%d)`, script, n))) }
	}
	choices := []struct {
		weight int
		what   string // it is
		act    func()
	}{
		{14, "types", func() { m.type_(tab, `model.field()`) }},
		{12, "types into a form", func() { m.type_(tab, fmt.Sprintf(`model.form(%d)`, n)) }},
		{26, "publishes", in(`model.publish()`)},
		{10, "edits", in(`model.press(model.article(n % 4, 'Edit'), 'Edit')`)},
		{16, "ends an edit", func() { m.end(tab, n) }},
		{6, "deletes", func() { m.delete(tab, n) }},
		{12, "new posts", in(`model.press(model.place(), 'new post')`)},
		{3, "older posts", in(`model.press(model.place(), 'Older')`)},
		{10, "scrolls", in(`(scrollTo(0, n * document.body.scrollHeight / 1000), Math.round(scrollY))`)},
		{6, "goes to a person", in(`model.follow(model.pick(model.all('article header a'), n))`)},
		{4, "goes to a post", in(`model.follow(model.pick(model.all('article a[href^="/p/"]'), n))`)},
		{6, "goes home", in(`model.follow(document.querySelector('header a[href="/"]'))`)},
		{8, "goes back", in(`navigation.canGoBack && (history.back(), true)`)},
		{4, "goes forward", in(`navigation.canGoForward && (history.forward(), true)`)},
		{3, "reloads", tab.Reload},
		{14, "signs in or out", func() { m.session(tab, n) }},
		{8, "others write", func() { m.arrive(1 + n%4) }},
		{20, "faults", func() { m.fault(tab, n) }},
		{4, "goes to the end", func() { m.calm(); m.reach(tab) }},
		{10, "waits", in(`new Promise((done) => setTimeout(done, 2000))`)},
	}
	var urn []int
	for choice, one := range choices {
		urn = append(urn, slices.Repeat([]int{choice}, one.weight)...)
	}
	one := choices[urn[m.random.IntN(len(urn))]]
	m.note("-- step %d, %s: %s", i, tab.name, one.what)
	one.act()
}

// type_ puts a new text into a field: the composer's, or that of an edit.
func (m *model) type_(tab *modelTab, field string) {
	text := fmt.Sprintf("text %d, %s", len(m.texts)+1, tab.name)
	typed := run[*struct {
		Old, User string
		ID        int64
	}](m, tab, "types "+text, `model.type(%s, %s)`, field, browser.Quote(text))
	if typed == nil {
		return
	}
	if old := m.texts[typed.Old]; old != nil {
		old.over = true
	}
	m.texts[text] = &modelText{by: typed.User, post: typed.ID}
}

// end leaves the form of an edit: its text is saved, given up, or kept for the next "Edit".
func (m *model) end(tab *modelTab, n int) {
	how := []string{"Save", "Save", "Save", "Cancel", "Escape"}[n%5]
	ended := run[*struct {
		ID   int64
		Text string
	}](m, tab, how, `model.end(model.form(%d), %q)`, n, how)
	if ended == nil {
		return
	}
	for content, text := range m.texts {
		// Of what was saved before, only the end is known.
		if content == ended.Text && how == "Cancel" || content != ended.Text && text.post == ended.ID && how == "Save" {
			text.over = true
		}
	}
}

func (m *model) delete(tab *modelTab, n int) {
	id := run[int64](m, tab, "asks to delete", `model.ask(model.article(%d, 'Delete'))`, n)
	if id == 0 {
		return
	}
	m.posts[id].mayGo = true // before it happens
	for _, text := range m.texts {
		if text.post == id {
			text.over = true
		}
	}
	run[bool](m, tab, "deletes", `model.press(document.querySelector('dialog[open]'), 'Delete')`)
}

// session signs out, or in as one of the two.
func (m *model) session(tab *modelTab, n int) {
	run[string](m, tab, "session", `(async () => %v && Clerk.user ? Clerk.signOut().then(() => 'nobody') : %s)().catch((error) => 'refused: ' + error)`,
		n%3 == 0, signingIn([]string{"ada", "grace"}[n/3%2]))
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

// fault makes requests of a tab fail that are still to come.
func (m *model) fault(tab *modelTab, n int) {
	method, address := []string{"POST", "POST", "POST", "PATCH", "DELETE", "GET", "token", "old"}[n%8], reads
	outcome := []browser.Outcome{
		{Lose: true}, {Lose: true}, {Lose: true}, {Block: true}, {Delay: 200 * time.Millisecond}, problem(429, "1"), problem(503, "1"),
		problem(401, ""),
		{Status: 502, Header: map[string]string{"Content-Type": "text/html"}, Body: `<h1>Bad Gateway</h1>`},
	}[n/8%9]
	m.note("%s ends with %d, lost %v, blocked %v", method, outcome.Status, outcome.Lose, outcome.Block)
	switch method {
	case "token":
		browser.Eval[bool](tab.Tab, `(window.Clerk?.session?.clearCache(), true)`)
		method, address = "POST", tokens
	case "old": // a CDN's
		method, address, outcome = "GET", posts, answer(m.old)
	}
	tab.Intercept(address, on(method, 1+n/72%3, outcome))
}

// calm ends all faults, and keeps the feed as it is now, for later.
func (m *model) calm() {
	for _, tab := range m.tabs {
		tab.StopIntercepting()
	}
	m.old = browser.Eval[string](m.tabs[0].Tab, `fetch('/api/posts').then((answer) => answer.text())`)
}

// read takes over what is stored, and checks that nothing else can have come or gone.
func (m *model) read() {
	m.t.Helper()
	var stored []modelPost
	if err := m.s.db.Select(&stored, "SELECT id, user_id, content FROM posts ORDER BY created_at DESC, id DESC"); err != nil {
		m.t.Fatal(err)
	}
	m.order = nil
	seen := map[string]int64{}
	for _, row := range stored {
		m.order = append(m.order, row.ID)
		text := m.texts[row.Content]
		if text == nil {
			m.fatal("post %d says %q, which nobody wrote", row.ID, row.Content)
		}
		if text.by = cmp.Or(text.by, row.UserID); text.by != row.UserID {
			m.fatal("post %d of %s says %q, which %s wrote", row.ID, row.UserID, row.Content, text.by)
		}
		if twice := seen[row.Content]; twice != 0 {
			m.fatal("%q is stored twice, as posts %d and %d", row.Content, twice, row.ID)
		}
		seen[row.Content] = row.ID
		post := m.posts[row.ID]
		if post == nil {
			post = &modelPost{ID: row.ID, UserID: row.UserID}
			m.posts[row.ID] = post
		}
		if post.gone {
			m.fatal("post %d, %q, was deleted and is back", row.ID, row.Content)
		}
		post.Content, text.post, text.stored = row.Content, row.ID, true
	}
	for id, post := range m.posts {
		if post.gone = !slices.Contains(m.order, id); post.gone && !post.mayGo {
			m.fatal("post %d, %q, is gone, and nobody deleted it", id, post.Content)
		}
	}
}

// check checks what must be true at any time. Pages first: a text goes from them to
// the database, never back.
func (m *model) check() {
	m.t.Helper()
	wrong := ""
	for range 4 {
		var views []view
		for _, tab := range m.tabs {
			views = append(views, look(tab))
		}
		m.read()
		if wrong = m.wrong(views); wrong == "" {
			return
		}
		m.note("%s: %s", wrong, browser.Quote(views))
		time.Sleep(250 * time.Millisecond) // a page that was about to change
	}
	m.fatal("%s", wrong)
}

// wrong is what is wrong at any time; "" when nothing is.
func (m *model) wrong(views []view) string {
	kept := map[string]bool{} // texts that their author can still find
	for i, shows := range views {
		name := m.tabs[i].name
		for _, one := range shows.Found {
			known := m.texts[one.Text]
			if known == nil {
				continue
			}
			if known.by = cmp.Or(known.by, one.By); known.by != one.By {
				return fmt.Sprintf("%q, which %s wrote, is found by %s in %s", one.Text, known.by, cmp.Or(one.By, "nobody"), name)
			}
			kept[one.Text] = true
		}
		ids, texts := map[int64]bool{0: true}, map[string]bool{}
		for _, one := range shows.Posts {
			switch post := m.posts[one.ID]; {
			case one.Buttons > 0 && (one.ID == 0 || one.UserID != shows.User):
				return fmt.Sprintf("%s: %s has buttons on %q of %s", name, cmp.Or(shows.User, "nobody"), one.Text, one.UserID)
			case one.ID == 0: // on its way, and may be there twice for a moment
				continue
			case ids[one.ID] || texts[one.Text]:
				return fmt.Sprintf("%s: %q is shown twice", name, one.Text)
			case post == nil || post.UserID != one.UserID:
				return fmt.Sprintf("%s: %q is shown under another name, %s", name, one.Text, one.UserID)
			}
			ids[one.ID], texts[one.Text] = true, true
		}
	}
	for content, text := range m.texts {
		if text.by != others && !text.stored && !text.over && !kept[content] {
			return fmt.Sprintf("%q of %s, post %d, is lost", content, cmp.Or(text.by, "nobody"), text.post)
		}
	}
	return ""
}

// reach waits until a tab shows what is true: each post of its place comes by "new
// posts" and by scrolling, as it is stored, and one's own have their buttons.
func (m *model) reach(tab *modelTab) {
	m.t.Helper()
	tab.BringToFront()
	m.eventually(tab, func(shows view) string {
		var got, want []shownPost
		edited := map[int64]bool{}
		for _, one := range shows.Posts {
			edited[one.ID] = one.Edited
			if post := m.posts[one.ID]; post == nil || !post.gone || !one.Edited { // else its form stays
				got = append(got, one)
			}
		}
		for _, id := range m.order {
			post := m.posts[id]
			if slices.Contains([]string{"/", "/u/" + post.UserID, fmt.Sprint("/p/", id)}, shows.Path) {
				one := shownPost{ID: id, UserID: post.UserID, Text: post.Content, Edited: edited[id]}
				if post.UserID == shows.User && !one.Edited {
					one.Buttons = 2
				}
				want = append(want, one)
			}
		}
		if slices.Equal(got, want) {
			return ""
		}
		browser.Eval[bool](tab.Tab, `(model.press(model.place(), 'new post'), scrollTo(0, 1e6), model.press(model.place(), 'Older'))`)
		return fmt.Sprintf("%d posts can be reached, %v, of %d that are stored, %v", len(got), got, len(want), want)
	})
}

// publishAll checks that somebody finds each draft of theirs in the composer, and can
// publish it there.
func (m *model) publishAll(tab *modelTab, username string) {
	m.t.Helper()
	tab.Go(m.s.URL) // ClerkJS may not know what another tab did
	signIn(tab.Tab, username)
	m.eventually(tab, func(shows view) string {
		if draft := shows.Found[0].Text; draft != "" {
			run[string](m, tab, username+" publishes", `model.publish()`) // also after a warning that an earlier text was
			return fmt.Sprintf("%q cannot be published", draft)
		}
		if shows.Drafts > 0 {
			return fmt.Sprintf("%d drafts cannot be found", shows.Drafts)
		}
		return ""
	})
	m.check()
}

// eventually waits until nothing is wrong with what a tab shows. wrong says what is.
func (m *model) eventually(tab *modelTab, wrong func(view) string) {
	m.t.Helper()
	said := ""
	for begun := time.Now(); time.Since(begun) < 45*time.Second; time.Sleep(50 * time.Millisecond) {
		shows := look(tab)
		m.read()
		if said = wrong(shows); said == "" {
			return
		}
	}
	m.note("%s: %s", tab.name, browser.Quote(look(tab)))
	m.fatal("%s: %s", tab.name, said)
}

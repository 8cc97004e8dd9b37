// Package page tests Warble's page in a real Chromium, with the real ClerkJS, on
// MariaDB: its sources behind the server of `make run`, and what `vercel build`
// makes of them.
package page

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
	"warble/dev/testkit/browser"
	"warble/dev/testkit/faults"
	"warble/dev/testkit/mariadb"
)

const (
	ada   = fakeclerk.Ada
	grace = fakeclerk.Grace
)

// newest is the first post of the feed.
const newest = `[role="feed"] > article:first-of-type`

// site is a running Warble, and what the tests hold of it in their hands.
type site struct {
	URL     string        // its origin in the browser
	local   string        // its origin in this process
	db      *sqlx.DB      // behind its back
	proxy   *faults.Proxy // between it and its database
	browser *browser.Tab
}

// start starts Warble on a MariaDB of its own, and a browser.
func start(t *testing.T, environment map[string]string) *site {
	t.Helper()
	server := mariadb.Start(t)
	s := &site{db: testkit.Database(t, server.URL()), proxy: faults.New(t, server.URL())}
	environment["DATABASE_URL"] = s.proxy.URL()
	s.URL = testkit.Start(t, environment).URL
	s.local = s.URL
	s.browser = browser.Open(t)
	s.browser.Ready = modulesAreThere
	return s
}

// Before its modules come, the page shows texts that nobody can do anything with.
const modulesAreThere = `!document.querySelector('[data-place]') ||
	history.state?.warble && document.querySelector('main section[data-kind]') && !document.querySelector('article:not([aria-labelledby])')`

// The one table of what the page promises, but for what TestTheDeployedPage… checks. Each is checked with a tab and
// storage of its own, and with no posts at the beginning.
var promises = []struct {
	promise string // what would be broken, for whom
	check   func(t *testing.T, s *site)
}{
	{"posts come first, without Clerk and without a token; a Clerk that is slow or hangs is said to be", postsFirst},
	{"the page's first script reads, names and leaves out as its modules do", firstScriptAgrees},
	{"a Clerk that cannot be reached leaves reading and the draft alone", clerkDown},
	{"a token that never comes ends in words, and the text is sent later", tokenHangs},
	{"the feed says that the database is away, where a phone shows it, and comes back by itself", feedRecovers},
	{"without storage, reading works", withoutStorage},
	{"new posts wait behind a button, and what others change moves nothing", newPosts},
	{"anonymous reads can fill the CDN's cache", readsFillTheCache},
	{"every place has an address, a title, a way back and a way on; an address that leads nowhere says so", places},
	{"a reload and Back keep the reader's place, deep in the feed too", placeIsKept},
	{"links within the site lead where they say, with a hash too", hashLinks},
	{"places kept for Back have the buttons of who is signed in now", buttonsFollowSession},
	{"times are relative, exact, kept current, and in the reader's language", times},
	{"people without a picture or a profile get a drawn one, and can be told apart", pictures},
	{"links are links and everything else is text", links},
	{"a newcomer finds their own page and can write there; who leaves takes their posts along and removes them", ownPage},
	{"hostile text is shown as text, and nothing of it runs", hostile},

	{"the counter counts as the server does, and an error looks like one", counter},
	{"a post appears at once, and a double click or a lost answer is one post", optimistic},
	{"what is typed, even before the scripts come, survives a reload and a sign-in", draftSurvives},
	{"a CDN that answers from before does not lose one's own changes, nor bring back what was deleted elsewhere", ownChanges},
	{"two tabs keep a draft and an edit each, agree on who is signed in, and a closed one's texts are found", twoTabs},

	{"what is said to be published is the text that was sent", anotherTextCameBack},
	{"a text that waits for its turn or a token is never published by the next person", waitEndsWithSession},
	{"nobody finds the edit form or the delete dialog of the person before", formsEndWithSession},
	{"the text of an edit whose post was deleted elsewhere is shown to its author", editOfDeleted},
	{"a wait is told in people's words, and grows; a refused token is renewed once; what is done is said for a while", toldToWait},

	{"a first visitor reads what this is, and what is written before signing in is published by signing in", firstVisit},
	{"somebody who is signed in sees no \"Sign in\" while Clerk loads, and finds their posts by its menu", reloadSignedIn},
	{"what is sent offline is kept, and goes out when the browser is online again", publishingOffline},
	{"the skip link moves nothing, and leads past the composer", skipLink},
	{"the header stays, one can write from anywhere, and keys do nothing where they would disturb", keys},
	{"a post opens by a tap or Enter, links, buttons and selections in it do not open it, and its address can be shared", openByTap},
	{"a moderator can delete every post, or all of a person's, and edits nobody's", moderating},
	{"no post fills the screen or draws over its neighbours", tallPosts},

	{"editing is in place, and no key loses a text, also while one is composed", editing},
	{"what ends in another place than it began in touches what it is about alone", endsElsewhere},
	{"a mistake in a module is in the console", mistakesShow},
	{"an answer is to its own question, however soon the next one is asked", askedAgainAtOnce},
	{"a refused edit or deletion is taken back with a message, and a lost answer shows what is true", refused},

	{"nobody is kept out by a violation that axe-core knows", accessible},
	{"nothing scrolls sideways, and motion is reduced where asked", looks},
}

// Most of the time they wait for timers and for answers, so that run.sh lets four
// run at once: three of these, each on a site of its own, and one of the other tests.
func TestPage(t *testing.T) {
	t.Parallel()
	atOnce := flag.Lookup("test.parallel").Value.(flag.Getter).Get().(int)
	sites := make(chan *site, min(atOnce, 3))
	for range cap(sites) {
		sites <- start(t, map[string]string{"POST_INTERVAL": "0"})
	}
	for _, test := range promises {
		t.Run(test.promise, func(t *testing.T) {
			t.Parallel()
			s := <-sites
			t.Cleanup(func() { sites <- s }) // after all that follows
			s.db.MustExec("DELETE FROM posts")
			t.Cleanup(s.proxy.Resume)
			t.Cleanup(func() { s.proxy.Up() })
			test.check(t, s)
		})
	}
}

// visit opens a path in a tab of somebody who is new here. What is to be done before the
// page loads is prepared.
func (s *site) visit(t *testing.T, path string, prepare ...func(*browser.Tab)) *browser.Tab {
	t.Helper()
	tab := s.browser.NewContext(t)
	for _, do := range prepare {
		do(tab)
	}
	tab.Go(s.URL + path)
	return tab
}

// fast is for pages whose timers are waited for.
func fast(tab *browser.Tab) { tab.SpeedUpTimers(10) }

// as opens the feed in a tab of somebody who is signed in.
func (s *site) as(t *testing.T, username string, prepare ...func(*browser.Tab)) *browser.Tab {
	t.Helper()
	tab := s.visit(t, "/", prepare...)
	signIn(tab, username)
	return tab
}

// signingIn is an expression: who is signed in after a person has signed in where nobody was, through
// ClerkJS and without its modal. That takes seconds, and some of the tests do use it.
func signingIn(username string) string {
	return fmt.Sprintf(`(async () => {
		try {
			if (!Clerk.user) {
				const { createdSessionId } = await Clerk.client.signIn.create({ strategy: 'password', identifier: %q, password: %q });
				await Clerk.setActive({ session: createdSessionId });
			}
		} catch (error) {
			if (error.errors?.[0]?.code !== 'session_exists') throw error;
		}
		return Clerk.user?.username ?? '';
	})()`, username, fakeclerk.Password)
}

func signIn(tab *browser.Tab, username string) {
	for range 5 {
		tab.Wait(`window.Clerk?.loaded`)
		switch browser.Eval[string](tab, signingIn(username)) {
		case username:
			isSignedIn(tab)
			return
		case "":
			tab.Reload() // where timers run faster, ClerkJS gives up soon: it asks twice, or does not learn who is signed in
		default:
			signOut(tab)
		}
	}
	tab.Wait(fmt.Sprintf(`Clerk.user?.username === %q`, username))
}

func isSignedIn(tab *browser.Tab) {
	tab.Wait(`document.querySelector('header .cl-userButtonTrigger')`)
}

// answer is what the API answers in JSON.
func answer(body string) browser.Outcome {
	return browser.Outcome{Status: 200, Header: map[string]string{"Content-Type": "application/json"}, Body: body}
}

// problem is a refusal of the API's. Retry-After may be "".
func problem(status int, retryAfter string) browser.Outcome {
	outcome := browser.Outcome{Status: status, Header: map[string]string{"Content-Type": "application/problem+json"}, Body: `{"detail":"No."}`}
	if retryAfter != "" {
		outcome.Header["Retry-After"] = retryAfter
	}
	return outcome
}

// insert makes a post, so long ago, and returns its id.
func (s *site) insert(t *testing.T, userID, content string, ago time.Duration) int64 {
	t.Helper()
	return testkit.InsertPost(t, s.db, userID, content, time.Now().Add(-ago))
}

// contents are the stored posts' texts, newest first.
func (s *site) contents(t *testing.T) []string {
	t.Helper()
	contents := []string{}
	if err := s.db.Select(&contents, "SELECT content FROM posts ORDER BY created_at DESC, id DESC"); err != nil {
		t.Fatal(err)
	}
	return contents
}

// wantStored waits for the stored posts to be these, newest first.
func (s *site) wantStored(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(50 * time.Millisecond) {
		if got = s.contents(t); fmt.Sprintf("%q", got) == fmt.Sprintf("%q", want) {
			return
		}
	}
	t.Errorf("stored: %q; want %q", got, want)
}

// write puts a text into the composer.
func write(tab *browser.Tab, text string) {
	tab.Wait(`document.querySelector('form button.loud')?.disabled === false`) // its script has come
	tab.Fill("form textarea", text)
}

// publish publishes a text and waits until the server has it.
func publish(tab *browser.Tab, text string) {
	write(tab, text)
	tab.Press("form", "Publish")
	published(tab, text)
}

// published waits until the first post is a text that the server has, and the
// field is empty again.
func published(tab *browser.Tab, text string) {
	tab.Wait(textOf(newest) + ` === ` + browser.Quote(text))
	tab.Wait(`document.querySelector('` + newest + ` a[href^="/p/"]')`)
	tab.Wait(draft + ` === ''`)
}

// textOf is an expression: what a post says.
func textOf(article string) string {
	return `document.querySelector('` + article + ` p')?.textContent`
}

// draft is an expression: what the composer's field holds.
const draft = `document.querySelector('form textarea').value`

// shown is an expression: the texts of all posts, in order.
const shown = `[...document.querySelectorAll('article p[dir]')].map((p) => p.textContent)`

// wantShown waits for the posts to be these, in order.
func wantShown(tab *browser.Tab, want ...string) {
	tab.Wait(`JSON.stringify(` + shown + `) === JSON.stringify(` + browser.Quote(append([]string{}, want...)) + `)`)
}

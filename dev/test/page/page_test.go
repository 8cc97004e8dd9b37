// Package page tests Warble's page in a real Chromium, with the real ClerkJS, on
// MariaDB: its sources behind the server of `make run`, and what `vercel build`
// makes of them.
package page

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
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

// The one table of what the page promises. Each is checked with a tab and
// storage of its own, and with no posts at the beginning.
var promises = []struct {
	promise string // what would be broken, for whom
	check   func(t *testing.T, s *site)
}{
	{"the whole flow works by keyboard alone", byKeyboard},

	{"posts come first, without Clerk and without a token", postsFirst},
	{"what the first post needs is asked for at once, not file after file", askedAtOnce},
	{"the first posts can be read before the modules are there, which take them over in place", readEarly},
	{"the page's first script reads, names and leaves out as its modules do", firstScriptAgrees},
	{"a Clerk that cannot be reached leaves reading and the draft alone", clerkDown},
	{"a Clerk that hangs is said to, and is not loaded twice", clerkHangs},
	{"a token that never comes ends in words, and the text is sent later", tokenHangs},
	{"the feed says that the database is away, and comes back by itself", feedRecovers},
	{"without storage, reading works", withoutStorage},
	{"older posts come by scrolling and by the button, each once", olderPosts},
	{"new posts wait behind a button", newPosts},
	{"every post can be reached when many arrive while one publishes, or in a feed that began empty", manyArrive},
	{"every post can be reached however reading, publishing and arriving are mixed", interleavings},
	{"a page that cannot read does not hammer, and Retry-After is its least wait", readsSlowDown},
	{"a hidden page asks nothing, and one that comes back asks once", hiddenAsksNothing},
	{"what others delete or edit shows with the next look, in all that is shown", othersChanges},
	{"posts below one's own new ones can be reached, and what others change of those shows", ownAboveUnseen},
	{"one's own post that was deleted on another device does not come back", ownDeletedElsewhere},
	{"a feed that could not be loaded again goes on by itself", reloadGoesOn},
	{"an answer that is no page of posts does not end the feed", notAPageOfPosts},
	{"anonymous reads can fill the CDN's cache", readsFillTheCache},
	{"every place has an address, a title and a way back", places},
	{"a reload and Back keep the reader's place, deep in the feed too", placeIsKept},
	{"links within the site lead where they say, with a hash too", hashLinks},
	{"places kept for Back have the buttons of who is signed in now", buttonsFollowSession},
	{"an address that leads nowhere says so", nowhere},
	{"times are relative, exact, and kept current", times},
	{"people without a picture or a profile get a drawn one", pictures},
	{"links are links and everything else is text", links},
	{"a newcomer finds their own page and can write there", newcomer},
	{"the end of the feed and of a post's page lead on", onward},
	{"an outage is said where a phone shows it", outageOnPhone},
	{"somebody who leaves takes their posts along and removes them", leaving},
	{"a moderator removes all posts of a person, and can stop", clearing},
	{"hostile text is shown as text, and nothing of it runs", hostile},

	{"the counter counts as the server does", counter},
	{"a post appears at once, and one double click is one post", optimistic},
	{"one's own post stands below those that are newer", belowNewer},
	{"the draft survives a reload and a sign-in", draftSurvives},
	{"an answer that the network lost ends with one post", networkAnswerLost},
	{"a refused token is renewed once", tokenRenewed},
	{"a CDN that answers from before does not lose one's own changes", staleCDN},
	{"two tabs agree on who is signed in, on the draft and on the posts", twoTabs},

	{"what is said to be published is the text that was sent", anotherTextCameBack},
	{"a text that waits for its turn is never published by the next person", waitEndsWithSession},
	{"a text that waits for a token is never published by the next person", tokenOfAnother},
	{"nobody finds the edit form or the delete dialog of the person before", formsEndWithSession},
	{"what is typed before the page's scripts come is a draft", typedEarly},
	{"two tabs keep a draft and an edit each, and a closed tab's are found", textsOfTwoTabs},
	{"the text of an edit whose post was deleted elsewhere is shown to its author", editOfDeleted},
	{"a page that is told to wait again and again does not hammer", retriesSlowDown},
	{"a wait is told in people's words, and the text is kept", waitsInWords},

	{"a first visitor reads what this is, and what is written before signing in is published by signing in", firstVisit},
	{"somebody who is signed in sees no \"Sign in\" while Clerk loads", reloadSignedIn},
	{"what is sent offline is kept, and goes out when the browser is online again", publishingOffline},
	{"what is done is said for a while, and an error looks like one", saidForAWhile},
	{"the skip link moves nothing, and leads past the composer", skipLink},
	{"the header stays, one can write from anywhere, and keys do nothing where they would disturb", keys},
	{"a post opens by a tap or Enter, and links, buttons and selections in it do not open it", openByTap},
	{"a post's address can be shared or copied", sharing},
	{"a moderator can delete every post and edits nobody's", moderating},
	{"the account menu leads to one's own posts", yourPosts},
	{"no post fills the screen or draws over its neighbours", tallPosts},
	{"two people without a profile can be told apart", deletedPeople},
	{"dates are in the reader's language", otherLanguages},

	{"editing is in place, and Escape leaves", editing},
	{"no key loses a text, also while one is composed", composing},
	{"what ends in another place than it began in touches what it is about alone", endsElsewhere},
	{"a mistake in what signs people in is in the console", mistakesShow},
	{"an answer is to its own question, however soon the next one is asked", askedAgainAtOnce},
	{"a refused edit or deletion is taken back with a message", refused},
	{"a lost answer to an edit or a deletion shows what is true", lostChange},

	{"nobody is kept out by a violation that axe-core knows", accessible},
	{"nothing scrolls sideways, and motion is reduced where asked", looks},
}

// Most of the time they wait for timers and for answers, so that run.sh lets three
// run at once, each on a site of its own.
func TestPage(t *testing.T) {
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
			if _, err := s.db.Exec("DELETE FROM posts"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.proxy.Resume)
			t.Cleanup(func() { s.proxy.Up() })
			test.check(t, s)
		})
	}
}

// visit opens a path in a tab of somebody who is new here.
func (s *site) visit(t *testing.T, path string) *browser.Tab {
	t.Helper()
	tab := s.browser.NewContext(t)
	tab.Go(s.URL + path)
	return tab
}

// as opens the feed in a tab of somebody who is signed in.
func (s *site) as(t *testing.T, username string) *browser.Tab {
	t.Helper()
	tab := s.visit(t, "/")
	signIn(tab, username)
	return tab
}

// signIn signs in through ClerkJS, without its modal: that takes seconds, and
// some of the tests do use it.
func signIn(tab *browser.Tab, username string) {
	for range 5 {
		tab.Wait(`window.Clerk?.loaded`)
		is := browser.Eval[string](tab, fmt.Sprintf(`(async () => {
			try {
				if (!Clerk.user) {
					const { createdSessionId } = await Clerk.client.signIn.create({ strategy: 'password', identifier: %q, password: %q });
					await Clerk.setActive({ session: createdSessionId });
				}
			} catch (error) {
				if (error.errors?.[0]?.code !== 'session_exists') throw error;
			}
			return Clerk.user?.username ?? '';
		})()`, username, fakeclerk.Password))
		switch is {
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

func everyday(t *testing.T, s *site) {
	const first = "The most dangerous phrase in the language is: we have always done it this way."
	s.insert(t, grace, first, time.Hour)
	tab := s.visit(t, "/")
	tab.Text(first)
	tab.Screenshot("signed-out")

	tab.Press("header", "Sign in")
	tab.SignIn("ada", fakeclerk.Password)
	tab.Do("signed in", chromedp.WaitVisible(browser.UserButton))
	tab.Do("write", chromedp.SendKeys(chromedp.CSS("form textarea"), "hello from the test"))
	tab.Press("form", "Publish")
	published(tab, "hello from the test")
	tab.Text("Ada Lovelace")
	tab.Text("@ada")
	tab.Screenshot("published")

	tab.Press(newest, "Edit")
	tab.Do("change", chromedp.SendKeys(chromedp.CSS("article textarea"), ", changed"))
	tab.Press(newest, "Save")
	tab.Text("hello from the test, changed")
	tab.Text("edited")
	tab.Reload()
	tab.Text("hello from the test, changed")

	tab.Press(newest, "Delete")
	tab.Do("asked", chromedp.WaitVisible(chromedp.CSS("dialog[open]")))
	tab.Screenshot("delete")
	tab.Press("dialog[open]", "Delete")
	tab.NoText("hello from the test")
	s.wantStored(t, first) // a reload would cut off a deletion on its way
	tab.Reload()
	tab.Text(first)
	tab.NoText("hello from the test")
	tab.PressInUserMenu(browser.SignOut)
	tab.Press("header", "Sign in")
	tab.Do("signed out", chromedp.WaitVisible(browser.Identifier))
}

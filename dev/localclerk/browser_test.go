package localclerk

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// page loads ClerkJS in its proxy form, as Warble's own page does.
const page = `<!doctype html><html lang="en"><title>page</title><h1>page</h1><button id="in" onclick="Clerk.openSignIn()">in</button>
<button id="up" onclick="Clerk.openSignUp()">up</button><div id="user"></div>
<script crossorigin="anonymous" src="/__clerk/npm/@clerk/ui@1/dist/ui.browser.js"></script>
<script crossorigin="anonymous" data-clerk-publishable-key="PUBLISHABLE_KEY" data-clerk-proxy-url="/__clerk"
	src="/__clerk/npm/@clerk/clerk-js@6/dist/clerk.browser.js"></script>
<script type="module">
	await Clerk.load({ ui: { ClerkUI: window.__internal_ClerkUICtor }, telemetry: false });
	Clerk.addListener(({ user }) => {
		document.title = user ? 'signed in as ' + user.username : user === null ? 'signed out' : document.title;
		if (user) Clerk.mountUserButton(document.querySelector('#user'));
	});
</script>`

func TestRealClerkJSSignsInAndOutThroughItsOwnModal(t *testing.T) {
	mustFetch(t)
	c := mustStart(t, page)
	tab := newTab(t)
	const (
		identifier = chromedp.CSS(`input[name="identifier"]`)
		username   = chromedp.CSS(`input[name="username"]`)
		password   = chromedp.CSS(`input[name="password"]:not([tabindex="-1"])`)
		submit     = chromedp.CSS(".cl-formButtonPrimary")
		userButton = chromedp.CSS(".cl-userButtonTrigger")
	)

	tab.do("load", chromedp.Navigate(c.origin+"/"))
	tab.title("signed out")
	tab.do("open the modal", chromedp.Click(chromedp.ID("in")), chromedp.WaitVisible(identifier))
	tab.shot("modal")
	tab.do("unknown identifier", chromedp.SendKeys(identifier, "nobody"), chromedp.Click(submit))
	tab.text("Couldn't find your account.")
	tab.do("identifier", chromedp.DoubleClick(identifier), chromedp.KeyEvent("ada"), chromedp.Click(submit), chromedp.WaitVisible(password))
	tab.do("wrong password", chromedp.SendKeys(password, "wrong"), chromedp.Click(submit))
	tab.text("Password is incorrect.")
	tab.shot("password")
	tab.do("password", chromedp.DoubleClick(password), chromedp.KeyEvent(Password), chromedp.Click(submit))
	tab.title("signed in as ada")
	checkClaims(t, c, tab.eval(`Clerk.session.getToken()`), tab.eval(`Clerk.session.id`))

	tab.do("user button", chromedp.Click(userButton))
	tab.text("Ada Lovelace")
	tab.shot("user-button")
	tab.do("profile", chromedp.Click(chromedp.CSS(".cl-userButtonPopoverActionButton__manageAccount")))
	tab.text("Profile details")
	tab.shot("profile")
	tab.do("security", chromedp.Click(chromedp.CSS(".cl-navbarButton__security")))
	tab.text("This computer")
	tab.shot("security")
	tab.do("reload", chromedp.Reload())
	tab.title("signed in as ada")
	tab.do("sign out", chromedp.Click(userButton), chromedp.Click(chromedp.CSS(".cl-userButtonPopoverActionButton__signOut")))
	tab.title("signed out")

	tab.do("open the sign-up modal", chromedp.Click(chromedp.ID("up")), chromedp.WaitVisible(username))
	tab.shot("sign-up")
	tab.do("sign up", chromedp.SendKeys(chromedp.CSS(`input[name="firstName"]`), "Edsger"), chromedp.SendKeys(chromedp.CSS(`input[name="lastName"]`), "Dijkstra"),
		chromedp.SendKeys(username, "edsger"), chromedp.SendKeys(password, Password), chromedp.Click(submit))
	tab.title("signed in as edsger")
	tab.do("user button", chromedp.Click(userButton))
	tab.text("Edsger Dijkstra")
	tab.shot("signed-up")
}

// A tab fails its test when a step does not succeed in time.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// newTab starts a browser of its own, and fails the test on an exception in
// the page, a request that leaves loopback and an answer that we do not have.
func newTab(t *testing.T) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewExecAllocator(context.Background(),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.WindowSize(900, 800),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-blink-features", "AutomationControlled")) // or ClerkJS believes it is offline
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("exception in the page: %s %v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
		case *network.EventRequestWillBeSent:
			if u := e.Request.URL; strings.HasPrefix(u, "http") && !strings.HasPrefix(u, "http://127.0.0.1:") {
				t.Errorf("ClerkJS asked for %s", u)
			}
		case *network.EventResponseReceived:
			if e.Response.Status == 404 && strings.Contains(e.Response.URL, Prefix) {
				t.Errorf("ClerkJS got a 404 for %s", e.Response.URL)
			}
		}
	}))
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("stop chromium: %v", err)
		}
		cancel()
	})
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return &tab{t, ctx}
}

// patience is how long a step may take on a busy machine.
const patience = 30 * time.Second

func (tab *tab) do(step string, actions ...chromedp.Action[chromedp.Void]) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		tab.shot("failed")
		tab.t.Fatalf("%s: %v", step, err)
	}
}

// eval evaluates an expression, which may be a promise of a string.
func (tab *tab) eval(expression string) string {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		tab.t.Fatalf("%s: %v", expression, err)
	}
	return s
}

func (tab *tab) title(want string) { tab.t.Helper(); tab.wait("document.title", want) }
func (tab *tab) text(want string)  { tab.t.Helper(); tab.wait("document.body.innerText", want) }

// wait waits until an expression's value contains want, over page loads too.
func (tab *tab) wait(expression, want string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	var got string
	var err error
	for ctx.Err() == nil && !strings.Contains(got, want) {
		got, err = chromedp.Run(ctx, chromedp.Evaluate[string](expression))
		time.Sleep(50 * time.Millisecond)
	}
	if ctx.Err() != nil {
		tab.shot("failed")
		tab.t.Fatalf("%s = %q, %v; want %q", expression, got, err, want)
	}
}

// shot keeps a picture in the folder SCREENSHOTS, if that is set.
func (tab *tab) shot(name string) {
	tab.t.Helper()
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	time.Sleep(time.Second) // animations
	png, err := chromedp.Run(tab.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644)
	}
	if err != nil {
		tab.t.Errorf("screenshot: %v", err)
	}
}

package fakeclerk

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"warble/dev/testkit/browser"
)

// page loads ClerkJS in its proxy form, as Warble's own page does.
const page = `<!doctype html><html lang="en"><title>page</title><h1>page</h1><button id="in" onclick="Clerk.openSignIn()">in</button><div id="user"></div>
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

// png is a picture of one pixel.
const png = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82"

// manageAccount is the item of Clerk's menu that opens the profile.
const manageAccount = chromedp.CSS(".cl-userButtonPopoverActionButton__manageAccount")

func TestPeopleSignUpEditTheirProfileAndLeaveInTheRealClerkJS(t *testing.T) {
	if err := FetchScripts(t.Context(), "../../"+ScriptsFolder); err != nil {
		t.Fatal(err)
	}
	c := start(t, page)
	picture := filepath.Join(t.TempDir(), "picture.png")
	if err := os.WriteFile(picture, []byte(png), 0o600); err != nil {
		t.Fatal(err)
	}
	tab := browser.Open(t, chromedp.Flag("force-prefers-reduced-motion", true)) // a click can miss what moves
	tab.Go(c.origin + "/")
	tab.Wait(`document.title.includes("signed out")`)
	tab.Do("sign in as nobody", chromedp.Click(chromedp.ID("in")), chromedp.SendKeys(browser.Identifier, "edsger"), chromedp.Click(browser.Submit))
	tab.Text("Couldn't find your account.")
	const username = chromedp.CSS(`input[name="username"]`)
	tab.Do("sign up instead", chromedp.Click(chromedp.CSS(".cl-footerActionLink")), chromedp.WaitVisible(username))
	tab.Screenshot("sign-up")
	tab.Do("sign up", chromedp.SendKeys(chromedp.CSS(`input[name="firstName"]`), "Edsger"), chromedp.SendKeys(chromedp.CSS(`input[name="lastName"]`), "Dijkstra"),
		chromedp.SendKeys(username, "edsger"), chromedp.SendKeys(browser.Password, Password), chromedp.Click(browser.Submit))
	tab.Wait(`document.title.includes("signed in as edsger")`)
	tab.ModalClosed()
	drawn := browser.Eval[string](tab, `Clerk.user.imageUrl`)
	tab.PressInUserMenu(manageAccount)
	update := func() {
		t.Helper()
		tab.Wait(`!document.querySelector('input[name="firstName"]')`) // the form before closes slowly
		tab.Press(".cl-profileSection__profile", "Update profile")
	}
	update()
	tab.Fill(`input[name="firstName"]`, "Wybe")
	tab.Fill(`input[name="lastName"]`, "Dijkstra-Debets")
	tab.Do("save", chromedp.Click(browser.Submit))
	tab.Text("Wybe Dijkstra-Debets")
	update()
	tab.Do("upload a picture", chromedp.SetUploadFiles(chromedp.CSS(`input[type="file"]`), []string{picture}, chromedp.NodeReady))
	tab.Wait(`Clerk.user.imageUrl !== ` + browser.Quote(drawn))
	tab.Wait(`[...document.images].some(i => i.src === Clerk.user.imageUrl && i.naturalWidth === 1)`)
	tab.Screenshot("edited")
	update()
	tab.Do("remove the picture", chromedp.Click(chromedp.CSS(".cl-avatarImageActionsRemove")))
	tab.Wait(`Clerk.user.imageUrl === ` + browser.Quote(drawn))

	tab.Do("security", chromedp.Click(chromedp.CSS(".cl-navbarButton__security")))
	tab.Press(".cl-profileSection__danger", "Delete account")
	tab.Fill(`input[name="deleteConfirmation"]`, "Delete account")
	tab.Screenshot("delete-account")
	tab.Do("delete the account", chromedp.Click(browser.Submit))
	tab.Wait(`document.title.includes("signed out")`)
}

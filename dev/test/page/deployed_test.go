package page

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	localclerk "warble/dev/local/clerk"
	"warble/dev/testkit"
	"warble/dev/testkit/browser"
)

// TestTheFormThatADeployedPageHas has Warble at one host and Clerk at the one
// in the key, both over TLS, as browsers meet them.
func TestTheFormThatADeployedPageHas(t *testing.T) {
	const host = "warble.test"
	clerk := testkit.StartClerk(t, localclerk.Config{Origin: "https://" + host, Scripts: filepath.Join(testkit.Root(), "dev", localclerk.ScriptsFolder)})
	frontend := httptest.NewTLSServer(clerk)
	t.Cleanup(frontend.Close)
	p := testkit.Start(t, clerk.Environment("", nil)) // CLERK_AUTHORIZED_PARTIES is the page's origin
	to, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	routes := http.NewServeMux()
	routes.Handle("/", httputil.NewSingleHostReverseProxy(to))
	routes.Handle(localclerk.Prefix+"/img/", clerk) // the pictures are on no other host, which the policy would not allow
	front := httptest.NewTLSServer(routes)
	t.Cleanup(front.Close)

	tab := browser.Open(t, chromedp.IgnoreCertErrors, chromedp.Flag("host-resolver-rules",
		fmt.Sprintf("MAP %s:443 %s, MAP %s:443 %s", host, front.Listener.Addr(), localclerk.DefaultHost, frontend.Listener.Addr())))
	tab.Go("https://" + host)
	tab.Press("header", "Sign in")
	tab.SignIn("ada", localclerk.Password)
	isSignedIn(tab)
	publish(tab, "from a deployed page")
	tab.Text("Ada Lovelace")
	claims := browser.Eval[map[string]any](tab, `Clerk.session.getToken().then((token) => JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))))`)
	if claims["azp"] != "https://"+host || claims["iss"] != "https://"+localclerk.DefaultHost {
		t.Errorf("the page's token is of azp %v and iss %v", claims["azp"], claims["iss"])
	}
	if policy := browser.Eval[string](tab, `document.querySelector('meta[http-equiv="Content-Security-Policy"]').content`); !strings.Contains(policy, "script-src 'self' https://"+localclerk.DefaultHost+" ") {
		t.Errorf("the page narrows its policy to %s; want exactly this instance's host", policy)
	}
	if n := len(tab.Requests("GET", localclerk.Prefix+"/v1/")); n > 0 {
		t.Errorf("%d requests to a proxy that a deployed page has not", n)
	}
	tab.Reload()
	isSignedIn(tab)
	tab.Press(newest, "Delete")
}

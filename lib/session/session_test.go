package session

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/jwks"

	"warble/lib/handler"
	"warble/lib/problem"
)

const (
	host   = "clerk.example.com"
	origin = "https://warble.example.com"
)

var (
	ourKey   = newKey()
	otherKey = newKey()
)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

func publishableKey(host string) string {
	return "pk_test_" + base64.StdEncoding.EncodeToString([]byte(host+"$"))
}

// setEnvironment is a deployment's, with the instance's key in it.
func setEnvironment(t testing.TB) {
	for name, value := range map[string]string{
		"CLERK_PUBLISHABLE_KEY": publishableKey(host), "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY": "",
		"CLERK_PROXY_URL": "", "NEXT_PUBLIC_CLERK_PROXY_URL": "",
		"CLERK_SECRET_KEY": "", "CLERK_API_URL": "", "CLERK_JWT_KEY": publicPEM(t, &ourKey.PublicKey),
		"CLERK_AUTHORIZED_PARTIES": origin,
		"VERCEL_URL":               "", "VERCEL_BRANCH_URL": "", "VERCEL_PROJECT_PRODUCTION_URL": "",
	} {
		t.Setenv(name, value)
	}
}

func publicPEM(t testing.TB, key any) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// claims are those of a good token, with changes; nil takes a claim away.
func claims(changes map[string]any) map[string]any {
	now := time.Now().Unix()
	all := map[string]any{
		"azp": origin, "exp": now + 60, "iat": now, "nbf": now - 10, "iss": "https://" + host,
		"jti": rand.Text(), "sid": "sess_1", "sub": "user_1", "v": 2, "fva": []int{1, -1}, "sts": "active",
	}
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return all
}

func part(value any) string {
	text, _ := json.Marshal(value)
	return base64.RawURLEncoding.EncodeToString(text)
}

func sign(key *rsa.PrivateKey, kid string, claims map[string]any) string {
	signed := part(map[string]string{"alg": "RS256", "kid": kid, "typ": "JWT"}) + "." + part(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// userOf asks for the user of a request with the given Authorization headers.
func userOf(i *instance, authorization ...string) (string, error) {
	r := httptest.NewRequest("GET", "/api/posts", nil)
	r.Header["Authorization"] = authorization
	user, err := required(r, func() (*instance, error) { return i, nil })
	return user.ID, err
}

func statusOf(err error) int {
	if err == nil {
		return 0
	}
	return problem.From(err).Status
}

func TestOnlyTokensOfALiveSessionOfOursAreAccepted(t *testing.T) {
	setEnvironment(t)
	i, err := fromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	for _, test := range []struct {
		name   string
		change map[string]any
		ok     bool
	}{
		{"as Clerk makes it", nil, true},
		{"no azp", map[string]any{"azp": nil}, true},
		{"azp in another case", map[string]any{"azp": "HTTPS://Warble.example.com"}, true},
		{"no sts", map[string]any{"sts": nil}, true},
		{"no nbf, no iat", map[string]any{"nbf": nil, "iat": nil}, true},
		{"version 1", map[string]any{"v": nil}, true},
		{"expired within the leeway", map[string]any{"exp": now - 3}, true},
		{"early within the leeway", map[string]any{"nbf": now + 3, "iat": now + 3}, true},
		{"expired", map[string]any{"exp": now - 8}, false},
		{"early: nbf", map[string]any{"nbf": now + 8}, false},
		{"early: iat", map[string]any{"iat": now + 8}, false},
		{"no exp", map[string]any{"exp": nil}, false},
		{"exp as text", map[string]any{"exp": "tomorrow"}, false},
		{"no sid", map[string]any{"sid": nil}, false},
		{"empty sid", map[string]any{"sid": ""}, false},
		{"no sub", map[string]any{"sub": nil}, false},
		{"a machine's sub", map[string]any{"sub": "mch_1"}, false},
		{"sub with user_ inside", map[string]any{"sub": "x_user_1"}, false},
		{"sub with a space", map[string]any{"sub": "user_1 "}, false},
		{"sub longer than its column", map[string]any{"sub": "user_" + strings.Repeat("1", 60)}, false},
		{"pending", map[string]any{"sts": "pending"}, false},
		{"another instance", map[string]any{"iss": "https://clerk.example.org"}, false},
		{"a host that starts with ours", map[string]any{"iss": "https://" + host + ".evil.example"}, false},
		{"issuer in plain HTTP", map[string]any{"iss": "http://" + host}, false},
		{"issuer with a path", map[string]any{"iss": "https://" + host + "/"}, false},
		{"no issuer", map[string]any{"iss": nil}, false},
		{"another site's azp", map[string]any{"azp": "https://evil.example"}, false},
		{"our host in plain HTTP", map[string]any{"azp": "http://warble.example.com"}, false},
		{"azp with a path", map[string]any{"azp": origin + "/"}, false},
		{"azp null as text", map[string]any{"azp": "null"}, false},
	} {
		userID, err := userOf(i, "Bearer "+sign(ourKey, "ins_1", claims(test.change)))
		want := 401
		if test.ok {
			want = 0
		}
		if statusOf(err) != want || (userID == "user_1") != test.ok {
			t.Errorf("%s: user %q, status %d (%v); want accepted: %t", test.name, userID, statusOf(err), err, test.ok)
		}
	}
}

func TestForgedAndMangledTokensAreRefused(t *testing.T) {
	setEnvironment(t)
	i, err := fromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	good := sign(ourKey, "ins_1", claims(nil))
	parts := strings.Split(good, ".")
	none := part(map[string]string{"alg": "none", "typ": "JWT"}) + "." + parts[1] + "."
	// The old trick: our public key, which everybody has, as an HMAC secret.
	hs256 := part(map[string]string{"alg": "HS256", "typ": "JWT"}) + "." + parts[1]
	mac := hmac.New(sha256.New, []byte(publicPEM(t, &ourKey.PublicKey)))
	mac.Write([]byte(hs256))
	hs256 += "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	full, _ := json.Marshal(map[string]string{"protected": parts[0], "payload": parts[1], "signature": parts[2]})

	for name, authorization := range map[string][]string{
		"another key":          {"Bearer " + sign(otherKey, "ins_1", claims(nil))},
		"claims changed":       {"Bearer " + parts[0] + "." + part(claims(map[string]any{"sub": "user_2"})) + "." + parts[2]},
		"alg none":             {"Bearer " + none},
		"alg none, signature":  {"Bearer " + none + "AAAA"},
		"HMAC with public key": {"Bearer " + hs256},
		"no signature":         {"Bearer " + parts[0] + "." + parts[1] + "."},
		"two parts":            {"Bearer " + parts[0] + "." + parts[1]},
		"four parts":           {"Bearer " + good + ".AAAA"},
		"JSON form":            {"Bearer " + string(full)},
		"broken base64":        {"Bearer " + good[:len(good)-1] + "*"},
		"a line inside":        {"Bearer " + parts[0] + ".\n" + parts[1] + "." + parts[2]},
		"empty":                {""},
		"scheme only":          {"Bearer"},
		"scheme and space":     {"Bearer "},
		"null of JavaScript":   {"Bearer null"},
		"no scheme":            {good},
		"Basic":                {"Basic " + good},
		"two tokens":           {"Bearer " + good + " " + good},
		"two headers":          {"Bearer " + good, "Bearer " + good},
		"no header":            {},
		"secret key":           {"Bearer sk_test_abc"},
		"very long":            {"Bearer " + strings.Repeat("A", 1<<20) + ".A.A"},
	} {
		if userID, err := userOf(i, authorization...); userID != "" || statusOf(err) != 401 {
			t.Errorf("%s: user %q, status %d; want none, 401", name, userID, statusOf(err))
		}
	}
	for _, scheme := range []string{"Bearer", "bearer", "BEARER"} {
		if userID, err := userOf(i, scheme+" "+good); userID != "user_1" {
			t.Errorf("scheme %s: user %q, %v; want user_1", scheme, userID, err)
		}
	}
}

func TestOptionalSessionIsNoneOnlyWithoutTheHeader(t *testing.T) {
	if user, err := Optional(httptest.NewRequest("GET", "/", nil)); user != (User{}) || err != nil {
		t.Errorf("no header: %v, %v; want an anonymous reader", user, err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["Authorization"] = []string{""}
	if _, err := Optional(r); statusOf(err) != 401 {
		t.Errorf("empty header: %v; want a 401", err)
	}
}

func TestEveryOriginOfADeploymentIsOurs(t *testing.T) {
	setEnvironment(t)
	t.Setenv("VERCEL_URL", "warble-abc.vercel.app")
	t.Setenv("VERCEL_BRANCH_URL", "warble-git-main.vercel.app")
	t.Setenv("VERCEL_PROJECT_PRODUCTION_URL", "warble.example")
	t.Setenv("CLERK_AUTHORIZED_PARTIES", " http://localhost:3000/, ,https://Other.example ")
	i, err := fromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	for azp, ok := range map[string]bool{
		"https://warble-abc.vercel.app": true, "https://warble-git-main.vercel.app": true, "https://warble.example": true,
		"http://localhost:3000": true, "https://other.example": true,
		"http://warble.example": false, "https://localhost:3000": false, "https://vercel.app": false, "warble.example": false,
	} {
		if _, err := userOf(i, "Bearer "+sign(ourKey, "", claims(map[string]any{"azp": azp}))); (err == nil) != ok {
			t.Errorf("azp %s: %v; want accepted: %t", azp, err, ok)
		}
	}
}

// Clerk issues the sessions of an instance behind a proxy under the proxy's URL, and
// no others.
func TestPeopleWhoSignInThroughAProxyAreSignedIn(t *testing.T) {
	for _, test := range []struct{ variable, value string }{
		{"CLERK_PROXY_URL", "https://warble.example/__clerk"},
		{"CLERK_PROXY_URL", "https://warble.example/__clerk/"},
		{"NEXT_PUBLIC_CLERK_PROXY_URL", "https://warble.example/__clerk"},
	} {
		t.Run(test.variable+"="+test.value, func(t *testing.T) {
			setEnvironment(t)
			t.Setenv(test.variable, test.value)
			i, err := fromEnvironment()
			if err != nil {
				t.Fatal(err)
			}
			for issuer, want := range map[string]int{
				"https://warble.example/__clerk":  0,
				"https://" + host:                 401, // the Frontend API past the proxy
				"https://warble.example":          401,
				"https://warble.example/__clerk/": 401,
				"https://warble.example/__clerkx": 401,
				"https://evil.example/__clerk":    401,
			} {
				if _, err := userOf(i, "Bearer "+sign(ourKey, "ins_1", claims(map[string]any{"iss": issuer}))); statusOf(err) != want {
					t.Errorf("issued by %s: status %d; want %d", issuer, statusOf(err), want)
				}
			}
		})
	}
}

// requestTo is a request as Vercel hands it to a function.
func requestTo(origin, token string) *http.Request {
	scheme, host, _ := strings.Cut(origin, "://")
	r := httptest.NewRequest("GET", "/api/posts", nil)
	r.Host = host
	r.Header.Set("X-Forwarded-Proto", scheme)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func TestPeopleAreSignedInOnEveryAddressOfTheirSiteAndOnNoOther(t *testing.T) {
	setEnvironment(t)
	t.Setenv("CLERK_AUTHORIZED_PARTIES", "")
	t.Setenv("VERCEL_PROJECT_PRODUCTION_URL", "warble.example")
	i, err := fromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	ours := func() (*instance, error) { return i, nil }
	for _, test := range []struct {
		name, to, azp string
		ok            bool
	}{
		{"the apex", "https://warble.example", "https://warble.example", true},
		{"www", "https://www.warble.example", "https://www.warble.example", true},
		{"a second domain", "https://warble.example.org", "https://warble.example.org", true},
		{"an alias", "https://warble-team.vercel.app", "https://warble-team.vercel.app", true},
		{"a preview", "https://warble-git-x-team.vercel.app", "https://warble-git-x-team.vercel.app", true},
		{"localhost", "http://localhost:3000", "http://localhost:3000", true},
		{"a port", "https://warble.example:8443", "https://warble.example:8443", true},
		{"mixed case", "https://WWW.Warble.Example", "https://www.warble.EXAMPLE", true},
		{"a proxy in front", "https://warble-abc.vercel.app", "https://warble.example", true},
		{"no azp", "https://www.warble.example", "", true},
		{"another site of the instance", "https://www.warble.example", "https://shop.example", false},
		{"another port", "http://localhost:3000", "http://localhost:4000", false},
		{"another scheme", "https://www.warble.example", "http://www.warble.example", false},
		{"a subdomain", "https://www.warble.example", "https://evil.www.warble.example", false},
		{"no host", "https://", "https://shop.example", false},
	} {
		token := sign(ourKey, "", claims(map[string]any{"azp": test.azp}))
		for _, when := range []string{"first", "again"} {
			if user, err := required(requestTo(test.to, token), ours); (err == nil) != test.ok || (user.ID == "user_1") != test.ok || (!test.ok && statusOf(err) != 401) {
				t.Errorf("%s, %s: azp %q at %s: %v, %v; want accepted: %t", test.name, when, test.azp, test.to, user, err, test.ok)
			}
		}
	}

	// Vercel overwrites the header. Where something passes it on, it still decides nothing.
	forged := requestTo("https://www.warble.example", sign(ourKey, "", claims(map[string]any{"azp": "https://shop.example"})))
	forged.Header.Set("X-Forwarded-Host", "shop.example")
	if user, err := required(forged, ours); statusOf(err) != 401 {
		t.Errorf("a forged X-Forwarded-Host: %v, %v; want a 401", user, err)
	}
}

// vercel dev calls a function at an address of its own, and says in VERCEL_URL
// which one the page has.
func TestPeopleAreSignedInUnderVercelDev(t *testing.T) {
	setEnvironment(t)
	t.Setenv("CLERK_AUTHORIZED_PARTIES", "")
	for _, page := range []string{"localhost:3000", "127.0.0.1:3000"} {
		t.Setenv("VERCEL_URL", page)
		i, err := fromEnvironment()
		if err != nil {
			t.Fatal(err)
		}
		ours := func() (*instance, error) { return i, nil }
		for azp, ok := range map[string]bool{"http://" + page: true, "https://" + page: false, "http://localhost:4000": false} {
			token := sign(ourKey, "", claims(map[string]any{"azp": azp}))
			if _, err := required(requestTo("http://127.0.0.1:33923", token), ours); (err == nil) != ok {
				t.Errorf("page at %s, azp %q: %v; want accepted: %t", page, azp, err, ok)
			}
		}
	}
}

func TestATokenThatWasGoodAtOneAddressIsNotGoodAtAnother(t *testing.T) {
	setEnvironment(t)
	i, err := fromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	ours := func() (*instance, error) { return i, nil }
	token := sign(ourKey, "", claims(map[string]any{"azp": "https://a.example"}))
	for _, test := range []struct {
		to     string
		status int
	}{{"https://b.example", 401}, {"https://a.example", 0}, {"https://b.example", 401}, {"http://a.example", 401}, {"https://a.example", 0}} {
		if user, err := required(requestTo(test.to, token), ours); statusOf(err) != test.status || (user != User{}) != (test.status == 0) {
			t.Errorf("at %s: %v, %v; want status %d", test.to, user, err, test.status)
		}
	}
}

func TestKeyIsReadInEverySpellingThatShellsAndDashboardsLeave(t *testing.T) {
	setEnvironment(t)
	text := publicPEM(t, &ourKey.PublicKey)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	body := strings.Join(lines[1:len(lines)-1], "\n")
	for name, spelling := range map[string]string{
		"PEM": text, "literal \\n": strings.ReplaceAll(text, "\n", `\n`), "CRLF": strings.ReplaceAll(text, "\n", "\r\n"),
		"quoted": `"` + strings.ReplaceAll(text, "\n", `\n`) + `"`, "no header": body, "one line": strings.ReplaceAll(body, "\n", ""),
		"no header, literal \\n": strings.ReplaceAll(body, "\n", `\n`), "spaces": strings.ReplaceAll(text, "\n", " "),
	} {
		t.Setenv("CLERK_JWT_KEY", spelling)
		i, err := fromEnvironment()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if userID, err := userOf(i, "Bearer "+sign(ourKey, "", claims(nil))); userID != "user_1" {
			t.Errorf("%s: %v; want the token accepted", name, err)
		}
	}
}

// What is wrong with a variable is in package env's tests.
func TestWithoutTheInstancesKeyTheSecretKeyIsNeeded(t *testing.T) {
	setEnvironment(t)
	t.Setenv("CLERK_JWT_KEY", "")
	if _, err := fromEnvironment(); statusOf(err) != 500 || !strings.Contains(err.Error(), "CLERK_SECRET_KEY is missing") {
		t.Errorf("%v; want a 500 that names CLERK_SECRET_KEY", err)
	}
	t.Setenv("CLERK_SECRET_KEY", "sk_test_1")
	if _, err := fromEnvironment(); err != nil {
		t.Error(err)
	}
}

// clerkAPI is Clerk's JWKS endpoint, as far as faults need to be played.
type clerkAPI struct {
	*httptest.Server
	fetches atomic.Int64
	status  atomic.Int64
	keys    atomic.Pointer[map[string]*rsa.PrivateKey]
}

func startClerkAPI(t *testing.T) *clerkAPI {
	api := &clerkAPI{}
	api.status.Store(200)
	api.keys.Store(&map[string]*rsa.PrivateKey{"ins_1": ourKey})
	api.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		api.fetches.Add(1)
		if r.URL.Path != "/v1/jwks" || r.Header.Get("Authorization") != "Bearer sk_test_1" {
			t.Errorf("request for %s, with %s", r.URL, r.Header.Get("Authorization"))
		}
		type key map[string]string
		set := []key{{"kty": "EC", "kid": "ec", "crv": "P-256", "alg": "ES256",
			"x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}}
		for kid, private := range *api.keys.Load() {
			set = append(set, key{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
				"n": base64.RawURLEncoding.EncodeToString(private.N.Bytes()),
				"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(private.E)).Bytes())})
		}
		if status := int(api.status.Load()); status != 200 {
			w.WriteHeader(status)
			w.Write([]byte(`{"errors":[{"code":"played","message":"a fault"}]}`))
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"keys": set})
	}))
	t.Cleanup(api.Close)
	return api
}

// withKeySet is an instance that knows its key by api only, at a clock that
// the test sets.
func withKeySet(t *testing.T, api *clerkAPI) (*instance, *atomic.Int64) {
	setEnvironment(t)
	clock := &atomic.Int64{}
	clock.Store(time.Now().Unix())
	backend := clerk.NewBackend(&clerk.BackendConfig{Key: clerk.String("sk_test_1"), URL: clerk.String(api.URL + "/v1")})
	set := &keySet{client: &jwks.Client{Backend: backend}, now: func() time.Time { return time.Unix(clock.Load(), 0) }}
	i, err := fromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	i.key = set.keyOf
	return i, clock
}

func TestKeysAreFetchedOnceAndKept(t *testing.T) {
	api := startClerkAPI(t)
	i, clock := withKeySet(t, api)
	for range 3 {
		if userID, err := userOf(i, "Bearer "+sign(ourKey, "ins_1", claims(nil))); userID != "user_1" {
			t.Fatal(err)
		}
	}
	if n := api.fetches.Load(); n != 1 {
		t.Errorf("%d fetches for three sessions; want 1", n)
	}
	clock.Add(int64(keyLifetime / time.Second))
	userOf(i, "Bearer "+sign(ourKey, "ins_1", claims(nil)))
	if n := api.fetches.Load(); n != 1 {
		t.Errorf("%d fetches in the keys' lifetime; want 1", n)
	}
	clock.Add(1)
	userOf(i, "Bearer "+sign(ourKey, "ins_1", claims(nil)))
	if n := api.fetches.Load(); n != 2 {
		t.Errorf("%d fetches after the keys' lifetime; want 2", n)
	}
}

func TestUnknownKeysCannotMakeUsFetchWithoutLimit(t *testing.T) {
	api := startClerkAPI(t)
	i, clock := withKeySet(t, api)
	for n := range 1000 {
		if _, err := userOf(i, "Bearer "+part(map[string]string{"alg": "RS256", "kid": string(rune('a' + n%26))})+".e30.AAAA"); statusOf(err) != 401 {
			t.Fatalf("unknown key: %v; want a 401", err)
		}
	}
	if n := api.fetches.Load(); n != 1 {
		t.Errorf("%d fetches for 1000 unknown keys; want 1", n)
	}
	clock.Add(int64(fetchInterval / time.Second))
	userOf(i, "Bearer "+sign(otherKey, "other", claims(nil)))
	if n := api.fetches.Load(); n != 2 {
		t.Errorf("%d fetches, fetchInterval later; want 2", n)
	}
}

func TestRotatedKeysAreTakenAndWithdrawnOnesDropped(t *testing.T) {
	api := startClerkAPI(t)
	i, clock := withKeySet(t, api)
	before, after := "Bearer "+sign(ourKey, "ins_1", claims(nil)), "Bearer "+sign(otherKey, "ins_2", claims(nil))
	if _, err := userOf(i, before); err != nil {
		t.Fatal(err)
	}
	api.keys.Store(&map[string]*rsa.PrivateKey{"ins_2": otherKey})
	clock.Add(int64(fetchInterval / time.Second))
	if _, err := userOf(i, after); err != nil {
		t.Errorf("new key: %v; want it fetched", err)
	}
	again := "Bearer " + sign(ourKey, "ins_1", claims(nil)) // not the token that was good before
	if _, err := userOf(i, again); statusOf(err) != 401 {
		t.Errorf("withdrawn key: %v; want a 401", err)
	}
	if _, err := userOf(i, "Bearer "+sign(otherKey, "ec", claims(nil))); statusOf(err) != 401 {
		t.Errorf("kid of a key that is not RS256: %v; want a 401", err)
	}
}

func TestOutageOfClerkRefusesNobodyWhoseKeyIsKnown(t *testing.T) {
	if fetchTimeout <= 0 || fetchTimeout >= handler.Deadline {
		t.Errorf("a fetch may take %v; want it to leave some of a request's %v", fetchTimeout, handler.Deadline)
	}
	api := startClerkAPI(t)
	i, clock := withKeySet(t, api)
	token := func() string { return "Bearer " + sign(ourKey, "ins_1", claims(nil)) }

	api.status.Store(500)
	if _, err := userOf(i, token()); statusOf(err) != 503 || problem.From(err).RetryAfter == 0 {
		t.Errorf("no key known yet: %v; want a 503 with Retry-After", err)
	}
	if _, err := userOf(i, token()); statusOf(err) != 503 || api.fetches.Load() != 1 {
		t.Errorf("again at once: %v after %d fetches; want a 503 after 1", err, api.fetches.Load())
	}
	api.status.Store(200)
	clock.Add(int64(firstInterval / time.Second))
	if _, err := userOf(i, token()); err != nil {
		t.Errorf("Clerk is back: %v", err)
	}
	for _, fault := range []int64{401, 429, 500} {
		api.status.Store(fault)
		clock.Add(int64(keyLifetime/time.Second) + 1)
		if _, err := userOf(i, token()); err != nil {
			t.Errorf("Clerk answers %d, key known: %v; want it accepted", fault, err)
		}
	}
	if _, err := userOf(i, "Bearer "+sign(otherKey, "new", claims(nil))); statusOf(err) != 503 {
		t.Errorf("key that may be new: %v; want a 503", err)
	}
	api.status.Store(401)
	clock.Add(int64(fetchInterval / time.Second))
	if _, err := userOf(i, "Bearer "+sign(otherKey, "new", claims(nil))); statusOf(err) != 500 || !strings.Contains(problem.From(err).Detail, "CLERK_SECRET_KEY") {
		t.Errorf("Clerk refuses our secret key: %v; want a 500 that names CLERK_SECRET_KEY", err)
	}
}

func TestATokenIsGoodUntilItExpiresHoweverOftenItIsSent(t *testing.T) {
	setEnvironment(t)
	i, err := fromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	// Expired already, and good for what is left of the leeway.
	authorization := "Bearer " + sign(ourKey, "", claims(map[string]any{"exp": time.Now().Add(2*time.Second - leeway).Unix()}))
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		userID, err := userOf(i, authorization)
		if statusOf(err) == 401 {
			break
		}
		if userID != "user_1" || time.Since(begun) > time.Minute {
			t.Fatalf("user %q, %v after %v; want it good, and then not", userID, err, time.Since(begun))
		}
	}
	var cache tokenCache
	for n := range 3 * maxTokens { // and as many as there is room for are kept
		cache.add(string(rune(n+1)), session{})
		if want := n%maxTokens + 1; len(cache.tokens) != want {
			t.Fatalf("after %d tokens %d are kept; want %d", n+1, len(cache.tokens), want)
		}
	}
}

func FuzzTokenHeaderNeverLetsAnyoneIn(f *testing.F) {
	good := sign(ourKey, "ins_1", claims(nil))
	for _, seed := range []string{"", "Bearer", "Bearer " + good[:len(good)-8], "bearer a.b.c", "Bearer e30.e30.e30", "Bearer " + strings.Repeat(".", 9),
		"Bearer " + part(map[string]any{"alg": "RS256", "crit": []string{"x"}}) + "." + part(claims(nil)) + ".AAAA",
		"Bearer " + part(map[string]any{"alg": 5}) + ".e30.AAAA", `Bearer {"payload":"e30"}`} {
		f.Add(seed)
	}
	setEnvironment(f)
	i, err := fromEnvironment()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, authorization string) {
		if userID, err := userOf(i, authorization); userID != "" || statusOf(err) != 401 {
			t.Fatalf("Authorization %q: user %q, %v; want a 401", authorization, userID, err)
		}
	})
}

func TestOnlyARoleInPublicMetadataMakesAModerator(t *testing.T) {
	setEnvironment(t)
	i, err := fromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name      string
		change    map[string]any
		moderator bool
	}{
		{"no metadata", nil, false},
		{"moderator", map[string]any{"metadata": map[string]any{"role": "moderator"}}, true},
		{"admin", map[string]any{"metadata": map[string]any{"role": "admin", "team": "blue"}}, true},
		{"another role", map[string]any{"metadata": map[string]any{"role": "editor"}}, false},
		{"another case", map[string]any{"metadata": map[string]any{"role": "Moderator"}}, false},
		{"a list of roles", map[string]any{"metadata": map[string]any{"role": []string{"moderator"}}}, false},
		{"metadata that is a string", map[string]any{"metadata": "moderator"}, false},
		{"a role beside the metadata", map[string]any{"role": "moderator"}, false},
		{"an organization's role", map[string]any{"o": map[string]any{"rol": "admin"}}, false},
	} {
		r := httptest.NewRequest("DELETE", "/api/posts/1", nil)
		token := sign(ourKey, "ins_1", claims(test.change))
		r.Header.Set("Authorization", "Bearer "+token)
		for _, cached := range []bool{false, true} {
			user, err := required(r, func() (*instance, error) { return i, nil })
			if err != nil || user.Moderator != test.moderator {
				t.Errorf("%s (cached %t): moderator %t, %v; want %t", test.name, cached, user.Moderator, err, test.moderator)
			}
		}
	}
}

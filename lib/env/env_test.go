package env_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"warble/lib/clerkapi"
	"warble/lib/database"
	"warble/lib/env"
	"warble/lib/post"
	"warble/lib/problem"
	"warble/lib/session"
)

// A process reads its environment once. This binary is therefore also the program
// that reads it, and writes what is wrong, as the functions say it.
func TestMain(m *testing.M) {
	if os.Getenv("WARBLE_TEST_READS") == "" {
		os.Exit(m.Run())
	}
	request := httptest.NewRequest("GET", "/api/posts", nil)
	request.Header.Set("Authorization", "Bearer a.b.c")
	_, refused := session.Required(request)
	_, noSlot := post.SlotAt(time.Now())
	_, noBackend := clerkapi.Backend(time.Second)
	_, noDatabase := database.Config(env.Get("DATABASE_URL"))
	for _, err := range []error{refused, noDatabase, noBackend, noSlot} {
		if wrong, ok := errors.AsType[*problem.Misconfiguration](err); ok {
			fmt.Println(strings.TrimPrefix(wrong.Error(), problem.MisconfiguredPrefix))
			return
		}
	}
}

const (
	databaseURL    = "mysql://u:hunter2@db.example/warble?sslaccept=strict"
	dsn            = "u:hunter2@tcp(db.example:3307)/warble?tls=true"
	publishableKey = "pk_test_Y2xlcmsud2FyYmxlLnRlc3Qk"
	secretKey      = "sk_test_hunter2"
)

func pemOf(t *testing.T, key any) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// row is a value of a variable, and what is said of it: "" where it is good.
type row struct {
	name, value, wrong string
	functionsOnly      bool // what a shell cannot tell
}

// People paste values with what stands around them, and of other products. Each
// damage is named, the same by the build and by the functions, and no value shown.
func TestDamagedVariablesAreNamedAlikeByBuildAndFunctions(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwtKey := pemOf(t, &rsaKey.PublicKey)
	good := map[string][]string{
		"DATABASE_URL": {databaseURL, dsn, "MySQL://u@[::1]:3306/w#production", "mysql://u:p%40@h/w%7Cpr-1?ssl={\"rejectUnauthorized\":true}",
			"root@unix(/run/mysqld.sock)/warble", "u:p@ss/w?rd://x@tcp(db.example)/warble#production", "u@tcp/warble"},
		"CLERK_PUBLISHABLE_KEY":             {publishableKey, "pk_live_Y2xlcmsud2FyYmxlLnRlc3QuJA=="},
		"NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY": {publishableKey},
		"CLERK_SECRET_KEY":                  {secretKey, "sk_live_hunter2"},
		"CLERK_JWT_KEY":                     {jwtKey, strings.ReplaceAll(jwtKey, "\n", `\n`), strings.ReplaceAll(jwtKey, "\n", "")},
		"CLERK_PROXY_URL":                   {"https://warble.example/__clerk/"},
		"NEXT_PUBLIC_CLERK_PROXY_URL":       {"https://warble.example"},
		"CLERK_API_URL":                     {"https://api.clerk.com", "http://127.0.0.1:1/", "http://localhost:3000/__clerk"},
		"CLERK_AUTHORIZED_PARTIES":          {"https://a.example", " https://a.example/ ,, http://localhost:3000,capacitor://localhost "},
		"POST_INTERVAL":                     {"0", "3600"},
	}
	const marks = "has a quotation mark at one end only"
	var rows []row
	for name, values := range good {
		for i, value := range values {
			rows = append(rows, row{name, value, "", false})
			if i > 0 {
				continue
			}
			for _, form := range []string{"%s\n", "%s\r\n", "  %s\t", "\u00a0%s\u00a0", "\ufeff%s\u200b", `"%s"`, `'%s'`, " \"%s\"\n", "\"%s\n\"", "' %s '"} {
				rows = append(rows, row{name, fmt.Sprintf(form, value), "", false})
			}
			for form, wrong := range map[string]string{
				name + "=%s": "begins with " + name + "=", name + "=\"%s\"\n": "begins with " + name + "=", "export " + name + " = %s": "begins with " + name + "=",
				"CLERK_API_URL=%s": "begins with CLERK_API_URL=", `"%s`: marks, "%s'\n": marks,
			} {
				rows = append(rows, row{name, fmt.Sprintf(form, value), wrong, false})
			}
		}
		rows = append(rows, row{name, "[SENSITIVE]", "is [SENSITIVE], which vercel env pull writes in a secret's place", false})
	}
	const (
		escape  = "has a port that is no number, or a special character that is not percent-encoded"
		damaged = "is damaged: it has a character that no key has"
		refuses = "is malformed: the driver refuses its parameter "
	)
	for name, values := range map[string]map[string]string{
		"DATABASE_URL": {
			"": "is missing", " \n": "is missing", `""`: "is missing", "hunter2": "is malformed",
			"postgres://u:hunter2@h/w": "is a PostgreSQL address; Warble needs MySQL (Vitess)", "PostgreSQL://u:hunter2@h/w": "is a PostgreSQL address; Warble needs MySQL (Vitess)",
			"mysql2://u:hunter2@h/w": "begins with mysql2://, which Ruby reads: write mysql://", "jdbc:mysql://h/w?user=u&password=hunter2": "begins with jdbc:, which Java reads: leave that out",
			"mongodb+srv://u:hunter2@h/w": "is another product's address; Warble needs MySQL (Vitess)", "https://hunter2": "is another product's address; Warble needs MySQL (Vitess)",
			"mysql://u:hunter2@h:3306": "names no database", "mysql://u:hunter2@h/": "names no database", "mysql://u:hunter2@h/?sslaccept=strict": "names no database",
			"u:hunter2@tcp(h)/": "names no database", "u:hunter2@tcp(h)/?tls=true": "names no database",
			"mysql://": "names no host", "mysql:///w": "names no host", "mysql://u:hunter2@/w": "names no host", "mysql://u:hunter2@:3306/w": "names no host",
			"mysql://h/w": "names no user", "mysql://:hunter2@h/w": "names no user", ":hunter2@tcp(h)/w": "names no user", "tcp(h)/w": "names no user",
			"mysql://u:hunter2@h:port/w": escape, "mysql://u:hunter2%zz@h/w": escape, "mysql://u:hun/ter2@h/w": escape, "mysql://u:hun#ter2@h/w": escape, "mysql://u:hun?ter2@h/w": escape, "mysql://u:p@h/%": escape,
			"mysql://u:hunter2@h\n/w": "has white space in it", "mysql://u:hunter2@h/w ?x=1": "has white space in it",
			"u:hunter2@tcp(h/w": "is malformed", "u:hunter2@h/w": "is malformed",
			"u:hunter2@tcp(h)/w?ssl-ca=/etc/cert.pem": refuses + "ssl-ca", "u:hunter2@tcp(h)/w?tls=true&ssl-ca=/etc/cert.pem": refuses + "ssl-ca",
		},
		"CLERK_PUBLISHABLE_KEY": {
			"": "is missing", "'' ": "is missing", "hunter2": "does not start with pk_test_ or pk_live_", secretKey: "is a secret key (sk_…), which no page may have",
			"pk_test_hunter2!": damaged, "pk_test_Y2xl\ncms": damaged, "pk_test_Y2==xl": damaged, `pk_test_";alert(1)`: damaged, publishableKey + "AA\u200bBB": damaged,
			publishableKey[:len(publishableKey)-4]: "is damaged: there is no host of Clerk's in it", "pk_test_JA": "is damaged: there is no host of Clerk's in it",
			publishableKey + "A": "is damaged: there is no host of Clerk's in it", "pk_test_": "is damaged: there is no host of Clerk's in it",
			"pk_test_...": damaged,
		},
		"CLERK_SECRET_KEY": {
			"": "is missing", publishableKey: "is a publishable key (pk_…)", "hunter2": "does not start with sk_test_ or sk_live_", "sk_test_": "does not start with sk_test_ or sk_live_",
			"sk_test_hun\nter2": damaged, "sk_test_hunter2 x": damaged, "sk_test_...": damaged, "sk_live_hünter2": damaged,
		},
		"CLERK_JWT_KEY": {"hunter2": "is no RSA public key in PEM", publishableKey: "is no RSA public key in PEM", strings.ReplaceAll(jwtKey, "PUBLIC", "PRIVATE"): "is no RSA public key in PEM"},
		"CLERK_PROXY_URL": {"http://a.example": "is no https:// address", "a.example/__clerk": "is no https:// address", "/__clerk": "is no https:// address",
			"https://%zz": "is no https:// address"},
		"NEXT_PUBLIC_CLERK_PROXY_URL": {"//a.example": "is no https:// address"},
		"CLERK_API_URL":               {"api.clerk.com": "is no https:// address", "https://": "is no https:// address", "https://%zz": "is no https:// address", "https://api.clerk.com/v1/": "ends in /v1, which is added to it"},
		"CLERK_AUTHORIZED_PARTIES": {"a.example": "has an entry that is no origin", "https://a.example,https://b.example/path": "has an entry that is no origin", "https://%zz": "has an entry that is no origin",
			"https://a.example https://b.example": "has an entry that is no origin"},
		"POST_INTERVAL": {"-1": "is no whole number of seconds", "five": "is no whole number of seconds", "1.5": "is no whole number of seconds", "99999999999": "is no whole number of seconds", "5s": "is no whole number of seconds"},
	} {
		for value, wrong := range values {
			rows = append(rows, row{name, value, wrong, false})
		}
	}
	rows = append(rows,
		row{"CLERK_JWT_KEY", pemOf(t, &ecKey.PublicKey), "is no RSA public key in PEM", true},
		row{"DATABASE_URL", "u:hunter2@tcp(h)/w?parseTime=perhaps", refuses + "parseTime", true},
		row{"DATABASE_URL", "u:hunter2@tcp(h)/w?tls=true&strict=true", refuses + "strict", true})

	folder := t.TempDir()
	var wait sync.WaitGroup
	free := make(chan struct{}, 4)
	for i, row := range rows {
		wait.Add(1)
		free <- struct{}{}
		go func() {
			defer func() { <-free; wait.Done() }()
			environment := map[string]string{"DATABASE_URL": databaseURL, "CLERK_PUBLISHABLE_KEY": publishableKey, "CLERK_SECRET_KEY": secretKey, "CLERK_JWT_KEY": jwtKey, "PATH": os.Getenv("PATH"), "VERCEL": "1"}
			if rest, ok := strings.CutPrefix(row.name, "NEXT_PUBLIC_"); ok {
				delete(environment, rest)
			}
			environment[row.name] = row.value
			var variables []string
			for _, name := range slices.Sorted(maps.Keys(environment)) {
				variables = append(variables, name+"="+environment[name])
			}
			functions := exec.Command(os.Args[0])
			functions.Env = append(variables, "WARBLE_TEST_READS=1", "GORACE=atexit_sleep_ms=0", "GOCOVERDIR="+folder)
			said, err := functions.CombinedOutput()
			if err != nil {
				t.Errorf("%s=%q: %v\n%s", row.name, row.value, err, said)
			}
			want := row.name + " " + row.wrong + ": "
			if text := string(said); row.wrong == "" && text != "" || row.wrong != "" && !strings.HasPrefix(text, want) || strings.Contains(text, "hunter2") || strings.Count(text, "\n") > 1 {
				t.Errorf("%s=%q: functions say %q; want %q", row.name, row.value, text, want)
			}
			build := exec.Command("sh", "../page/build.sh", filepath.Join(folder, fmt.Sprint(i)))
			build.Env = variables
			built, err := build.CombinedOutput()
			wantBuilt := ""
			if len(said) > 0 {
				wantBuilt = "build.sh: " + strings.TrimSpace(string(said)) + ". In Vercel: Project Settings, Environment Variables, for this environment; then deploy again.\n"
			}
			if !row.functionsOnly && (string(built) != wantBuilt || (err != nil) != (row.wrong != "")) {
				t.Errorf("%s=%q: %v, the build says\n%s\nwant\n%s", row.name, row.value, err, built, wantBuilt)
			}
		}()
	}
	wait.Wait()
	t.Logf("%d values", len(rows))
}

// A mark that white space hides would let a preview write to production.
func TestNoPreviewIsBuiltWithProductionsDatabase(t *testing.T) {
	for _, form := range []string{"%s#production", "%s#production\n", "%s#production \t", "'%s#production'", "\"%s#production\"\n", "%s#Production", "%s#production/", "%s#production#production"} {
		for _, address := range []string{databaseURL, dsn} {
			value := fmt.Sprintf(form, address)
			t.Setenv("VERCEL_ENV", "preview")
			t.Setenv("DATABASE_URL", value)
			_, err := database.Config(env.Get("DATABASE_URL"))
			build := exec.Command("sh", "../page/build.sh", filepath.Join(t.TempDir(), "config.js"))
			build.Env = []string{"PATH=" + os.Getenv("PATH"), "VERCEL_ENV=preview", "CLERK_PUBLISHABLE_KEY=" + publishableKey, "CLERK_SECRET_KEY=" + secretKey, "DATABASE_URL=" + value}
			said, failure := build.CombinedOutput()
			if err == nil || failure == nil || !strings.Contains(string(said), "previews would write to production's database") || !strings.Contains(err.Error(), "previews would write") {
				t.Errorf("%q: functions say %v, the build %v %s; want both to refuse it", value, err, failure, said)
			}
			t.Setenv("VERCEL_ENV", "production")
			if _, err := database.Config(env.Get("DATABASE_URL")); strings.HasSuffix(env.Get("DATABASE_URL"), "e#production") && err != nil {
				t.Errorf("%q in production: %v", value, err)
			}
		}
	}
}

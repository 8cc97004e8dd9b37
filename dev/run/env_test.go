package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"warble/dev/testkit"
)

// Mistakes that everybody makes in .env.local are told at the start, in terms of
// that file; nobody is sent to a dashboard to deploy again.
func TestMistakesInEnvLocalAreNamed(t *testing.T) {
	example, err := os.ReadFile(filepath.Join(testkit.Root(), ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	const secret = "CLERK_SECRET_KEY=sk_test_hunter2\n"
	binary := testkit.Start(t, nil).Binary()
	for name, test := range map[string]struct{ text, want string }{
		"the example, unchanged":       {string(example), ".env.local has the values of .env.example for CLERK_PUBLISHABLE_KEY, CLERK_SECRET_KEY, DATABASE_URL"},
		"secrets that Vercel keeps":    {"DATABASE_URL=\"[SENSITIVE]\"\nCLERK_SECRET_KEY=\"[SENSITIVE]\"\n", ".env.local has [SENSITIVE] for CLERK_SECRET_KEY, DATABASE_URL"},
		"half of Clerk's keys":         {secret, "CLERK_SECRET_KEY is set in .env.local, CLERK_PUBLISHABLE_KEY is not"},
		"the other half":               {"NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY=pk_test_hunter2\n", "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY is set in .env.local, CLERK_SECRET_KEY is not"},
		"a damaged key":                {secret + "CLERK_PUBLISHABLE_KEY=pk_test_hunter2\n", "CLERK_PUBLISHABLE_KEY in .env.local is damaged"},
		"another database's address":   {"DATABASE_URL=postgres://warble:hunter2@h/w\n", "DATABASE_URL in .env.local is a PostgreSQL address; Warble needs MySQL (Vitess)"},
		"a name in the value":          {"DATABASE_URL=\"DATABASE_URL=mysql://warble:hunter2@h/w\"\n", "DATABASE_URL in .env.local begins with DATABASE_URL="},
		"two keys exchanged":           {"CLERK_SECRET_KEY=pk_test_hunter2\nCLERK_PUBLISHABLE_KEY=sk_test_hunter2\n", "CLERK_PUBLISHABLE_KEY in .env.local is a secret key"},
		"a line that is no assignment": {"hunter2\n", "read .env.local"},
	} {
		folder := t.TempDir()
		for file, text := range map[string]string{"vercel.json": "{}", ".env.example": string(example), ".env.local": test.text} {
			write(t, filepath.Join(folder, file), text)
		}
		// ClerkJS, for the case that gets so far.
		if err := os.MkdirAll(filepath.Join(folder, "dev/.cache"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(testkit.Root(), "dev/.cache/clerk-js"), filepath.Join(folder, "dev/.cache/clerk-js")); err != nil {
			t.Fatal(err)
		}
		command := exec.Command(binary)
		command.Dir = folder
		command.Env = []string{"PATH=" + os.Getenv("PATH"), "PORT=0"}
		output, err := command.CombinedOutput()
		said := string(output)
		if err == nil || !strings.Contains(said, test.want) || strings.Contains(said, "hunter2") || strings.Contains(said, "deploy again") || strings.Count(said, "\n") != 1 {
			t.Errorf("%s: %v\n%s\nwant one line with %q", name, err, said, test.want)
		}
	}
}

func TestADatabaseThatCannotBeReachedIsToldAtTheStart(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	p := testkit.Start(t, map[string]string{"DATABASE_URL": fmt.Sprintf("mysql://warble:hunter2@%s/warble", nobody.Addr())})
	if !strings.Contains(p.Log(), "It cannot be reached") || !strings.Contains(p.Log(), "Correct DATABASE_URL in the environment") || strings.Contains(p.Log(), "hunter2") {
		t.Errorf("the banner says\n%s", p.Log())
	}
}

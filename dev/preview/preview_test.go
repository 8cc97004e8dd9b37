// Package preview has the script that gives each pull request a database. It is
// tested here with the programs that it calls, against a stand-in for what these ask.
package preview

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"warble/dev/testkit"
)

const (
	commit    = "0123abc"
	gitBranch = "feature/one"

	everything = "branch password variable"
)

// deployed is what is there before the script runs: production, what others have, and
// Vercel's own deployments of the commit.
func deployed() cloud {
	c := cloud{clock: 1000, things: map[string]thing{
		branches + "main":      {"name": "main", "production": true, "ready": true},
		branches + "add-index": {"name": "add-index", "production": false, "ready": true},
		variables + "id1":      {"id": "id1", "key": "DATABASE_URL", "target": []any{"production"}},
		variables + "id2":      {"id": "id2", "key": "DATABASE_URL", "target": []any{"preview"}}, // all previews'
		variables + "id3":      {"id": "id3", "key": "DATABASE_URL", "target": []any{"preview"}, "gitBranch": "other"},
		variables + "id4":      {"id": "id4", "key": "CLERK_SECRET_KEY", "target": []any{"preview"}, "gitBranch": gitBranch},
		variables + "id5":      {"id": "id5", "key": "DATABASE_URL", "target": []any{"preview", "production"}, "gitBranch": gitBranch},
	}}
	for _, gitBranch := range []string{gitBranch, gitBranch, "other"} {
		c.deploy(gitBranch, commit)
	}
	return c
}

func same(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// branchOf is the PlanetScale branch for the previews of a git branch.
func branchOf(gitBranch string) string {
	slug := regexp.MustCompile("[^a-z0-9]+").ReplaceAllString(strings.ToLower(gitBranch), "-")
	slug = strings.Trim(slug[:min(24, len(slug))], "-")
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(gitBranch)))[:16]
	return "preview-" + strings.TrimPrefix(slug+"-"+hash, "-")
}

// kind says what a thing is for the previews of a git branch: their branch, password,
// variable or deployment of a commit, or the rest.
func kind(at string, is thing, gitBranch string) string {
	own := branches + branchOf(gitBranch)
	meta, _ := is["meta"].(thing)
	switch {
	case at == own:
		return "branch"
	case strings.HasPrefix(at, own) && (is["name"] == "push" || is["name"] == "preview"):
		return "password"
	case is["key"] == "DATABASE_URL" && is["gitBranch"] == gitBranch && same(is["target"], "[preview]"):
		return "variable"
	case meta["githubCommitRef"] == gitBranch:
		return fmt.Sprint("deployment of ", meta["githubCommitSha"])
	}
	return "rest"
}

func (c *cloud) of(gitBranch, which string) []thing {
	return c.list(func(at string, one thing) bool { return kind(at, one, gitBranch) == which })
}

// without is a cloud where people removed things of these kinds by hand.
func (c cloud) without(gitBranch, kinds string) cloud {
	c.things = maps.Clone(c.things)
	maps.DeleteFunc(c.things, func(at string, is thing) bool { return strings.Contains(kinds, kind(at, is, gitBranch)) })
	return c
}

// gojq is jq, but starts five times as fast.
var gojq, noGojq = exec.Command("go", "tool", "-n", "gojq").Output()

// run runs the script on a cloud, and returns what that became. The script is in an
// empty folder that must stay empty, and may neither print a secret nor have one
// among a program's arguments.
func run(t *testing.T, jq string, before cloud, args ...string) (after cloud, log string, ok bool) {
	t.Helper()
	home := t.TempDir()
	here, _ := filepath.Abs(".")
	var out bytes.Buffer
	cmd := exec.Command("sh", append([]string{here + "/preview.sh"}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = home+"/empty", &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // for a cloud that kills it
	cmd.Env = append(os.Environ(), "PATH="+here+"/testdata/programs:"+os.Getenv("PATH"), "JQ="+jq, "HOME="+home,
		"GITHUB_ACTIONS=true", "PLANETSCALE_ORG=acme", "PLANETSCALE_DATABASE=warble", "PLANETSCALE_SERVICE_TOKEN_ID=id",
		"PLANETSCALE_SERVICE_TOKEN="+secretMark+"1", "VERCEL_ORG_ID=team_1", "VERCEL_PROJECT_ID=prj_1", "VERCEL_TOKEN="+secretMark+"2")

	after = before
	after.things, after.calls = maps.Clone(before.things), nil
	after.killed = func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var one sync.Mutex // the script makes one call at a time; the race detector does not see that
	services := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one.Lock()
		defer one.Unlock()
		after.ServeHTTP(w, r)
	}))
	curlrc := fmt.Appendf(nil, "insecure\nnoproxy = *\nconnect-to = \"::%s\"\n", services.Listener.Addr())
	if err := errors.Join(noGojq, os.Mkdir(cmd.Dir, 0o700), os.WriteFile(home+"/.curlrc", curlrc, 0o600)); err != nil {
		t.Fatal(err)
	}
	one.Lock()
	err := cmd.Start()
	one.Unlock()
	err = errors.Join(err, cmd.Wait())
	services.Close()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	arguments, _ := os.ReadFile(home + "/arguments")
	for line := range strings.Lines(out.String() + string(arguments)) {
		if strings.Contains(line, secretMark) && !strings.HasPrefix(line, "::add-mask::") {
			t.Errorf("a secret is in the log, or an argument that every process can see: %s", line)
		}
	}
	if left, err := os.ReadDir(cmd.Dir); err != nil || len(left) > 0 {
		t.Errorf("the script left %v (%v); want nothing", left, err)
	}
	return after, out.String(), err == nil
}

// step runs the script, with whatever fault the cloud has, and holds it to what is
// promised of every run. It must do what it is for, unless a call fails or it has to
// refuse, with these words.
func step(t *testing.T, before cloud, refusal string, args ...string) (after cloud, log string) {
	t.Helper()
	after, log, ok := run(t, strings.TrimSpace(string(gojq)), before, args...)
	action, gitBranch := args[0], args[1]
	branch, passwords, variable := after.of(gitBranch, "branch"), after.of(gitBranch, "password"), after.of(gitBranch, "variable")
	if is, was := after.of(gitBranch, "rest"), before.of(gitBranch, "rest"); !same(is, was) {
		t.Errorf("the rest is %v; want production and what others have as it was, %v", is, was)
	}
	failed := "" // the call
	if after.fail > 0 && after.fail <= len(after.calls) {
		failed = after.calls[after.fail-1]
	}
	for _, p := range passwords {
		if p["name"] == "push" && (failed == "" || strings.Contains(failed, "make") && !after.kill) {
			t.Errorf("push's password is left")
		}
		if p["name"] == "preview" && len(variable) > 0 && variable[0]["value"] != url(p) {
			t.Errorf("the next run takes variable and password for a pair")
		}
	}
	switch left, deployed := len(branch)+len(variable), after.of(gitBranch, "deployment of "+args[2]); {
	case ok != (failed+refusal == "") || !strings.Contains(log, refusal):
		t.Errorf("it ends well: %v; call %q failed, and it has to refuse with %q", ok, failed, refusal)
	case failed != "" && !after.kill && !strings.Contains(log, "503") && !strings.Contains(log, "curl: (18)"),
		failed != "" && !after.kill && !strings.Contains(log, strings.Replace(failed, " ", " https://", 1)) && !strings.Contains(failed, "make"):
		t.Errorf("it does not say that %q failed, and why", failed)
	case action == "close" && ok && (left > 0 || !strings.Contains(log, "nothing is left")) && gitBranch != "main":
		t.Errorf("something is left, or it does not say that nothing is")
	case action == "close" && failed != "" && !after.kill && (left > 1 || strings.Count(log, "dashboard") < left):
		t.Errorf("neither variable nor branch is removed, or it does not say how to remove what is left")
	case action != "open" || !ok || gitBranch == "main":
	case left != 2 || len(branch) != 1 || branch[0]["schema"] != true || len(passwords) != 1 || passwords[0]["role"] != "readwriter":
		t.Errorf("want one branch with the schema, one password that reads and writes, and one variable")
	case len(deployed) > 0 && deployed[len(deployed)-1]["createdAt"].(int) < variable[0]["updatedAt"].(int):
		t.Errorf("want the commit deployed after the variable was set; deployed are %v", deployed)
	}
	if t.Failed() {
		t.Fatalf("%q, call %d of %d fails, late %v, killed %v. There are %v, %v, %v. It says: %s",
			args, after.fail, len(after.calls), after.late, after.kill, branch, passwords, variable, log)
	}
	after.fail = 0
	return after, log
}

func TestAPullRequestGetsItsDatabaseAndLosesIt(t *testing.T) {
	first, log := step(t, deployed(), "", "open", gitBranch, commit)
	// push's password is gone; it was hidden like the one that is there.
	if n := strings.Count(log, "::add-mask::p@"); n != 2 || strings.Count(log, "::add-mask::mysql://") != 2 {
		t.Errorf("the log is told to hide %d passwords; want two, and their addresses: %s", n, log)
	}
	// The next run, of this commit or another, finds it all, and a deployment that is right.
	first.things = maps.Clone(first.things)
	first.deploy(gitBranch, "4567def")
	for _, pushed := range []string{commit, "4567def"} {
		next, log := step(t, first, "", "open", gitBranch, pushed)
		if !same(next.things, first.things) || len(first.of(gitBranch, "deployment of "+commit)) != 3 {
			t.Errorf("there are %v; want all as before, and one deployment made again: %s", next.things, log)
		}
	}
	// Of several variables nobody knows which one counts. A commit may not be deployed yet.
	first.put(variables+"twice", first.of(gitBranch, "variable")[0])["id"] = "twice"
	step(t, first, "", "open", gitBranch, commit)
	step(t, deployed(), "", "open", gitBranch, "89abcde")
	step(t, deployed(), "the commit", "open", gitBranch, "")
	again, log, ok := run(t, "jq", deployed(), "open", gitBranch, commit)
	if !ok || !same(again.calls, first.calls) {
		t.Errorf("ok %v, calls %q; with the real jq want the same as with gojq: %s", ok, again.calls, log)
	}
}

// Each call fails once in each state that a run may find, in any order and for git
// branches of any name. The next run mends it.
func TestAnyStepMayFailAndNoDatabaseIsSharedOrLeft(t *testing.T) {
	random := rand.New(rand.NewPCG(testkit.Seed(t), 0))
	type try struct {
		action, removed string // removed by people or earlier runs
		late            bool
		fail            int
	}
	var tries []try
	open, _ := step(t, deployed(), "", "open", gitBranch, commit)
	for _, state := range []try{
		{"open", everything, true, 0}, {"open", "password", false, 0}, {"close", "", true, 0}, {"close", "", false, 0},
	} {
		whole, _ := step(t, open.without(gitBranch, state.removed), "", state.action, gitBranch, commit)
		for i, call := range whole.calls {
			state.fail = i + 1
			if !state.late || !strings.HasPrefix(call, "GET") { // a look that fails is the same early and late
				tries = append(tries, state)
			}
		}
	}
	random.Shuffle(len(tries), func(i, j int) { tries[i], tries[j] = tries[j], tries[i] })
	gitBranches := []string{
		gitBranch, "Feature/One", "$(touch${IFS}x)`touch x`;touch x;a&&touch x|touch x> x", `*"'"'"back\slash 100%s%n`,
		strings.Repeat("long/", 50), strings.Repeat("long/", 50) + "er", "A-b-", "ä", "ö",
	}
	c := deployed()
	for i, try := range tries {
		gitBranch, commit := gitBranches[i%len(gitBranches)], fmt.Sprint("commit", i)
		c.deploy(gitBranch, commit)
		if len(c.of(gitBranch, "branch")) == 0 && try.removed != everything {
			c, _ = step(t, c, "", "open", gitBranch, commit)
		}
		c = c.without(gitBranch, try.removed)
		c.fail, c.late, c.kill = try.fail, try.late, try.late && random.IntN(2) == 0
		c, _ = step(t, c, "", try.action, gitBranch, commit)
		c, _ = step(t, c, "", try.action, gitBranch, commit)
	}
	for _, gitBranch := range gitBranches {
		c, _ = step(t, c, "", "close", gitBranch, "")
	}
}

// Otherwise production, people's things, or what a token may not see count as a preview's.
func TestWhatIsNotOursIsLeftAlone(t *testing.T) {
	open, _ := step(t, deployed(), "", "open", gitBranch, commit)
	own := branches + branchOf(gitBranch)
	for name, test := range map[string]struct {
		change                            func(*cloud)
		removed, actions, branch, refusal string
	}{
		"production's git branch": {func(*cloud) {}, "", "open close", "main", ""},
		"a flag":                  {func(*cloud) {}, "", "open close", "-rf", "begins with a dash"},
		"no action":               {func(*cloud) {}, "", "reopen", gitBranch, "open or close"},
		"promoted to production":  {func(c *cloud) { c.put(own, thing{"production": true}) }, "variable", "open close", gitBranch, "a production branch"},
		"a token for no branch":   {func(c *cloud) { delete(c.things, branches+"main") }, everything, "open close", gitBranch, "/main: 404"},
		"no right to make one":    {func(c *cloud) { c.fail = 3 }, everything, "open", gitBranch, ""},
		"an old password stays":   {func(c *cloud) { c.fail = 7 }, "variable", "open", gitBranch, ""},
		"never ready":             {func(c *cloud) { c.put(own, thing{"ready": false, "stuck": true}) }, "", "open", gitBranch, "ten minutes"},
		"no password is shown":    {func(c *cloud) { c.put(own, thing{"mute": true}) }, "", "open", gitBranch, "shows no password"},
		"passwords of people": {func(c *cloud) { // a page before ours, with names like these
			for i := range 150 {
				c.put(fmt.Sprint(own, "/passwords/0", i), thing{"id": fmt.Sprint("0", i), "name": "Ada's preview and push"})
			}
		}, "", "open", gitBranch, ""},
	} {
		for action := range strings.FieldsSeq(test.actions) {
			t.Run(name+", "+action, func(t *testing.T) {
				t.Parallel()
				before := open.without(gitBranch, test.removed)
				test.change(&before)
				if after, log := step(t, before, test.refusal, action, test.branch, commit); !same(after.things, before.things) {
					t.Errorf("left %v; want all as it was, %v: %s", after.things, before.things, log)
				}
			})
		}
	}
}

// An action's tag can be moved to other code, which would get the tokens.
func TestActionsOfTheWorkflowsArePinned(t *testing.T) {
	uses, err := exec.Command("grep", "-r", "uses:", "../../.github/workflows").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(uses)) {
		if !regexp.MustCompile(`uses: [\w./-]+@[0-9a-f]{40} # v\d`).MatchString(line) {
			t.Errorf("%s; want a commit, and its version in a comment", strings.TrimSpace(line))
		}
	}
}

// Who can open a pull request could otherwise run code with the tokens of Vercel
// and PlanetScale, or share the database of another fork's branch.
func TestThePreviewWorkflowTakesOnlyTheSchemaOfAPullRequest(t *testing.T) {
	text, err := os.ReadFile("../../.github/workflows/preview.yml")
	preview, noScript := os.ReadFile("preview.sh")
	if err := errors.Join(err, noScript); err != nil {
		t.Fatal(err)
	}
	wanted := regexp.MustCompile(`[A-Z_]+:\?`).FindAllString(string(preview), -1) // the environment that it needs
	workflow := regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(string(text), "")
	for _, want := range append(wanted,
		"ref: ${{ github.event.pull_request.base.sha }}",
		"/contents/schema.sql?ref=$COMMIT\" >schema.sql",
		"persist-credentials: false",
		"name: preview-database",
		"group: preview-${{ github.event.pull_request.head.repo.full_name }}-${{ github.head_ref }}",
		"unset GH_TOKEN",
		`sh dev/preview/preview.sh "$ACTION" "$GIT_BRANCH" "$COMMIT"`,
	) {
		if !strings.Contains(workflow, strings.Replace(want, ":?", ": ${{ ", 1)) {
			t.Errorf("preview.yml has no %s", want)
		}
	}
	if strings.Contains(workflow, "pull_request_target") || strings.Count(workflow, "actions/checkout@") != 1 {
		t.Error("preview.yml checks out more than the base's code, or gives forks the secrets")
	}
	_, script, _ := strings.Cut(workflow, "run: |")
	for line := range strings.Lines(script) {
		if strings.Contains(line, "${{") && !regexp.MustCompile(`^ +(\w+|ref|if|group): `).MatchString(line) {
			t.Errorf("a value that others choose is in a script's text: %s", line)
		}
	}
}

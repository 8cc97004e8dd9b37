// Package preview has the script that gives each pull request a database. It is
// tested here against stand-ins for what it calls.
package preview

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const commit = "0123abc"

// production is there before the script runs, and must be there after it.
func production() cloud {
	return cloud{
		Clock:    1000,
		Branches: []dbBranch{{Name: "main", Production: true, Ready: true}, {Name: "add-index", Ready: true}},
		Variables: []variable{
			{ID: "id-0", Key: "DATABASE_URL", Value: "production's", Target: []string{"production"}},
			{ID: "id-1", Key: "DATABASE_URL", Value: "all previews'", Target: []string{"preview", "development"}},
			{ID: "id-2", Key: "DATABASE_URL", Value: "another branch's", Target: []string{"preview"}, GitBranch: "other"},
			{ID: "id-3", Key: "CLERK_SECRET_KEY", Value: "a key", Target: []string{"preview"}, GitBranch: "feature/one"},
		},
		Deployments: []deployment{{URL: "live.example", Target: "production", Meta: map[string]string{"githubCommitSha": commit, "githubCommitRef": "feature/one"}}},
	}
}

// deployed adds Vercel's own deployment of the commit, from before the script.
func deployed(c cloud, gitBranch string) cloud {
	c.Deployments = append(c.Deployments, deployment{URL: "first.example", CreatedAt: 900,
		Meta: map[string]string{"githubCommitSha": commit, "githubCommitRef": gitBranch}})
	return c
}

// run is the script with stand-ins for all it calls, on a cloud; it returns what
// that became. The script is in an empty folder that must stay empty, and may
// neither print a secret nor have one among a program's arguments.
func run(t *testing.T, c cloud, args ...string) (after cloud, log string, ok bool) {
	t.Helper()
	dir := t.TempDir()
	bin, empty, file := filepath.Join(dir, "bin"), filepath.Join(dir, "empty"), filepath.Join(dir, "cloud.json")
	for _, folder := range []string{bin, empty} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, program := range []string{"pscale", "vercel", "make", "sleep"} {
		var err error
		if program == "vercel" && c.RealVercel {
			err = os.WriteFile(filepath.Join(bin, program), []byte(realVercel(t, file)), 0o700)
		} else {
			err = os.Symlink(standInProgram, filepath.Join(bin, program))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c.Calls = nil
	if err := c.write(file); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("preview.sh")
	if err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command("sh", append([]string{script}, args...)...)
	cmd.Dir = empty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // for a cloud that kills it
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), cloudFile+"="+file, "HOME="+dir, "GITHUB_ACTIONS=true",
		"PLANETSCALE_ORG=acme", "PLANETSCALE_DATABASE=warble",
		"PLANETSCALE_SERVICE_TOKEN_ID=id", "PLANETSCALE_SERVICE_TOKEN="+secretMark+"-pscale",
		"VERCEL_TOKEN="+secretMark+"vercel", "VERCEL_ORG_ID=team_1", "VERCEL_PROJECT_ID=prj_1")
	out, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	log = string(out)

	after, readErr := read(file)
	if readErr != nil {
		t.Fatal(readErr)
	}
	for _, call := range after.Calls {
		if strings.Contains(call, secretMark) {
			t.Errorf("a secret is an argument, for every process to see: %s", call)
		}
	}
	for line := range strings.Lines(log) {
		if strings.Contains(line, secretMark) && !strings.HasPrefix(line, "::add-mask::") {
			t.Errorf("a secret is in the log: %s", line)
		}
	}
	if created, err := os.ReadDir(empty); err != nil || len(created) > 0 {
		t.Errorf("the script left %v (%v); want nothing", created, err)
	}
	return after, log, err == nil
}

// preview returns the PlanetScale branch that is not among production's.
func preview(t *testing.T, c cloud) dbBranch {
	t.Helper()
	if len(c.Branches) != 3 {
		t.Fatalf("branches are %+v; want one besides production's two", c.Branches)
	}
	return c.Branches[2]
}

// mustBeOpen fails the test unless the previews of the git branch, and they
// alone, have a database of their own.
func mustBeOpen(t *testing.T, c cloud, gitBranch string) {
	t.Helper()
	b := preview(t, c)
	if !regexp.MustCompile(`^preview-[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?$`).MatchString(b.Name) {
		t.Errorf("the branch is called %q; want lower case letters, digits and single dashes, not too many", b.Name)
	}
	if !b.Schema || len(b.Passwords) != 1 || b.Passwords[0].Role != "readwriter" || b.Passwords[0].Name != "preview" {
		t.Fatalf("the branch is %+v; want the schema in it and one password, which reads and writes", b)
	}
	want := production()
	set := c.Variables[len(c.Variables)-1]
	if len(c.Variables) != len(want.Variables)+1 || set.GitBranch != gitBranch || set.Value != b.Passwords[0].url() ||
		!slices.Equal(set.Target, []string{"preview"}) {
		t.Errorf("variables are %+v; want one more, of this git branch, with %s", c.Variables, b.Passwords[0].url())
	}
	mustKeepProduction(t, c)
	for _, d := range c.Deployments {
		if newer := slices.ContainsFunc(c.Deployments, func(e deployment) bool {
			return e.Target == "" && reflect.DeepEqual(e.Meta, d.Meta) && e.CreatedAt > set.UpdatedAt
		}); d.Target == "" && !newer {
			t.Errorf("deployments are %+v; want this git branch's made again after the variable was set, at %d", c.Deployments, set.UpdatedAt)
		}
	}
}

func mustBeClosed(t *testing.T, c cloud) {
	t.Helper()
	want := production()
	if !reflect.DeepEqual(c.Branches, want.Branches) || !reflect.DeepEqual(c.Variables, want.Variables) {
		t.Errorf("left are %+v, %+v; want what was there before", c.Branches, c.Variables)
	}
}

func mustKeepProduction(t *testing.T, c cloud) {
	t.Helper()
	want := production()
	if len(c.Branches) < 2 || !reflect.DeepEqual(c.Branches[:2], want.Branches) ||
		len(c.Variables) < 4 || !reflect.DeepEqual(c.Variables[:4], want.Variables) {
		t.Fatalf("branches are %+v, variables %+v; want those of production and others as they were", c.Branches, c.Variables)
	}
}

func TestAPullRequestGetsItsDatabaseAndLosesIt(t *testing.T) {
	const gitBranch = "feature/one"
	opened, log, ok := run(t, deployed(production(), gitBranch), "open", gitBranch, commit)
	if !ok {
		t.Fatalf("open failed: %s", log)
	}
	mustBeOpen(t, opened, gitBranch)
	if name := preview(t, opened).Name; !strings.HasPrefix(name, "preview-feature-one-") {
		t.Errorf("the branch is called %q; want it to begin with preview-feature-one-", name)
	}
	for _, b := range opened.Branches {
		for _, p := range b.Passwords {
			if !strings.Contains(log, "::add-mask::"+p.Plain+"\n") || !strings.Contains(log, "::add-mask::"+p.url()+"\n") {
				t.Errorf("the log is not told to hide %+v: %s", p, log)
			}
		}
	}

	// The next commit finds it all, and Vercel's own deployment of it is right.
	next := opened
	next.Deployments = append(next.Deployments, deployment{URL: "second.example", CreatedAt: next.Clock + 1,
		Meta: map[string]string{"githubCommitSha": "4567def", "githubCommitRef": gitBranch}})
	next.Clock += 2
	again, log, ok := run(t, next, "open", gitBranch, "4567def")
	if !ok || !reflect.DeepEqual(again.Variables, opened.Variables) || !reflect.DeepEqual(again.Deployments, next.Deployments) {
		t.Errorf("ok %v, variables %+v, deployments %+v; want the same as before: %s", ok, again.Variables, again.Deployments, log)
	}
	mustBeOpen(t, again, gitBranch)

	for range 2 {
		closed, log, ok := run(t, again, "close", gitBranch)
		if !ok {
			t.Fatalf("close failed: %s", log)
		}
		mustBeClosed(t, closed)
		again = closed
	}
}

func TestVercelsOwnProgramDoesWhatTheScriptAsks(t *testing.T) {
	const gitBranch = "feature/one & more"
	start := deployed(production(), gitBranch)
	start.RealVercel = true
	opened, log, ok := run(t, start, "open", gitBranch, commit)
	if !ok {
		t.Fatalf("open failed: %s", log)
	}
	mustBeOpen(t, opened, gitBranch)
	closed, log, ok := run(t, opened, "close", gitBranch)
	if !ok {
		t.Fatalf("close failed: %s", log)
	}
	mustBeClosed(t, closed)
	opened.Variables = nil // Vercel's API then answers an error
	refused, log, ok := run(t, opened, "close", gitBranch)
	if ok || !strings.Contains(log, "The stand-in has no project") || !strings.Contains(log, "Vercel's dashboard") || len(refused.Branches) > 2 {
		t.Errorf("ok %v, branches %+v; want the branch removed, Vercel's words and what may be left: %s", ok, refused.Branches, log)
	}
}

func TestAnyStepMayFailAndTheNextRunMendsIt(t *testing.T) {
	const gitBranch = "feature/one"
	start := deployed(production(), gitBranch)
	opened, log, ok := run(t, start, "open", gitBranch, commit)
	if !ok {
		t.Fatalf("open failed: %s", log)
	}
	closed, log, ok := run(t, opened, "close", gitBranch)
	if !ok {
		t.Fatalf("close failed: %s", log)
	}
	for _, test := range []struct {
		action string
		from   cloud
		calls  []string
	}{
		{"open", start, opened.Calls},
		{"close", opened, closed.Calls},
	} {
		for i, words := range test.calls {
			call := i + 1
			for _, late := range []bool{false, true} {
				if late && regexp.MustCompile(`^\S+ (\S+ )?(list|show) |--raw$`).MatchString(words) {
					continue // a look that fails is the same early and late
				}
				t.Run(fmt.Sprintf("%s, call %d, late %v", test.action, call, late), func(t *testing.T) {
					t.Parallel()
					broken := test.from
					broken.Fail, broken.Late = call, late
					failed, log, ok := run(t, broken, test.action, gitBranch, commit)
					if ok || len(failed.Calls) < call {
						t.Fatalf("ok %v after %q; want a failure at call %d: %s", ok, failed.Calls, call, log)
					}
					mustKeepProduction(t, failed)
					failed.Fail = 0
					mended, log, ok := run(t, failed, test.action, gitBranch, commit)
					if !ok {
						t.Fatalf("after %q failed, the next run does too: %s", words, log)
					}
					if test.action == "close" {
						mustBeClosed(t, mended)
						return
					}
					mustBeOpen(t, mended, gitBranch)
					if late { // closing is what ends a half-made one, too
						closed, log, ok := run(t, failed, "close", gitBranch)
						if !ok {
							t.Errorf("close after %q failed: %s", words, log)
						}
						mustBeClosed(t, closed)
					}
				})
			}
		}
	}
}

// what is in the cloud for the previews of a git branch and their newest commit,
// besides what was there before.
func only(c cloud, gitBranch, commit string) cloud {
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(gitBranch)))[:16]
	c.Branches = slices.DeleteFunc(slices.Clone(c.Branches), func(b dbBranch) bool {
		return strings.HasPrefix(b.Name, "preview-") && !strings.HasSuffix(b.Name, "-"+hash)
	})
	c.Variables = slices.DeleteFunc(slices.Clone(c.Variables), func(v variable) bool {
		return strings.HasPrefix(v.ID, "env") && v.GitBranch != gitBranch
	})
	c.Deployments = slices.DeleteFunc(slices.Clone(c.Deployments), func(d deployment) bool {
		return d.Target == "" && (d.Meta["githubCommitRef"] != gitBranch || d.Meta["githubCommitSha"] != commit)
	})
	return c
}

func TestWhateverComesInWhateverOrderNoDatabaseIsSharedOrLeft(t *testing.T) {
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv("WARBLE_SEED"), strconv.FormatUint(rand.Uint64(), 10)), 10, 64)
	if err != nil {
		t.Fatalf("WARBLE_SEED: %v", err)
	}
	fmt.Printf("preview: WARBLE_SEED=%d\n", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	gitBranches := []string{"feature/one", "Feature/One", "fix"}
	commits := map[string]string{}
	c := production()
	var steps []string
	defer func() {
		if t.Failed() {
			t.Logf("WARBLE_SEED=%d: %s", seed, strings.Join(steps, "; "))
		}
	}()

	step := func(action, gitBranch string, fail int) {
		c.Fail, c.Late, c.Kill = fail, random.IntN(2) == 0, random.IntN(3) == 0
		steps = append(steps, fmt.Sprintf("%s %s, failure at call %d, late %v, killed %v", action, gitBranch, fail, c.Late, c.Kill))
		after, log, ok := run(t, c, action, gitBranch, commits[gitBranch])
		mustKeepProduction(t, after)
		for _, other := range gitBranches {
			if was, is := only(c, other, commits[other]), only(after, other, commits[other]); other != gitBranch &&
				(!reflect.DeepEqual(was.Branches, is.Branches) || !reflect.DeepEqual(was.Variables, is.Variables)) {
				t.Fatalf("%s %s changed what %s has: %+v; want %+v", action, gitBranch, other, is, was)
			}
		}
		is := only(after, gitBranch, commits[gitBranch])
		branch, variable := len(is.Branches) > 2, len(is.Variables) > 4
		switch {
		case ok && action == "open":
			mustBeOpen(t, is, gitBranch)
		case ok != strings.Contains(log, "nothing is left") && action == "close":
			t.Errorf("close ended with %v and says: %s", ok, log)
		case ok && (branch || variable):
			t.Errorf("close says that nothing is left; left are %+v, %+v", is.Branches, is.Variables)
		case action == "close" && !ok && !c.Kill && (variable && !strings.Contains(log, "Vercel's dashboard") || branch && !strings.Contains(log, "pscale branch delete")):
			t.Errorf("close does not say how to remove what is left, variable %v, branch %v: %s", variable, branch, log)
		case fail == 0 && !ok:
			t.Errorf("%s fails, and nothing is broken: %s", action, log)
		}
		c = after
	}
	for i := range 30 {
		gitBranch := gitBranches[random.IntN(len(gitBranches))]
		fail := random.IntN(2) * (1 + random.IntN(20)) // where there is such a call
		switch random.IntN(7) {
		case 0, 1, 2: // a new commit, which Vercel deploys before the workflow runs
			commits[gitBranch] = fmt.Sprint("commit", i)
			c.Clock++
			c.Deployments = append(c.Deployments, deployment{URL: fmt.Sprintf("commit-%d.example", i), CreatedAt: c.Clock,
				Meta: map[string]string{"githubCommitSha": commits[gitBranch], "githubCommitRef": gitBranch}})
			step("open", gitBranch, fail)
		case 3, 4: // somebody removes something by hand
			if len(c.Branches) == 2 {
				break
			}
			i, what := 2+random.IntN(len(c.Branches)-2), random.IntN(3)
			steps = append(steps, fmt.Sprintf("by hand: %s, %d", c.Branches[i].Name, what))
			switch {
			case what == 0:
				c.Branches = slices.Delete(slices.Clone(c.Branches), i, i+1)
			case what == 1:
				c.Branches[i].Passwords = nil
			case len(c.Variables) > 4:
				c.Variables = c.Variables[:len(c.Variables)-1]
			}
		default:
			step("close", gitBranch, fail)
		}
	}
	for _, gitBranch := range gitBranches {
		step("close", gitBranch, 0)
	}
	mustBeClosed(t, c)
}

func TestHostileNamesAreOnlyNames(t *testing.T) {
	for _, gitBranch := range []string{
		"$(touch${IFS}x)", "`touch x`", ";touch x;", "a&&touch x", "|touch x", "> x", "*", `"'"'"`, `back\slash`, "100%s%n",
		"naïve/ブランチ", "-rf", "--prod", "MAIN", "refs/heads/main", "main-", strings.Repeat("long/", 50),
	} {
		t.Run(gitBranch, func(t *testing.T) {
			t.Parallel()
			opened, log, ok := run(t, deployed(production(), gitBranch), "open", gitBranch, commit)
			if strings.HasPrefix(gitBranch, "-") {
				if ok || len(opened.Calls) > 0 {
					t.Errorf("ok %v after %q; want it refused at once", ok, opened.Calls)
				}
				return
			}
			if !ok {
				t.Fatalf("open failed: %s", log)
			}
			mustBeOpen(t, opened, gitBranch)
			closed, log, ok := run(t, opened, "close", gitBranch)
			if !ok {
				t.Fatalf("close failed: %s", log)
			}
			mustBeClosed(t, closed)
		})
	}
}

func TestProductionsBranchIsNeverTouched(t *testing.T) {
	for _, action := range []string{"open", "close"} {
		after, log, ok := run(t, production(), action, "main", commit)
		if !ok || len(after.Calls) > 0 || !strings.Contains(log, "production's branch") {
			t.Errorf("%s main: ok %v after %q, log %s; want no call, and why", action, ok, after.Calls, log)
		}
	}
	// A preview's branch that somebody promoted is production from then on.
	opened, _, _ := run(t, production(), "open", "feature/one", commit)
	opened.Branches[2].Production = true
	for _, action := range []string{"open", "close"} {
		after, log, ok := run(t, opened, action, "feature/one", commit)
		if ok || !reflect.DeepEqual(after.Branches, opened.Branches) || !strings.Contains(log, "production branch") {
			t.Errorf("%s: ok %v after %q; want the branch left alone: %s", action, ok, after.Calls, log)
		}
	}
}

func TestTwoGitBranchesNeverShareADatabase(t *testing.T) {
	names := map[string]string{}
	for _, gitBranch := range []string{"a/b", "a-b", "a_b", "A-B", "a--b", "a-b-", "ä", "ö", strings.Repeat("x", 30), strings.Repeat("x", 31)} {
		opened, log, ok := run(t, production(), "open", gitBranch, commit)
		if !ok {
			t.Fatalf("open %s failed: %s", gitBranch, log)
		}
		name := preview(t, opened).Name
		if other, taken := names[name]; taken {
			t.Errorf("%s and %s share %s", gitBranch, other, name)
		}
		names[name] = gitBranch
	}
}

func TestClosingWhatNeverWasSucceeds(t *testing.T) {
	closed, log, ok := run(t, production(), "close", "feature/one")
	if !ok {
		t.Errorf("close failed: %s", log)
	}
	mustBeClosed(t, closed)
}

func TestAVariableThatWasDeletedByHandIsMadeAgain(t *testing.T) {
	const gitBranch = "feature/one"
	opened, _, _ := run(t, deployed(production(), gitBranch), "open", gitBranch, commit)
	for name, damage := range map[string]func(*cloud){
		"variable": func(c *cloud) { c.Variables = c.Variables[:4] },
		"password": func(c *cloud) { c.Branches[2].Passwords = nil },
		"branch":   func(c *cloud) { c.Branches = c.Branches[:2] },
	} {
		t.Run(name, func(t *testing.T) {
			content, err := json.Marshal(opened)
			if err != nil {
				t.Fatal(err)
			}
			var damaged cloud
			if err := json.Unmarshal(content, &damaged); err != nil {
				t.Fatal(err)
			}
			damage(&damaged)
			mended, log, ok := run(t, damaged, "open", gitBranch, commit)
			if !ok {
				t.Fatalf("open failed: %s", log)
			}
			mustBeOpen(t, mended, gitBranch)
		})
	}
}

func TestATokenThatCannotSeeBranchesIsNotTakenForNothingLeft(t *testing.T) {
	opened, _, _ := run(t, production(), "open", "feature/one", commit)
	opened.Blind = true
	for _, action := range []string{"open", "close"} {
		after, log, ok := run(t, opened, action, "feature/one", commit)
		if ok || !reflect.DeepEqual(after.Branches, opened.Branches) || strings.Contains(log, "nothing is left") || !strings.Contains(log, "read_branch") {
			t.Errorf("%s: ok %v, branches %+v; want them left alone, and pscale's words: %s", action, ok, after.Branches, log)
		}
	}
}

func TestPasswordsThatPeopleMadeAreNotInTheWay(t *testing.T) {
	opened, _, _ := run(t, deployed(production(), "feature/one"), "open", "feature/one", commit)
	ours := opened.Branches[2].Passwords
	theirs := []password{{ID: "theirs", Name: "preview of Ada's"}}
	for i := range 100 { // with which theirs and ours are more than a page
		theirs = append(theirs, password{ID: fmt.Sprint("theirs", i), Name: fmt.Sprint("laptop ", i)})
	}
	opened.Branches[2].Passwords = slices.Concat(theirs, ours)
	again, log, ok := run(t, opened, "open", "feature/one", commit)
	if !ok || !reflect.DeepEqual(again.Branches, opened.Branches) || !reflect.DeepEqual(again.Variables, opened.Variables) {
		t.Errorf("ok %v, passwords %+v; want them as they were: %s", ok, again.Branches[2].Passwords, log)
	}
}

func TestAVariableOfAllPreviewsIsNotRemovedByMistake(t *testing.T) {
	opened, _, _ := run(t, production(), "open", "feature/one", commit)
	shared := variable{ID: "shared", Key: "DATABASE_URL", Value: "staging's", Target: []string{"preview", "production"}, GitBranch: "feature/one"}
	opened.Variables = append(opened.Variables, shared)
	closed, log, ok := run(t, opened, "close", "feature/one")
	if want := append(production().Variables, shared); !ok || !reflect.DeepEqual(closed.Variables, want) {
		t.Errorf("ok %v, variables %+v; want %+v: %s", ok, closed.Variables, want, log)
	}
}

func TestPScalesOwnWordsAreInTheLogWhateverFails(t *testing.T) {
	opened, _, _ := run(t, deployed(production(), "feature/one"), "open", "feature/one", commit)
	for i, call := range opened.Calls {
		if !strings.HasPrefix(call, "pscale ") {
			continue
		}
		broken := deployed(production(), "feature/one")
		broken.Fail = i + 1
		if _, log, ok := run(t, broken, "open", "feature/one", commit); ok || !strings.Contains(log, "the service does not answer") {
			t.Errorf("%s fails: ok %v; want pscale's words in the log: %s", call, ok, log)
		}
	}
}

func TestCloseRemovesWhatItCanAndNamesWhatIsLeft(t *testing.T) {
	opened, _, _ := run(t, production(), "open", "feature/one", commit)
	closed, log, ok := run(t, opened, "close", "feature/one")
	if !ok {
		t.Fatalf("close failed: %s", log)
	}
	for i, call := range closed.Calls {
		broken := opened
		broken.Fail = i + 1
		after, log, ok := run(t, broken, "close", "feature/one")
		variable, branch := len(after.Variables) == len(opened.Variables), len(after.Branches) == len(opened.Branches)
		if ok || variable == branch || strings.Contains(log, "nothing is left") {
			t.Errorf("%s fails: ok %v, variable left %v, branch left %v; want one of them left: %s", call, ok, variable, branch, log)
		}
		if variable && !strings.Contains(log, "Vercel's dashboard") || branch && !strings.Contains(log, "pscale branch delete") {
			t.Errorf("%s fails: the log does not say how to remove what is left: %s", call, log)
		}
	}
}

// Package preview has the script that gives each pull request a database. It is
// tested here against stand-ins for what it calls.
package preview

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	commit    = "0123abc"
	gitBranch = "feature/one"
)

// production is there before the script runs, and must be there after it.
func production() cloud {
	return cloud{
		Clock:    1000,
		Branches: []dbBranch{{Name: "main", Production: true, Ready: true}, {Name: "add-index", Ready: true}},
		Variables: []variable{
			{ID: "id-0", Key: "DATABASE_URL", Value: "production's", Target: []string{"production"}},
			{ID: "id-1", Key: "DATABASE_URL", Value: "all previews'", Target: []string{"preview", "development"}},
			{ID: "id-2", Key: "DATABASE_URL", Value: "another branch's", Target: []string{"preview"}, GitBranch: "other"},
			{ID: "id-3", Key: "CLERK_SECRET_KEY", Value: "a key", Target: []string{"preview"}, GitBranch: gitBranch},
		},
		Deployments: []deployment{
			{URL: "live.example", Target: "production", CreatedAt: 950, Meta: meta(gitBranch, commit)},
			{URL: "theirs.example", CreatedAt: 960, Meta: meta("other", commit)},
		},
	}
}

func meta(gitBranch, commit string) map[string]string {
	return map[string]string{"githubCommitSha": commit, "githubCommitRef": gitBranch}
}

// deployed is production with Vercel's own deployments of the commit, from before the
// script.
func deployed(gitBranch string) cloud {
	c := production()
	c.Deployments = append(c.Deployments,
		deployment{URL: "first.example", CreatedAt: 900, Meta: meta(gitBranch, commit)},
		deployment{URL: "again.example", CreatedAt: 910, Meta: meta(gitBranch, commit)})
	return c
}

func mustRun(t *testing.T, c cloud, args ...string) (after cloud, log string) {
	t.Helper()
	after, log, ok := run(t, c, args...)
	if !ok {
		t.Fatalf("%s failed: %s", args, log)
	}
	return after, log
}

func opened(t *testing.T) cloud {
	t.Helper()
	c, _ := mustRun(t, deployed(gitBranch), "open", gitBranch, commit)
	return c
}

func same(a, b any) bool { return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b) }

// mustBeOpen fails the test unless the previews of the git branch, and they
// alone, have a database of their own.
func mustBeOpen(t *testing.T, c cloud, gitBranch string) {
	t.Helper()
	mustKeepProduction(t, c)
	if len(c.Branches) != 3 || len(c.Variables) != 5 {
		t.Fatalf("branches are %+v, variables %+v; want one of each besides production's", c.Branches, c.Variables)
	}
	b, set := c.Branches[2], c.Variables[4]
	if !regexp.MustCompile(`^preview-([a-z0-9]+-){1,13}[0-9a-f]{16}$|^preview-[0-9a-f]{16}$`).MatchString(b.Name) || len(b.Name) > 50 {
		t.Errorf("the branch is called %q; want lower case letters, digits and single dashes, not too many", b.Name)
	}
	if !b.Schema || len(b.Passwords) != 1 || b.Passwords[0].Role != "readwriter" || b.Passwords[0].Name != "preview" {
		t.Fatalf("the branch is %+v; want the schema in it and one password, which reads and writes", b)
	}
	if set.Value != b.Passwords[0].url() || set.GitBranch != gitBranch || !same(set.Target, []string{"preview"}) {
		t.Errorf("the variable is %+v; want this git branch's, with %s", set, b.Passwords[0].url())
	}
	newest := slices.MaxFunc(c.Deployments, func(a, b deployment) int {
		return cmp.Compare(of(a, gitBranch)*a.CreatedAt, of(b, gitBranch)*b.CreatedAt)
	})
	if of(newest, gitBranch) > 0 && newest.CreatedAt < set.UpdatedAt {
		t.Errorf("deployments are %+v; want this git branch's made again after the variable was set, at %d", c.Deployments, set.UpdatedAt)
	}
}

// of is 1 for a preview of the git branch, and 0 for another deployment.
func of(d deployment, gitBranch string) int {
	if d.Target == "" && d.Meta["githubCommitRef"] == gitBranch {
		return 1
	}
	return 0
}

func mustKeepProduction(t *testing.T, c cloud) {
	t.Helper()
	want := production()
	if len(c.Branches) < 2 || !same(c.Branches[:2], want.Branches) || len(c.Variables) < 4 || !same(c.Variables[:4], want.Variables) {
		t.Fatalf("branches are %+v, variables %+v; want those of production and others as they were", c.Branches, c.Variables)
	}
	for _, d := range c.Deployments {
		if of(d, "other")+len(d.Target) > 0 && strings.HasPrefix(d.URL, "again-") {
			t.Errorf("%+v was made again; want none of production or of another git branch", d)
		}
	}
}

func mustBeClosed(t *testing.T, c cloud) {
	t.Helper()
	if want := production(); !same(c.Branches, want.Branches) || !same(c.Variables, want.Variables) {
		t.Errorf("left are %+v, %+v; want what was there before", c.Branches, c.Variables)
	}
}

func TestAPullRequestGetsItsDatabaseAndLosesIt(t *testing.T) {
	first, log := mustRun(t, deployed(gitBranch), "open", gitBranch, commit)
	mustBeOpen(t, first, gitBranch)
	if name := first.Branches[2].Name; !strings.HasPrefix(name, "preview-feature-one-") {
		t.Errorf("the branch is called %q; want it to begin with preview-feature-one-", name)
	}
	if again := first.Deployments[len(first.Deployments)-1]; len(first.Deployments) != 5 {
		t.Errorf("made again was %+v; want the newest of this git branch, once", again)
	}
	// push's password is gone; it was hidden like the one that is there.
	if n := strings.Count(log, "::add-mask::p@"); n != 2 || strings.Count(log, "::add-mask::mysql://") != 2 {
		t.Errorf("the log is told to hide %d passwords; want two, and their addresses: %s", n, log)
	}

	// The next commit finds it all, and Vercel's own deployment of it is right.
	next := first.clone()
	next.Deployments = append(next.Deployments, deployment{URL: "second.example", CreatedAt: next.Clock + 1, Meta: meta(gitBranch, "4567def")})
	next.Clock += 2
	again, log := mustRun(t, next, "open", gitBranch, "4567def")
	if !same(again.Variables, first.Variables) || !same(again.Deployments, next.Deployments) {
		t.Errorf("variables %+v, deployments %+v; want the same as before: %s", again.Variables, again.Deployments, log)
	}
	mustBeOpen(t, again, gitBranch)
	for range 2 {
		again, _ = mustRun(t, again, "close", gitBranch)
		mustBeClosed(t, again)
	}
}

// looks are the calls that change nothing.
var looks = regexp.MustCompile(`^\S+ (\S+ )?(list|show) |--raw$`)

func TestAnyStepMayFailAndTheNextRunMendsIt(t *testing.T) {
	start, open := deployed(gitBranch), opened(t)
	closed, _ := mustRun(t, open, "close", gitBranch)
	for _, test := range []struct {
		action string
		from   cloud
		calls  []string
	}{
		{"open", start, open.calls},
		{"close", open, closed.calls},
	} {
		for i, words := range test.calls {
			for _, late := range []bool{false, true} {
				// A look that fails is the same early and late, and a late failure of
				// another call the harder one to mend.
				if late == looks.MatchString(words) && (late || test.action == "open") {
					continue
				}
				broken := test.from
				broken.fault = fault{fail: i + 1, late: late}
				failed, log, ok := run(t, broken, test.action, gitBranch, commit)
				if ok || len(failed.calls) <= i || !strings.Contains(log, "does not answer") && !strings.Contains(log, "the answer was lost") {
					t.Fatalf("ok %v when %q fails; want a failure, and the program's words: %s", ok, words, log)
				}
				mustKeepProduction(t, failed)
				variable, branch := len(failed.Variables) > 4, len(failed.Branches) > 2
				if test.action == "close" && !late && variable == branch {
					t.Errorf("variable left %v, branch left %v when %q fails; want one of them removed all the same: %s", variable, branch, words, log)
				}
				failed.fault = fault{}
				mended, _ := mustRun(t, failed, test.action, gitBranch, commit)
				if test.action == "open" {
					mustBeOpen(t, mended, gitBranch)
				} else {
					mustBeClosed(t, mended)
				}
			}
		}
	}
}

// only is what is there for the previews of a git branch and their newest commit,
// besides what was there before.
func only(c cloud, gitBranch, commit string) cloud {
	c = c.clone()
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(gitBranch)))[:16]
	c.Branches = slices.DeleteFunc(c.Branches, func(b dbBranch) bool {
		return strings.HasPrefix(b.Name, "preview-") && !strings.HasSuffix(b.Name, "-"+hash)
	})
	c.Variables = slices.DeleteFunc(c.Variables, func(v variable) bool { return strings.HasPrefix(v.ID, "env") && v.GitBranch != gitBranch })
	c.Deployments = slices.DeleteFunc(c.Deployments, func(d deployment) bool { return d.Meta["githubCommitSha"] != commit })
	return c
}

func TestWhateverComesInWhateverOrderNoDatabaseIsSharedOrLeft(t *testing.T) {
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv("WARBLE_SEED"), strconv.FormatUint(rand.Uint64(), 10)), 10, 64)
	if err != nil {
		t.Fatalf("WARBLE_SEED: %v", err)
	}
	fmt.Printf("preview: WARBLE_SEED=%d\n", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	gitBranches := []string{gitBranch, "Feature/One", "fix"}
	commits := map[string]string{}
	c := production()
	var steps []string
	defer func() {
		if t.Failed() {
			t.Logf("WARBLE_SEED=%d: %s", seed, strings.Join(steps[max(len(steps)-20, 0):], "; "))
		}
	}()

	step := func(action, gitBranch string, fail int) {
		c.fault = fault{fail: fail, late: random.IntN(2) == 0, kill: random.IntN(3) == 0}
		steps = append(steps, fmt.Sprintf("%s %s, %+v", action, gitBranch, c.fault))
		after, log, ok := run(t, c, action, gitBranch, commits[gitBranch])
		mustKeepProduction(t, after)
		for _, other := range gitBranches {
			if was, is := only(c, other, commits[other]), only(after, other, commits[other]); other != gitBranch &&
				(!same(was.Branches, is.Branches) || !same(was.Variables, is.Variables)) {
				t.Errorf("%s %s changed what %s has: %+v; want %+v", action, gitBranch, other, is, was)
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
		case action == "close" && !ok && !c.kill && (variable && !strings.Contains(log, "Vercel's dashboard") || branch && !strings.Contains(log, "pscale branch delete")):
			t.Errorf("close does not say how to remove what is left, variable %v, branch %v: %s", variable, branch, log)
		case fail == 0 && !ok:
			t.Errorf("%s fails, and nothing is broken: %s", action, log)
		}
		if t.Failed() {
			t.FailNow()
		}
		c = after
	}
	for i := range 50 {
		gitBranch := gitBranches[random.IntN(len(gitBranches))]
		fail := random.IntN(2) * (1 + random.IntN(20)) // where there is such a call
		switch random.IntN(7) {
		case 0, 1, 2: // a new commit, which Vercel deploys before the workflow runs
			commits[gitBranch] = fmt.Sprint("commit", i)
			c.Clock++
			c.Deployments = append(c.Deployments, deployment{URL: fmt.Sprintf("commit-%d.example", i), CreatedAt: c.Clock, Meta: meta(gitBranch, commits[gitBranch])})
			step("open", gitBranch, fail)
		case 3, 4: // somebody removes something by hand
			if len(c.Branches) == 2 {
				break
			}
			i, what := 2+random.IntN(len(c.Branches)-2), random.IntN(3)
			steps = append(steps, fmt.Sprintf("by hand: %s, %d", c.Branches[i].Name, what))
			switch {
			case what == 0:
				c.Branches = slices.Delete(c.Branches, i, i+1)
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

func TestHostileNamesAreOnlyNamesAndNoTwoShareADatabase(t *testing.T) {
	names := map[string]string{}
	for _, gitBranch := range []string{
		"$(touch${IFS}x)`touch x`;touch x;a&&touch x|touch x> x", `*"'"'"back\slash 100%s%n`, "MAIN",
		strings.Repeat("long/", 50), strings.Repeat("long/", 50) + "er", "a/b", "A-b-", "ä", "ö",
	} {
		open, _ := mustRun(t, deployed(gitBranch), "open", gitBranch, commit)
		mustBeOpen(t, open, gitBranch)
		name := open.Branches[2].Name
		if other, taken := names[name]; taken {
			t.Errorf("%s and %s share %s", gitBranch, other, name)
		}
		names[name] = gitBranch
	}
}

// Otherwise production, people's own things, or what a token may not see are taken for
// a preview's, or for nothing.
func TestWhatIsNotOursIsLeftAlone(t *testing.T) {
	open := opened(t)
	for name, test := range map[string]struct {
		change  func(*cloud)
		actions string
		branch  string // "" for the one that is open
		ok      bool
		words   string
	}{
		"production's git branch": {func(*cloud) {}, "open close", "main", true, "production's branch"},
		"a flag":                  {func(*cloud) {}, "open close", "-rf", false, "begins with a dash"},
		"no action":               {func(*cloud) {}, "reopen", "", false, "open or close"},
		"promoted to production":  {func(c *cloud) { c.Branches[2].Production, c.Variables = true, c.Variables[:4] }, "open close", "", false, "production branch"},
		"a token for no branch":   {func(c *cloud) { c.blind, c.Variables = true, c.Variables[:4] }, "open close", "", false, "read_branch"},
		"no list of variables":    {func(c *cloud) { c.noList, c.Branches[2].Production = true, true }, "close", "", false, "Vercel listed no variables"},
		"never ready":             {func(c *cloud) { c.neverReady, c.Branches[2].Ready = true, false }, "open", "", false, "not ready after ten minutes"},
		"passwords of people": {func(c *cloud) {
			theirs := []password{{ID: "theirs", Name: "preview of Ada's"}, {ID: "push", Name: "pushing by hand"}}
			for i := range 100 { // with which theirs and ours are more than a page
				theirs = append(theirs, password{ID: fmt.Sprint("theirs", i), Name: fmt.Sprint("laptop ", i)})
			}
			c.Branches[2].Passwords = append(theirs, c.Branches[2].Passwords...)
		}, "open", "", true, ""},
		"a variable of more than previews": {func(c *cloud) {
			c.Branches = c.Branches[:2]
			c.Variables[4] = variable{ID: "shared", Key: "DATABASE_URL", Value: "staging's", Target: []string{"preview", "production"}, GitBranch: gitBranch}
		}, "close", "", true, ""},
	} {
		for action := range strings.FieldsSeq(test.actions) {
			before := open.clone()
			test.change(&before)
			after, log, ok := run(t, before, action, cmp.Or(test.branch, gitBranch), commit)
			if ok != test.ok || !same(after.Branches, before.Branches) || !same(after.Variables, before.Variables) || !strings.Contains(log, test.words) {
				t.Errorf("%s, %s: ok %v, left %+v; want %v, all as it was and %q: %s", name, action, ok, after, test.ok, test.words, log)
			}
		}
	}
}

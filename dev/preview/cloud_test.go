package preview

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// cloud is what the stand-ins for pscale, vercel and make work on, and what
// they were called with. It lives in a file, since each call is a process.
type cloud struct {
	Calls       []string // the program and its arguments
	Fail        int      // the call that fails, counted from 1; 0 for none
	Late        bool     // it fails after it did what was asked
	Kill        bool     // the failure is the end of the script, as of a job that is cancelled
	RealVercel  bool     // vercel is the one of dev/npm, in front of a stand-in for Vercel's API
	Blind       bool     // PlanetScale's token may not read branches
	Branches    []dbBranch
	Variables   []variable
	Deployments []deployment
	Clock       int // milliseconds
}

type dbBranch struct {
	Name       string     `json:"name"`
	Production bool       `json:"production"`
	Ready      bool       `json:"ready"`
	Schema     bool       `json:"schema"`
	Passwords  []password `json:"passwords"`
}

type password struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Role  string `json:"role"`
	User  string `json:"username"`
	Plain string `json:"plain_text,omitempty"`
	Host  string `json:"access_host_url"`
}

func (p password) url() string {
	// The password of this cloud has an @ in it.
	return fmt.Sprintf("mysql://%s:%s@%s/warble?sslaccept=strict", p.User, strings.ReplaceAll(p.Plain, "@", "%40"), p.Host)
}

type variable struct {
	ID        string   `json:"id"`
	Key       string   `json:"key"`
	Value     string   `json:"value"`
	Target    []string `json:"target"`
	GitBranch string   `json:"gitBranch,omitempty"`
	UpdatedAt int      `json:"updatedAt"`
}

type deployment struct {
	URL       string            `json:"url"`
	Target    string            `json:"target,omitempty"`
	CreatedAt int               `json:"createdAt"`
	Meta      map[string]string `json:"meta"`
}

// cloudFile names the file in the environment of the stand-ins.
const cloudFile = "WARBLE_TEST_CLOUD"

// secretMark is in every secret of the cloud, and nowhere else.
const secretMark = "s3cret"

// standInProgram is this package's tests once more, built without the race detector:
// the script starts it a thousand times, and with the detector that takes four times
// as long.
var standInProgram string

// TestMain is also the stand-ins: the script finds standInProgram in its PATH under
// their names.
func TestMain(m *testing.M) {
	program, file := filepath.Base(os.Args[0]), os.Getenv(cloudFile)
	if program == "make" { // which has nothing of the environment but what it needs
		file = filepath.Join(os.Getenv("HOME"), "cloud.json")
	}
	if file != "" {
		err := standIn(file, program, os.Args[1:])
		switch {
		case err != nil && program == "pscale": // its errors are answers, on standard output
			json.NewEncoder(os.Stdout).Encode(map[string]any{"status": "error", "error": err.Error(), "issues": []any{}})
			os.Exit(2)
		case err != nil:
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "warble-preview-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	standInProgram = filepath.Join(dir, "stand-in")
	if output, err := exec.Command("go", "test", "-c", "-o", standInProgram, ".").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build the stand-in: %v\n%s", err, output))
	}
	return m.Run()
}

func read(file string) (c cloud, err error) {
	content, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(content, &c)
	}
	return c, err
}

func (c *cloud) write(file string) error {
	content, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}

func standIn(file, program string, args []string) error {
	if program == "sleep" {
		return nil
	}
	if program == "vercel" && os.Getenv("VERCEL_TOKEN") == "" {
		return errors.New("vercel: no token")
	}
	c, err := read(file)
	if err != nil {
		return err
	}
	save := func() error { return c.write(file) }

	c.Clock++
	c.Calls = append(c.Calls, strings.Join(append([]string{program}, args...), " "))
	failing := c.Fail == len(c.Calls)
	end := func() {
		if c.Kill {
			syscall.Kill(0, syscall.SIGKILL) // the script and this process
		}
	}
	if failing && !c.Late {
		err := save()
		end()
		return errors.Join(err, errors.New("stand-in: the service does not answer"))
	}
	answer, err := c.call(program, args)
	if failing && c.Kill && save() == nil {
		end()
	}
	if err == nil && failing {
		err = errors.New("stand-in: the answer was lost")
	}
	if err := errors.Join(err, save()); err != nil {
		return err
	}
	if answer != nil {
		return json.NewEncoder(os.Stdout).Encode(answer)
	}
	return nil
}

// call does what the program would, as far as the script may ask for it.
// Anything else is an error.
func (c *cloud) call(program string, args []string) (answer any, err error) {
	flag := func(name string) string {
		if i := slices.Index(args, name); i >= 0 && i+1 < len(args) {
			return args[i+1]
		}
		return ""
	}
	is := func(words ...string) bool {
		return len(args) >= len(words) && slices.Equal(args[:len(words)], words)
	}
	switch program {
	case "pscale":
		if flag("--org") != "acme" || flag("--format") != "json" || os.Getenv("PLANETSCALE_SERVICE_TOKEN") == "" {
			return nil, fmt.Errorf("pscale: no organization, format or token")
		}
		switch {
		case is("branch", "show", "warble"):
			b := c.branch(args[3])
			if b == nil || c.Blind {
				return nil, fmt.Errorf("branch %s does not exist in database warble (organization: acme)\n\nNote: You are using a service token for authentication. "+
					"If this resource exists, your service token may not have the required 'read_branch' permission to access it. Please check your service token permissions", args[3])
			}
			shown := *b
			b.Ready = true // by the next time
			return shown, nil
		case is("branch", "create", "warble"):
			if c.branch(args[3]) != nil || flag("--from") != "main" {
				return nil, fmt.Errorf("pscale: name has already been taken, or it is not from main")
			}
			c.Branches = append(c.Branches, dbBranch{Name: args[3]})
			return args[3], nil
		case is("branch", "delete", "warble"):
			b := c.branch(args[3])
			if b == nil || b.Production || !slices.Contains(args, "--force") {
				return nil, fmt.Errorf("pscale: cannot delete %s", args[3])
			}
			c.Branches = slices.DeleteFunc(c.Branches, func(b dbBranch) bool { return b.Name == args[3] })
			return nil, nil
		case len(args) > 3 && args[0] == "password" && args[2] == "warble":
			b := c.branch(args[3])
			if b == nil || b.Production || !b.Ready {
				return nil, fmt.Errorf("pscale: branch %s does not exist, is production or not ready", args[3])
			}
			switch args[1] {
			case "list":
				listed := []password{}
				for _, p := range b.Passwords {
					p.Plain = ""
					if strings.Contains(p.Name, flag("--name")) && len(listed) < 100 { // its page
						listed = append(listed, p)
					}
				}
				return listed, nil
			case "create":
				n := strconv.Itoa(c.Clock)
				p := password{"id" + n, args[4], flag("--role"), "user" + n, "p@" + secretMark + n, "db" + n + ".example"}
				b.Passwords = append(b.Passwords, p)
				return p, nil
			case "delete":
				before := len(b.Passwords)
				b.Passwords = slices.DeleteFunc(b.Passwords, func(p password) bool { return p.ID == args[4] })
				if len(b.Passwords) == before || !slices.Contains(args, "--force") {
					return nil, fmt.Errorf("pscale: cannot delete password %s", args[4])
				}
				return nil, nil
			}
		}
	case "make":
		for _, name := range []string{"PLANETSCALE_SERVICE_TOKEN", "PLANETSCALE_SERVICE_TOKEN_ID", "VERCEL_TOKEN", "GITHUB_TOKEN"} {
			if _, set := os.LookupEnv(name); set {
				return nil, fmt.Errorf("make: code that reads a pull request's file was given %s", name)
			}
		}
		stdin, _ := io.ReadAll(os.Stdin)
		for i, b := range c.Branches {
			for _, p := range b.Passwords {
				if p.url() == os.Getenv("DATABASE_URL") && p.Role == "admin" && string(stdin) == "yes\n" && !b.Production && args[len(args)-1] == "push" {
					c.Branches[i].Schema = true
					return nil, nil
				}
			}
		}
		return nil, fmt.Errorf("make: the database refuses the password, or nobody said yes")
	case "vercel":
		switch {
		case is("api", "/v10/projects/prj_1/env?teamId=team_1", "--raw"):
			listed := slices.Clone(c.Variables)
			for i := range listed {
				listed[i].Value = ""
			}
			return map[string]any{"envs": listed}, nil
		case is("api") && flag("-X") == "DELETE" && slices.Contains(args, "--dangerously-skip-permissions"):
			before := len(c.Variables)
			c.Variables = slices.DeleteFunc(c.Variables, func(v variable) bool {
				return v.ID != "" && args[1] == "/v9/projects/prj_1/env/"+v.ID+"?teamId=team_1"
			})
			if before-len(c.Variables) != 1 {
				return nil, fmt.Errorf("vercel: Environment Variable was not found")
			}
			return nil, nil
		case is("env", "add", "DATABASE_URL", "preview", "--git-branch") && slices.Contains(args, "--sensitive"):
			value, _ := io.ReadAll(os.Stdin)
			if slices.ContainsFunc(c.Variables, func(v variable) bool { return v.Key == "DATABASE_URL" && v.GitBranch == args[5] }) {
				return nil, fmt.Errorf("vercel: a variable with this name already exists")
			}
			c.Variables = append(c.Variables, variable{fmt.Sprintf("env%d", c.Clock), "DATABASE_URL", string(value), []string{"preview"}, args[5], c.Clock})
			return nil, nil
		case is("list", "--environment", "preview", "--meta"):
			listed := []deployment{}
			for _, d := range c.Deployments {
				if "githubCommitSha="+d.Meta["githubCommitSha"] == args[4] {
					listed = append(listed, d)
				}
			}
			return map[string]any{"deployments": listed}, nil
		case is("redeploy") && flag("--target") == "preview" && flag("--scope") == "team_1" && slices.Contains(args, "--no-wait"):
			i := slices.IndexFunc(c.Deployments, func(d deployment) bool { return d.URL == args[1] })
			if i < 0 {
				return nil, fmt.Errorf("vercel: no deployment %s", args[1])
			}
			again := c.Deployments[i]
			again.URL, again.CreatedAt = fmt.Sprintf("again-%d.example", c.Clock), c.Clock
			c.Deployments = append(c.Deployments, again)
			return nil, nil
		}
	}
	return nil, fmt.Errorf("%s: the stand-in does not know %q", program, args)
}

func (c *cloud) branch(name string) *dbBranch {
	for i := range c.Branches {
		if c.Branches[i].Name == name {
			return &c.Branches[i]
		}
	}
	return nil
}

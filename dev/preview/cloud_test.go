package preview

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// cloud is PlanetScale and Vercel, as far as pscale, vercel and make show them to the
// script, and what these were called with.
type cloud struct {
	Branches    []dbBranch
	Variables   []variable
	Deployments []deployment
	Clock       int // milliseconds

	calls []string // the program and its arguments
	mu    *sync.Mutex
	fault
}

// fault is what goes wrong in a run.
type fault struct {
	fail       int  // the call that fails, counted from 1; 0 for none
	late       bool // it fails after it did what was asked
	kill       bool // the failure is the end of the script, as of a job that is cancelled
	blind      bool // PlanetScale's token may not read branches
	neverReady bool // no branch becomes ready
	noList     bool // Vercel's API answers an error, and its program succeeds
}

func (c cloud) clone() cloud {
	c.Branches, c.Variables, c.Deployments, c.calls = slices.Clone(c.Branches), slices.Clone(c.Variables), slices.Clone(c.Deployments), nil
	c.mu = &sync.Mutex{} // vercel asks for several things at once
	for i := range c.Branches {
		c.Branches[i].Passwords = slices.Clone(c.Branches[i].Passwords)
	}
	return c
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

// secretMark is in every secret of the cloud, and nowhere else.
const secretMark = "s3cret"

// run is one call of a program.
func (c *cloud) run(args, environment []string, stdin string) (answer any, err error) {
	if args[0] == "sleep" {
		return nil, nil
	}
	c.Clock++
	c.calls = append(c.calls, strings.Join(args, " "))
	failing := c.fail == len(c.calls)
	if failing && !c.late {
		return nil, errors.New("the service does not answer")
	}
	answer, err = c.call(args, environment, stdin)
	if err == nil && failing {
		return nil, errors.New("the answer was lost")
	}
	return answer, err
}

// call does what the program would, as far as the script may ask for it.
// Anything else is an error.
func (c *cloud) call(args, environment []string, stdin string) (answer any, err error) {
	given := func(name string) bool {
		return slices.ContainsFunc(environment, func(pair string) bool { return strings.HasPrefix(pair, name+"=") })
	}
	switch program := args[0]; {
	case program == "pscale" && flag(args, "--org") == "acme" && flag(args, "--format") == "json" && given("PLANETSCALE_SERVICE_TOKEN"):
		return c.pscale(args)
	case program == "make" && args[len(args)-1] == "push" && !given("PLANETSCALE_SERVICE_TOKEN") && !given("VERCEL_TOKEN") && !given("GITHUB_ACTIONS"):
		for i, b := range c.Branches {
			for _, p := range b.Passwords {
				if slices.Contains(environment, "DATABASE_URL="+p.url()) && p.Role == "admin" && stdin == "yes\n" && !b.Production {
					c.Branches[i].Schema = true
					return nil, nil
				}
			}
		}
	case program == "vercel" && given("VERCEL_TOKEN"):
		return c.vercel(args, stdin)
	}
	return nil, fmt.Errorf("the stand-in refuses %q with %q", args, environment)
}

// flag is the value of a flag, or "".
func flag(args []string, name string) string {
	i := slices.Index(args, name)
	if i < 0 || i+1 == len(args) {
		return ""
	}
	return args[i+1]
}

func (c *cloud) pscale(args []string) (answer any, err error) {
	refused := fmt.Errorf("pscale refuses %q", args)
	if len(args) < 5 || args[3] != "warble" {
		return nil, refused
	}
	i := slices.IndexFunc(c.Branches, func(b dbBranch) bool { return b.Name == args[4] })
	forced := slices.Contains(args, "--force")
	switch command := args[1] + " " + args[2]; {
	case command == "branch show" && (i < 0 || c.blind):
		return nil, fmt.Errorf("branch %s does not exist in database warble (organization: acme)\n\nNote: You are using a service token for authentication. "+
			"If this resource exists, your service token may not have the required 'read_branch' permission to access it. Please check your service token permissions", args[4])
	case command == "branch show":
		shown := c.Branches[i]
		c.Branches[i].Ready = !c.neverReady // by the next time
		return shown, nil
	case command == "branch create" && i < 0 && flag(args, "--from") == "main":
		c.Branches = append(c.Branches, dbBranch{Name: args[4]})
		return args[4], nil
	case i < 0 || c.Branches[i].Production:
		return nil, refused
	case command == "branch delete" && forced:
		c.Branches = slices.Delete(c.Branches, i, i+1)
		return nil, nil
	case !c.Branches[i].Ready:
		return nil, refused
	}
	passwords := &c.Branches[i].Passwords
	switch args[1] + " " + args[2] {
	case "password list":
		listed := []password{}
		for _, p := range *passwords {
			p.Plain = ""
			if strings.Contains(p.Name, flag(args, "--name")) && len(listed) < 100 { // its page
				listed = append(listed, p)
			}
		}
		return listed, nil
	case "password create":
		n := strconv.Itoa(c.Clock)
		made := password{"id" + n, args[5], flag(args, "--role"), "user" + n, "p@" + secretMark + n, "db" + n + ".example"}
		if made.Role == "admin" && flag(args, "--ttl") == "" {
			return nil, refused // what a cancelled job leaves must end
		}
		*passwords = append(*passwords, made)
		return made, nil
	case "password delete":
		if i := slices.IndexFunc(*passwords, func(p password) bool { return p.ID == args[5] }); i >= 0 && forced {
			*passwords = slices.Delete(*passwords, i, i+1)
			return nil, nil
		}
	}
	return nil, refused
}

func (c *cloud) vercel(args []string, stdin string) (answer any, err error) {
	is := func(words string) bool { return strings.HasPrefix(strings.Join(args, " "), "vercel "+words) }
	switch {
	case is("api /v10/projects/prj_1/env?teamId=team_1 --raw") && c.noList:
		return map[string]any{"error": map[string]string{"message": "no such project"}}, nil
	case is("api /v10/projects/prj_1/env?teamId=team_1 --raw"):
		listed := slices.Clone(c.Variables)
		for i := range listed {
			listed[i].Value = ""
		}
		return map[string]any{"envs": listed}, nil
	case is("api /v9/projects/prj_1/env/") && flag(args, "-X") == "DELETE" && slices.Contains(args, "--dangerously-skip-permissions"):
		for i, v := range c.Variables {
			if is("api /v9/projects/prj_1/env/" + v.ID + "?teamId=team_1 ") {
				c.Variables = slices.Delete(c.Variables, i, i+1)
				return nil, nil
			}
		}
	case is("env add DATABASE_URL preview --git-branch ") && slices.Contains(args, "--sensitive"):
		gitBranch := flag(args, "--git-branch")
		if !slices.ContainsFunc(c.Variables, func(v variable) bool { return v.Key == "DATABASE_URL" && v.GitBranch == gitBranch }) {
			c.Variables = append(c.Variables, variable{fmt.Sprint("env", c.Clock), "DATABASE_URL", stdin, []string{"preview"}, gitBranch, c.Clock})
			return nil, nil
		}
	case is("list --environment preview --meta "):
		listed := []deployment{}
		for _, d := range c.Deployments {
			if "githubCommitSha="+d.Meta["githubCommitSha"] == flag(args, "--meta") {
				listed = append(listed, d)
			}
		}
		return map[string]any{"deployments": listed}, nil
	case is("redeploy ") && flag(args, "--target") == "preview" && flag(args, "--scope") == "team_1" && slices.Contains(args, "--no-wait"):
		for _, d := range c.Deployments {
			if d.URL == args[2] {
				d.URL, d.CreatedAt = fmt.Sprintf("again-%d.example", c.Clock), c.Clock
				c.Deployments = append(c.Deployments, d)
				return nil, nil
			}
		}
	}
	return nil, fmt.Errorf("vercel refuses %q", args)
}

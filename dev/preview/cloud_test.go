package preview

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// cloud is PlanetScale and Vercel, as far as their APIs show them to the script, and
// what goes wrong there.
type cloud struct {
	things map[string]thing // by address
	clock  int              // milliseconds
	calls  []string         // of the last run: method and address
	killed func()           // ends the script

	fail int  // the call that fails, counted from 1; 0 for none
	late bool // it does what was asked, and its answer breaks off
	kill bool // the script ends there, as when its job is cancelled
}

// thing is a branch, a password, a variable or a deployment.
type thing map[string]any

const (
	branches    = "api.planetscale.com/v1/organizations/acme/databases/warble/branches/"
	variables   = "api.vercel.com/v10/projects/prj_1/env/"
	deployments = "api.vercel.com/v6/deployments/"

	secretMark = "s3cret" // is in every secret, and nowhere else
)

// url is the DATABASE_URL with a password. In those of this cloud there is an @.
func url(password thing) string {
	user := strings.ReplaceAll(fmt.Sprintf("%s:%s", password["username"], password["plain_text"]), "@", "%40")
	return fmt.Sprintf("mysql://%s@db.example/warble?sslaccept=strict", user)
}

// list has the things that are so, the oldest first.
func (c *cloud) list(so func(at string, one thing) bool) []thing {
	listed := []thing{}
	for _, at := range slices.Sorted(maps.Keys(c.things)) {
		if so(at, c.things[at]) {
			listed = append(listed, c.things[at])
		}
	}
	return listed
}

// below lists what is at an address, without the field that is shown once.
func (c *cloud) below(address, once string) []thing {
	listed := c.list(func(at string, _ thing) bool { return strings.HasPrefix(at, address) })
	for i := range listed {
		listed[i] = maps.Clone(listed[i])
		delete(listed[i], once)
	}
	return listed
}

// put makes a thing, or changes some of its fields.
func (c *cloud) put(at string, fields thing) thing {
	changed := thing{}
	maps.Copy(changed, c.things[at])
	maps.Copy(changed, fields)
	c.things[at] = changed
	return changed
}

// deploy is what Vercel does with each commit that is pushed.
func (c *cloud) deploy(gitBranch, commit string) {
	c.clock++
	id, meta := fmt.Sprintf("%s/%d", commit, c.clock), thing{"githubCommitSha": commit, "githubCommitRef": gitBranch}
	c.put(deployments+id, thing{"uid": id, "name": "warble", "createdAt": c.clock, "meta": meta})
}

// ServeHTTP answers as the services do, and for make push, as the database does.
func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	c.clock++
	c.calls = append(c.calls, r.Method+" "+r.Host+r.URL.Path)
	failing := c.fail == len(c.calls)
	status, answer := http.StatusServiceUnavailable, any("try again later")
	if !failing || c.late {
		status, answer = c.answer(r, text)
	}
	if failing && c.kill {
		c.killed()
	}
	w.WriteHeader(status)
	if failing && c.late {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // the connection ends in the answer
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (c *cloud) answer(r *http.Request, text []byte) (status int, answer any) {
	tokens := map[string]string{"api.planetscale.com": "id:" + secretMark + "1", "api.vercel.com": "Bearer " + secretMark + "2"}
	get, post, asked := r.Method == "GET", r.Method == "POST", thing{}
	at := r.Host + strings.Replace(r.URL.Path, "/v9/", "/v10/", 1)
	all, id := at+"/", strconv.Itoa(c.clock)
	_ = json.Unmarshal(text, &asked) // make's is none
	name := fmt.Sprint(asked["name"])
	branch := c.things[strings.Split(at, "/passwords")[0]]
	switch _, exists := c.things[at]; {
	case r.Header.Get("Authorization") != tokens[r.Host] || r.Host == "api.vercel.com" && r.FormValue("teamId") != "team_1":
		return http.StatusForbidden, nil
	case r.Method == "DELETE" && exists && branch["production"] != true:
		maps.DeleteFunc(c.things, func(other string, _ thing) bool { return strings.HasPrefix(other+"/", all) })
		return http.StatusOK, nil
	case get && exists:
		defer c.put(at, thing{"ready": branch["stuck"] == nil}) // by the next time
		return http.StatusOK, c.things[at]
	case post && all == branches && same([]any{asked["parent_branch"], asked["cluster_size"]}, "[main PS_DEV]") && c.things[all+name] == nil:
		return http.StatusCreated, c.put(all+name, thing{"name": name, "production": false, "ready": false})
	case get && strings.HasSuffix(at, "/passwords"):
		page, _ := strconv.Atoi(r.FormValue("page"))
		listed, next := c.below(all, "plain_text")[(page-1)*100:], any(nil)
		if len(listed) > 100 {
			listed, next = listed[:100], page+1
		}
		return http.StatusOK, thing{"data": listed, "next_page": next}
	case post && strings.HasSuffix(at, "/passwords") && branch["ready"] == true && branch["production"] == false &&
		(asked["role"] == "admin") == (asked["ttl"] != nil): // what a cancelled job leaves must end
		if branch["mute"] == true {
			return http.StatusCreated, asked
		}
		asked["id"], asked["username"], asked["plain_text"], asked["access_host_url"] = id, "u@"+id, "p@"+secretMark+id, "db.example"
		return http.StatusCreated, c.put(all+id, asked)
	case get && all == variables:
		return http.StatusOK, thing{"envs": c.below(variables, "value")}
	case post && all == variables && asked["type"] == "sensitive":
		maps.Copy(asked, thing{"id": id, "updatedAt": c.clock})
		return http.StatusCreated, thing{"created": c.put(all+id, asked)}
	case get && all == deployments && r.FormValue("projectId") == "prj_1" && r.FormValue("target") == "preview":
		return http.StatusOK, thing{"deployments": c.below(deployments+r.FormValue("meta-githubCommitSha"), "")}
	case post && at == "api.vercel.com/v13/deployments" && r.FormValue("forceNew") == "1" && asked["target"] == nil:
		if old := c.things[deployments+fmt.Sprint(asked["deploymentId"])]; old != nil && name == "warble" {
			meta := old["meta"].(thing)
			c.deploy(fmt.Sprint(meta["githubCommitRef"]), fmt.Sprint(meta["githubCommitSha"]))
			return http.StatusOK, nil
		}
	case at == "make.example/": // make push, with its arguments, environment and input
		for at, p := range c.things {
			has := func(line string) bool { return slices.Contains(strings.Split(string(text), "\n"), line) }
			if p["role"] == "admin" && has("DATABASE_URL="+url(p)) && has("--no-print-directory push") && has("yes") &&
				strings.Count(string(text), secretMark) == 1 && !has("GITHUB_ACTIONS=true") {
				c.put(strings.Split(at, "/passwords")[0], thing{"schema": true})
				return http.StatusOK, nil
			}
		}
	}
	return http.StatusNotFound, nil
}

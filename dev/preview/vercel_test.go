package preview

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The other tests' jq and vercel are not CI's.
func TestTheProgramsOfCIDoWhatTheScriptAsks(t *testing.T) {
	const gitBranch = "feature/one & $(touch x) `*` \"'\\ 100%s"
	program, err := filepath.Abs("../npm/node_modules/.bin/vercel")
	if err == nil {
		_, err = os.Stat(program)
	}
	if err != nil {
		t.Fatalf("vercel's command line is missing: `make test` installs it: %v", err)
	}
	run := func(c *cloud, args ...string) (log string, ok bool) {
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c.mu.Lock()
			defer c.mu.Unlock()
			answer, err := c.vercelAPI(r)
			w.Header().Set("Content-Type", "application/json")
			if err != nil {
				w.WriteHeader(http.StatusNotFound)
				answer = map[string]any{"error": map[string]string{"code": "not_found", "message": err.Error()}}
			}
			json.NewEncoder(w).Encode(answer)
		}))
		defer api.Close()
		folder := t.TempDir()
		wrapper := fmt.Sprintf("#!/bin/sh\nVERCEL_TELEMETRY_DISABLED=1 NO_UPDATE_NOTIFIER=1 exec '%s' --api %s \"$@\"\n", program, api.URL)
		if err := os.WriteFile(filepath.Join(folder, "vercel"), []byte(wrapper), 0o700); err != nil {
			t.Fatal(err)
		}
		return c.runScript(t, folder, args...)
	}

	c := deployed(gitBranch).clone()
	if log, ok := run(&c, "open", gitBranch, commit); !ok {
		t.Fatalf("open failed: %s", log)
	}
	mustBeOpen(t, c, gitBranch)
	refused := c.clone()
	if log, ok := run(&c, "close", gitBranch); !ok {
		t.Fatalf("close failed: %s", log)
	}
	mustBeClosed(t, c)
	refused.noList = true
	log, ok := run(&refused, "close", gitBranch)
	if ok || !strings.Contains(log, "no such project") || !strings.Contains(log, "Vercel's dashboard") || len(refused.Branches) > 2 {
		t.Errorf("ok %v, branches %+v; want the branch removed, Vercel's words and what may be left: %s", ok, refused.Branches, log)
	}
}

// vercelAPI answers as Vercel's API, as far as vercel asks it for the script.
func (c *cloud) vercelAPI(r *http.Request) (answer any, err error) {
	var body struct {
		Type, Key, Value, GitBranch, DeploymentID string
		Target                                    []string
	}
	if r.Method == http.MethodPost {
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			return nil, err
		}
	}
	if r.Header.Get("Authorization") != "Bearer "+secretMark+"vercel" {
		return nil, errors.New("the token is missing")
	}
	team := map[string]string{"id": "team_1", "slug": "acme", "name": "Acme"}
	list := func(commit string) []map[string]any {
		found := []map[string]any{}
		for _, d := range c.Deployments {
			if commit == "" || d.Meta["githubCommitSha"] == commit {
				found = append(found, map[string]any{"id": d.URL, "uid": d.URL, "name": "warble", "url": d.URL, "target": d.Target, "created": d.CreatedAt,
					"createdAt": d.CreatedAt, "meta": d.Meta, "team": team, "projectId": "prj_1", "readyState": "READY", "state": "READY", "creator": map[string]string{"uid": "u", "username": "u"}})
			}
		}
		return found
	}
	c.Clock++
	switch path := r.URL.Path; r.Method + " " + path {
	case "GET /v2/user":
		return map[string]any{"user": map[string]string{"id": "u", "username": "u", "email": "u@example.com"}}, nil
	case "GET /teams/team_1":
		return team, nil
	case "GET /v1/teams":
		return map[string]any{"teams": []any{team}, "pagination": map[string]int{}}, nil
	case "GET /v9/projects/prj_1":
		return map[string]any{"id": "prj_1", "name": "warble", "accountId": "team_1", "link": map[string]string{"type": "github", "productionBranch": "main"}}, nil
	case "GET /projects/prj_1/custom-environments":
		return map[string]any{"environments": []any{}}, nil
	case "GET /v10/projects/prj_1/env":
		if c.noList {
			return nil, errors.New("no such project")
		}
		return c.vercel([]string{"vercel", "api", "/v10/projects/prj_1/env?teamId=team_1", "--raw"}, "")
	case "POST /v10/projects/prj_1/env":
		if body.Type != "sensitive" {
			return nil, fmt.Errorf("the variable is of type %s; want it sensitive", body.Type)
		}
		c.Variables = append(c.Variables, variable{fmt.Sprint("env", c.Clock), body.Key, body.Value, body.Target, body.GitBranch, c.Clock})
		return map[string]any{"created": map[string]any{}, "failed": []any{}}, nil
	case "GET /v6/deployments":
		return map[string]any{"deployments": list(r.URL.Query().Get("meta-githubCommitSha")), "pagination": map[string]int{"count": 1}}, nil
	case "POST /v13/deployments":
		_, err := c.vercel([]string{"vercel", "redeploy", body.DeploymentID, "--target", "preview", "--scope", "team_1", "--no-wait"}, "")
		return map[string]string{"id": "again", "url": "again.example", "name": "warble", "readyState": "QUEUED"}, err
	default:
		for _, d := range list("") {
			if path == fmt.Sprint("/v13/deployments/", d["id"]) {
				return d, nil
			}
		}
		return c.vercel([]string{"vercel", "api", r.URL.String(), "-X", r.Method, "--dangerously-skip-permissions"}, "")
	}
}

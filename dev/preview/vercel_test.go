package preview

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// realVercel is a program that runs the vercel of dev/npm, with an API that works
// on the cloud in a file.
func realVercel(t *testing.T, file string) (script string) {
	t.Helper()
	program, err := filepath.Abs("../npm/node_modules/.bin/vercel")
	if err == nil {
		_, err = os.Stat(program)
	}
	if err != nil {
		t.Fatalf("vercel's command line is missing: `make test` installs it: %v", err)
	}
	var mu sync.Mutex // vercel asks for several things at once
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "+secretMark) {
			t.Errorf("%s %s is asked for without the token", r.Method, r.URL)
		}
		c, err := read(file)
		var answer any
		if err == nil {
			answer, err = c.vercelAPI(r)
		}
		if err == nil {
			err = c.write(file)
		}
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			w.WriteHeader(http.StatusNotFound)
			answer = map[string]any{"error": map[string]string{"code": "not_found", "message": err.Error()}}
		}
		json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(api.Close)
	return fmt.Sprintf("#!/bin/sh\nVERCEL_TELEMETRY_DISABLED=1 NO_UPDATE_NOTIFIER=1 exec '%s' --api %s \"$@\"\n", program, api.URL)
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
		if c.Variables == nil {
			return nil, fmt.Errorf("The stand-in has no project")
		}
		return c.call("vercel", []string{"api", "/v10/projects/prj_1/env?teamId=team_1", "--raw"})
	case "POST /v10/projects/prj_1/env":
		if body.Type != "sensitive" {
			return nil, fmt.Errorf("the variable is of type %s; want it sensitive", body.Type)
		}
		c.Variables = append(c.Variables, variable{fmt.Sprintf("env%d", c.Clock), body.Key, body.Value, body.Target, body.GitBranch, c.Clock})
		return map[string]any{"created": map[string]any{}, "failed": []any{}}, nil
	case "GET /v6/deployments":
		return map[string]any{"deployments": list(r.URL.Query().Get("meta-githubCommitSha")), "pagination": map[string]int{"count": 1}}, nil
	case "POST /v13/deployments":
		_, err := c.call("vercel", []string{"redeploy", body.DeploymentID, "--target", "preview", "--scope", "team_1", "--no-wait"})
		return map[string]string{"id": "again", "url": "again.example", "name": "warble", "readyState": "QUEUED"}, err
	default:
		for _, d := range list("") {
			if path == fmt.Sprint("/v13/deployments/", d["id"]) {
				return d, nil
			}
		}
		if r.Method == http.MethodDelete {
			return c.call("vercel", []string{"api", r.URL.String(), "-X", "DELETE", "--dangerously-skip-permissions"})
		}
		return nil, fmt.Errorf("the stand-in does not know %s %s", r.Method, r.URL)
	}
}

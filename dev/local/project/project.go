// Package project finds the repository and reads its .env.local, for the commands that
// run on a developer's machine.
package project

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/joho/godotenv"

	"warble/lib/problem"
)

// Root returns the nearest folder, from the working directory upwards, that has
// a vercel.json.
func Root() (string, error) {
	dir, err := os.Getwd()
	for up := ""; err == nil && up != dir; dir, up = filepath.Dir(dir), dir {
		if _, err := os.Stat(filepath.Join(dir, "vercel.json")); err == nil {
			return dir, nil
		}
	}
	return "", cmp.Or(err, errors.New("there is no vercel.json here or above: run it in the repository"))
}

// fromFile are the variables that LoadEnv took from .env.local.
var fromFile []string

// LoadEnv adds what .env.local says to the environment. A variable that is set
// already, also to nothing, stays as it is. A value that cannot be meant is an
// error: one of .env.example, or what `vercel env pull` writes for a secret.
func LoadEnv(root string) error {
	values, err := godotenv.Read(filepath.Join(root, ".env.local"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return errors.New("read .env.local: it has a line that is not NAME=value") // err quotes the file, secrets and all
	}
	examples, _ := godotenv.Read(filepath.Join(root, ".env.example")) // none where it is missing
	var unset, secret []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values[name]
		if _, set := os.LookupEnv(name); set {
			continue
		}
		switch {
		case value == "[SENSITIVE]":
			secret = append(secret, name)
		case value != "" && value == examples[name] && strings.ContainsAny(value, ".@"):
			unset = append(unset, name)
		default:
			fromFile = append(fromFile, name)
			os.Setenv(name, value)
		}
	}
	if unset != nil {
		return fmt.Errorf(".env.local has the values of .env.example for %s: put yours in their place, or remove these lines to run without accounts", strings.Join(unset, ", "))
	}
	if secret != nil {
		return fmt.Errorf(".env.local has [SENSITIVE] for %s: `vercel env pull` cannot read secrets. Copy the values from the dashboards of Clerk and PlanetScale, or remove these lines to run without accounts", strings.Join(secret, ", "))
	}
	return nil
}

// Source says where a variable was set, for messages: ".env.local" or "the
// environment".
func Source(name string) string {
	if slices.Contains(fromFile, name) {
		return ".env.local"
	}
	return "the environment"
}

// Here is a problem of a variable as it is said on a developer's machine: with where
// the variable is set, and nothing of a deployment.
func Here(err error) error {
	if wrong, ok := errors.AsType[*problem.Misconfiguration](err); ok {
		return fmt.Errorf("%s in %s %s: %s", wrong.Variable, Source(wrong.Variable), wrong.Wrong, wrong.Advice)
	}
	return err
}

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"warble/dev/local/fakeclerk"
	"warble/dev/local/project"
	"warble/lib/clerkapi"
	"warble/lib/env"
)

// clerk is the Clerk instance in use.
type clerk struct {
	local        *fakeclerk.Clerk // nil for an instance of Clerk's own
	proxyURL     string           // where the page finds its Frontend API; "" for where the key says
	what, signIn string           // for the banner
}

// startClerk uses the instance that the environment names, or puts a local one
// in its place and names that in the environment.
func startClerk(ctx context.Context, root, origin string, folder *folder) (clerk, error) {
	configured, err := checkClerkKeys()
	if err != nil {
		return clerk{}, err
	}
	if configured {
		return clerk{what: "the instance of CLERK_PUBLISHABLE_KEY", signIn: "Sign in as a user of that instance."}, nil
	}
	scripts := filepath.Join(root, "dev", fakeclerk.ScriptsFolder)
	if err := fakeclerk.FetchScripts(ctx, scripts); err != nil {
		return clerk{}, err
	}
	local := fakeclerk.New(fakeclerk.Config{Origin: origin, Scripts: scripts})
	if _, err := folder.keep("people.json", local); err != nil {
		return clerk{}, err
	}
	environment := local.Env()
	delete(environment, "CLERK_AUTHORIZED_PARTIES") // the origin that a request comes to is ours
	for name, value := range environment {
		os.Setenv(name, value)
	}
	var names []string
	for _, person := range fakeclerk.People {
		names = append(names, person.Username)
	}
	return clerk{
		local:    local,
		proxyURL: fakeclerk.Prefix,
		what:     "local, under /__clerk (the real ClerkJS, a stand-in for its API)",
		signIn:   fmt.Sprintf("Sign in as %s; the password is %s", strings.Join(names, ", "), fakeclerk.Password),
	}, nil
}

// checkClerkKeys tells whether Clerk's keys are set. Its error is that one of the two
// is missing, or what is wrong with it.
func checkClerkKeys() (configured bool, err error) {
	name, publishable, _ := env.Read("CLERK_PUBLISHABLE_KEY", "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY")
	set, missing := name, "CLERK_SECRET_KEY"
	switch secret := env.Get(missing); {
	case publishable == "" && secret == "":
		return false, nil
	case publishable == "":
		set, missing = missing, "CLERK_PUBLISHABLE_KEY"
		fallthrough
	case secret == "":
		return false, fmt.Errorf("%s is set in %s, %s is not: set both to use that Clerk instance, or neither for a local one", set, project.Source(set), missing)
	}
	if _, err := clerkapi.FrontendHost(); err != nil {
		return false, project.Here(err)
	}
	_, err = clerkapi.SecretKey()
	return err == nil, project.Here(err)
}
